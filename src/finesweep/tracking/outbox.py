"""The outbox: what is to be said of runs, kept on disk until the tracking store has taken it.

A sweep writes here and never waits for MLflow; ``Delivery`` carries what lies here to the store.
What the outbox guarantees:

* **Nothing is lost.** When a method returns, the entry is in the file, and no kill of the process
  takes it out again. (A power failure may cost the last entries: SQLite does not wait for the disk
  at every one of them.) An entry leaves the file only after the store has taken it.
* **Order.** Entries of one run leave in the order in which they came.
* **A tick is taken once.** Which steps of a run were taken is remembered for ever, after their
  delivery too: a trial that goes on from its resume point repeats some, and they are passed over.
* **All or nothing.** An entry is one transaction; a model's folder moves into the outbox within it,
  so that there is no entry without its folder, and a folder without its entry goes when the outbox
  is opened next.
* **What the store refuses is set aside** with the reason, and never stands in the way of the rest.

It is one SQLite file with a folder ``models`` beside it. It may be used from any thread of a
process, and opened by several processes; only one of them should deliver.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from finesweep.tracking.entries import Content, Entry, Metrics, Model, read, written
from finesweep.tracking.outbox_file import OutboxFile, damaged, explained

MODELS_FOLDER = "models"

# No tick has this number: it stands for what is measured once, after the last one.
_AFTER_ALL_TICKS = -1


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An entry that the store will not take, and what it said."""

    run_id: str
    kind: str
    reason: str


