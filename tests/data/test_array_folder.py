from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from finesweep.data.array_folder import (
    is_whole,
    read_about,
    read_array,
    remove_leftovers,
    write_folder,
)
from finesweep.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a" / "key"
    write_folder(folder, {"x": np.arange(1000), "none": np.arange(0)}, about={"pad_id": 7})
    return folder


def test_what_was_written_is_read(folder: Path) -> None:
    assert is_whole(folder)
    assert read_about(folder) == {"pad_id": 7}
    assert read_array(folder, "x", mapped=True).tolist() == list(range(1000))
    assert read_array(folder, "none").shape == (0,)
    assert [path.name for path in folder.parent.iterdir()] == ["key"]


def test_a_folder_is_replaced_whole(folder: Path) -> None:
    mapped = read_array(folder, "x", mapped=True)
    write_folder(folder, {"y": np.arange(3)}, about={})
    assert sorted(path.name for path in folder.iterdir()) == ["meta.json", "y.npy"]
    assert mapped.sum() == 499_500, "who has the old arrays open keeps them"


def test_leftovers_of_killed_writers_go(folder: Path) -> None:
    (folder.parent / "key.new-abc").mkdir()
    (folder.parent / "other.new-abc").mkdir()
    remove_leftovers(folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["key", "other.new-abc"]


def flip(folder: Path) -> None:
    raw = bytearray((folder / "x.npy").read_bytes())
    raw[-1] ^= 1
    (folder / "x.npy").write_bytes(raw)


def cut(folder: Path) -> None:
    (folder / "x.npy").write_bytes((folder / "x.npy").read_bytes()[:-1])


def drop(folder: Path) -> None:
    (folder / "x.npy").unlink()


def unmeta(folder: Path) -> None:
    (folder / "meta.json").write_text("{")


def version(folder: Path) -> None:
    (folder / "meta.json").write_text(json.dumps({"format": 0, "files": {}, "about": {}}))


@pytest.mark.parametrize("damage", [flip, cut, drop, unmeta, version])
def test_damage_is_seen(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(folder)
    assert not is_whole(folder)
    if damage is not flip:
        with pytest.raises(DataError, match=r"missing or damaged .*; run the command again"):
            read_about(folder)


def test_a_folder_that_is_not_there_is_not_whole(tmp_path: Path) -> None:
    assert not is_whole(tmp_path / "no")
