"""The study of a sweep: opened or made, and checked against its configuration."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from finesweep.config import SweepConfig, differences, to_plain
from finesweep.data import DatasetIdentity
from finesweep.errors import StudyError
from finesweep.sweeps.kept_trials import KeptTrials
from finesweep.sweeps.storage import database_file, open_storage, parse_url, translated

CONFIG = "config"
SWEEP_RUN_ID = "run_id"
EXPERIMENT_ID = "experiment_id"
STOPPED_BY = "stopped_by"
STUDY_KEY = "key"
ENDED = "ended"
NOT_ENDED = "it has not come to its end"

# What may change between two calls of the same sweep: its budgets and what becomes of its results.
# The place of the data may change too, for its digest is compared instead.
NO_CHANGE = frozenset(
    {
        "trials",
        "timeout",
        "patience",
        "retries",
        "max_failures",
        "tracking_timeout",
        "keep_checkpoints",
        "disk_limit",
        "register",
        "experiment.data.path",
    }
)


def silence_optuna() -> None:
    """Keep Optuna's log lines off the terminal: the observer says what happens."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def open_study(
    url: str,
    name: str,
    *,
    direction: Literal["maximize", "minimize"],
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
) -> optuna.Study:
    """Open the study called ``name``, or make it, and its database too; for who holds its lock.

    What others write to the study meanwhile is not seen: its trials are read once.

    Raises:
        StudyError: the database cannot be used; the message says what to do.
    """
    silence_optuna()
    storage = open_storage(url, writable=True)
    with translated(url):
        return optuna.create_study(
            storage=KeptTrials(optuna.storages.get_storage(storage), name),
            study_name=name,
            direction=direction,
            sampler=sampler,
            pruner=pruner,
            load_if_exists=True,
        )


def study_exists(url: str, name: str) -> bool:
    """Whether there is a study called ``name``; a database that is missing is not made.

    Raises:
        StudyError: the database cannot be used.
    """
    file = database_file(parse_url(url))
    if file is not None and not file.exists():
        return False
    storage = open_storage(url, writable=False)
    with translated(url):
        return name in optuna.get_all_study_names(storage)


def load_study(url: str, name: str) -> optuna.Study:
    """Open an existing study to look at it.

    Raises:
        StudyError: there is no such study, or the database cannot be used.
    """
    silence_optuna()
    storage = open_storage(url, writable=False)
    with translated(url):
        try:
            return optuna.load_study(storage=storage, study_name=name)
        except KeyError as exc:
            names = optuna.get_all_study_names(storage)
            known = f"it has {', '.join(names)}" if names else "it has none"
            raise StudyError(f"there is no sweep '{name}' in {url}; {known}") from exc


def load_studies(url: str) -> list[optuna.Study]:
    """Every study of a database, in the order in which they were made, to look at them.

    Raises:
        StudyError: the database cannot be used.
    """
    silence_optuna()
    storage = open_storage(url, writable=False)
    with translated(url):
        names = optuna.get_all_study_names(storage)
        return [optuna.load_study(storage=storage, study_name=name) for name in names]


def adopt_configuration(
    study: optuna.Study, config: SweepConfig, *, dataset: DatasetIdentity
) -> None:
    """Store the configuration with a new study; hold a continued one to what it was started with.

    Raises:
        StudyError: the configuration, or the data, is another one than the study was started with.
    """
    wanted = _identity(config, dataset)
    stored = study.user_attrs.get(CONFIG)
    if stored is None:
        if study.trials:
            raise StudyError(
                f"the study '{study.study_name}' has trials but was not made by finesweep; give "
                "this sweep another name"
            )
        study.set_user_attr(CONFIG, wanted)
        return
    changed = differences(stored, wanted, ignore=NO_CHANGE)
    if changed:
        lines = [f"  {difference}" for difference in changed]
        raise StudyError(
            f"the sweep '{study.study_name}' was started with another configuration:\n"
            + "\n".join(lines)
            + "\nput this back to continue it, or start another sweep with --new NAME"
        )
    study.set_user_attr(CONFIG, wanted)


def enqueue_first(study: optuna.Study, config: SweepConfig) -> None:
    """Enqueue the configured trials, once in the life of the study.

    A call that died half-way through enqueueing is completed by the next.
    """
    searched = config.space.entries()
    already = sum(trial.number < len(config.enqueue) for trial in study.get_trials(deepcopy=False))
    for entry in config.enqueue[already:]:
        values = entry.model_dump(exclude_none=True)
        study.enqueue_trial({name: values[name] for name in searched if name in values})


def next_number(trials: Sequence[FrozenTrial]) -> int:
    """The number of the trial that the next ask gives: the first that waits, else a new one."""
    waiting = (trial.number for trial in trials if trial.state == TrialState.WAITING)
    return min(waiting, default=len(trials))


def park(study: optuna.Study, number: int) -> None:
    """Put a running trial back among those that wait: the next ask takes it up again."""
    # Optuna's study has no word for this; its storage does.
    storage = study._storage
    study_id = storage.get_study_id_from_name(study.study_name)
    trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, number)
    storage.set_trial_state_values(trial_id, state=TrialState.WAITING)


def left_running(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that a dead coordinator left RUNNING; its lock is ours, so nobody runs them."""
    return list(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))


def _identity(config: SweepConfig, dataset: DatasetIdentity) -> dict[str, Any]:
    """What a study is held to: the configuration, and the data it stands for."""
    plain = to_plain(config)
    plain["experiment"]["data"]["digest"] = dataset.digest
    return plain


def stored_configuration(attrs: Mapping[str, Any]) -> SweepConfig | None:
    """The configuration a study was started with.

    None for a study of something else, or of a version of finesweep that knew other keys.
    """
    try:
        plain = copy.deepcopy(attrs[CONFIG])
        del plain["experiment"]["data"]["digest"]
        return SweepConfig.model_validate_json(json.dumps(plain))
    except (LookupError, TypeError, ValueError):
        return None
