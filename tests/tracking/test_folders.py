from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from finesweep.tracking.folders import move_folder, remove_folder


def _folder(path: Path, content: str) -> Path:
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "file").write_text(content)
    return path


def test_it_is_moved_and_replaces(tmp_path: Path) -> None:
    for content in ("first", "second"):
        source = _folder(tmp_path / "source", content)
        inode = (source / "deep" / "file").stat().st_ino
        move_folder(source, tmp_path / "far" / "target")
        assert not source.exists()
        assert (tmp_path / "far" / "target" / "deep" / "file").read_text() == content
        assert (tmp_path / "far" / "target" / "deep" / "file").stat().st_ino == inode


def test_across_file_systems(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    with TemporaryDirectory(dir=memory) as elsewhere:
        source = _folder(Path(elsewhere) / "source", "first")
        _folder(tmp_path / ".target.partial", "of one who was killed while he copied")
        _folder(tmp_path / "target", "of one who was killed before he removed the source")
        move_folder(source, tmp_path / "target")
        assert (tmp_path / "target" / "deep" / "file").read_text() == "first"
        assert list(tmp_path.iterdir()) == [tmp_path / "target"]
        assert list(Path(elsewhere).iterdir()) == []


def test_it_is_removed_with_what_a_kill_left(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "folder", "x")
    _folder(tmp_path / ".folder.going", "x")
    remove_folder(folder)
    remove_folder(folder)
    assert list(tmp_path.iterdir()) == []
