from __future__ import annotations

import math
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from finesweep.errors import TrackingError
from finesweep.tracking import Outbox
from finesweep.tracking.entries import (
    Content,
    End,
    Metrics,
    Model,
    ModelRemoval,
    Params,
    Reopening,
    Tags,
    Text,
)

EVERYTHING: tuple[Content, ...] = (
    Params(values={"batch_size": "16"}),
    Metrics(step=1, values={"val/loss": 0.1 + 0.2, "inf": math.inf}),
    Tags(values={"a": "ü\n"}),
    Text(path="a/b.txt", text="x" * 100_000),
    ModelRemoval(reason="not among the best 5"),
    End(status="KILLED", ending="pruned", reason=None),
    Reopening(),
)


def _points(step: int) -> Metrics:
    return Metrics(step=step, values={"val/loss": 1 / step})


def _packaged(folder: Path) -> Path:
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    return folder


def test_what_goes_in_comes_out_in_order(outbox: Outbox) -> None:
    before = int(time.time() * 1000)
    for content in EVERYTHING:
        outbox.put("a", content)
        outbox.put("b", content)
    entries = outbox.next_entries("a", 100)
    assert tuple(entry.content for entry in entries) == EVERYTHING
    assert all(before <= entry.timestamp <= time.time() * 1000 for entry in entries)
    assert outbox.waiting_runs() == ["a", "b"]
    assert outbox.pending == 2 * len(EVERYTHING)
    outbox.settle(entries[:3])
    assert outbox.next_entries("a", 1) == entries[3:4]
    assert outbox.waiting_runs() == ["b", "a"]


def test_a_value_that_is_no_number_stays_none(outbox: Outbox) -> None:
    outbox.put("a", Metrics(step=1, values={"nan": math.nan}))
    (entry,) = outbox.next_entries("a", 1)
    assert isinstance(entry.content, Metrics)
    assert math.isnan(entry.content.values["nan"])


def test_a_tick_is_taken_once_for_ever(tmp_path: Path) -> None:
    with Outbox.open(tmp_path / "o.db") as outbox:
        assert outbox.put_tick("a", _points(1))
        assert not outbox.put_tick("a", _points(1))
        assert outbox.put_tick("b", _points(1))
        outbox.settle(outbox.next_entries("a", 9))
        assert not outbox.put_tick("a", _points(1))
    with Outbox.open(tmp_path / "o.db") as outbox:
        assert not outbox.put_tick("a", Metrics(step=1, values={"val/loss": 9.0}))
        assert outbox.put_tick("a", _points(2))
        assert outbox.pending == 2
        assert [outbox.last_step(run) for run in ("a", "b", "c")] == [2, 1, 0]


def test_what_is_refused_waits_no_longer(outbox: Outbox) -> None:
    outbox.put("a", Reopening())
    outbox.put("a", Tags(values={}))
    outbox.refuse(outbox.next_entries("a", 1)[0], "the run was deleted")
    assert (outbox.pending, outbox.refused) == (1, 1)
    (refusal,) = outbox.refusals()
    assert (refusal.run_id, refusal.kind) == ("a", "reopening")
    assert refusal.reason == "the run was deleted"
    assert [type(entry.content) for entry in outbox.next_entries("a", 9)] == [Tags]


def test_a_model_moves_in(outbox: Outbox, tmp_path: Path) -> None:
    packaged = _packaged(tmp_path / "packaged")
    inode = (packaged / "MLmodel").stat().st_ino
    outbox.put_model("a", packaged)
    assert not packaged.exists()
    (entry,) = outbox.next_entries("a", 9)
    assert isinstance(entry.content, Model)
    assert (outbox.models / entry.content.folder / "MLmodel").stat().st_ino == inode


def test_a_model_that_cannot_move_leaves_no_entry(outbox: Outbox, tmp_path: Path) -> None:
    outbox.models.write_text("in the way")
    packaged = _packaged(tmp_path / "packaged")
    with pytest.raises(TrackingError, match="cannot use the outbox"):
        outbox.put_model("a", packaged)
    assert (packaged / "MLmodel").is_file()
    assert outbox.pending == 0


