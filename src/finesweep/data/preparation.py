"""Rows in, a folder of arrays out: everything a worker needs, tokenised once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from finesweep.config import DataConfig
from finesweep.data.array_folder import is_whole, remove_leftovers, write_folder
from finesweep.data.corpus import Corpus, load_corpus
from finesweep.data.encoded_texts import SPLITS, split_arrays
from finesweep.data.encoding import encode
from finesweep.data.identity import DatasetIdentity
from finesweep.data.labels import class_names
from finesweep.data.sources import Progress
from finesweep.data.splits import SplitRows, split_rows
from finesweep.data.tokenizer import CheckpointTokenizer, load_tokenizer
from finesweep.errors import DataError, Location

_FORMAT = 1
"""Counts up when the same data would be tokenised to other arrays."""


@dataclass(frozen=True, kw_only=True)
class PreparedData:
    """Data that can be trained on: open ``directory`` with ``EncodedTexts.open``.

    ``label_names[i]`` is the name of class id ``i``; the counts are rows.
    """

    directory: Path
    label_names: tuple[str, ...]
    n_train: int
    n_validation: int
    n_test: int
    identity: DatasetIdentity


def prepare(
    config: DataConfig,
    *,
    name: str,
    checkpoint: Path,
    cache: Path,
    progress: Progress | None = None,
) -> PreparedData:
    """Read, validate, split and tokenise the data of experiment ``name``; cached under ``cache``.

    ``checkpoint`` is the folder whose tokenizer is used. Tokenises once a dataset and tokenizer,
    whatever the split; processes that prepare the same data at once wait for one another. Raises
    ``DataError`` for data that cannot be learned from, ``CheckpointError`` for a tokenizer that
    cannot be read.
    """
    corpus = load_corpus(config, cache=cache, progress=progress)
    _require_no_problems(corpus)
    names = class_names(corpus.labels.classes, config.label_names)
    ids = corpus.labels.ids()
    split = split_rows(corpus, config, ids=ids, names=names)
    tokenizer = load_tokenizer(checkpoint)
    texts = [text for text in corpus.texts if text is not None]
    folder = cache / "encoded" / _key(texts, ids, tokenizer)
    directory = folder / SPLITS / _split_key(split)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_suffix(".lock"), progress=progress):
            _store_tokens(folder, texts, tokenizer, ids=ids, progress=progress)
            if not is_whole(directory):
                write_folder(directory, split_arrays(split), about={})
    except OSError as exc:
        raise DataError(
            f"cannot write the prepared data: {exc.strerror or exc}; "
            "make room, or name another cache folder in FINESWEEP_CACHE",
            at=Location(file=str(cache)),
        ) from exc
    return PreparedData(
        directory=directory,
        label_names=names,
        n_train=len(split.train),
        n_validation=len(split.validation),
        n_test=len(split.test),
        identity=DatasetIdentity(
            name=name, digest=corpus.digest, source=config.path, rows=len(corpus)
        ),
    )


def _require_no_problems(corpus: Corpus) -> None:
    problems = corpus.problems()
    if not problems:
        return
    first, others = problems[0], len(problems) - 1
    if not others:
        raise first
    raise DataError(
        f"{first.message}. The data has {others} more "
        f"{'problem' if others == 1 else 'problems'}; 'finesweep data check' lists all",
        at=first.at,
    )


@contextmanager
def _locked(path: Path, *, progress: Progress | None) -> Iterator[None]:
    """Hold the lock; tells when another process has to finish first."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if progress is not None:
            progress("waiting for a process that prepares the same data", 0, None)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _store_tokens(
    folder: Path,
    texts: Sequence[str],
    tokenizer: CheckpointTokenizer,
    *,
    ids: NDArray[np.int32],
    progress: Progress | None,
) -> None:
    """Tokenise into ``folder`` unless it is there and whole. The caller holds its lock."""
    remove_leftovers(folder)
    if is_whole(folder):
        return
    tokens, offsets = encode(texts, tokenizer, progress=progress)
    write_folder(
        folder,
        {"tokens": tokens, "offsets": offsets, "labels": ids},
        about={
            "pad_id": tokenizer.pad_id,
            "sep_id": tokenizer.sep_id,
            "max_positions": tokenizer.max_positions,
        },
    )


def _key(texts: Sequence[str], ids: NDArray[np.int32], tokenizer: CheckpointTokenizer) -> str:
    """The name of the folder that holds these texts and labels under this tokenizer."""
    digest = hashlib.sha256(f"{_FORMAT}\n{tokenizer.digest}\n".encode())
    digest.update(ids.astype("<i4").tobytes())
    for text in texts:
        encoded = text.encode()
        digest.update(b"%d\n" % len(encoded))
        digest.update(encoded)
    return digest.hexdigest()[:32]


def _split_key(split: SplitRows) -> str:
    """The name of the folder that holds this split: a digest of its rows."""
    digest = hashlib.sha256()
    for name, rows in split.items():
        digest.update(f"{name} {len(rows)}\n".encode())
        digest.update(rows.astype("<i8").tobytes())
    return digest.hexdigest()[:16]
