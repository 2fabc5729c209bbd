"""Hyperband from end to end: promoted trials train on where others ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sweep_bench import Bench, RecordingObserver

from finesweep.config import DataConfig, SweepConfig
from finesweep.data import PreparedData, prepare
from finesweep.errors import InterruptedSweep
from finesweep.sweeps import run_sweep
from finesweep.sweeps.engines.local import LocalEngine
from finesweep.sweeps.oracles.rungs import rung_of
from finesweep.sweeps.starting import ACCUMULATION_TAG
from finesweep.sweeps.stopping import StopRequest
from finesweep.training import TrainingSetup

TICKS = 4


def hyperband(bench: Bench, **changes: Any) -> SweepConfig:
    """Two trials of one epoch, the better of which goes on to two, and two of two epochs."""
    experiment = {
        "name": bench.name,
        "data": {"path": "headlines.json"},
        "epochs": 2,
        "schedule": "constant",
    }
    sampler = {"name": "keras_tuner.hyperband", "factor": 2, "seed": 5}
    return bench.config(**{"experiment": experiment, "sampler": sampler, "trials": 20, **changes})


@pytest.fixture
def continuing(bench: Bench) -> Bench:
    bench.continuable = True
    return bench


def test_a_promoted_trial_begins_where_the_other_ended(
    continuing: Bench, observer: RecordingObserver
) -> None:
    result = continuing.run(hyperband(continuing), observer)
    trials = continuing.study().trials
    (promoted,) = [t for t in trials if (rung := rung_of(t)) and rung.continues is not None]
    ticks = {trial.number: sorted(trial.intermediate_values) for trial in trials}
    assert ticks[promoted.number] == [5, 6, 7, 8]
    others = [ticks[trial.number] for trial in trials if trial.number != promoted.number]
    assert sorted(map(len, others)) == [TICKS, TICKS, 2 * TICKS, 2 * TICKS]
    assert result.stopped_by == "keras_tuner.hyperband has nothing left to try (5 are done)"
    run = continuing.mlflow_run(result.trials[promoted.number].run_id)
    assert run.data.params["epochs"] == "2"
    assert not list(continuing.workdir.glob("trial-*"))


def test_a_promoted_trial_whose_sweep_is_interrupted_goes_on_from_its_own_point(
    continuing: Bench, observer: RecordingObserver
) -> None:
    config, stop = hyperband(continuing), StopRequest()
    continuing.script(seconds_per_tick=0.02)

    def interrupt(number: int, tick: int) -> None:
        rung = rung_of(continuing.study().trials[number])
        if rung is not None and rung.continues is not None and tick == 6:
            stop.ask("interrupted", "the user")

    observer.on_tick = interrupt
    with pytest.raises(InterruptedSweep):
        continuing.run(config, observer, stop=stop)
    promoted = observer.ticks[-1][0]
    seen = RecordingObserver()
    continuing.run(config, seen)
    assert [tick for number, tick, _ in observer.ticks if number == promoted] == [5, 6]
    assert [tick for number, tick, _ in seen.ticks if number == promoted] == [7, 8]


def test_with_two_workers_nothing_is_lost(continuing: Bench) -> None:
    result = continuing.run(hyperband(continuing), workers=2)
    assert [trial.state for trial in result.trials] == ["completed"] * 5
    ticks = [sorted(trial.intermediate_values) for trial in continuing.study().trials]
    assert ticks.count([5, 6, 7, 8]) == 1


def test_a_promoted_trial_takes_parts_of_a_batch_as_the_other_had_to(continuing: Bench) -> None:
    continuing.script(default="oom")
    result = continuing.run(hyperband(continuing))
    assert [trial.state for trial in result.trials] == ["completed"] * 5
    (promoted,) = [
        trial
        for trial in continuing.study().trials
        if (rung := rung_of(trial)) and rung.continues is not None
    ]
    assert result.trials[promoted.number].attempts == 1
    run = continuing.mlflow_run(result.trials[promoted.number].run_id)
    assert run.data.tags[ACCUMULATION_TAG] == "2"


GOOD = ["good", "great", "win", "sun", "warm"]
BAD = ["bad", "storm", "rain", "snow", "fire"]


@pytest.fixture
def data(tiny_checkpoint: Path, tmp_path: Path) -> PreparedData:
    rows = ["text,label"] + [
        f"{words[n % 5]} {words[n % 3]} {words[n % 4]},{label}"
        for n in range(60)
        for label, words in (("good", GOOD), ("bad", BAD))
    ]
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    config = DataConfig.model_validate(
        {"path": str(tmp_path / "rows.csv"), "split": {"by": "fraction", "validation": 0.3}}
    )
    return prepare(config, name="tiny", checkpoint=tiny_checkpoint, cache=tmp_path / "cache")


@pytest.mark.slow
def test_the_real_trainer_goes_on_with_a_promoted_trial(
    bench: Bench, data: PreparedData, tiny_checkpoint: Path
) -> None:
    setup = TrainingSetup(
        checkpoint=tiny_checkpoint,
        prepared=data.directory,
        label_names=data.label_names,
        precision="float32",
        schedule="constant",
        continuable=True,
    )
    bench.engine = LocalEngine(setup, logs=bench.folder / "logs")
    run_sweep(
        hyperband(bench, space={"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}),
        setup=setup,
        data=replace(data, n_test=0),
        store=bench.store,
        study_url=bench.study_url,
        engine=bench.engine,
        observer=RecordingObserver(),
        workdir=bench.workdir,
    )
    trials = bench.study().trials
    rungs = {trial.number: rung_of(trial) for trial in trials}
    ((number, past),) = [
        (n, r.continues) for n, r in rungs.items() if r and r.continues is not None
    ]
    assert sorted(trials[past].intermediate_values) == [1, 2, 3, 4]
    assert sorted(trials[number].intermediate_values) == [5, 6, 7, 8]
    assert (
        "starts from its beginning"
        not in (bench.folder / "logs")
        .joinpath(next((bench.folder / "logs").iterdir()).name)
        .read_text()
    )
