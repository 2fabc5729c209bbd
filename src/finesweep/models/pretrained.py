"""Checkpoints on disk: config.json, model.safetensors and the tokenizer's files. No TensorFlow."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from finesweep.errors import CheckpointError, Location
from finesweep.models.config import DistilBertConfig
from finesweep.models.geometry import require_body
from finesweep.models.tensor_file import TensorLayout, write_tensors
from finesweep.models.weights import HEAD_PREFIXES, Array, to_distilbert_names

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
SHARD_FILES = (INDEX_FILE, "model-*.safetensors")
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)
_LFS_MARK = b"version https://git-lfs.github.com/spec/"

TokenizerFiles = dict[str, bytes]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's content, its tensors under DistilBERT's names."""

    config: DistilBertConfig
    tensors: dict[str, Array]
    tokenizer_files: TokenizerFiles
    weights_file: Path


def read_config(directory: Path) -> tuple[DistilBertConfig, str]:
    """The geometry of a checkpoint and its model type. Raises ``CheckpointError``."""
    file = directory / CONFIG_FILE
    content = _read_json(file)
    return DistilBertConfig.from_json(content, file=str(file)), str(content["model_type"])


def read_checkpoint(directory: Path, *, keep_head: bool = True) -> Checkpoint:
    """Read a ``save_pretrained`` directory of a DistilBERT or BERT, with its classifier or without.

    Raises ``CheckpointError``, also for a body whose shapes are not those of its config.json.
    """
    config, model_type = read_config(directory)
    weights_file = directory / WEIGHTS_FILE
    tensors = _read_tensors(weights_file, model_type=model_type)
    require_body(config, tensors, file=str(weights_file))
    if not keep_head:
        tensors = {
            name: tensor for name, tensor in tensors.items() if not name.startswith(HEAD_PREFIXES)
        }
    return Checkpoint(
        config=config,
        tensors=tensors,
        tokenizer_files=_read_tokenizer_files(directory, folded=model_type == "bert"),
        weights_file=weights_file,
    )


def write_checkpoint(
    directory: Path,
    *,
    config: DistilBertConfig,
    shapes: Mapping[str, tuple[int, ...]],
    tensors: Iterable[Array],
    tokenizer_files: TokenizerFiles,
) -> None:
    """Write a ``save_pretrained`` directory, each file whole or not at all.

    ``tensors``, float32, come in the order of ``shapes`` and are asked for one at a time. Another
    tokenizer that stands there already is the user's, and stays. Raises ``CheckpointError`` when
    the directory cannot be written.
    """
    layouts = {name: TensorLayout("F32", shape) for name, shape in shapes.items()}
    config_text = json.dumps(config.to_json(), indent=2, ensure_ascii=False, sort_keys=True)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _written_whole(directory / WEIGHTS_FILE) as stream:
            write_tensors(stream, tensors, layouts=layouts, metadata={"format": "pt"})
        files = {} if _has_other(directory, tokenizer_files) else tokenizer_files
        # The configuration comes last: a new directory that has one has the rest.
        for name, content in {**files, CONFIG_FILE: (config_text + "\n").encode()}.items():
            with _written_whole(directory / name) as stream:
                stream.write(content)
    except OSError as error:
        raise CheckpointError(
            f"expected a directory that can be written, received: {error.strerror or error}; name "
            "another path, or make room",
            at=Location(file=str(directory)),
        ) from error


def _has_other(directory: Path, tokenizer_files: TokenizerFiles) -> bool:
    """Whether a tokenizer is there that is not this one; a part of this one was left by a save."""
    there = (name for name in TOKENIZER_FILES if (directory / name).exists())
    return any((directory / name).read_bytes() != tokenizer_files.get(name) for name in there)


@contextmanager
def _written_whole(file: Path) -> Iterator[BinaryIO]:
    """Where to write ``file``, which is there when the block is through, or as it was before."""
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            yield stream
        partial.replace(file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            "expected this file in the checkpoint, found none; name a directory that "
            "save_pretrained wrote, a hub id or packaged:minilm-l6-h384",
            at=Location(file=str(file)),
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"expected readable JSON, received: {error}; fetch the checkpoint again",
            at=Location(file=str(file), line=getattr(error, "lineno", None)),
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f"expected a JSON object, received {type(content).__name__}; "
            "fetch the checkpoint again",
            at=Location(file=str(file)),
        )
    return content


