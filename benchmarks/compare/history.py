"""Results that are kept, and how a new one differs from the last of its kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.compare.machine import MachineKind
from benchmarks.compare.outcome import Row


@dataclass(frozen=True, kw_only=True)
class Result:
    """One benchmark, as it is kept.

    ``settings`` say what was measured (geometry, rows, rounds, …), ``versions`` with what, by
    environment, ``roofline`` what the machine could do; None where that could not be measured.
    """

    date: str
    machine: MachineKind
    settings: dict[str, Any]
    versions: dict[str, dict[str, str]]
    rows: tuple[Row, ...]
    roofline: dict[str, Any] | None

    @property
    def ratios(self) -> dict[str, float]:
        """Ours over each contestant's, by the contestant's key; those that failed left out."""
        return {row.key: row.ratio for row in self.rows if row.ratio is not None}

    def to_json(self) -> str:
        """The whole result, for people's eyes too."""
        return json.dumps({**asdict(self), "ratios": self.ratios}, indent=2) + "\n"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A contestant's ratio, now and in the result before."""

    key: str
    before: float
    now: float

    @property
    def change(self) -> float:
        """How much larger the ratio became: 0.1 is a tenth."""
        return self.now / self.before - 1.0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A result against an earlier one: its file, its date and the ratios of both."""

    file: str
    date: str
    differences: tuple[Difference, ...]

    def lines(self) -> list[str]:
        """The comparison in words, for people."""
        parts = [
            f"{item.key} {item.before:.2f}× → {item.now:.2f}× ({item.change:+.0%})"
            for item in self.differences
        ]
        return [f"against {self.file}, of {self.date[:10]}:", *(f"  {part}" for part in parts)]


def keep(result: Result, folder: Path) -> Path:
    """Write ``result`` into ``folder`` under its date and geometry; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = datetime.fromisoformat(result.date).strftime("%Y%m%dT%H%M")
    device = "gpu" if result.machine.gpus else "cpu"
    file = folder / f"{moment}-{result.settings['geometry']}-{device}.json"
    file.write_text(result.to_json(), encoding="utf-8")
    return file


def compare_with_last(result: Result, folder: Path) -> Comparison | None:
    """How ``result`` differs from the latest kept one of the same machine kind and work."""
    wanted = _kind(json.loads(result.to_json()))
    alike = [
        (kept["date"], file, kept)
        for file in folder.glob("*.json")
        if _kind(kept := json.loads(file.read_text(encoding="utf-8"))) == wanted
    ]
    if not alike:
        return None
    date, file, kept = max(alike, key=lambda found: str(found[0]))
    return Comparison(
        file=file.name,
        date=date,
        differences=_differences(result.rows, before=kept["ratios"]),
    )


def _kind(kept: dict[str, Any]) -> dict[str, Any]:
    """What must be the same for ratios to be compared: the machine, and all that was measured."""
    how_often = ("rounds", "quick")
    work = {name: value for name, value in kept["settings"].items() if name not in how_often}
    return {"machine": kept["machine"], "work": work}


def _differences(rows: Sequence[Row], *, before: dict[str, float]) -> tuple[Difference, ...]:
    return tuple(
        Difference(key=row.key, before=before[row.key], now=row.ratio)
        for row in rows
        if row.ratio is not None and row.key in before and not row.ours
    )
