"""The check before training: everything that is wrong with the data, or odd, in one report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finesweep.config import DataConfig
from finesweep.data.corpus import Corpus, load_corpus
from finesweep.data.encoding import token_lengths
from finesweep.data.labels import class_names
from finesweep.data.overlaps import Overlaps, find_overlaps
from finesweep.data.report import ClassCount, DataReport, LengthSummary, SplitCount
from finesweep.data.row_errors import counted
from finesweep.data.sources import Progress
from finesweep.data.splits import SplitRows, split_rows
from finesweep.data.tokenizer import load_tokenizer
from finesweep.errors import DataError

_LONGEST_SUGGESTION = 512
_STEP = 8


def check(
    config: DataConfig, *, cache: Path, tokenizer: Path | None, progress: Progress | None = None
) -> DataReport:
    """Report what the data holds, without training on it.

    ``tokenizer`` is a checkpoint folder; without one, lengths are counted in words. Faulty rows do
    not stop the check: they are counted, listed as problems and left out of the rest. A file that
    cannot be read at all raises ``DataError``.
    """
    corpus = load_corpus(config, cache=cache, progress=progress)
    problems = corpus.problems()
    labels = corpus.labels
    ids = labels.ids()
    try:
        # Labels that make no classes are a problem already; names for them would be a second one.
        names = class_names(labels.classes, config.label_names if labels.classes else None)
    except DataError as exc:
        problems.append(exc)
        names = class_names(labels.classes, None)
    split: SplitRows | None = None
    if not problems:
        try:
            split = split_rows(corpus, config, ids=ids, names=names)
        except DataError as exc:
            problems.append(exc)
    overlaps = find_overlaps(corpus.texts, ids, split)
    texts = [text for text in corpus.texts if text is not None]
    return DataReport(
        source=config.path,
        digest=corpus.digest,
        rows=len(corpus),
        classes=_count_classes(corpus, ids, names),
        splits=_count_splits(split, ids, n_classes=len(names)),
        lengths=_summary(texts, tokenizer, progress=progress),
        missing_texts=sum(_is_missing(text) for rows in corpus.parts for text in rows.texts),
        missing_labels=sum(_is_missing(label) for rows in corpus.parts for label in rows.labels),
        duplicates=overlaps.duplicates,
        texts_in_two_splits=overlaps.texts_in_two_splits,
        texts_with_two_labels=overlaps.texts_with_two_labels,
        problems=tuple(str(problem) for problem in problems),
        warnings=tuple(_warnings(corpus, split, overlaps, ids=ids, names=names)),
    )


def _is_missing(value: object) -> bool:
    """None, NaN, or a text of nothing but blanks."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value != value


def _count_classes(
    corpus: Corpus, ids: NDArray[np.int32], names: Sequence[str]
) -> tuple[ClassCount, ...]:
    labelled = ids[ids >= 0]
    counts = np.bincount(labelled, minlength=len(names))
    return tuple(
        ClassCount(label=label, name=name, rows=int(count), share=float(count / len(labelled)))
        for label, name, count in zip(corpus.labels.classes, names, counts, strict=True)
    )


def _count_splits(
    split: SplitRows | None, ids: NDArray[np.int32], *, n_classes: int
) -> tuple[SplitCount, ...]:
    if split is None:
        return ()
    return tuple(
        SplitCount(
            name=name,
            rows=len(rows),
            class_rows=tuple(np.bincount(ids[rows], minlength=n_classes).tolist()),
        )
        for name, rows in split.items()
        if len(rows)
    )


def _summary(
    texts: Sequence[str], checkpoint: Path | None, *, progress: Progress | None
) -> LengthSummary | None:
    if not texts:
        return None
    suggestion: int | None = None
    if checkpoint is None:
        lengths = np.array([len(text.split()) for text in texts])
    else:
        tokenizer = load_tokenizer(checkpoint)
        lengths = token_lengths(texts, tokenizer, progress=progress)
    # "higher" gives a length that some text has: p99 covers at least 99 texts in 100.
    quantiles = np.quantile(lengths, [0.5, 0.9, 0.95, 0.99, 1.0], method="higher").tolist()
    if checkpoint is not None:
        longest = min(_LONGEST_SUGGESTION, tokenizer.max_positions)
        suggestion = min(-(-quantiles[3] // _STEP) * _STEP, longest)
    p50, p90, p95, p99, longest_text = quantiles
    return LengthSummary(
        unit="words" if checkpoint is None else "tokens",
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        max=longest_text,
        suggested_max_length=suggestion,
    )


def _warnings(
    corpus: Corpus,
    split: SplitRows | None,
    overlaps: Overlaps,
    *,
    ids: NDArray[np.int32],
    names: Sequence[str],
) -> list[str]:
    found = []
    if overlaps.duplicates:
        found.append(
            f"{counted(overlaps.duplicates, 'row repeats', 'rows repeat')} a text of a row before"
        )
    if overlaps.texts_in_two_splits:
        found.append(
            f"{counted(overlaps.texts_in_two_splits, 'text stands', 'texts stand')} in two splits "
            f"({counted(overlaps.evaluated_rows_seen, 'row', 'rows')} of validation and test "
            "seen in training)"
        )
    if overlaps.texts_with_two_labels:
        first, second = overlaps.example_of_two_labels
        found.append(
            f"{counted(overlaps.texts_with_two_labels, 'text has', 'texts have')} two labels, "
            f"as in {corpus.at(first)} and {corpus.at(second)}"
        )
    if split is None:
        found.append("the splits were not checked, because of the problems")
        return found
    unused = len(corpus) - sum(len(rows) for _, rows in split.items())
    if unused:
        found.append(f"{counted(unused, 'last row belongs', 'last rows belong')} to no split")
    for name, rows in split.items():
        present = Counter(ids[rows].tolist())
        absent = [names[number] for number in range(len(names)) if not present[number]]
        if len(rows) and absent:
            found.append(f"{name} has no row of the class {', '.join(map(repr, absent[:5]))}")
    return found
