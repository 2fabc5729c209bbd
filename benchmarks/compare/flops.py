"""How many floating point operations a training step of ours takes, counted from the geometry.

Matrix products alone, a multiplication and an addition each: the rest is below a hundredth of them.
The last layer serves the first token only (``finesweep.models.layers``): its keys and values are
computed for every token, its query, output and feed-forward for one token a text.
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
    inner = (config.n_layers - 1) * _layer(config, length=length, served=length)
    return inner + _layer(config, length=length, served=1) + _head(config)


def _layer(config: DistilBertConfig, *, length: int, served: int) -> int:
    """One layer that reads ``length`` tokens and computes the vectors of ``served`` of them."""
    dim = config.dim
    keys_and_values = _product(length, dim, 2 * dim)
    query_and_output = 2 * _product(served, dim, dim)
    # All heads together are as wide as the vectors.
    attention = 2 * _product(served, dim, length)
    feed_forward = 2 * _product(served, dim, config.hidden_dim)
    return keys_and_values + query_and_output + attention + feed_forward


def _head(config: DistilBertConfig) -> int:
    return _product(1, config.dim, config.dim) + _product(1, config.dim, config.num_labels)


def _product(rows: int, inner: int, columns: int) -> int:
    return 2 * rows * inner * columns
