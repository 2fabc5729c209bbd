"""Folders that move whole or not at all, whenever the process is killed."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path


def move_folder(source: Path, target: Path) -> None:
    """Move ``source`` to ``target``, which it replaces; across file systems too.

    Killed in between and called again, it ends as if it had never been killed: as long as
    ``source`` exists it is whole, and ``target`` appears whole.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        shutil.rmtree(target)
    try:
        source.rename(target)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source, partial)
        partial.rename(target)
        remove_folder(source)


def remove_folder(folder: Path) -> None:
    """Remove a folder so that it is never seen half removed under its name."""
    going = folder.with_name(f".{folder.name}.going")
    shutil.rmtree(going, ignore_errors=True)
    if folder.exists():
        folder.rename(going)
        shutil.rmtree(going)
