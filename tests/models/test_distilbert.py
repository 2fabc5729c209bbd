"""The model against transformers' own numbers, and the surface the article uses."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from finesweep import TFDistilBertForSequenceClassification
from finesweep.errors import CheckpointError
from finesweep.models import DistilBertConfig
from finesweep.models.config import LAYER_NORM_EPSILON
from finesweep.models.functional import attention_weights, gelu, layer_norm
from finesweep.models.layers import Dropout, TransformerBlock
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


@pytest.mark.parametrize("training", [False, True])
def test_gradients_without_dropout_equal_those_of_torch(
    without_dropout: Path, golden: Golden, training: bool
) -> None:
    """In both modes: a training step goes through the GELU whose derivative is written down."""
    model = TFDistilBertForSequenceClassification.from_pretrained(without_dropout)
    step = TrainStep(model)
    loss, gradients = step.loss_and_gradients(
        golden["input_ids"], golden["attention_mask"], golden["labels"], training=training
    )
    assert float(loss) == pytest.approx(float(golden["loss"][0]), abs=1e-5)
    compared = 0
    for entry, gradient in zip(weight_table(model.config), gradients, strict=True):
        for name, ours in entry.to_tensors(tf.convert_to_tensor(gradient).numpy()).items():
            np.testing.assert_allclose(ours, golden[f"gradient/{name}"], atol=1e-4, err_msg=name)
            compared += 1
    assert compared == sum(name.startswith("gradient/") for name in golden)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("bfloat16", 2e-2)])
def test_our_gelu_and_its_derivative_are_the_exact_ones(dtype: str, tolerance: float) -> None:
    x = tf.cast(tf.linspace(-6.0, 6.0, 400), dtype)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        ours = gelu(x)
        exact = tf.nn.gelu(tf.cast(x, "float32"), approximate=False)
    for mine, theirs in ((ours, exact), (tape.gradient(ours, x), tape.gradient(exact, x))):
        assert mine.dtype == x.dtype
        np.testing.assert_allclose(
            tf.cast(mine, "float32"), tf.cast(theirs, "float32"), atol=tolerance
        )


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 4e-2)])
def test_our_layer_norm_and_its_gradient_are_those_of_the_formula(
    dtype: str, tolerance: float
) -> None:
    """Against the formula in float64, left to automatic differentiation."""
    rng = np.random.default_rng(0)
    x = tf.cast(rng.normal(loc=2.0, scale=3.0, size=(7, 24)), dtype)
    scale, shift = tf.constant(rng.normal(size=(2, 24)), "float32")
    upstream = tf.cast(rng.normal(size=x.shape), dtype)
    exactly = [tf.cast(tensor, "float64") for tensor in (x, scale, shift, upstream)]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, scale, shift, *exactly])
        ours = layer_norm(x, scale, shift)
        mean, variance = tf.nn.moments(exactly[0], axes=[1], keepdims=True)
        normal = (exactly[0] - mean) / tf.sqrt(variance + LAYER_NORM_EPSILON)
        exact = normal * exactly[1] + exactly[2]
    gradients = tape.gradient(ours, [x, scale, shift], output_gradients=upstream)
    expected = tape.gradient(exact, exactly[:3], output_gradients=exactly[3])
    assert [g.dtype.name for g in (ours, *gradients)] == [dtype, dtype, "float32", "float32"]
    for mine, theirs in zip([ours, *gradients], [exact, *expected], strict=True):
        np.testing.assert_allclose(tf.cast(mine, "float64"), theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("bfloat16", 1e-2)])
def test_our_attention_weights_and_their_gradient_are_those_of_the_formula(
    dtype: str, tolerance: float
) -> None:
    """Against the formula in float64, left to automatic differentiation."""
    rng = np.random.default_rng(0)
    scores = tf.cast(rng.normal(scale=2.0, size=(2, 3, 4, 5)), dtype)
    visible = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool).reshape(2, 1, 1, 5)
    upstream = tf.cast(rng.normal(size=scores.shape), dtype)
    wide = tf.cast(scores, "float64")
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([scores, wide])
        ours = attention_weights(scores, visible)
        powers = tf.exp(wide) * visible.astype("float64")
        exact = powers / tf.reduce_sum(powers, axis=-1, keepdims=True)
    gradient = tape.gradient(ours, scores, output_gradients=upstream)
    expected = tape.gradient(exact, wide, output_gradients=tf.cast(upstream, "float64"))
    assert not np.any(tf.where(visible, tf.zeros_like(gradient), gradient))
    for mine, theirs in ((ours, exact), (gradient, expected)):
        assert mine.dtype == scores.dtype
        np.testing.assert_allclose(tf.cast(mine, "float64"), theirs, atol=tolerance)


def test_a_text_with_every_token_behind_the_mask_passes_no_gradient_to_its_scores() -> None:
    rng = np.random.default_rng(0)
    scores, upstream = tf.constant(rng.normal(size=(2, 2, 1, 3, 3)), "float32")
    visible = np.array([[1, 1, 0], [0, 0, 0]], bool).reshape(2, 1, 1, 3)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        weights = attention_weights(scores, visible)
    some, none = tape.gradient(weights, scores, output_gradients=upstream)
    assert np.any(some)
    assert not np.any(none)


def test_tokens_behind_the_mask_change_nothing(
    model: TFDistilBertForSequenceClassification, golden: Golden
) -> None:
    inputs = inputs_of(golden)
    noise = np.where(inputs["attention_mask"] == 0, 7, inputs["input_ids"])
    masked = model.predict({**inputs, "input_ids": noise}, verbose=0).logits
    np.testing.assert_allclose(masked, golden["logits"], atol=1e-4)
    short = inputs["input_ids"][:1, :3]
    np.testing.assert_allclose(model.predict(short, verbose=0)[0], golden["logits"][:1], atol=1e-4)


def one_block(**rates: float) -> TFDistilBertForSequenceClassification:
    """One layer, whose dropouts are 0 where no rate is given."""
    none: dict[str, Any] = dict.fromkeys(
        ("dropout", "attention_dropout", "seq_classif_dropout"), 0.0
    )
    config = DistilBertConfig(
        vocab_size=30, dim=8, n_layers=1, n_heads=2, hidden_dim=16, **{**none, **rates}
    )
    return TFDistilBertForSequenceClassification(config, seed=1)


@pytest.mark.parametrize(
    ("rate", "moved"),
    [
        ("dropout", {"embeddings", "block"}),
        ("attention_dropout", {"block"}),
        ("seq_classif_dropout", {"head"}),
        (None, set()),
    ],
)
def test_dropout_is_where_theirs_is(rate: str | None, moved: set[str]) -> None:
    """Embeddings and feed-forward share a rate; attention and the pooled vector have others."""
    model = one_block(**({rate: 0.9} if rate else {}))
    ids = np.array([[2, 7, 8, 3]])
    hidden = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    visible = np.ones((1, 1, 1, 4), dtype=bool)
    parts: dict[str, Callable[[bool], Any]] = {
        "embeddings": lambda training: model.embeddings(ids, training=training),
        "block": lambda training: model.blocks[0](hidden, visible, training=training),
        "head": lambda training: model.head(hidden, training=training),
    }
    different = {
        name
        for name, part in parts.items()
        if np.abs(part(True).numpy() - part(False).numpy()).max() > 1e-4
    }
    assert different == moved


def test_dropout_of_the_feed_forward_output_spares_the_residual() -> None:
    block = one_block(dropout=0.999999).blocks[0]
    hidden = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    visible = np.ones((1, 1, 1, 4), dtype=bool)
    attended = block.attention_norm(block.attention(hidden, visible) + hidden)
    expected = block.output_norm(attended)
    np.testing.assert_allclose(block(hidden, visible, training=True), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(200, 200), (3, 7, 1001)], ids=["words", "part of a word"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0.01), ("bfloat16", 0.02)])
def test_dropout_keeps_the_expected_value(
    shape: tuple[int, ...], dtype: str, tolerance: float
) -> None:
    layer = Dropout(0.2, keras.random.SeedGenerator(0), dtype=dtype)
    dropped = np.asarray(layer(np.ones(shape, dtype="float32"), training=True), dtype="float32")
    assert dropped.shape == shape
    assert dropped.mean() == pytest.approx(1.0, abs=tolerance)
    assert (dropped == 0.0).mean() == pytest.approx(0.2, abs=0.01)


def test_dropout_draws_anew_each_time_and_again_from_the_same_state() -> None:
    seeds = keras.random.SeedGenerator(5)
    layer = Dropout(0.5, seeds)
    ones = np.ones((64, 64), dtype="float32")
    before = seeds.state.numpy()
    first, second = layer(ones, training=True).numpy(), layer(ones, training=True).numpy()
    assert 0.4 < (first == second).mean() < 0.6
    seeds.state.assign(before)
    np.testing.assert_array_equal(layer(ones, training=True), first)


def a_block_whose_attention_counts(**rates: float) -> TransformerBlock:
    """A new model's biases are 0 and its kernels small: what a sum lacks would not be missed."""
    block = one_block(**rates).blocks[0]
    drawn = np.random.default_rng(1)
    for weight in block.attention.trainable_variables:
        weight.assign(drawn.normal(size=weight.shape))
    return block


