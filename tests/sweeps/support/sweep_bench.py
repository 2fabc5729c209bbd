"""Everything a sweep needs, around a scripted trainer; and an observer that remembers."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import psutil

from finesweep.config import SweepConfig
from finesweep.data import DatasetIdentity, PreparedData
from finesweep.sweeps import SweepResult, TrialSummary, run_sweep
from finesweep.sweeps.engines._base import WorkerReady
from finesweep.sweeps.engines.local import LocalEngine
from finesweep.sweeps.stopping import StopRequest
from finesweep.sweeps.study import load_study
from finesweep.sweeps.warm_start.report import SourceReport
from finesweep.tracking import DeliveryState, TrackingStore
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import Tick, TrainingSetup

SCRIPTED = "scripted_trainer:ScriptedTrainer"


def worker_processes() -> list[psutil.Process]:
    """The workers that this process has started; other tests may have left other children."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "finesweep.sweeps.worker" in child.cmdline():
                found.append(child)
    return found


@dataclass
class RecordingObserver:
    """Writes down what it is told; ``on_tick`` lets a test act in the middle of a sweep."""

    warm: list[str] = field(default_factory=list)
    ready: list[WorkerReady] = field(default_factory=list)
    started: list[tuple[int, int]] = field(default_factory=list)
    trials: list[tuple[int, Hyperparameters, str]] = field(default_factory=list)
    ticks: list[tuple[int, int, int]] = field(default_factory=list)
    parked: list[tuple[TrialSummary, str]] = field(default_factory=list)
    ended: list[TrialSummary] = field(default_factory=list)
    tracking: list[DeliveryState] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    results: list[SweepResult] = field(default_factory=list)
    on_tick: Callable[[int, int], None] | None = None

    def warm_started(self, reports: Sequence[SourceReport]) -> None:
        self.warm += map(str, reports)

    def sweep_started(self, total: int, done: int) -> None:
        self.started.append((total, done))

    def worker_ready(self, event: WorkerReady) -> None:
        self.ready.append(event)

    def trial_started(self, number: int, hyperparameters: Hyperparameters, run_id: str) -> None:
        self.trials.append((number, hyperparameters, run_id))

    def ticked(self, number: int, tick: Tick, total_ticks: int) -> None:
        self.ticks.append((number, tick.number, total_ticks))
        if self.on_tick is not None:
            self.on_tick(number, tick.number)

    def stopping(self, reason: str) -> None:
        self.stops.append(reason)

    def trial_parked(self, summary: TrialSummary, then: str) -> None:
        self.parked.append((summary, then))

    def tracking_changed(self, state: DeliveryState) -> None:
        self.tracking.append(state)

    def trial_ended(self, summary: TrialSummary) -> None:
        self.ended.append(summary)

    def sweep_ended(self, result: SweepResult) -> None:
        self.results.append(result)


@dataclass
class Bench:
    """Everything a sweep needs, around a scripted trainer."""

    folder: Path
    store: TrackingStore
    n_test: int = 0
    digest: str = "d1"
    continuable: bool = False
    engine: LocalEngine | None = None
    name: str = field(default_factory=lambda: f"s{uuid.uuid4().hex[:8]}")

    @property
    def study_url(self) -> str:
        return f"sqlite:///{self.folder}/studies/optuna.db"

    @property
    def workdir(self) -> Path:
        return self.folder / "work"

    @property
    def setup(self) -> TrainingSetup:
        return TrainingSetup(
            checkpoint=self.folder,
            prepared=self.folder,
            label_names=("plain", "satire"),
            continuable=self.continuable,
        )

    @property
    def data(self) -> PreparedData:
        identity = DatasetIdentity(name="headlines", digest=self.digest, source="here", rows=100)
        return PreparedData(
            directory=self.folder,
            label_names=("plain", "satire"),
            n_train=80,
            n_validation=20,
            n_test=self.n_test,
            identity=identity,
        )

    def script(self, **acts: Any) -> None:
        named = {key.removeprefix("t"): value for key, value in acts.items() if key[1:].isdigit()}
        rest = {key: value for key, value in acts.items() if not key[1:].isdigit()}
        (self.folder / "script.json").write_text(json.dumps({**named, **rest}))

    def config(self, **changes: Any) -> SweepConfig:
        values: dict[str, Any] = {
            "name": self.name,
            "experiment": {"name": self.name, "data": {"path": "headlines.json"}, "epochs": 2},
            "trials": 3,
            "space": {
                "learning_rate": {"low": 1e-5, "high": 1e-4, "log": True},
                "batch_size": {"choices": [8, 16, 32]},
            },
            "pruner": {"name": "none"},
        }
        return SweepConfig.model_validate({**values, **changes})

    def run(
        self,
        config: SweepConfig,
        observer: RecordingObserver | None = None,
        *,
        workers: int = 1,
        stop: StopRequest | None = None,
    ) -> SweepResult:
        self.engine = LocalEngine(
            self.setup, trainer=SCRIPTED, workers=workers, logs=self.folder / "logs"
        )
        return run_sweep(
            config,
            setup=self.setup,
            data=self.data,
            store=self.store,
            study_url=self.study_url,
            engine=self.engine,
            observer=observer or RecordingObserver(),
            workdir=self.workdir,
            stop=stop,
        )

    def study(self) -> optuna.Study:
        return load_study(self.study_url, self.name)

    def mlflow_run(self, run_id: str | None) -> Any:
        return self.store.client.get_run(run_id)
