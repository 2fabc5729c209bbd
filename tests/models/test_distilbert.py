"""The model against transformers' own numbers, and the surface the article uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from finesweep import TFDistilBertForSequenceClassification
from finesweep.errors import CheckpointError
from finesweep.models import DistilBertConfig
from finesweep.models.outputs import SequenceClassifierOutput
from finesweep.models.weights import weight_table
from finesweep.training.step import TrainStep

Golden = dict[str, Any]


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path) -> TFDistilBertForSequenceClassification:
    return TFDistilBertForSequenceClassification.from_pretrained(tiny_checkpoint)


def inputs_of(golden: Golden) -> dict[str, Any]:
    return {name: golden[name] for name in ("input_ids", "attention_mask")}


def test_logits_equal_those_of_transformers(
    model: TFDistilBertForSequenceClassification, golden: Golden
) -> None:
    output = model.predict(inputs_of(golden), verbose=0)
    np.testing.assert_allclose(output.logits, golden["logits"], atol=1e-4)
    assert np.abs(golden["logits"]).max() > 0.1


def test_gradients_without_dropout_equal_those_of_torch(
    model: TFDistilBertForSequenceClassification, golden: Golden
) -> None:
    step = TrainStep(model)
    loss, gradients = step.loss_and_gradients(
        golden["input_ids"], golden["attention_mask"], golden["labels"], training=False
    )
    assert float(loss) == pytest.approx(float(golden["loss"][0]), abs=1e-5)
    compared = 0
    for entry, gradient in zip(weight_table(model.config), gradients, strict=True):
        for name, ours in entry.to_tensors(tf.convert_to_tensor(gradient).numpy()).items():
            np.testing.assert_allclose(ours, golden[f"gradient/{name}"], atol=1e-4, err_msg=name)
            compared += 1
    assert compared == sum(name.startswith("gradient/") for name in golden)


def test_tokens_behind_the_mask_change_nothing(
    model: TFDistilBertForSequenceClassification, golden: Golden
) -> None:
    inputs = inputs_of(golden)
    noise = np.where(inputs["attention_mask"] == 0, 7, inputs["input_ids"])
    masked = model.predict({**inputs, "input_ids": noise}, verbose=0).logits
    np.testing.assert_allclose(masked, golden["logits"], atol=1e-4)
    short = inputs["input_ids"][:1, :3]
    np.testing.assert_allclose(model.predict(short, verbose=0)[0], golden["logits"][:1], atol=1e-4)


def test_dropout_is_where_theirs_is(tiny_checkpoint: Path) -> None:
    """Embeddings, attention weights, feed-forward outputs and the pooled vector; nowhere else."""
    model = TFDistilBertForSequenceClassification.from_pretrained(tiny_checkpoint)
    config = model.config
    assert model.embeddings.dropout.rate == config.dropout == 0.1
    for block in model.blocks:
        assert block.attention.dropout.rate == config.attention_dropout == 0.1
        assert block.dropout.rate == config.dropout
    assert model.head.dropout.rate == config.seq_classif_dropout == 0.2
    ids = np.array([[2, 40, 41, 3]])
    still = [model(ids, training=False).logits.numpy() for _ in range(2)]
    moved = [model(ids, training=True).logits.numpy() for _ in range(2)]
    np.testing.assert_array_equal(still[0], still[1])
    assert np.abs(moved[0] - moved[1]).max() > 1e-3


def test_dropout_keeps_the_expected_value() -> None:
    from finesweep.models.layers import Dropout

    layer = Dropout(0.2, keras.random.SeedGenerator(0))
    dropped = layer(np.ones((200, 200), dtype="float32"), training=True).numpy()
    assert dropped.mean() == pytest.approx(1.0, abs=0.02)
    assert (dropped == 0.0).mean() == pytest.approx(0.2, abs=0.01)


def test_save_and_load_keeps_every_number(
    model: TFDistilBertForSequenceClassification, golden: Golden, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path / "saved")
    loaded = TFDistilBertForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert loaded.config == model.config
    for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    written = {path.name for path in (tmp_path / "saved").iterdir()}
    assert written == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    }


def test_saving_over_the_directory_it_came_from(tiny_copy: Path) -> None:
    model = TFDistilBertForSequenceClassification.from_pretrained(tiny_copy)
    model.save_pretrained(tiny_copy)
    again = TFDistilBertForSequenceClassification.from_pretrained(tiny_copy)
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize(
    "loss",
    [
        None,
        "own",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ],
    ids=["no loss", "model.compute_loss", "a Keras loss"],
)
def test_fit_learns_with_every_way_to_give_the_loss(
    tiny_checkpoint: Path, golden: Golden, loss: Any
) -> None:
    model = TFDistilBertForSequenceClassification.from_pretrained(tiny_checkpoint, seed=0)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=1e-2),
        loss=model.compute_loss if loss == "own" else loss,
        metrics=["accuracy"],
    )
    data = tf.data.Dataset.from_tensor_slices((inputs_of(golden), golden["labels"]))
    history = model.fit(
        data.shuffle(100).batch(2),
        epochs=15,
        batch_size=2,
        validation_data=data.batch(2),
        verbose=0,
    ).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert history["val_accuracy"][-1] == 1.0


def test_a_categorical_loss_on_logits_works_too(tiny_checkpoint: Path, golden: Golden) -> None:
    model = TFDistilBertForSequenceClassification.from_pretrained(tiny_checkpoint)
    model.compile(optimizer="adam", loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    one_hot = np.eye(3, dtype="float32")[golden["labels"]]
    measured = model.evaluate(inputs_of(golden), one_hot, verbose=0)
    assert measured == pytest.approx(float(golden["loss"][0]), abs=1e-4)


def test_labels_inside_the_inputs_as_transformers_4_took_them(
    tiny_checkpoint: Path, golden: Golden
) -> None:
    model = TFDistilBertForSequenceClassification.from_pretrained(tiny_checkpoint)
    model.compile(optimizer="adam")
    data = tf.data.Dataset.from_tensors({**inputs_of(golden), "labels": golden["labels"]})
    measured = model.evaluate(data, verbose=0)
    assert measured == pytest.approx(float(golden["loss"][0]), abs=1e-4)
    assert float(model.compute_loss(golden["labels"], golden["logits"])) == pytest.approx(measured)


def test_predict_takes_what_a_tokenizer_returns(
    model: TFDistilBertForSequenceClassification, tiny_checkpoint: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint)
    sentence = "the mayor will win the city"
    ids = tokenizer.encode(sentence, truncation=True)
    expected = model.predict(np.array([ids]), verbose=0)
    assert isinstance(expected, SequenceClassifierOutput)
    assert expected.logits is expected[0]
    assert expected.logits.shape == (1, 3)
    for given in (
        ids,
        tokenizer.encode(sentence, truncation=True, return_tensors="np"),
        tf.constant([ids]),
        tokenizer(sentence),
        dict(tokenizer([sentence], padding=True)),
    ):
        np.testing.assert_allclose(model.predict(given, verbose=0)[0], expected[0], atol=1e-6)


def test_a_new_number_of_labels_needs_a_word_and_gets_a_new_head(tiny_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="classifier.*ignore_mismatched_sizes=True"):
        TFDistilBertForSequenceClassification.from_pretrained(tiny_checkpoint, num_labels=5)
    one, two = (
        TFDistilBertForSequenceClassification.from_pretrained(
            tiny_checkpoint, num_labels=5, ignore_mismatched_sizes=True, seed=3
        )
        for _ in range(2)
    )
    assert one.config.id2label == {label: f"LABEL_{label}" for label in range(5)}
    kernel = one.head.classifier.kernel.numpy()
    assert kernel.shape == (16, 5)
    np.testing.assert_array_equal(kernel, two.head.classifier.kernel.numpy())


def test_a_transformers_config_builds_the_same_geometry() -> None:
    from transformers import DistilBertConfig as TheirConfig

    theirs = TheirConfig(vocab_size=50, dim=8, n_heads=2, n_layers=1, hidden_dim=16, num_labels=4)
    model = TFDistilBertForSequenceClassification(theirs)
    assert model.config == DistilBertConfig(
        vocab_size=50,
        dim=8,
        n_heads=2,
        n_layers=1,
        hidden_dim=16,
        id2label={label: f"LABEL_{label}" for label in range(4)},
    )
    assert model.num_labels == 4


def test_keras_can_build_it_again(model: TFDistilBertForSequenceClassification) -> None:
    again = TFDistilBertForSequenceClassification.from_config(model.get_config())
    assert again.config == model.config
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]


def test_bfloat16_computes_near_float32(tiny_checkpoint: Path, golden: Golden) -> None:
    model = TFDistilBertForSequenceClassification.from_pretrained(
        tiny_checkpoint, dtype="mixed_bfloat16"
    )
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    logits = model.predict(inputs_of(golden), verbose=0).logits
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, golden["logits"], atol=0.3)


def test_more_tokens_than_positions_say_what_to_do(
    model: TFDistilBertForSequenceClassification,
) -> None:
    with pytest.raises(
        ValueError, match="at most 64 tokens.*received 65; tokenize with truncation"
    ):
        model.predict(np.ones((1, 65), dtype="int32"), verbose=0)


def test_a_diverged_encoder_shows_in_the_logits(tiny_checkpoint: Path) -> None:
    model = TFDistilBertForSequenceClassification.from_pretrained(tiny_checkpoint)
    table = model.get_layer("embeddings").position_table
    table.assign(np.full(table.shape, np.nan))
    assert np.isnan(model.predict(np.full((2, 50), 20, np.int32), verbose=0).logits).all()
