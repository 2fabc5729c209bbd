"""The MLflow run of one fine-tuning: a sweep's trial, or a single training."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from finesweep.errors import TrackingError
from finesweep.tracking.ending import RunStatus, end_run
from finesweep.tracking.lineage import DIGEST_TAG, log_dataset
from finesweep.tracking.mlflow_access import translated
from finesweep.tracking.provenance import Provenance
from finesweep.tracking.recording import RecordedRun, create_run
from finesweep.tracking.store import TrackingStore, local_path
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import Tick

if TYPE_CHECKING:
    from finesweep.data import DatasetIdentity

MODEL_FOLDER = "model"
CONFIG_FILE = "experiment.yaml"


class TrialRun(RecordedRun):
    """One fine-tuning on record: hyperparameters, a metric curve over ticks, and the model."""

    def __init__(self, store: TrackingStore, run_id: str, experiment_id: str) -> None:
        super().__init__(store, run_id, experiment_id)
        self._last_tick = 0

    @classmethod
    def start(
        cls,
        store: TrackingStore,
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
                params=hyperparameters.as_dict(),
                tags={DIGEST_TAG: dataset.digest, **Provenance.collect().as_tags()},
            )
            log_dataset(store, run_id, dataset)
        run = cls(store, run_id, experiment_id)
        run.log_text(config_yaml, CONFIG_FILE)
        return run

    def log_tick(self, tick: Tick) -> None:
        """Log a tick's metrics, and its epoch and seconds, at step ``tick.number`` in one request.

        Raises:
            TrackingError: the store cannot be written.
        """
        metrics = {**tick.metrics, "epoch": tick.epoch, "seconds": tick.seconds}
        self._log(metrics=metrics, step=tick.number)
        self._last_tick = tick.number

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log metrics of the whole training, at the step of the last tick.

        Raises:
            TrackingError: the store cannot be written.
        """
        # An earlier step would leave the tick's value standing as the latest.
        self._log(metrics=metrics, step=self._last_tick)

    def log_model(self, packaged: Path) -> None:
        """Put a packaged model into the run's artifacts as ``model``; ``packaged`` is consumed.

        On a local artifact store the directory is moved, not copied. A model logged before is
        replaced.

        Raises:
            TrackingError: ``packaged`` is not a packaged model, or it cannot be stored.
        """
        if not (packaged / "MLmodel").is_file():
            raise TrackingError(
                f"{packaged} is not a packaged model: it has no MLmodel file; build it with "
                "finesweep.registry.package"
            )
        with translated(f"store the model of the run {self.run_id}"):
            uri = str(self._store.client.get_run(self.run_id).info.artifact_uri)
            folder = local_path(uri)
            if folder is not None:
                _move(packaged, folder / MODEL_FOLDER)
            else:
                self._store.client.log_artifacts(self.run_id, str(packaged), MODEL_FOLDER)
                shutil.rmtree(packaged)

    def end(self, status: RunStatus, *, reason: str | None = None) -> None:
        """End the run; ``reason`` says why it was KILLED or FAILED.

        Raises:
            TrackingError: the store cannot be written.
        """
        end_run(self._store, self.run_id, status, reason=reason)


def _move(source: Path, target: Path) -> None:
    """Move a directory so that ``target`` is never seen half written, across file systems too."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.move(source, partial)
    if target.exists():
        shutil.rmtree(target)
    partial.replace(target)
