"""The MLflow run above the trials': begun once for a study, and reopened when its sweep goes on."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import optuna

from finesweep.config import SweepConfig, to_yaml
from finesweep.data import PreparedData
from finesweep.sweeps.study import EXPERIMENT_ID, STUDY_KEY, SWEEP_RUN_ID
from finesweep.sweeps.warm_start.keeping import kept_reports
from finesweep.tracking import Outbox, SweepRun, TrackingStore
from finesweep.training.progress import TrainingSetup

WARM_START_TAG = "finesweep.warm_start"


def parent_run(
    study: optuna.Study,
    config: SweepConfig,
    *,
    setup: TrainingSetup,
    data: PreparedData,
    store: TrackingStore,
    outbox: Outbox,
) -> SweepRun:
    """The MLflow run above the trials': a new study's is begun, a continued one's reopened."""

    def begin(key: str) -> SweepRun:
        sweep_run = SweepRun.start(
            store,
            experiment=config.experiment.name,
            name=config.name,
            study_key=key,
            config_yaml=to_yaml(config),
            params=_params(config, setup=setup, data=data),
            dataset=data.identity,
        )
        reports = kept_reports(study.user_attrs)
        if reports:
            sweep_run.set_tags({WARM_START_TAG: "\n".join(map(str, reports))})
        return sweep_run

    return run_of_study(study, store=store, outbox=outbox, begin=begin)


def run_of_study(
    study: optuna.Study,
    *,
    store: TrackingStore,
    outbox: Outbox,
    begin: Callable[[str], SweepRun],
) -> SweepRun:
    """The run the study knows, reopened; else what ``begin`` makes for its key, noted there."""
    run_id = study.user_attrs.get(SWEEP_RUN_ID)
    if run_id is not None:
        return SweepRun.resume(store, run_id, outbox=outbox)
    key = study.user_attrs.get(STUDY_KEY)
    if key is None:
        study.set_user_attr(STUDY_KEY, key := uuid.uuid4().hex)
    sweep_run = begin(key)
    study.set_user_attr(EXPERIMENT_ID, sweep_run.experiment_id)
    study.set_user_attr(SWEEP_RUN_ID, sweep_run.run_id)
    return sweep_run


def _params(
    config: SweepConfig, *, setup: TrainingSetup, data: PreparedData
) -> dict[str, str | int | float]:
    """What tells one sweep from another in a table of runs."""
    return {
        "checkpoint": config.experiment.model.checkpoint,
        **({"hypermodel": config.hypermodel} if config.hypermodel else {}),
        "precision": setup.precision,
        "metric": config.experiment.metric,
        "sampler": config.sampler.name,
        "sampler_seed": config.sampler.seed,
        "pruner": config.pruner.name,
        "labels": len(setup.label_names),
        "train_rows": data.n_train,
        "validation_rows": data.n_validation,
        "test_rows": data.n_test,
    }
