"""Our share of what the machine multiplies, each round against its own peak."""

from __future__ import annotations

import pytest

from benchmarks.compare.roofline import Peaks, Roofline


def peaks(one_core: float, all_cores: float) -> Peaks:
    return {"one core": {"float32": one_core}, "all cores": {"float32": all_cores}}


def roofline(*rounds: tuple[Peaks, float | None]) -> Roofline:
    return Roofline(
        peaks=tuple(found for found, _ in rounds),
        rates=tuple(rate for _, rate in rounds),
        precision="float32",
        flops_a_text=1e9,
    )


def test_a_machine_that_slows_down_leaves_the_share_as_it_is() -> None:
    found = roofline((peaks(60e9, 100e9), 80.0), (peaks(30e9, 50e9), 40.0))
    assert found.shares == pytest.approx([0.8, 0.8])


def test_medians_and_the_range_of_the_rounds_are_told() -> None:
    found = roofline(
        (peaks(60e9, 100e9), 80.0), (peaks(50e9, 100e9), 60.0), (peaks(64e9, 120e9), 84.0)
    )
    assert found.lines() == [
        "peak of matrix products, one core: float32 60 GFLOP/s",
        "peak of matrix products, all cores: float32 100 GFLOP/s",
        "one text of training: 1.000 GFLOP",
        "finesweep's workers together: 80 GFLOP/s, 70% of the peak in float32 (60% to 80%)",
    ]


def test_a_round_without_a_rate_counts_for_the_peak_alone() -> None:
    found = roofline((peaks(60e9, 100e9), None), (peaks(40e9, 80e9), 40.0))
    assert found.shares == [0.5]
    assert found.lines()[0] == "peak of matrix products, one core: float32 50 GFLOP/s"
    assert found.lines()[-1].endswith("40 GFLOP/s, 50% of the peak in float32")


def test_peers_alone_are_told_the_peak() -> None:
    assert len(roofline((peaks(60e9, 100e9), None)).lines()) == 3


def test_a_gpu_is_measured_by_its_own_peak() -> None:
    assert roofline(({"the GPU": {"float32": 400e9}}, 100.0)).shares == [0.25]
