"""The shapes that a config.json promises, held against the tensors it comes with. No TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from finesweep.errors import CheckpointError, Location
from finesweep.models.config import DistilBertConfig
from finesweep.models.weights import Array

_ADVICE = (
    "config.json and the weights are not of one checkpoint: fetch both again from the same place"
)


def require_body(config: DistilBertConfig, tensors: Mapping[str, Array], *, file: str) -> None:
    """Raise ``CheckpointError`` unless ``tensors`` hold the whole body that ``config`` describes.

    The head is left to whoever loads the model, for he may want another one. A model that is being
    built would find out too, but only after TensorFlow was loaded and a run was begun.
    """
    for name, expected in body_shapes(config):
        if name not in tensors:
            raise CheckpointError(
                f"expected a tensor '{name}', which is not in the file; {_ADVICE}",
                at=Location(file=file),
            )
        received = tuple(tensors[name].shape)
        if received != expected:
            raise CheckpointError(
                f"expected '{name}' of shape {expected}, as config.json has it, received "
                f"{received}; {_ADVICE}",
                at=Location(file=file),
            )


def body_shapes(config: DistilBertConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape, in torch's terms, of every tensor before the head.

    One by one, as a config.json may ask for more layers than there is memory to list.
    """
    dim, hidden = config.dim, config.hidden_dim
    embeddings = "distilbert.embeddings"
    yield f"{embeddings}.word_embeddings.weight", (config.vocab_size, dim)
    yield f"{embeddings}.position_embeddings.weight", (config.max_position_embeddings, dim)
    yield from _norm(f"{embeddings}.LayerNorm", dim)
    for number in range(config.n_layers):
        layer = f"distilbert.transformer.layer.{number}"
        for part in ("q_lin", "k_lin", "v_lin", "out_lin"):
            yield from _dense(f"{layer}.attention.{part}", dim, dim)
        yield from _norm(f"{layer}.sa_layer_norm", dim)
        yield from _dense(f"{layer}.ffn.lin1", hidden, dim)
        yield from _dense(f"{layer}.ffn.lin2", dim, hidden)
        yield from _norm(f"{layer}.output_layer_norm", dim)


def count_weights(config: DistilBertConfig) -> int:
    """How many numbers the model of a geometry has, with its head; counted, not listed."""
    dim, hidden = config.dim, config.hidden_dim
    tables = (config.vocab_size + config.max_position_embeddings) * dim
    norm = 2 * dim
    layer = 4 * (dim + 1) * dim + (dim + 1) * hidden + (hidden + 1) * dim + 2 * norm
    head = (dim + 1) * dim + (dim + 1) * config.num_labels
    return tables + norm + config.n_layers * layer + head


def _dense(name: str, outputs: int, inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _norm(name: str, dim: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (dim,)
    yield f"{name}.bias", (dim,)
