"""An MLflow experiment as a source: its runs that finished, whoever logged them."""

from __future__ import annotations

from finesweep.config import SweepConfig
from finesweep.config.warm_start import EarlierExperiment
from finesweep.sweeps.warm_start.found import FAILED, NOT_ENDED, PRUNED, Findings, FoundTrial
from finesweep.sweeps.warm_start.names import result
from finesweep.sweeps.warm_start.remarks import about_data
from finesweep.tracking import RecordedRun, TrackingStore, recorded_runs

# What a run's status says of the training; KILLED is what finesweep and Optuna end pruned trials
# with.
_UNUSABLE = {"FAILED": FAILED, "KILLED": f"{PRUNED} or stopped"}


def read_experiment(
    source: EarlierExperiment, config: SweepConfig, *, store: TrackingStore, digest: str
) -> Findings:
    """The experiment's runs, with the last value of the metric that this sweep goes by.

    Keras' name for it counts too, and so does what ``finesweep.keras_tuner.Tuner`` logs. A metric
    is known by its name alone: MLflow does not say whether more of it is better.

    Raises:
        TrackingError: there is no such experiment, or the store cannot be read.
    """
    runs = recorded_runs(store, source.name)
    metric = config.experiment.metric
    return Findings(
        source=f"the experiment '{source.name}'",
        trials=tuple(_found(run, metric) for run in runs),
        notes=about_data((run.digest for run in runs if run.status == "FINISHED"), here=digest),
    )


def _found(run: RecordedRun, metric: str) -> FoundTrial:
    usable = run.status == "FINISHED"
    return FoundTrial(
        name=run.name,
        params=run.params,
        value=result(run.metrics, metric),
        run_id=run.run_id,
        unusable=None if usable else _UNUSABLE.get(run.status, NOT_ENDED),
    )
