"""Earlier work to start from: studies, and KerasTuner projects in the files KerasTuner writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from finesweep.config import SweepConfig, to_plain
from finesweep.sweeps.record import RUN_ID
from finesweep.sweeps.storage import open_storage
from finesweep.sweeps.study import CONFIG
from finesweep.sweeps.warm_start.keeping import WarmStart
from finesweep.sweeps.warm_start.reading import read_sources
from finesweep.tracking import TrackingStore

DIGEST = "d1"
RATE = FloatDistribution(1e-6, 1e-2, log=True)
SIZE = CategoricalDistribution([4, 8, 16, 32])
GOOD_RATE = 5e-5


def sweep(name: str = "new", **changes: Any) -> SweepConfig:
    values: dict[str, Any] = {
        "name": name,
        "experiment": {"name": "e", "data": {"path": "x.json"}, "epochs": 2, "max_length": 64},
        "space": {
            "learning_rate": {"low": 1e-5, "high": 1e-4, "log": True},
            "batch_size": {"choices": [8, 16]},
        },
    }
    return SweepConfig.model_validate({**values, **changes})


def make_study(
    url: str,
    name: str,
    points: Sequence[tuple[float, int, float | TrialState]],
    *,
    config: SweepConfig | None = None,
    digest: str = DIGEST,
    direction: str = "maximize",
) -> optuna.Study:
    """A study with a trial for each (learning rate, batch size, accuracy or another ending).

    With a configuration it is a sweep's, without one it is anybody's.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=open_storage(url, writable=True), study_name=name, direction=direction
    )
    if config is not None:
        plain = to_plain(config)
        plain["experiment"]["data"]["digest"] = digest
        study.set_user_attr(CONFIG, plain)
    for number, (rate, size, ending) in enumerate(points):
        state = ending if isinstance(ending, TrialState) else TrialState.COMPLETE
        study.add_trial(
            optuna.create_trial(
                params={"learning_rate": rate, "batch_size": size},
                distributions={"learning_rate": RATE, "batch_size": SIZE},
                value=None if isinstance(ending, TrialState) else ending,
                state=state,
                user_attrs={RUN_ID: f"{name}-{number}"} if config is not None else {},
            )
        )
    return study


def good_points(count: int) -> list[tuple[float, int, float]]:
    """Points all over the range, the best of them at a learning rate of 5e-5."""
    rates = [1e-5 * 10 ** (index / (count - 1)) for index in range(count)]
    return [(rate, 8, 0.9 - abs(rate - GOOD_RATE) * 1e4) for rate in rates]


def make_project(
    folder: Path,
    trials: Sequence[Mapping[str, Any]],
    *,
    metric: str = "val_accuracy",
    direction: str = "max",
    space: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """A KerasTuner project; a trial is its values, and ``score`` and ``status`` among them."""
    folder.mkdir(parents=True)
    (folder / "oracle.json").write_text(json.dumps({"ongoing_trials": {}, "start_order": []}))
    for number, trial in enumerate(trials):
        values = dict(trial)
        status, score = values.pop("status", "COMPLETED"), values.pop("score", None)
        observations = [] if score is None else [{"value": [score], "step": 1}]
        state = {
            "trial_id": str(number),
            "hyperparameters": {"space": list(space), "values": values},
            "metrics": {
                "metrics": {metric: {"direction": direction, "observations": observations}}
            },
            "score": score,
            "best_step": 1,
            "status": status,
            "message": None,
        }
        (folder / f"trial_{number}").mkdir()
        (folder / f"trial_{number}" / "trial.json").write_text(json.dumps(state))
    return folder


def no_tracking() -> TrackingStore:
    raise AssertionError("the tracking store is not needed")


def read(config: SweepConfig, study_url: str, store: TrackingStore | None = None) -> WarmStart:
    return read_sources(
        config,
        study_url=study_url,
        digest=DIGEST,
        tracking=no_tracking if store is None else lambda: store,
    )


def lines(warm_start: WarmStart) -> list[str]:
    return [str(report) for report in warm_start.reports]
