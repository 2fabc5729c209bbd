"""What MLflow hears of a search: a run for the search, and a child run for each attempt.

MLflow may be away, at the beginning or later; the search never waits for it. What is said of a run
that exists goes into the outbox (see ``tracking``). A run that cannot be begun has a journal
instead, ``unlogged/007.jsonl`` in the project's folder: it is begun, and the journal carried over,
when the store is back: before another trial, at the end of the search, or at the next one.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from finesweep.errors import DiskFullError, TrackingError
from finesweep.keras_tuner.attempts import OUTCOME, TRIAL_ID, Ending, Outcome, outcome_of
from finesweep.sweeps.deliveries import OUTBOX_FILE
from finesweep.sweeps.parent_run import run_of_study
from finesweep.sweeps.record import RUN_ID
from finesweep.tracking import Delivery, Outbox, RunStatus, SweepRun, TrackingStore, TrialRun

JOURNALS = "unlogged"
TRIAL_TAG = "finesweep.keras_tuner.trial"
CHECKPOINT_TAG = "finesweep.checkpoint"

_RETRY_SECONDS = 30.0
_END_SECONDS = 30.0
_STATUS: dict[Ending, RunStatus] = {
    "completed": "FINISHED",
    "pruned": "KILLED",
    "failed": "FAILED",
    "interrupted": "KILLED",
    "known": "KILLED",
}


@dataclass(frozen=True, kw_only=True)
class SearchAbout:
    """What the run of a search says of it; ``space`` is KerasTuner's, as JSON takes it."""

    experiment: str
    name: str
    settings: dict[str, str | int | float]
    space: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class _Connection:
    """A store that answered, and what is said to it."""

    outbox: Outbox
    delivery: Delivery
    search: SweepRun


