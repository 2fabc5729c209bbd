"""A sweep as the study remembers it: for showing one that ended, and for listing all there are."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.trial import TrialState

from finesweep.errors import StudyError
from finesweep.sweeps.lock import read_holder
from finesweep.sweeps.progress import trials_done
from finesweep.sweeps.record import summarise, summarise_all
from finesweep.sweeps.result import StudySummary, SweepResult
from finesweep.sweeps.selection import best_trial, stored_selection
from finesweep.sweeps.storage import translated
from finesweep.sweeps.study import (
    EXPERIMENT_ID,
    NOT_ENDED,
    STOPPED_BY,
    SWEEP_RUN_ID,
    load_studies,
    load_study,
    stored_configuration,
)
from finesweep.sweeps.warm_start.keeping import kept_reports


def load_result(study_url: str, name: str, *, workdir: Path | None = None) -> SweepResult:
    """A sweep as far as it has come, from the study alone.

    ``workdir`` is where the lock of a study on a database server stands.

    Raises:
        StudyError: there is no such sweep, or the database cannot be used.
    """
    holder = read_holder(study_url, name, workdir=workdir or Path())
    with translated(study_url):
        study = load_study(study_url, name)
        return result_of(study, coordinated=holder is not None and holder.is_alive)


def list_studies(study_url: str) -> list[StudySummary]:
    """Every study of the database, in the order in which they were made.

    Raises:
        StudyError: the database cannot be used.
    """
    with translated(study_url):
        return [_summary(study) for study in load_studies(study_url)]


def result_of(study: optuna.Study, *, coordinated: bool = True) -> SweepResult:
    """What the study knows of its sweep; ``coordinated`` says whether somebody runs it.

    Raises:
        StudyError: the study was not made by finesweep.
    """
    config = stored_configuration(study.user_attrs)
    if config is None:
        raise StudyError(f"the study '{study.study_name}' was not made by finesweep")
    best, selection = best_trial(study), stored_selection(study)
    selected = selection if best and selection and selection.trial == best.number else None
    return SweepResult(
        study_name=study.study_name,
        run_id=study.user_attrs.get(SWEEP_RUN_ID, ""),
        experiment_id=study.user_attrs.get(EXPERIMENT_ID, ""),
        trials=summarise_all(
            study.get_trials(deepcopy=False),
            experiment=config.experiment,
            coordinated=coordinated,
        ),
        best=summarise(best, experiment=config.experiment) if best else None,
        registered=selected.registered if selected else None,
        test_metrics=selected.test_metrics if selected else {},
        stopped_by=study.user_attrs.get(STOPPED_BY, NOT_ENDED),
        warm_start=kept_reports(study.user_attrs),
    )


def _summary(study: optuna.Study) -> StudySummary:
    config = stored_configuration(study.user_attrs)
    trials = study.get_trials(deepcopy=False)
    best = best_trial(study)
    return StudySummary(
        name=study.study_name,
        total=config.trials if config else None,
        done=trials_done(trials),
        running=sum(trial.state == TrialState.RUNNING for trial in trials),
        best_value=best.value if best else None,
        metric=config.experiment.metric if config else None,
    )