def _read_tensors(file: Path, *, model_type: str) -> dict[str, Array]:
    """The tensors of a checkpoint, finite all of them, under DistilBERT's names."""
    tensors: dict[str, Array] = {}
    for part in _weight_files(file):
        tensors.update(_read_safetensors(part))
    for name, tensor in tensors.items():
        if not np.isfinite(np.asarray(tensor, dtype=np.float32)).all():
            raise CheckpointError(
                f"expected finite numbers, received NaN or infinity in tensor '{name}'; "
                "the checkpoint comes from a training that diverged, name another",
                at=Location(file=str(file)),
            )
    try:
        return to_distilbert_names(tensors, model_type=model_type)
    except (ValueError, IndexError) as error:
        raise CheckpointError(
            f"expected the embeddings of a BERT, received tables that do not fit together "
            f"({error}); fetch the checkpoint again",
            at=Location(file=str(file)),
        ) from error


def _weight_files(file: Path) -> list[Path]:
    """The one file of a checkpoint's weights, or its parts where an index names several."""
    index = file.with_name(INDEX_FILE)
    if file.is_file():
        return [file]
    if index.is_file():
        return [file.with_name(part) for part in _parts(index)]
    folder = file.parent
    others = sorted(path.name for path in [*folder.glob("*.bin"), *folder.glob("*.h5")])
    raise CheckpointError(
        f"expected the weights as {WEIGHTS_FILE}, found {', '.join(others) or 'none'}; "
        f"{_OLD_FORMATS}",
        at=Location(file=str(file)),
    )


def _parts(index: Path) -> list[str]:
    """The names of the files, in its own folder, that an index spreads the weights over."""
    weight_map = _read_json(index).get("weight_map")
    names = set(weight_map.values()) if isinstance(weight_map, dict) else set()
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise CheckpointError(
            "expected a weight_map from tensors to files in this directory, found none; "
            "fetch the checkpoint again",
            at=Location(file=str(index), field="weight_map"),
        )
    return sorted(names)


_OLD_FORMATS = (
    "transformers 4 with torch writes it: DistilBertForSequenceClassification.from_pretrained(old) "
    "(with from_tf=True for weights of TensorFlow), then save_pretrained(new)"
)


def _read_safetensors(file: Path) -> dict[str, Array]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors: dict[str, Array] = load_file(file)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        received = f"received: {error}; fetch the checkpoint again"
        if _is_lfs_pointer(file):
            received = "found Git's note of where it is; run 'git lfs pull' in that directory"
        raise CheckpointError(
            f"expected a whole safetensors file, {received}", at=Location(file=str(file))
        ) from error
    if any(name.endswith(":0") for name in tensors):
        raise CheckpointError(
            f"expected tensors in torch's names, received TensorFlow's; {_OLD_FORMATS}",
            at=Location(file=str(file)),
        )
    return tensors


def _is_lfs_pointer(file: Path) -> bool:
    """Whether Git left its note in place of a large file: what a clone without Git LFS gives."""
    try:
        with file.open("rb") as stream:
            return stream.read(len(_LFS_MARK)) == _LFS_MARK
    except OSError:
        return False


def _read_tokenizer_files(directory: Path, *, folded: bool) -> TokenizerFiles:
    edits: dict[str, Callable[[dict[str, Any]], None]] = {
        "tokenizer.json": _switch_off_padding_and_truncation
    }
    if folded:
        edits["tokenizer_config.json"] = _drop_token_types
    files = {}
    for name in TOKENIZER_FILES:
        file = directory / name
        if not file.is_file():
            continue
        if name in edits:
            content = _read_json(file)
            edits[name](content)
            files[name] = json.dumps(content, ensure_ascii=False, indent=1).encode()
        else:
            files[name] = file.read_bytes()
    return files


def _switch_off_padding_and_truncation(tokenizer: dict[str, Any]) -> None:
    # A length fixed by whoever published the checkpoint is not the length a trial asks for.
    tokenizer["padding"] = None
    tokenizer["truncation"] = None


def _drop_token_types(tokenizer_config: dict[str, Any]) -> None:
    # DistilBERT has no token types, and transformers' torch class refuses them as an input.
    tokenizer_config["model_input_names"] = ["input_ids", "attention_mask"]
