"""A KerasTuner project as a source, read from its JSON files; KerasTuner itself is not loaded.

A project is the folder that ``Tuner(directory=…, project_name=…)`` made: ``oracle.json`` and a
``trial_…/trial.json`` for each trial (``keras_tuner.engine.oracle.Oracle.save_trial``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from finesweep.config import SweepConfig
from finesweep.config.warm_start import EarlierProject
from finesweep.errors import StudyError
from finesweep.sweeps.warm_start.found import FAILED, NOT_ENDED, Findings, FoundTrial
from finesweep.sweeps.warm_start.names import is_metric
from finesweep.training.drawing import MIRRORED

ORACLE = "oracle.json"
TRIALS = "trial_*/trial.json"
# What KerasTuner's Hyperband calls the epochs that it gave a trial.
HYPERBAND_EPOCHS = "tuner/epochs"

_DIRECTIONS = {"maximize": "max", "minimize": "min"}
_UNUSABLE = {"FAILED": FAILED, "INVALID": FAILED}


def read_project(source: EarlierProject, config: SweepConfig) -> Findings:
    """The project's trials, with the best value of the metric that this sweep goes by.

    Raises:
        StudyError: there is no project, or its trials were not measured by that metric, or it is
            better there where it is worse here.
    """
    folder = Path(source.path)
    _require_project(folder)
    states = list(_states(folder))
    _require_metric(folder, states, config)
    return Findings(
        source=f"the KerasTuner project {folder}",
        trials=tuple(_found(name, state, config) for name, state in states),
    )


def _require_project(folder: Path) -> None:
    if (folder / ORACLE).is_file():
        return
    found = "a file" if folder.is_file() else "no such folder"
    if folder.is_dir():
        inside = sorted(file.parent.name for file in folder.glob(f"*/{ORACLE}"))
        found = f"a folder of the projects {', '.join(inside)}" if inside else "another folder"
    elif folder.is_file() and folder.suffix in (".db", ".sqlite", ".sqlite3"):
        found = f"a file; an Optuna storage is written as sqlite:///{folder}"
    raise StudyError(
        f"expected a KerasTuner project ({ORACLE} and {TRIALS}) in {folder}, found {found}"
    )


def _states(folder: Path) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """Each trial's name and state, in the order in which they began; None for a torn file."""
    for file in sorted(folder.glob(TRIALS), key=lambda file: (len(file.parent.name), file)):
        try:
            state = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            state = None
        yield file.parent.name, state if isinstance(state, dict) else None


def _require_metric(
    folder: Path, states: list[tuple[str, Mapping[str, Any] | None]], config: SweepConfig
) -> None:
    """Refuse a project none of whose trials has the metric, or has it the other way round."""
    wanted, direction = config.experiment.metric, _DIRECTIONS[config.experiment.direction]
    histories = [_metrics(state) for _, state in states if state is not None]
    names = {name for metrics in histories for name in metrics}
    if names and not any(is_metric(name, wanted) for name in names):
        raise StudyError(
            f"the trials of the KerasTuner project {folder} were measured by "
            f"{', '.join(sorted(names))}, this sweep's metric is {wanted}"
        )
    for metrics in histories:
        history = _history(metrics, wanted)
        if history.get("direction") not in (None, direction):
            raise StudyError(
                f"the KerasTuner project {folder} goes by the {history['direction']} of {wanted}, "
                f"this sweep by the {direction}"
            )


def _found(name: str, state: Mapping[str, Any] | None, config: SweepConfig) -> FoundTrial:
    unreadable = FoundTrial(name=name, params={}, value=None, unusable="could not be read")
    if state is None:
        return unreadable
    complete = state.get("status") == "COMPLETED"
    try:
        params = _params(state)
        value = _best_value(_history(_metrics(state), config.experiment.metric))
    except (LookupError, TypeError, ValueError):
        # Not as any version of KerasTuner writes it.
        return unreadable
    unusable = None if complete else _UNUSABLE.get(str(state.get("status")), NOT_ENDED)
    return FoundTrial(name=name, params=params, value=value, unusable=unusable)


def _params(state: Mapping[str, Any]) -> dict[str, Any]:
    """The trial's values; epochs that Hyperband gave it are its epochs.

    What Optuna knows by another name, as ``keras_tuner.suggesting`` has it, stands under that too,
    not mirrored: between which bounds it will be is not known yet.
    """
    hyperparameters = _mapping(state.get("hyperparameters"))
    values = dict(_mapping(hyperparameters.get("values")))
    for one in hyperparameters.get("space") or ():
        config = _mapping(_mapping(one).get("config"))
        if config.get("name") in values:
            values |= _as_drawn(config, values)
    if HYPERBAND_EPOCHS in values:
        values.setdefault("epochs", values[HYPERBAND_EPOCHS])
    return values


def _as_drawn(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A hyperparameter under Optuna's name for it; nothing if it is not active."""
    name, value = config["name"], values[config["name"]]
    parents = [_mapping(_mapping(one).get("config")) for one in config.get("conditions") or ()]
    if any(values.get(one["name"]) not in one["values"] for one in parents):
        return {}
    if parents:
        conditions = (f"{one['name']}={'|'.join(map(str, one['values']))}" for one in parents)
        name = f"{name} [{', '.join(conditions)}]"
    if config.get("sampling") == "reverse_log" and config.get("step") is None:
        name = f"{name}{MIRRORED}"
    return {name: value}


def _metrics(state: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(_mapping(state.get("metrics")).get("metrics"))


def _history(metrics: Mapping[str, Any], wanted: str) -> Mapping[str, Any]:
    """What was observed of a metric: its ``direction`` and ``observations``."""
    return next((_mapping(metrics[name]) for name in metrics if is_metric(name, wanted)), {})


def _best_value(history: Mapping[str, Any]) -> float | None:
    """The best step's mean over executions, which is what KerasTuner scores a trial by."""
    observed = (_mapping(one).get("value") for one in history.get("observations") or ())
    means = [sum(values) / len(values) for values in observed if values]
    means = [mean for mean in means if math.isfinite(mean)]
    if not means:
        return None
    return float(min(means) if history.get("direction") == "min" else max(means))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
