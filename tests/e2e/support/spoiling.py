"""How the files of a working directory are spoilt."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from safetensors.numpy import load_file, save_file

WEIGHTS = "checkpoint/model.safetensors"

Spoil = Callable[[Path], None]


def written(path: str, content: str | bytes) -> Spoil:
    """Something else in the place of a file."""

    def spoil(folder: Path) -> None:
        (folder / path).write_bytes(content.encode() if isinstance(content, str) else content)

    return spoil


def cut(path: str, share: float) -> Spoil:
    """A file of which only a part arrived."""

    def spoil(folder: Path) -> None:
        whole = (folder / path).read_bytes()
        (folder / path).write_bytes(whole[: int(len(whole) * share)])

    return spoil


def replaced(path: str, old: str, new: str) -> Spoil:
    """One place of a file, changed."""

    def spoil(folder: Path) -> None:
        text = (folder / path).read_text()
        assert old in text
        (folder / path).write_text(text.replace(old, new, 1))

    return spoil


def with_config(**changes: object) -> Spoil:
    """A checkpoint whose config.json says something else."""

    def spoil(folder: Path) -> None:
        file = folder / "checkpoint" / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return spoil


def without_tensor(name: str) -> Spoil:
    """A checkpoint that lacks a tensor."""

    def spoil(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        del tensors[name]
        save_file(tensors, folder / WEIGHTS)

    return spoil


def with_token(number: int) -> Spoil:
    """A tokenizer that knows more words than the model."""

    def spoil(folder: Path) -> None:
        file = folder / "checkpoint" / "tokenizer.json"
        tokenizer = json.loads(file.read_text())
        tokenizer["model"]["vocab"]["unheard-of"] = number
        file.write_text(json.dumps(tokenizer))

    return spoil


def link(path: str, target: str) -> Spoil:
    """A link in the place of a file."""

    def spoil(folder: Path) -> None:
        (folder / path).unlink()
        (folder / path).symlink_to(target)

    return spoil


def pipe(folder: Path) -> None:
    """A pipe in the place of the data."""
    (folder / "data" / "rows.csv").unlink()
    os.mkfifo(folder / "data" / "rows.csv")
