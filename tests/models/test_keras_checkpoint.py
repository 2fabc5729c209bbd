from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from finesweep.errors import CheckpointError, TrialError
from finesweep.models.distilbert import TFDistilBertForSequenceClassification
from finesweep.models.keras_checkpoint import (
    KerasForm,
    KerasLogits,
    arranged,
    as_logits,
    is_keras_checkpoint,
    outputs_of,
    read_keras_checkpoint,
    write_keras_checkpoint,
)

FORM = KerasForm(id2label={0: "bad", 1: "good"}, max_length=6, pad_id=0, outputs="logits")
IDS = np.array([[5, 6, 7], [8, 9, 0]], dtype=np.int32)
MASK = np.array([[1, 1, 1], [1, 1, 0]], dtype=np.int32)


def mean_model(activation: str | None = None, *, units: int = 2, loss: Any = None) -> Any:
    inputs = keras.Input((6,), dtype="int32")
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(20, 4)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(units, activation=activation)(pooled))
    if loss is not None:
        model.compile(loss=loss)
    return model


def two_inputs(*names: str, as_dict: bool) -> Any:
    inputs = {name: keras.Input((None,), name=name) for name in names}
    total = keras.layers.Add()([*inputs.values()])
    return keras.Model(inputs if as_dict else list(inputs.values()), total)


def test_what_is_written_answers_as_before(tmp_path: Path) -> None:
    model = mean_model()
    write_keras_checkpoint(
        tmp_path / "it", model=model, form=FORM, tokenizer_files={"vocab.txt": b"[PAD]\n"}
    )
    logits, form = read_keras_checkpoint(tmp_path / "it")
    assert form == FORM
    assert is_keras_checkpoint(tmp_path / "it")
    assert (tmp_path / "it" / "vocab.txt").read_bytes() == b"[PAD]\n"
    padded = np.pad(IDS, [(0, 0), (0, 3)])
    np.testing.assert_allclose(logits(IDS, MASK), np.asarray(model(padded)), rtol=1e-6)


@pytest.mark.parametrize("spoil", ["config.json", "model.keras"])
def test_a_damaged_one_is_named(tmp_path: Path, spoil: str) -> None:
    write_keras_checkpoint(tmp_path, model=mean_model(), form=FORM, tokenizer_files={})
    (tmp_path / spoil).write_text("{}")
    with pytest.raises(CheckpointError, match="a model that Keras can load"):
        read_keras_checkpoint(tmp_path)


def test_inputs_in_the_way_the_model_has_them(tiny_checkpoint: Path) -> None:
    assert arranged(mean_model(), IDS, MASK) is IDS
    assert arranged(keras.Sequential([keras.layers.Embedding(20, 4)]), IDS, MASK) is IDS
    both = {"input_ids": IDS, "attention_mask": MASK}
    ours = TFDistilBertForSequenceClassification.from_pretrained(tiny_checkpoint)
    assert arranged(ours, IDS, MASK) == both
    assert arranged(two_inputs("input_ids", "attention_mask", as_dict=True), IDS, MASK) == both
    first, second = arranged(two_inputs("attention_mask", "input_ids", as_dict=False), IDS, MASK)
    assert first is MASK
    assert second is IDS


@pytest.mark.parametrize("as_dict", [True, False])
def test_inputs_of_other_names_are_refused(as_dict: bool) -> None:
    with pytest.raises(TrialError, match="an input named 'words'"):
        arranged(two_inputs("input_ids", "words", as_dict=as_dict), IDS, MASK)


def cross_entropy(**settings: Any) -> Any:
    return keras.losses.SparseCategoricalCrossentropy(**settings)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (lambda: mean_model("softmax"), "probabilities"),
        (lambda: mean_model("sigmoid", units=1), "probabilities"),
        (lambda: mean_model(), "logits"),
        # The loss knows better than the last layer.
        (lambda: mean_model(loss=cross_entropy(from_logits=True)), "logits"),
        (lambda: mean_model(loss=cross_entropy()), "probabilities"),
        (lambda: mean_model(loss="binary_crossentropy"), "probabilities"),
        (lambda: mean_model("sigmoid", loss="mse"), "probabilities"),
    ],
)
def test_what_the_outputs_are(model: Any, kind: str) -> None:
    built = model()
    outputs = np.asarray(built(np.pad(IDS, [(0, 0), (0, 3)])))
    assert outputs_of(built, outputs, labels=2) == kind


@pytest.mark.parametrize(
    ("outputs", "kind"),
    [
        ([[0.2, 0.8], [1.0, 0.0]], "probabilities"),
        ([[0.2, 0.9]], "logits"),
        ([[-0.2, 1.2]], "logits"),
        ([0.2, 0.7], "probabilities"),
        ([0.2, 1.7], "logits"),
    ],
)
def test_a_model_that_does_not_say_is_known_by_its_numbers(outputs: Any, kind: str) -> None:
    assert outputs_of(keras.Sequential(), np.array(outputs), labels=2) == kind


def test_logits_say_what_the_model_says() -> None:
    def softmax(logits: Any) -> Any:
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    shares = np.array([[0.2, 0.8], [1.0, 0.0]])
    np.testing.assert_allclose(
        softmax(as_logits(shares, "probabilities", labels=2)), shares, atol=1e-6
    )
    one = shares[:, 1:]
    np.testing.assert_allclose(
        softmax(as_logits(one, "probabilities", labels=2)), shares, atol=1e-6
    )
    np.testing.assert_array_equal(as_logits(np.array([3.0]), "logits", labels=2), [[0.0, 3.0]])


@pytest.mark.parametrize(("shape", "labels"), [((4, 3), 2), ((4, 1), 3), ((4, 2, 2), 2), ((4,), 3)])
def test_outputs_of_another_shape_are_refused(shape: tuple[int, ...], labels: int) -> None:
    with pytest.raises(TrialError, match=rf"expected outputs of shape \(texts, {labels}\)"):
        as_logits(np.zeros(shape), "logits", labels=labels)


def test_texts_are_padded_to_the_width_the_model_was_trained_with() -> None:
    logits = KerasLogits(mean_model(), FORM)
    np.testing.assert_array_equal(
        logits(IDS, MASK), logits(np.pad(IDS, [(0, 0), (0, 3)]), np.pad(MASK, [(0, 0), (0, 3)]))
    )
