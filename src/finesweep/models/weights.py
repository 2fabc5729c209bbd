"""The Hugging Face weight table: which tensors of a checkpoint are which variables of the model.

Torch keeps a kernel as [out, in], Keras as [in, out]; query, key and value are three tensors there
and one variable here. The table is a bijection, so that what was saved loads as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finesweep.errors import CheckpointError, Location
from finesweep.models.config import DistilBertConfig

Array = NDArray[Any]

HEAD_PREFIXES = ("pre_classifier.", "classifier.")

_ROWS_AT_A_TIME = 16

_BERT_NAMES = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}


@dataclass(frozen=True)
class WeightEntry:
    """One variable of the model and the tensors it is read from and written to.

    ``variable`` is the path of attributes from the model; ``tensors`` are torch names, side by side
    along the output axis where there are several; ``kernel`` says that torch has it transposed.
    """

    variable: str
    tensors: tuple[str, ...]
    kernel: bool = False

    def to_variable(self, tensors: Mapping[str, Array]) -> Array:
        """The variable's value, float32, from the named tensors."""
        parts = [np.asarray(tensors[name], dtype=np.float32) for name in self.tensors]
        value: Array = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=0)
        return _transposed(value) if self.kernel else value

    def tensor_shapes(self, shape: Sequence[int]) -> dict[str, tuple[int, ...]]:
        """The shapes of the named tensors from the variable's, in the order of ``to_tensors``."""
        first, *others = reversed(shape) if self.kernel else shape
        return {name: (first // len(self.tensors), *others) for name in self.tensors}

    def to_tensors(self, value: Array) -> dict[str, Array]:
        """The named tensors from the variable's value."""
        parts = np.split(value, len(self.tensors), axis=1 if self.kernel else 0)
        return {
            name: _transposed(part) if self.kernel else np.ascontiguousarray(part, np.float32)
            for name, part in zip(self.tensors, parts, strict=True)
        }


def _transposed(matrix: Array) -> Array:
    """The transpose, float32, in memory of its own.

    A few rows at a time, which stay in the processor's cache: two to three times as fast as numpy's
    ``ascontiguousarray``, which is most of what writing a checkpoint computes.
    """
    transpose: Array = np.empty(matrix.shape[::-1], np.float32)
    for start in range(0, len(matrix), _ROWS_AT_A_TIME):
        few = slice(start, start + _ROWS_AT_A_TIME)
        transpose[:, few] = matrix[few].T
    return transpose


def weight_table(config: DistilBertConfig) -> tuple[WeightEntry, ...]:
    """Every variable of ``TFDistilBertForSequenceClassification`` in the model's order."""
    return (
        WeightEntry("embeddings.word_table", ("distilbert.embeddings.word_embeddings.weight",)),
        WeightEntry(
            "embeddings.position_table", ("distilbert.embeddings.position_embeddings.weight",)
        ),
        *_norm("embeddings.norm", "distilbert.embeddings.LayerNorm"),
        *(entry for layer in range(config.n_layers) for entry in _block(layer)),
        *_dense("head.pre_classifier", "pre_classifier"),
        *_dense("head.classifier", "classifier"),
    )


def _block(layer: int) -> Iterator[WeightEntry]:
    ours, theirs = f"blocks.{layer}", f"distilbert.transformer.layer.{layer}"
    qkv = tuple(f"attention.{part}_lin" for part in "qkv")
    yield from _dense(f"{ours}.attention.qkv", *(f"{theirs}.{name}" for name in qkv))
    yield from _dense(f"{ours}.attention.out", f"{theirs}.attention.out_lin")
    yield from _norm(f"{ours}.attention_norm", f"{theirs}.sa_layer_norm")
    yield from _dense(f"{ours}.widen", f"{theirs}.ffn.lin1")
    yield from _dense(f"{ours}.narrow", f"{theirs}.ffn.lin2")
    yield from _norm(f"{ours}.output_norm", f"{theirs}.output_layer_norm")


def _dense(ours: str, *theirs: str) -> Iterator[WeightEntry]:
    yield WeightEntry(f"{ours}.kernel", tuple(f"{name}.weight" for name in theirs), kernel=True)
    yield WeightEntry(f"{ours}.bias", tuple(f"{name}.bias" for name in theirs))


def _norm(ours: str, theirs: str) -> Iterator[WeightEntry]:
    yield WeightEntry(f"{ours}.gamma", (f"{theirs}.weight",))
    yield WeightEntry(f"{ours}.beta", (f"{theirs}.bias",))


def to_distilbert_names(tensors: Mapping[str, Array], *, model_type: str) -> dict[str, Array]:
    """A checkpoint's tensors under the names of ``DistilBertForSequenceClassification``.

    A body saved without its head has no ``distilbert.`` prefix, old files say gamma and beta, and a
    BERT is folded: row 0 of its token-type table is part of every position, and the pooler goes.
    """
    renamed = {_current_name(name): tensor for name, tensor in tensors.items()}
    if model_type == "bert":
        return _folded_from_bert(renamed)
    body = ("embeddings.", "transformer.")
    return {
        f"distilbert.{name}" if name.startswith(body) else name: tensor
        for name, tensor in renamed.items()
    }


def _current_name(name: str) -> str:
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )


def _folded_from_bert(tensors: Mapping[str, Array]) -> dict[str, Array]:
    folded: dict[str, Array] = {}
    for name, tensor in tensors.items():
        name = name.removeprefix("bert.")
        if name.startswith("encoder.layer."):
            layer, part = name.removeprefix("encoder.layer.").split(".", 1)
            module, leaf = part.rsplit(".", 1)
            if module in _BERT_NAMES:
                target = f"distilbert.transformer.layer.{layer}.{_BERT_NAMES[module]}.{leaf}"
                folded[target] = tensor
        elif name.startswith("embeddings."):
            folded[f"distilbert.{name}"] = tensor
    positions = "distilbert.embeddings.position_embeddings.weight"
    token_types = "distilbert.embeddings.token_type_embeddings.weight"
    if positions in folded and token_types in folded:
        first_type = np.asarray(folded.pop(token_types), dtype=np.float32)[0]
        folded[positions] = np.asarray(folded[positions], dtype=np.float32) + first_type
    return folded


def check_tensors(
    table: tuple[WeightEntry, ...],
    shapes: Mapping[str, tuple[int, ...]],
    tensors: Mapping[str, Array],
    *,
    file: str,
    ignore_mismatched_head: bool,
) -> tuple[WeightEntry, ...]:
    """The entries of ``table`` that ``tensors`` fills; ``shapes`` are the variables' own.

    A missing head is left out (it is new and starts at random); so is one of other shapes if that
    is asked for. Raises ``CheckpointError`` for a missing or misshapen tensor of the body, and for
    a head of which a part is missing.
    """
    filled = []
    if not ignore_mismatched_head:
        _require_whole_head(table, tensors, file=file)
    for entry in table:
        is_head = entry.tensors[0].startswith(HEAD_PREFIXES)
        missing = [name for name in entry.tensors if name not in tensors]
        if missing and is_head:
            continue
        if missing:
            raise CheckpointError(
                f"expected a tensor '{missing[0]}', which is not in the file; "
                "the checkpoint is not a DistilBERT of the layers its config.json says",
                at=Location(file=file),
            )
        received = _combined_shape(entry, tensors)
        if received != shapes[entry.variable]:
            if is_head and ignore_mismatched_head:
                continue
            raise _shape_error(entry, shapes[entry.variable], received, file=file, head=is_head)
        filled.append(entry)
    return tuple(filled)


def _require_whole_head(
    table: tuple[WeightEntry, ...], tensors: Mapping[str, Array], *, file: str
) -> None:
    """A trained classifier behind a random layer would answer at random, with real names."""
    head = [name for entry in table for name in entry.tensors if name.startswith(HEAD_PREFIXES)]
    missing = [name for name in head if name not in tensors]
    if missing and len(missing) < len(head):
        raise CheckpointError(
            f"expected the whole classification head, found a part of it: {', '.join(missing)} "
            "is missing; name another checkpoint, or give ignore_mismatched_sizes=True to start "
            "what is missing at random",
            at=Location(file=file),
        )


def _combined_shape(entry: WeightEntry, tensors: Mapping[str, Array]) -> tuple[int, ...]:
    first = tensors[entry.tensors[0]].shape
    rows = sum(tensors[name].shape[0] for name in entry.tensors)
    shape = (rows, *first[1:])
    return shape[::-1] if entry.kernel else shape


def _shape_error(
    entry: WeightEntry,
    expected: tuple[int, ...],
    received: tuple[int, ...],
    *,
    file: str,
    head: bool,
) -> CheckpointError:
    advice = (
        "give the num_labels it was trained with, or ignore_mismatched_sizes=True for a new head"
        if head
        else "the tensors and config.json are not of one checkpoint"
    )
    if entry.kernel:
        expected, received = expected[::-1], received[::-1]
    return CheckpointError(
        f"expected '{', '.join(entry.tensors)}' of shape {expected}, received {received}; {advice}",
        at=Location(file=file),
    )
