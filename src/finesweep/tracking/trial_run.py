"""The MLflow run of one fine-tuning: a sweep's trial, or a single training."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from finesweep.errors import TrackingError
from finesweep.tracking.ending import RunStatus
from finesweep.tracking.entries import End, Metrics, ModelRemoval, Params, Reopening, Tags, Text
from finesweep.tracking.lineage import DIGEST_TAG, log_dataset
from finesweep.tracking.mlflow_access import translated
from finesweep.tracking.outbox import Outbox
from finesweep.tracking.provenance import Provenance
from finesweep.tracking.recording import create_run
from finesweep.tracking.store import TrackingStore
from finesweep.training.drawing import Value
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import Tick

if TYPE_CHECKING:
    from finesweep.data import DatasetIdentity

MODEL_FOLDER = "model"
CONFIG_FILE = "experiment.yaml"

# What MLflow takes as the name of a param; a name such as /a or ../a it takes for a path.
_NOT_IN_NAMES = re.compile(r"[^\w.\- :/]")
_LONGEST_NAME = 250


class TrialRun:
    """One fine-tuning on record: hyperparameters, a metric curve over ticks, and the model.

    All but the creation of the run goes into the outbox, and is as good as written when a method
    returns, whether the store answers or not. Every method raises ``DiskFullError`` when there is
    no space for the outbox, and ``TrackingError`` when it cannot be written.
    """

    def __init__(self, outbox: Outbox, run_id: str, experiment_id: str) -> None:
        self._outbox = outbox
        self.run_id = run_id
        self.experiment_id = experiment_id

    @classmethod
    def start(
        cls,
        store: TrackingStore,
        outbox: Outbox,
        *,
        experiment: str,
        name: str,
        hyperparameters: Hyperparameters,
        dataset: DatasetIdentity,
        config_yaml: str,
    ) -> TrialRun:
        """Begin the run of a single training, one that belongs to no sweep.

        Raises:
            TrackingError: the experiment was deleted, or the store cannot be written.
        """
        experiment_id = store.experiment_id(experiment)
        with translated(f"begin a run in the experiment '{experiment}' of {store.address}"):
            run_id = create_run(
                store,
                experiment_id,
                name=name,
                command="finesweep train",
                tags={DIGEST_TAG: dataset.digest, **Provenance.collect().as_tags()},
            )
            log_dataset(store, run_id, dataset)
        run = cls(outbox, run_id, experiment_id)
        run.log_params(hyperparameters)
        run.log_text(config_yaml, CONFIG_FILE)
        return run

    def log_params(self, hyperparameters: Hyperparameters | Mapping[str, Value]) -> None:
        """Log hyperparameters; logged again, they must be the same.

        In a name, characters that MLflow refuses become underscores.
        """
        if isinstance(hyperparameters, Hyperparameters):
            hyperparameters = hyperparameters.as_dict()
        values = {_param_name(name): str(value) for name, value in hyperparameters.items()}
        if values:
            self._outbox.put(self.run_id, Params(values=values))

    def log_tick(self, tick: Tick) -> bool:
        """Log a tick's metrics, and its epoch and seconds, at step ``tick.number``.

        A tick of that number that was logged before, by an attempt that ended or by a process that
        died, is passed over; returns whether this one was new.
        """
        metrics = {**tick.metrics, "epoch": tick.epoch, "seconds": tick.seconds}
        return self._outbox.put_tick(self.run_id, Metrics(step=tick.number, values=metrics))

    def log_points(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log a point of each metric at ``step``, for a training that counts no ticks.

        In a name, characters that MLflow refuses become underscores.
        """
        values = {_param_name(name): value for name, value in metrics.items()}
        self._outbox.put(self.run_id, Metrics(step=step, values=values))

    def log_metrics(self, metrics: Mapping[str, float]) -> bool:
        """Log metrics of the whole training, at the step of the last tick.

        Taken once, as a tick is; returns whether this was the first time.
        """
        # An earlier step would leave the tick's value standing as the latest.
        step = self._outbox.last_step(self.run_id)
        return self._outbox.put_result(self.run_id, Metrics(step=step, values=dict(metrics)))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; a value longer than 5000 characters is cut."""
        self._outbox.put(self.run_id, Tags(values=dict(tags)))

    def log_text(self, text: str, artifact_path: str) -> None:
        """Store ``text`` as the run's artifact ``artifact_path``."""
        self._outbox.put(self.run_id, Text(path=artifact_path, text=text))

    def log_model(self, packaged: Path) -> None:
        """Put a packaged model into the run's artifacts as ``model``; ``packaged`` is consumed.

        Where everything is on one file system the directory is moved, never copied. A model logged
        before is replaced.

        Raises:
            TrackingError: ``packaged`` is not a packaged model.
        """
        if not (packaged / "MLmodel").is_file():
            raise TrackingError(
                f"{packaged} is not a packaged model: it has no MLmodel file; build it with "
                "finesweep.registry.package"
            )
        self._outbox.put_model(self.run_id, packaged)

    def remove_model(self, reason: str) -> None:
        """Remove the model from the run's artifacts, and tag the run with the reason.

        One that a registered model version is made of stays, and the tag says so.
        """
        self._outbox.put(self.run_id, ModelRemoval(reason=reason))

    def end(self, status: RunStatus, *, ending: str, reason: str | None = None) -> None:
        """End the run now; ``ending`` is the way it ended (``completed``, ``pruned``, …).

        ``reason`` says why in a sentence.
        """
        self._outbox.put(self.run_id, End(status=status, ending=ending, reason=reason))

    def reopen(self) -> None:
        """Let the run go on: RUNNING, and nothing on record of how it ended before."""
        self._outbox.put(self.run_id, Reopening())


def _param_name(name: str) -> str:
    """The name of a hyperparameter, which may be any text, as MLflow takes it."""
    parts = [part for part in _NOT_IN_NAMES.sub("_", name).split("/") if part.strip(".")]
    return "/".join(parts)[:_LONGEST_NAME] or "_"
