"""Models in the artifact store that no trial of the study keeps, and halves of such.

Only where the store is a folder of this machine. A model that a registered version is made of is
kept, whatever the study says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import FrozenTrial

from finesweep.config.quantities import size_in_words
from finesweep.errors import FinesweepError
from finesweep.sweeps.doctor.finding import Finding
from finesweep.sweeps.doctor.leftovers import Leftover
from finesweep.sweeps.doctor.situation import IdleSweep, Situation
from finesweep.sweeps.record import RUN_ID
from finesweep.sweeps.retention import KEPT, folder_size
from finesweep.sweeps.storage import translated as study_translated
from finesweep.sweeps.study import EXPERIMENT_ID
from finesweep.tracking import TrackingStore
from finesweep.tracking.mlflow_access import translated
from finesweep.tracking.store import local_path
from finesweep.tracking.trial_run import MODEL_FOLDER

REASON = "the sweep does not keep it"


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A model in the artifact folder of a trial's run."""

    trial: int
    run_id: str
    folder: Path


def look(situation: Situation) -> Iterator[Finding]:
    """One finding a model; halves are told of as leftovers too."""
    if situation.tracking is None:
        return
    with study_translated(situation.place.study_url):
        for sweep in situation.idle:
            try:
                for model in not_kept(sweep, situation.tracking):
                    size = size_in_words(folder_size(model.folder))
                    yield _finding(
                        sweep,
                        model.folder,
                        f"{model.folder}: the model of t{model.trial:03d}, which is not kept "
                        f"({size})",
                    )
                for half in halves(sweep, situation.tracking):
                    yield _finding(sweep, half.path, f"{half.path}: {half.why}")
            except FinesweepError:
                continue  # What is wrong with the sweep's experiment is told where it is opened.


def not_kept(sweep: IdleSweep, tracking: TrackingStore) -> list[StoredModel]:
    """Models of trials that ended, and neither keep them nor have them registered.

    Raises:
        TrackingError: the store cannot be read.
    """
    kept = sweep.study.user_attrs.get(KEPT)
    if kept is None:
        return []  # An earlier finesweep kept all, and noted none.
    return [
        StoredModel(trial=trial.number, run_id=trial.user_attrs[RUN_ID], folder=folder)
        for trial, artifacts in _artifacts(sweep, tracking)
        if trial.state.is_finished()
        and str(trial.number) not in kept
        and (folder := artifacts / MODEL_FOLDER).is_dir()
        and not _is_registered(trial.user_attrs[RUN_ID], tracking)
    ]


def halves(sweep: IdleSweep, tracking: TrackingStore) -> list[Leftover]:
    """Models half copied or half removed when their process was killed.

    Raises:
        TrackingError: the store cannot be read.
    """
    return [
        Leftover(path=path, why="a model half copied, or half removed")
        for _, artifacts in _artifacts(sweep, tracking)
        for path in sorted(artifacts.glob(f".{MODEL_FOLDER}.*"))
    ]


def _artifacts(sweep: IdleSweep, tracking: TrackingStore) -> Iterator[tuple[FrozenTrial, Path]]:
    """The artifact folder of each trial's run, where that is on this machine."""
    experiment_id = sweep.study.user_attrs.get(EXPERIMENT_ID)
    if tracking.artifact_root is None or experiment_id is None:
        return
    with translated(f"read the experiment {experiment_id} in {tracking.address}"):
        location = tracking.client.get_experiment(experiment_id).artifact_location
    folder = local_path(location)
    if folder is None:
        return
    for trial in sweep.study.get_trials(deepcopy=False):
        if RUN_ID in trial.user_attrs:
            # MLflow's own layout, asked for without a request a trial.
            yield trial, folder / trial.user_attrs[RUN_ID] / "artifacts"


def _is_registered(run_id: str, tracking: TrackingStore) -> bool:
    with translated(f"look for versions made of the run {run_id}"):
        return bool(tracking.client.search_model_versions(f"run_id = '{run_id}'"))


def _finding(sweep: IdleSweep, path: Path, what: str) -> Finding:
    return Finding(
        kind="leftovers",
        level="warning",
        subject=str(path),
        what=what,
        advice="--repair removes it",
        sweep=sweep.name,
        repairable=True,
    )
