"""What a data file holds, as ``finesweep data check`` tells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class ClassCount:
    """A class: its label in the data, the name shown to people, its rows and their share."""

    label: int | str
    name: str
    rows: int
    share: float


@dataclass(frozen=True, kw_only=True)
class SplitCount:
    """A split: its rows, and those of each class, in the order of the report's classes."""

    name: str
    rows: int
    class_rows: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class LengthSummary:
    """How long the texts are, in tokens with [CLS] and [SEP], or in words without a tokenizer.

    ``suggested_max_length`` loses nothing of 99 texts in 100; None when words were counted.
    """

    unit: Literal["tokens", "words"]
    p50: int
    p90: int
    p95: int
    p99: int
    max: int
    suggested_max_length: int | None


@dataclass(frozen=True, kw_only=True)
class DataReport:
    """The state of a dataset before training.

    ``duplicates`` counts rows whose text stands in a row before; ``texts_in_two_splits`` and
    ``texts_with_two_labels`` count different texts. Texts are compared without regard to blanks.
    ``problems`` keep training from starting, ``warnings`` do not. ``splits`` is empty when problems
    leave nothing to split, ``lengths`` None when there is no text at all.
    """

    source: str
    digest: str
    rows: int
    classes: tuple[ClassCount, ...]
    splits: tuple[SplitCount, ...]
    lengths: LengthSummary | None
    missing_texts: int
    missing_labels: int
    duplicates: int
    texts_in_two_splits: int
    texts_with_two_labels: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the data can be trained on."""
        return not self.problems

    def to_plain(self) -> dict[str, Any]:
        """The report in dicts, lists, strings and numbers, as JSON takes it."""
        plain = asdict(self)
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()
        } | {
            "splits": [
                {**split, "class_rows": list(split["class_rows"])} for split in plain["splits"]
            ],
            "ok": self.ok,
        }

    def lines(self) -> Iterator[str]:
        """The report as lines of plain text."""
        yield f"{self.source}: {self.rows:,} rows, {len(self.classes):,} classes"
        for entry in self.classes[:_CLASSES_SHOWN]:
            label = f" (label {entry.label!r})" if entry.name != str(entry.label) else ""
            yield _field("class", f"{entry.name}{label}: {entry.rows:,} rows, {entry.share:.1%}")
        if len(self.classes) > _CLASSES_SHOWN:
            yield _field("class", f"and {len(self.classes) - _CLASSES_SHOWN:,} more")
        for split in self.splits:
            yield _field("split", f"{split.name}: {split.rows:,} rows")
        if self.lengths is not None:
            yield from _length_lines(self.lengths)
        yield _field("missing", f"{self.missing_texts:,} texts, {self.missing_labels:,} labels")
        yield _field(
            "repeated",
            f"{self.duplicates:,} rows, {self.texts_in_two_splits:,} texts in two splits, "
            f"{self.texts_with_two_labels:,} texts with two labels",
        )
        for warning in self.warnings:
            yield f"warning: {warning}"
        for problem in self.problems:
            yield f"problem: {problem}"
        yield "This data can be trained on." if self.ok else "Training would refuse this data."


_CLASSES_SHOWN = 20


def _length_lines(lengths: LengthSummary) -> Iterator[str]:
    unit = "tokens, [CLS] and [SEP] included" if lengths.unit == "tokens" else "words"
    yield _field(
        "lengths",
        f"half of the texts up to {lengths.p50:,}, 90% {lengths.p90:,}, 95% {lengths.p95:,}, "
        f"99% {lengths.p99:,}, longest {lengths.max:,} ({unit})",
    )
    if lengths.suggested_max_length is not None:
        yield _field("max_length", f"{lengths.suggested_max_length} suggested")
    else:
        yield _field("max_length", "no suggestion: without a checkpoint's tokenizer, words count")


def _field(name: str, value: str) -> str:
    return f"  {name:<12}{value}"
