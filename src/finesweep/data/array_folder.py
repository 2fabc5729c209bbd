"""A folder of arrays that is either whole or not there.

Arrays are written to a folder aside, which is renamed into place; ``meta.json`` records size and
SHA-256 of each file, so that a folder a disk or a person damaged is known for what it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finesweep.errors import DataError, Location

_META = "meta.json"
_FORMAT = 1


def write_folder(
    folder: Path, arrays: Mapping[str, NDArray[Any]], *, about: Mapping[str, int]
) -> None:
    """Put ``arrays`` (as NAME.npy) and ``about`` in ``folder``, replacing what stands there.

    Two writers of one folder must take turns; a reader never sees half of it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}.new-"))
    try:
        files = {}
        for name, array in arrays.items():
            path = aside / f"{name}.npy"
            with path.open("wb") as file:
                np.save(file, array, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            files[path.name] = {"bytes": path.stat().st_size, "sha256": _digest(path)}
        meta = {"format": _FORMAT, "about": dict(about), "files": files}
        (aside / _META).write_text(json.dumps(meta, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Delete what writers of ``folder`` left behind when they were killed; none may be at work."""
    for leftover in folder.parent.glob(f"{folder.name}.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def is_whole(folder: Path) -> bool:
    """Whether every file of ``folder`` is there, byte for byte as it was written."""
    try:
        files = _meta(folder)["files"]
        return all(_digest(folder / name) == entry["sha256"] for name, entry in files.items())
    except (DataError, OSError):
        return False


def read_about(folder: Path) -> dict[str, int]:
    """What was noted about the arrays; raises ``DataError`` when one is missing or cut short."""
    meta = _meta(folder)
    for name, entry in meta["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != entry["bytes"]:
            raise _damaged(folder, f"{name} is missing or cut short")
    about: dict[str, int] = meta["about"]
    return about


def read_array(folder: Path, name: str, *, mapped: bool = False) -> NDArray[Any]:
    """The array ``name`` of ``folder``, in memory, or mapped read-only from the disk."""
    try:
        array: NDArray[Any] = np.load(
            folder / f"{name}.npy", mmap_mode="r" if mapped else None, allow_pickle=False
        )
    except (OSError, ValueError) as exc:
        raise _damaged(folder, f"{name}.npy cannot be read: {exc}") from exc
    return np.asarray(array)


def _meta(folder: Path) -> dict[str, Any]:
    try:
        meta: dict[str, Any] = json.loads((folder / _META).read_text(encoding="utf-8"))
        known = meta["format"] == _FORMAT and all(
            entry.keys() >= {"bytes", "sha256"} for entry in meta["files"].values()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise _damaged(folder, f"{_META} cannot be read: {exc}") from exc
    if not known:
        raise _damaged(folder, f"{_META} is of another version")
    return meta


def _damaged(folder: Path, reason: str) -> DataError:
    return DataError(
        f"expected prepared data, found it missing or damaged ({reason}); "
        "run the command again, it prepares the data anew",
        at=Location(file=str(folder)),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