def test_the_last_layer_computes_the_first_token_as_if_it_computed_all() -> None:
    block = a_block_whose_attention_counts()
    hidden = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")
    visible = np.array([[1, 1, 1], [1, 1, 0]], dtype=bool)[:, None, None]
    every = np.reshape(block(hidden, visible), (2, 3, 8))
    first = block(hidden, visible, first_only=True)
    np.testing.assert_allclose(first, every[:, 0], atol=1e-6)


def test_the_last_layer_drops_attention_as_if_it_computed_all() -> None:
    """Texts of one token: both ways draw the same numbers, and a head is dropped whole or not."""
    block = a_block_whose_attention_counts(attention_dropout=0.5)
    hidden = np.random.default_rng(0).normal(size=(20, 8)).astype("float32")
    visible = np.ones((20, 1, 1, 1), dtype=bool)
    state = block.dropout.seeds.state
    before = state.numpy()
    every = block(hidden, visible, training=True)
    state.assign(before)
    first = block(hidden, visible, training=True, first_only=True)
    np.testing.assert_allclose(first, every, atol=1e-6)
    assert np.abs(block(hidden, visible) - every).max() > 0.1


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
    without_dropout: Path, golden: Golden, loss: Any
) -> None:
    model = TFDistilBertForSequenceClassification.from_pretrained(without_dropout)
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
    assert history["val_accuracy"][-1] >= 0.75


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


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64", "mixed_float16"])
def test_every_dtype_that_keras_has_computes(
    dtype: str, tiny_checkpoint: Path, golden: Golden
) -> None:
    model = TFDistilBertForSequenceClassification.from_pretrained(tiny_checkpoint, dtype=dtype)
    logits = model.predict(inputs_of(golden), verbose=0).logits
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