class SearchLog:
    """Tells MLflow what happens; none of its methods raises because MLflow does not listen."""

    def __init__(self, study: optuna.Study, about: SearchAbout, *, folder: Path) -> None:
        self._study = study
        self._about = about
        self._folder = folder
        self._connection: _Connection | None = None
        self._resources = ExitStack()
        self._runs: dict[int, TrialRun] = {}
        self._next_try = 0.0
        self._complained = False

    def begin(self, attempt: FrozenTrial, values: Mapping[str, Any]) -> str | None:
        """Begin the run of an attempt; its id, or None while MLflow is away."""
        self.catch_up()
        run = self._begun(attempt.number, attempt.user_attrs[TRIAL_ID], values)
        if run is None:
            self._keep_journal(attempt.number)
            return None
        self._runs[attempt.number] = run
        return run.run_id

    def epoch(self, number: int, *, step: int, metrics: Mapping[str, float]) -> None:
        """Add a point to each curve of an attempt."""
        run = self._runs.get(number)
        if run is not None:
            with self._forgiving():
                run.log_points(step, metrics)
            return
        with self._journal(number).open("a", encoding="utf-8") as journal:
            journal.write(json.dumps({"step": step, "metrics": dict(metrics)}) + "\n")

    def conclude(self, attempt: FrozenTrial, *, checkpoint: Path | None) -> None:
        """Say how an attempt ended, by the outcome on record; ``checkpoint`` is its best epoch's.

        Where the run could not be begun the journal stays, and ``catch_up`` does it.
        """
        run = self._run_of(attempt)
        if run is None:
            self._keep_journal(attempt.number)
            return
        with self._forgiving():
            self._say_all(run, attempt, checkpoint=checkpoint)
            self._journal(attempt.number).unlink(missing_ok=True)
        self._runs.pop(attempt.number, None)

    def _keep_journal(self, number: int) -> None:
        """Have ``catch_up`` look at this attempt."""
        self._journal(number).parent.mkdir(exist_ok=True)
        self._journal(number).touch()

    def catch_up(self) -> None:
        """Tell MLflow of attempts that ended while it was away."""
        journals = sorted((self._folder / JOURNALS).glob("*.jsonl"))
        if not journals or self._connected() is None:
            return
        trials = self._study.get_trials(deepcopy=False)
        for journal in journals:
            attempt = trials[int(journal.stem)]
            if attempt.state.is_finished() and attempt.number not in self._runs:
                self.conclude(attempt, checkpoint=None)

    def close(
        self, status: RunStatus, *, ending: str, reason: str | None, best: Mapping[str, float]
    ) -> None:
        """End the run of the search and deliver what is left, for as long as the store answers."""
        self.catch_up()
        connection = self._connected()
        if connection is not None:
            with self._forgiving():
                if best:
                    connection.search.log_metrics(best)
            with self._forgiving():
                connection.search.end(
                    status, ending=ending, reason=reason, outbox=connection.outbox
                )
                if not connection.delivery.flush(_END_SECONDS):
                    self._complain(f"{connection.delivery.state.reason}")
        self._resources.close()

    def _say_all(self, run: TrialRun, attempt: FrozenTrial, *, checkpoint: Path | None) -> None:
        outcome: Outcome = outcome_of(attempt)
        journal = self._journal(attempt.number)
        for line in journal.read_text().splitlines() if journal.exists() else ():
            entry = json.loads(line)
            run.log_points(entry["step"], entry["metrics"])
        run.log_params(outcome.values)
        best = {f"best/{name}": value for name, value in outcome.metrics.items()}
        if outcome.epoch is not None:
            best["best/epoch"] = outcome.epoch
        if best:
            run.log_points(0, best)
        if checkpoint is not None:
            run.set_tags({CHECKPOINT_TAG: str(checkpoint.absolute())})
        if outcome.traceback is not None:
            run.log_text(outcome.traceback, "traceback.txt")
        run.end(_STATUS[outcome.ending], ending=outcome.ending, reason=outcome.reason)

    def _run_of(self, attempt: FrozenTrial) -> TrialRun | None:
        """The run an attempt has, or is given now; None while MLflow is away."""
        known = self._runs.get(attempt.number)
        connection = self._connected()
        if known is not None or connection is None:
            return known
        run_id = attempt.user_attrs.get(RUN_ID) or self._found(connection, attempt.number)
        if run_id is not None:
            return TrialRun(connection.outbox, run_id, connection.search.experiment_id)
        values = attempt.user_attrs.get(OUTCOME, {}).get("values", {})
        return self._begun(attempt.number, attempt.user_attrs[TRIAL_ID], values)

    def _found(self, connection: _Connection, number: int) -> str | None:
        """A run that was begun, but its process was killed before it could note which."""
        runs: dict[int, str] = {}
        with self._forgiving():
            runs = {run.trial: run.run_id for run in connection.search.trial_runs()}
        return runs.get(number)

    def _begun(self, number: int, trial_id: str, values: Mapping[str, Any]) -> TrialRun | None:
        connection = self._connected()
        if connection is None:
            return None
        run: TrialRun | None = None
        with self._forgiving():
            run = connection.search.start_trial(
                number, values, outbox=connection.outbox, command=_script()
            )
            run.set_tags({TRIAL_TAG: trial_id})
        if run is None:
            # A store that is away is not asked again for every trial: that takes seconds.
            self._next_try = monotonic() + _RETRY_SECONDS
        return run

    def _connected(self) -> _Connection | None:
        """The connection, made now if need be and possible."""
        if monotonic() < self._next_try:
            return None
        if self._connection is None:
            self._next_try = monotonic() + _RETRY_SECONDS
            with self._forgiving():
                self._connection = self._connect()
                self._next_try = 0.0
        return self._connection

    def _connect(self) -> _Connection:
        store = TrackingStore.open()
        with ExitStack() as resources:
            outbox = resources.enter_context(Outbox.open(self._folder / OUTBOX_FILE))
            search = self._search_run(store, outbox)
            delivery = resources.enter_context(Delivery(outbox, store))
            self._resources = resources.pop_all()
        return _Connection(outbox=outbox, delivery=delivery, search=search)

    def _search_run(self, store: TrackingStore, outbox: Outbox) -> SweepRun:
        """The run above the attempts': a new search's is begun, a continued one's reopened."""
        about = self._about
        return run_of_study(
            self._study,
            store=store,
            outbox=outbox,
            begin=lambda key: SweepRun.start(
                store,
                experiment=about.experiment,
                name=about.name,
                study_key=key,
                # What is JSON is YAML too.
                config_yaml=json.dumps({**about.settings, "space": about.space}, indent=2),
                params=about.settings,
                dataset=None,
                command=_script(),
            ),
        )

    def _journal(self, number: int) -> Path:
        return self._folder / JOURNALS / f"{number:03d}.jsonl"

    def _forgiving(self) -> _Forgiving:
        return _Forgiving(self._complain)

    def _complain(self, why: str) -> None:
        """Say once that MLflow does not get everything now."""
        if not self._complained:
            self._complained = True
            warnings.warn(
                f"the search goes on without MLflow: {why}; what is missing there stays in "
                f"{self._folder}, and the same script delivers it when MLflow is back",
                RuntimeWarning,
                stacklevel=2,
            )


class _Forgiving:
    """Goes on after whatever keeps MLflow, or the outbox, from taking something, and complains."""

    def __init__(self, complain: Callable[[str], None]) -> None:
        self._complain = complain

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        if not isinstance(error, TrackingError | DiskFullError):
            return False
        self._complain(str(error))
        return True


def _script() -> str:
    """What the user ran, as MLflow shows it."""
    return Path(sys.argv[0]).name or "python"
