"""Trials that draw hyperparameters of their own, with workers that only pretend to train."""

from __future__ import annotations

from typing import Any

import pytest
from sweep_bench import Bench, RecordingObserver

from finesweep.errors import SweepFailedError
from finesweep.sweeps import SweepResult, load_result
from finesweep.sweeps.engines._base import WorkerStatus
from finesweep.sweeps.status import _worker
from finesweep.sweeps.stopping import StopRequest


def drawn(result: SweepResult) -> list[dict[str, Any]]:
    return [dict(trial.drawn) for trial in result.trials]


def config(bench: Bench, **changes: Any) -> Any:
    return bench.config(**{"space": {}, "hypermodel": "mine:build_model", **changes})


def test_what_is_drawn_is_in_the_study_the_run_and_what_is_shown(bench: Bench) -> None:
    bench.script(draws=["a", "b"])
    result = bench.run(config(bench, space={"learning_rate": {"low": 1e-5, "high": 1e-4}}))
    trials = bench.study().trials
    for trial, frozen in zip(result.trials, trials, strict=True):
        units, kind = frozen.params["units [kind=a]"], frozen.params["kind"]
        assert trial.drawn == {"units": units, "kind": kind, "batch_size": 99}
        assert trial.hyperparameters.batch_size == 99
        assert bench.mlflow_run(trial.run_id).data.params == {
            "units": str(units),
            "kind": kind,
            "batch_size": "99",
            # In effect are what the sweep searches and what the trainer notes, and no other.
            "learning_rate": str(frozen.params["learning_rate"]),
        }
    assert drawn(load_result(bench.study_url, bench.name)) == drawn(result)
    status = WorkerStatus(slot=0, pid=1, cores=(), gpu=None, started=0.0, trial=1)
    assert _worker(status, trials, epochs=2).values.items() >= result.trials[1].drawn.items()


@pytest.mark.parametrize("deed", ["die once at 3", "raise once at 3"])
def test_a_later_attempt_has_the_same_values(bench: Bench, deed: str) -> None:
    bench.script(draws=["a", "b"], t1=deed)
    observer = RecordingObserver()
    result = bench.run(config(bench), observer)
    (parked, _) = observer.parked[0]
    assert [trial.attempts for trial in result.trials] == [1, 2, 1]
    assert parked.drawn == result.trials[1].drawn
    assert len(bench.study().trials) == 3


def test_a_later_attempt_is_given_what_the_first_was_and_goes_on(bench: Bench) -> None:
    """What the trainer makes of it, a batch size of 99, it makes of it again."""
    bench.script(draws=["a", "b"], t0="die once at 6")
    bench.run(config(bench, trials=1))
    log = "".join(path.read_text() for path in (bench.folder / "logs").glob("*"))
    assert "from tick 1," in log
    assert "from tick 5," in log


def test_a_sweep_that_goes_on_proposes_what_it_would_have_proposed(bench: Bench) -> None:
    """Whoever is asked in between: each trial is answered by its own sampler."""
    bench.script(draws=["a", "b"], seconds_per_tick=0.02)
    sampler = {"name": "random", "seed": 3}
    together = bench.run(config(bench, trials=4, sampler=sampler), workers=2)
    stop, observer = StopRequest(), RecordingObserver()
    bench.name += "-again"

    def interrupt(trial: int, tick: int) -> None:
        if (trial, tick) == (1, 2):
            stop.ask("interrupted", "enough")

    observer.on_tick = interrupt
    with pytest.raises(KeyboardInterrupt):
        bench.run(config(bench, trials=4, sampler=sampler), observer, stop=stop)
    again = bench.run(config(bench, trials=4, sampler=sampler))
    assert drawn(again) == drawn(together)
    assert len({one["units"] for one in drawn(again)}) == 4


def test_choices_that_changed_fail_the_trial_with_the_reason(bench: Bench) -> None:
    bench.script(draws=["a", "b"])
    bench.run(config(bench, trials=1))
    bench.script(draws=["a", "b", "c"])
    with pytest.raises(SweepFailedError, match="does not support dynamic value space"):
        bench.run(config(bench, trials=3, retries=0, max_failures=1))