class Outbox:
    """Entries in order, in one file; see the module for what it guarantees.

    Every method raises ``DiskFullError`` when there is no space left, and ``TrackingError`` when
    the file cannot be read or written; then nothing has changed.
    """

    def __init__(self, file: OutboxFile) -> None:
        self._file = file

    @classmethod
    def open(cls, file: Path) -> Outbox:
        """Open the outbox in ``file``, which is created when missing.

        Raises:
            TrackingError: the file is damaged, is something else, or cannot be written.
            DiskFullError: there is no space to create it.
        """
        outbox = cls(OutboxFile.open(file.absolute()))
        try:
            outbox._remove_strays()
        except BaseException:
            outbox.close()
            raise
        return outbox

    @property
    def models(self) -> Path:
        """Where packaged models wait for their delivery."""
        return self._file.path.parent / MODELS_FOLDER

    @property
    def pending(self) -> int:
        """How many entries are still to be delivered."""
        return self._count("refused is null")

    @property
    def refused(self) -> int:
        """How many entries were set aside."""
        return self._count("refused is not null")

    def put(self, run_id: str, content: Content) -> None:
        """Take one entry of a run."""
        with self._file.writing() as connection:
            _insert(connection, run_id, content)

    def put_tick(self, run_id: str, metrics: Metrics) -> bool:
        """Take the metrics of a tick, and tell whether this step of the run was new.

        One that was taken before is passed over, whatever its values.
        """
        return self._put_once(run_id, metrics, step=metrics.step)

    def put_result(self, run_id: str, metrics: Metrics) -> bool:
        """Take the metrics of a whole training, once in the life of a run, as ``put_tick`` does."""
        return self._put_once(run_id, metrics, step=_AFTER_ALL_TICKS)

    def put_model(self, run_id: str, packaged: Path) -> None:
        """Take a packaged model: its folder moves into the outbox, by a rename where possible."""
        name = f"{run_id}-{uuid.uuid4().hex[:8]}"
        place = self.models / name
        try:
            with self._file.writing() as connection:
                _insert(connection, run_id, Model(folder=name))
                self.models.mkdir(exist_ok=True)
                shutil.move(packaged, place)
        except BaseException as exc:
            self._bring_back(place, packaged)
            if isinstance(exc, OSError):
                raise explained(exc, self._file.path) from exc
            raise

    def _put_once(self, run_id: str, metrics: Metrics, *, step: int) -> bool:
        with self._file.writing() as connection:
            taken = connection.execute("insert or ignore into ticks values (?, ?)", (run_id, step))
            if taken.rowcount:
                _insert(connection, run_id, metrics)
            return bool(taken.rowcount)

    def last_step(self, run_id: str) -> int:
        """The last step of a run that was taken; 0 before the first."""
        with self._file.reading() as connection:
            query = "select max(step) from ticks where run_id = ? and step >= 0"
            (step,) = connection.execute(query, (run_id,)).fetchone()
        return step or 0

    def waiting_runs(self) -> list[str]:
        """The runs with something to deliver; the one that has waited longest comes first."""
        query = (
            "select run_id from entries where refused is null group by run_id order by min(number)"
        )
        with self._file.reading() as connection:
            return [run_id for (run_id,) in connection.execute(query)]

    def next_entries(self, run_id: str, limit: int) -> list[Entry]:
        """Up to ``limit`` entries of a run, those to be delivered next, in order."""
        query = (
            "select number, timestamp, kind, content from entries "
            "where run_id = ? and refused is null order by number limit ?"
        )
        with self._file.reading() as connection:
            rows = connection.execute(query, (run_id, limit)).fetchall()
        return [
            Entry(
                number=number, run_id=run_id, timestamp=timestamp, content=self._content(kind, text)
            )
            for number, timestamp, kind, text in rows
        ]

    def settle(self, entries: Iterable[Entry]) -> None:
        """Take out entries that the store has taken."""
        numbers = [(entry.number,) for entry in entries]
        with self._file.writing() as connection:
            connection.executemany("delete from entries where number = ?", numbers)

    def refuse(self, entry: Entry, reason: str) -> None:
        """Set an entry aside that the store will never take."""
        with self._file.writing() as connection:
            connection.execute(
                "update entries set refused = ? where number = ?", (reason, entry.number)
            )
        if isinstance(entry.content, Model):
            shutil.rmtree(self.models / entry.content.folder, ignore_errors=True)

    def refusals(self) -> list[Refusal]:
        """What was set aside, in order."""
        query = (
            "select run_id, kind, refused from entries where refused is not null order by number"
        )
        with self._file.reading() as connection:
            rows = connection.execute(query).fetchall()
        return [Refusal(run_id=run_id, kind=kind, reason=reason) for run_id, kind, reason in rows]

    def close(self) -> None:
        """Close the file; what lies in it stays. May be called again."""
        self._file.close()

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _content(self, kind: str, text: str) -> Content:
        try:
            return read(kind, text)
        except (LookupError, TypeError, ValueError) as exc:
            raise damaged(self._file.path, f"an entry cannot be read: {exc!r}") from exc

    @staticmethod
    def _bring_back(place: Path, packaged: Path) -> None:
        if packaged.exists():
            shutil.rmtree(place, ignore_errors=True)
        elif place.exists():
            place.rename(packaged)

    def _remove_strays(self) -> None:
        """Remove model folders that no entry names: their process was killed in ``put_model``.

        In a transaction, so that no other process is just about to enter one.
        """
        with self._file.writing() as connection:
            rows = connection.execute("select content from entries where kind = 'model'").fetchall()
            named = {self._content("model", text) for (text,) in rows}
            if not self.models.is_dir():
                return
            for folder in self.models.iterdir():
                if Model(folder=folder.name) not in named:
                    shutil.rmtree(folder, ignore_errors=True)

    def _count(self, condition: str) -> int:
        with self._file.reading() as connection:
            query = f"select count(*) from entries where {condition}"
            return int(connection.execute(query).fetchone()[0])


def _insert(connection: sqlite3.Connection, run_id: str, content: Content) -> None:
    kind, text = written(content)
    connection.execute(
        "insert into entries (run_id, timestamp, kind, content) values (?, ?, ?, ?)",
        (run_id, int(time.time() * 1000), kind, text),
    )
