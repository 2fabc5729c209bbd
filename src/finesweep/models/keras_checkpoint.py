"""A checkpoint around any Keras model that classifies token ids: model.keras, and how to use it.

Beside the model stand the tokenizer's files and a config.json with ``model_type: keras``, the
labels, the width of the ids and what the outputs are. Its layers must be Keras' own, or registered
with ``keras.saving.register_keras_serializable`` by a module that is imported before it is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from finesweep.errors import CheckpointError, Location, TrialError
from finesweep.models.distilbert import TFDistilBertForSequenceClassification
from finesweep.models.pretrained import CONFIG_FILE, TokenizerFiles

MODEL_FILE = "model.keras"
MODEL_TYPE = "keras"

Outputs = Literal["logits", "probabilities"]

# The least probability that a logarithm is taken of.
_LEAST = np.float32(1e-7)


@dataclass(frozen=True, kw_only=True)
class KerasForm:
    """How a Keras model is called and what it answers.

    ``max_length`` is the width its ids are padded to with ``pad_id``. ``outputs`` are logits or
    probabilities, one a label; or, for two labels, one alone, of the second.
    """

    id2label: Mapping[int, str]
    max_length: int
    pad_id: int
    outputs: Outputs


class KerasLogits:
    """Logits of a batch by any Keras model, float32 of shape (texts, labels).

    Called with int32 ids and mask of shape (texts, length), no longer than ``max_length``, to which
    they are padded. May be called from several threads at once.
    """

    def __init__(self, model: Any, form: KerasForm) -> None:
        self._model = model
        self._form = form
        ids = tf.TensorSpec((None, form.max_length), tf.int32)
        self._compiled = tf.function(self._forward, input_signature=(ids, ids), autograph=False)
        self._compiled.get_concrete_function()

    def __call__(self, input_ids: Any, attention_mask: Any) -> NDArray[np.float32]:
        """Logits of one batch."""
        missing = [(0, 0), (0, self._form.max_length - input_ids.shape[1])]
        ids = np.pad(input_ids, missing, constant_values=self._form.pad_id)
        outputs = self._compiled(ids, np.pad(attention_mask, missing)).numpy()
        return as_logits(outputs, self._form.outputs, labels=len(self._form.id2label))

    def _forward(self, input_ids: Any, attention_mask: Any) -> Any:
        inputs = arranged(self._model, input_ids, attention_mask)
        outputs = self._model(inputs, training=False)
        return tf.cast(getattr(outputs, "logits", outputs), tf.float32)


def arranged(model: Any, input_ids: Any, attention_mask: Any) -> Any:
    """The two as the model's declared inputs have them.

    A mapping for a mapping (and for our own DistilBERT), a list for a list; the ids alone for a
    model of one input, or of none declared, as a subclass of ``keras.Model`` has it.

    Raises:
        TrialError: the model has inputs of other names.
    """
    by_name = {"input_ids": input_ids, "attention_mask": attention_mask}
    if isinstance(model, TFDistilBertForSequenceClassification):
        return by_name
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) <= 1:
        return input_ids
    structure = model.input
    try:
        if isinstance(structure, dict):
            return {name: by_name[name] for name in structure}
        return [by_name[tensor.name] for tensor in inputs]
    except KeyError as exc:
        raise TrialError(
            "expected a model of one input, or of the inputs input_ids and attention_mask, "
            f"received one with an input named {exc}; name it keras.Input(…, name='input_ids')"
        ) from exc


def outputs_of(model: Any, outputs: NDArray[Any], *, labels: int) -> Outputs:
    """What ``outputs``, some of the model's own, are.

    Its loss says so, if it is a cross-entropy; else the activation of its last layer; and where
    that is hidden in a model of layers that are not in order, the numbers themselves.

    Raises:
        TrialError: their shape is not that of a classifier of so many labels.
    """
    _require_shape(outputs.shape, labels=labels)
    loss = getattr(model, "loss", None)
    if isinstance(loss, str) and loss.endswith("crossentropy"):
        return "probabilities"
    if isinstance(from_logits := getattr(loss, "from_logits", None), bool):
        return "logits" if from_logits else "probabilities"
    if getattr(model, "inputs", None):
        activation = getattr(getattr(model.layers[-1], "activation", None), "__name__", None)
        if activation in ("softmax", "sigmoid"):
            return "probabilities"
        if activation == "linear":
            return "logits"
    in_bounds = bool((outputs >= 0.0).all() and (outputs <= 1.0).all())
    sums_to_1 = outputs.ndim == 1 or outputs.shape[1] == 1 or _all_close_to_1(outputs.sum(axis=1))
    return "probabilities" if in_bounds and sums_to_1 else "logits"


def as_logits(outputs: NDArray[Any], kind: Outputs, *, labels: int) -> NDArray[np.float32]:
    """Outputs as logits of shape (texts, labels), whose softmax is what the model says.

    Raises:
        TrialError: their shape is not that of a classifier of so many labels.
    """
    _require_shape(outputs.shape, labels=labels)
    columns: NDArray[np.float32] = outputs.reshape(len(outputs), -1).astype(np.float32)
    if columns.shape[1] != labels:
        other = np.zeros_like(columns) if kind == "logits" else 1.0 - columns
        columns = np.concatenate([other, columns], axis=1)
    return columns if kind == "logits" else np.log(np.maximum(columns, _LEAST))


def write_keras_checkpoint(
    directory: Path, *, model: Any, form: KerasForm, tokenizer_files: TokenizerFiles
) -> None:
    """Write the model, its form and its tokenizer. Raises ``OSError``."""
    directory.mkdir(parents=True, exist_ok=True)
    model.save(directory / MODEL_FILE)
    for name, content in tokenizer_files.items():
        (directory / name).write_bytes(content)
    # Last: a directory that has one has the rest.
    about = {"model_type": MODEL_TYPE, **asdict(form)}
    (directory / CONFIG_FILE).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n")


def is_keras_checkpoint(directory: Path) -> bool:
    """Whether ``directory`` holds any Keras model rather than a DistilBERT."""
    return (directory / MODEL_FILE).is_file()


def read_keras_checkpoint(directory: Path) -> tuple[KerasLogits, KerasForm]:
    """Load what ``write_keras_checkpoint`` wrote.

    Raises:
        CheckpointError: a file is missing or damaged, or a layer of the model is not known here.
    """
    try:
        about = json.loads((directory / CONFIG_FILE).read_text(encoding="utf-8"))
        form = KerasForm(
            id2label={int(number): name for number, name in about["id2label"].items()},
            max_length=about["max_length"],
            pad_id=about["pad_id"],
            outputs=about["outputs"],
        )
        model = keras.saving.load_model(directory / MODEL_FILE, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise CheckpointError(
            f"expected a model that Keras can load, received one that it cannot: {exc}; a layer of "
            "your own must be registered (keras.saving.register_keras_serializable) by a module "
            "that is imported first",
            at=Location(file=str(directory / MODEL_FILE)),
        ) from exc
    return KerasLogits(model, form), form


def _require_shape(shape: tuple[int, ...], *, labels: int) -> None:
    if len(shape) == 2 and shape[1] == labels:
        return
    if labels == 2 and (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        return
    raise TrialError(
        f"expected outputs of shape (texts, {labels}), one a label, received "
        f"(texts, {', '.join(map(str, shape[1:]))}); end the model in Dense({labels})"
    )


def _all_close_to_1(sums: NDArray[Any]) -> bool:
    return bool(np.allclose(sums, 1.0, atol=1e-2))