def test_a_tokenizer_that_is_there_stays(tiny_checkpoint: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint)
    tokenizer.add_tokens(["zzzz"])
    tokenizer.save_pretrained(tmp_path)
    expected = tokenizer.encode("zzzz")
    TFDistilBertForSequenceClassification.from_pretrained(tiny_checkpoint).save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path).encode("zzzz") == expected


def test_a_save_that_broke_off_is_completed_by_the_next(
    model: TFDistilBertForSequenceClassification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.save_pretrained(tmp_path / "whole")
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.name == "vocab.txt":
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(CheckpointError, match="No space left on device"):
            model.save_pretrained(tmp_path / "broken")
    assert not (tmp_path / "broken" / "config.json").exists()
    model.save_pretrained(tmp_path / "broken")
    contents = [
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}
        for name in ("whole", "broken")
    ]
    assert contents[0] == contents[1]


def test_a_new_classifier_is_said(tiny_copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    from safetensors.numpy import load_file, save_file

    file = tiny_copy / "model.safetensors"
    tensors = load_file(file)
    save_file({k: v for k, v in tensors.items() if k.startswith("distilbert.")}, file)
    with caplog.at_level(logging.WARNING, logger="finesweep"):
        TFDistilBertForSequenceClassification.from_pretrained(tiny_copy)
    assert "the classifier is new" in caplog.text


def test_half_a_classifier_is_refused(tiny_copy: Path) -> None:
    from safetensors.numpy import load_file, save_file

    file = tiny_copy / "model.safetensors"
    tensors = load_file(file)
    save_file({k: v for k, v in tensors.items() if not k.startswith("pre_")}, file)
    with pytest.raises(
        CheckpointError, match=r"a part of it: pre_classifier.weight, pre_.* missing"
    ):
        TFDistilBertForSequenceClassification.from_pretrained(tiny_copy)


def test_sharded_weights_are_read(
    tiny_copy: Path, model: TFDistilBertForSequenceClassification
) -> None:
    import json

    from safetensors.numpy import load_file, save_file

    file = tiny_copy / "model.safetensors"
    tensors = load_file(file)
    weight_map = {}
    for number, names in enumerate((list(tensors)[::2], list(tensors)[1::2]), start=1):
        part = f"model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in names}, tiny_copy / part)
        weight_map.update(dict.fromkeys(names, part))
    file.unlink()
    (tiny_copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    sharded = TFDistilBertForSequenceClassification.from_pretrained(tiny_copy)
    for ours, theirs in zip(sharded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_seed_decides_every_weight_and_nothing_else(tiny_checkpoint: Path) -> None:
    import random

    config = DistilBertConfig(vocab_size=30, dim=8, n_layers=1, n_heads=2, hidden_dim=16)
    one, two, other = (
        TFDistilBertForSequenceClassification(config, seed=seed).get_weights() for seed in (3, 3, 4)
    )
    for ours, theirs in zip(one, two, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert np.abs(one[0] - other[0]).max() > 0.01
    random.seed(5)
    expected = random.Random(5).random()
    TFDistilBertForSequenceClassification.from_pretrained(tiny_checkpoint, seed=0)
    assert random.random() == expected


@pytest.mark.parametrize(
    "loss",
    ["sparse_categorical_crossentropy", keras.losses.SparseCategoricalCrossentropy()],
)
def test_a_loss_on_probabilities_is_refused(
    model: TFDistilBertForSequenceClassification, loss: Any
) -> None:
    with pytest.raises(ValueError, match="a loss on logits.*from_logits=True"):
        model.compile(optimizer="adam", loss=loss)


def test_calls_as_transformers_4_took_them(
    model: TFDistilBertForSequenceClassification, tiny_checkpoint: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint)
    encoded = tokenizer(["the mayor", "the city council will win"], padding=True)
    expected = model.predict(encoded, verbose=0).logits
    for output in (
        model(**encoded),
        model(encoded),
        model(input_ids=np.array(encoded["input_ids"])),
    ):
        assert output.logits.shape == (2, 3)
    np.testing.assert_allclose(model(**encoded).logits, expected, atol=1e-5)
    model.compile(optimizer="adam", metrics=["accuracy"])
    history = model.fit(encoded, np.array([0, 1]), verbose=0).history
    assert np.isfinite(history["loss"][0])
    assert len(model.evaluate(encoded, np.array([0, 1]), verbose=0)) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["some text"], "expected token ids, received text; tokenize first"),
        ([], "received no text"),
        ([[2, 3], [2, 7, 3]], "rows of different lengths; tokenize with padding=True"),
    ],
)
def test_inputs_that_are_no_ids(
    model: TFDistilBertForSequenceClassification, given: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model.predict(given, verbose=0)


def test_saving_where_nothing_can_be_written(
    model: TFDistilBertForSequenceClassification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("long" * 100)):
        with pytest.raises(CheckpointError, match="expected a directory that can be written"):
            model.save_pretrained(target)
    with pytest.raises(CheckpointError, match="received an empty name"):
        model.save_pretrained("")
    monkeypatch.setenv("HOME", str(tmp_path))
    model.save_pretrained("~/home")
    assert (tmp_path / "home" / "config.json").is_file()


def test_labels_that_cannot_be(tiny_checkpoint: Path, tiny_copy: Path) -> None:
    load = TFDistilBertForSequenceClassification.from_pretrained
    with pytest.raises(CheckpointError, match="num_labels.*two or more labels, received 1"):
        load(tiny_checkpoint, num_labels=1)
    with pytest.raises(CheckpointError, match="expected 3, .* received 2; leave num_labels out"):
        load(tiny_checkpoint, num_labels=2, id2label={0: "a", 1: "b", 2: "c"})
    with pytest.raises(CheckpointError, match="a name of its own for each label"):
        load(tiny_checkpoint, id2label={0: "a", 1: "a", 2: "b"})
    text = (tiny_copy / "config.json").read_text()
    (tiny_copy / "config.json").write_text(
        text.replace("{", '{"problem_type": "multi_label_classification",', 1)
    )
    with pytest.raises(CheckpointError, match="problem_type.*multi_label_classification"):
        load(tiny_copy)
