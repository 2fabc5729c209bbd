"""Ticks as finesweep has logged them to MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.compare.ours import logged_ticks
from benchmarks.compare.work import Work
from finesweep.tracking import TrackingStore


def test_ticks_are_read_from_the_store(tmp_path: Path) -> None:
    store = TrackingStore.open(root=tmp_path / "mlruns")
    run_id = store.client.create_run(store.experiment_id("benchmark")).info.run_id
    for step, epoch, rate in ((1, 0.26, 10.0), (2, 0.5, 140.0)):
        moment = 1_700_000_000_000 + 500 * step
        store.client.log_metric(run_id, "epoch", epoch, moment, step)
        store.client.log_metric(run_id, "examples_per_second", rate, moment, step)
    work = Work(
        geometry="minilm",
        checkpoint=tmp_path,
        data=tmp_path,
        rows=1000,
        validation_rows=100,
        workers=2,
        precision="float32",
        sweep_rates=(),
    )

    first, second = logged_ticks(tmp_path, run_id, work)

    assert first.examples == pytest.approx(260.0)
    assert second.examples == pytest.approx(240.0)
    assert (first.rate, second.rate) == (10.0, 140.0)
    assert second.moment - first.moment == pytest.approx(0.5)
