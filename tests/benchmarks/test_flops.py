"""The operations of a step, counted by hand where that is possible."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.compare.flops import forward_flops, training_flops
from finesweep.models.config import DistilBertConfig

CONFIG = DistilBertConfig(dim=4, hidden_dim=8, n_heads=2, n_layers=1)
HEAD = 2 * (4 * 4 + 4 * 2)


def test_the_last_layer_serves_the_first_token_only() -> None:
    four_kernels = 4 * (2 * 1 * 4 * 4)
    scores_and_sums_of_two_heads = 2 * (2 * 2 * 4 * 3)
    feed_forward = 2 * (2 * 1 * 4 * 8)
    layer = four_kernels + scores_and_sums_of_two_heads + feed_forward
    assert forward_flops(CONFIG, 3) == layer + HEAD


def test_the_layers_before_it_serve_every_token() -> None:
    products = 3 * 2 * (3 * 4 * 4 + 4 * 4 + 2 * 4 * 8) + 2 * (2 * 3 * 3 * 4)
    deeper = replace(CONFIG, n_layers=2)
    assert forward_flops(deeper, 3) - forward_flops(CONFIG, 3) == products


def test_a_step_is_three_passes_over_the_average_text() -> None:
    both = forward_flops(CONFIG, 2) + forward_flops(CONFIG, 6)
    assert training_flops(CONFIG, iter([2, 6])) == 3 * both / 2
