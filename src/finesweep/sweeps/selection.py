"""What a sweep comes to: the best trial, measured on the test split, registered, and on record."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.trial import FrozenTrial, TrialState

from finesweep import registry
from finesweep.config import SweepConfig
from finesweep.errors import SweepFailedError
from finesweep.registry.packaging import CHECKPOINT_FOLDER
from finesweep.sweeps.engines._base import Died, Engine, Evaluation, Failed
from finesweep.sweeps.measuring import measure
from finesweep.sweeps.news import StoreNews
from finesweep.sweeps.progress import endings
from finesweep.sweeps.record import RUN_ID, record_of, values_of
from finesweep.sweeps.result import Registered
from finesweep.sweeps.space import complete
from finesweep.sweeps.store_watch import patiently
from finesweep.sweeps.trial_runs import TrialRuns
from finesweep.tracking import SweepRun, TrackingStore
from finesweep.tracking.artifacts import fetch_folder
from finesweep.tracking.trial_run import MODEL_FOLDER

T = TypeVar("T")

SELECTION = "selection"
MEASURED = "measured"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The trial a sweep selected, as the study remembers it."""

    trial: int
    test_metrics: dict[str, float] = field(default_factory=dict)
    registered: Registered | None = None


def stored_selection(study: optuna.Study) -> Selection | None:
    """What was selected last, or None."""
    stored: dict[str, Any] | None = study.user_attrs.get(SELECTION)
    if stored is None:
        return None
    registered = stored["registered"]
    return Selection(
        trial=stored["trial"],
        test_metrics=stored["test_metrics"],
        registered=Registered(**registered) if registered else None,
    )


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The completed trial with the best metric, the earliest of equals; None if none completed."""
    completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return study.best_trial if completed else None


def is_selected(study: optuna.Study, config: SweepConfig) -> bool:
    """Whether the best trial was selected, and registered as the configuration asks."""
    best, selection = best_trial(study), stored_selection(study)
    if best is None or selection is None or selection.trial != best.number:
        return False
    if config.register_as is None:
        return True
    registered = selection.registered
    wanted = (config.register_as.name, config.register_as.stage)
    return registered is not None and (registered.name, registered.stage) == wanted


class Selector:
    """Selects the best trial of a study; what was done before for the same trial is kept."""

    def __init__(
        self,
        study: optuna.Study,
        config: SweepConfig,
        *,
        store: TrackingStore,
        sweep_run: SweepRun,
        runs: TrialRuns,
        engine: Engine,
        news: StoreNews,
        workdir: Path,
    ) -> None:
        self._study = study
        self._config = config
        self._store = store
        self._sweep_run = sweep_run
        self._runs = runs
        self._engine = engine
        self._news = news
        self._workdir = workdir

    def select(self, *, has_test_split: bool) -> Selection:
        """Find, measure, register and put on record.

        Raises:
            SweepFailedError: no trial completed, or the best could not be measured.
        """
        best = best_trial(self._study)
        if best is None:
            raise SweepFailedError(_why_none_completed(self._study.get_trials(deepcopy=False)))
        test_metrics = self._measured(best) if has_test_split else {}
        selection = Selection(
            trial=best.number,
            test_metrics=test_metrics,
            registered=self._patiently(lambda: self._register(best)),
        )
        self._patiently(lambda: self._put_on_record(best, selection))
        self._study.set_user_attr(SELECTION, asdict(selection))
        return selection

    def _measured(self, best: FrozenTrial) -> dict[str, float]:
        """The trial's metrics on the test split: measured once, logged to its run once."""
        measured: dict[str, dict[str, float]] = self._study.user_attrs.get(MEASURED, {})
        number = str(best.number)
        if number not in measured:
            measured = {**measured, number: self._measure(best)}
            self._study.set_user_attr(MEASURED, measured)
        self._runs.known(best.user_attrs[RUN_ID]).log_metrics(measured[number])
        return measured[number]

    def _measure(self, best: FrozenTrial) -> dict[str, float]:
        """The metrics on the test split, computed by a worker."""
        run_id = best.user_attrs[RUN_ID]
        hyperparameters = complete(values_of(best), experiment=self._config.experiment)
        with self._checkpoint(run_id) as checkpoint:
            measured = measure(
                self._engine,
                Evaluation(
                    trial=best.number,
                    checkpoint=checkpoint,
                    max_length=hyperparameters.max_length,
                    split="test",
                ),
            )
        if not isinstance(measured, dict):
            raise SweepFailedError(
                f"the best trial ({best.number}) could not be measured on the test split: "
                f"{_why(measured)}\nmend the cause and run the same command: the trials are kept"
            )
        return measured

    @contextmanager
    def _checkpoint(self, run_id: str) -> Iterator[Path]:
        """The trial's checkpoint, taken from its run wherever that is stored."""
        copy = self._workdir / "selected"
        try:
            yield self._patiently(
                lambda: fetch_folder(
                    self._store, run_id, f"{MODEL_FOLDER}/{CHECKPOINT_FOLDER}", into=copy
                )
            )
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def _patiently(self, action: Callable[[], T]) -> T:
        return patiently(action, patience=self._config.tracking_timeout, news=self._news)

    def _register(self, best: FrozenTrial) -> Registered | None:
        wanted = self._config.register_as
        if wanted is None:
            return None
        run_id = best.user_attrs[RUN_ID]
        version = registry.register(self._store, run_id, name=wanted.name, stage=wanted.stage)
        return Registered(name=version.name, version=version.version, stage=version.stage)

    def _put_on_record(self, best: FrozenTrial, selection: Selection) -> None:
        """The sweep's own run says which trial won, with which metrics, out of how many."""
        counts = endings(self._study.get_trials(deepcopy=False))
        metrics = {**record_of(best).metrics, **selection.test_metrics}
        self._sweep_run.log_metrics(
            {
                **{f"best/{name}": value for name, value in metrics.items()},
                **{f"trials/{ending}": float(count) for ending, count in counts.items()},
            }
        )
        tags = {
            "finesweep.best_trial": str(best.number),
            "finesweep.best_run_id": best.user_attrs[RUN_ID],
        }
        if selection.registered is not None:
            registered = selection.registered
            tags["finesweep.registered"] = f"{registered.name} version {registered.version}"
        self._sweep_run.set_tags(tags)


def _why(event: Failed | Died) -> str:
    return event.detail if isinstance(event, Died) else f"{event.kind}: {event.reason}"


def _why_none_completed(trials: Sequence[FrozenTrial]) -> str:
    """One line for a sweep without a result, with the first reason there is."""
    counts = endings(trials)
    if not counts:
        return "no trial ended before the time was up; allow a longer timeout"
    listed = ", ".join(f"{count} {ending}" for ending, count in counts.most_common())
    reasons = (record_of(trial).reason for trial in trials if trial.state.is_finished())
    first = next((reason for reason in reasons if reason), "no reason is known")
    return f"no trial completed ({listed}); the first: {first}"