def test_a_model_without_an_entry_goes_at_the_next_opening(tmp_path: Path) -> None:
    """Its process was killed between the move and the end of the transaction."""
    with Outbox.open(tmp_path / "o.db") as outbox:
        outbox.put_model("a", _packaged(tmp_path / "one"))
        kept = list(outbox.models.iterdir())
        _packaged(outbox.models / "b-12345678")
    with Outbox.open(tmp_path / "o.db") as outbox:
        assert list(outbox.models.iterdir()) == kept


def test_a_kill_takes_nothing_out(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from finesweep.tracking import Outbox; from finesweep.tracking.entries import Metrics\n"
        "outbox = Outbox.open(Path(sys.argv[1]))\n"
        "for step in range(1, 51): outbox.put_tick('a', Metrics(step=step, values={}))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "o.db")], check=False)
    assert done.returncode == -signal.SIGKILL
    with Outbox.open(tmp_path / "o.db") as outbox:
        assert outbox.pending == 50
        assert not outbox.put_tick("a", _points(50))


def test_threads_and_processes_share_it(tmp_path: Path) -> None:
    """Two handles stand for two processes: to SQLite they are the same."""
    handles = [Outbox.open(tmp_path / "o.db") for _ in range(2)]
    new: list[bool] = []

    def put(outbox: Outbox) -> None:
        new.extend([outbox.put_tick("a", _points(step)) for step in range(1, 51)])

    threads = [threading.Thread(target=put, args=(handles[number % 2],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(new) == handles[0].pending == handles[1].pending == 50
    for outbox in handles:
        outbox.close()


def _text(file: Path) -> None:
    file.write_text("this is a text " * 1000)


def _other_database(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("create table runs (id)")


def _other_version(file: Path) -> None:
    Outbox.open(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("pragma user_version = 7")


def _torn(file: Path) -> None:
    with Outbox.open(file) as outbox:
        for step in range(1, 200):
            outbox.put_tick("a", _points(step))
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] + bytes(len(content) // 2))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_text, r"o\.db is damaged \(file is not a database\); move it and its -wal file away"),
        (_torn, r"o\.db is damaged \(.*\); move it and its -wal file away, then run the same"),
        (_other_database, r"expected an outbox of finesweep in .*o\.db, found another database"),
        (_other_version, r"o\.db has format 7, expected 1: another version of finesweep wrote it"),
        (Path.mkdir, r"cannot use the outbox .*o\.db: unable to open database file"),
    ],
)
def test_a_file_that_is_no_outbox(
    spoil: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    spoil(tmp_path / "o.db")
    with pytest.raises(TrackingError, match=message) as caught:
        Outbox.open(tmp_path / "o.db")
    assert "\n" not in str(caught.value)


_FULL_DISK = """
import sys
from pathlib import Path
from finesweep.errors import DiskFullError
from finesweep.tracking import Outbox
from finesweep.tracking.entries import Tags, Text
disk = Path(sys.argv[1])
filler = disk / "filler"
filler.write_bytes(bytes(600_000))
outbox = Outbox.open(disk / "o.db")
taken = 0
try:
    while True:
        outbox.put("a", Text(path="x", text="y" * 5000))
        taken += 1
except DiskFullError as error:
    print(error)
assert taken > 3, taken
filler.unlink()
outbox.put("a", Tags(values={}))
outbox.close()
outbox = Outbox.open(disk / "o.db")
assert outbox.pending == taken + 1, (outbox.pending, taken)
outbox.settle(outbox.next_entries("a", 1000))
assert outbox.pending == 0
"""


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """On a file system of one megabyte, in a name space of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    inside = 'mount -t tmpfs -o size=1m tmpfs "$1" || exit 77; exec "$2" -c "$3" "$1"'
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("needs unshare")
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", inside, "sh", str(disk), sys.executable, _FULL_DISK],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip("may not mount a file system")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"no space is left for the outbox {disk}/o.db; free some, then")
