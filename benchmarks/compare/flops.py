"""How many floating point operations a training step of ours takes, counted from the geometry.

Matrix products alone, a multiplication and an addition each: the rest is below a hundredth of them.
The last layer serves the first token only (``finesweep.models.layers``): each of its kernels meets
one vector a text, and the tokens meet one vector a head, to be scored and once more to be summed.
"""

from __future__ import annotations

from collections.abc import Iterable

from finesweep.models.config import DistilBertConfig

# The product itself, and the gradients of its two factors.
PRODUCTS_A_STEP = 3


def training_flops(config: DistilBertConfig, lengths: Iterable[int]) -> float:
    """Operations a text of training, on average over texts of so many tokens."""
    counts = [forward_flops(config, length) for length in lengths]
    return PRODUCTS_A_STEP * sum(counts) / len(counts)


def forward_flops(config: DistilBertConfig, length: int) -> int:
    """Operations of one text of ``length`` tokens on its way to the logits."""
    return (
        (config.n_layers - 1) * _layer(config, length) + _last_layer(config, length) + _head(config)
    )


def _layer(config: DistilBertConfig, length: int) -> int:
    dim = config.dim
    projections = 4 * _product(length, dim, dim)
    # All heads together are as wide as the vectors.
    attention = 2 * _product(length, dim, length)
    return projections + attention + _feed_forward(config, rows=length)


def _last_layer(config: DistilBertConfig, length: int) -> int:
    projections = 4 * _product(1, config.dim, config.dim)
    attention = 2 * _product(config.n_heads, config.dim, length)
    return projections + attention + _feed_forward(config, rows=1)


def _feed_forward(config: DistilBertConfig, *, rows: int) -> int:
    return 2 * _product(rows, config.dim, config.hidden_dim)


def _head(config: DistilBertConfig) -> int:
    return _product(1, config.dim, config.dim) + _product(1, config.dim, config.num_labels)


def _product(rows: int, inner: int, columns: int) -> int:
    return 2 * rows * inner * columns
