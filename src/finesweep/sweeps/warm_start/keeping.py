"""What came in, kept with the study: written once, before its first trial is asked for.

The trials are a system attribute, in pieces that every database takes; the reports are a user
attribute and are written last. A study that has them was warm-started, whatever killed the process
then; one that lacks them has not asked for a trial yet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from finesweep.sweeps.warm_start.earlier import EarlierTrial
from finesweep.sweeps.warm_start.report import SourceReport

REPORTS = "warm_start"
_PIECE = "warm_start:"
# MySQL's text ends at 64 KiB, and a piece is quoted once more.
_PIECE_CHARACTERS = 16_000


@dataclass(frozen=True, kw_only=True)
class WarmStart:
    """The trials that came in, the oldest source first, and a report for every source."""

    trials: tuple[EarlierTrial, ...] = ()
    reports: tuple[SourceReport, ...] = ()


def keep(study: optuna.Study, warm_start: WarmStart) -> None:
    """Store what came in; repeated after a kill, it stores the same."""
    text = json.dumps([trial.to_plain() for trial in warm_start.trials])
    # Optuna's study has no word for its system attributes any more; its storage does.
    for at in range(0, len(text), _PIECE_CHARACTERS):
        key = f"{_PIECE}{at // _PIECE_CHARACTERS:06d}"
        piece = text[at : at + _PIECE_CHARACTERS]
        study._storage.set_study_system_attr(study._study_id, key, piece)
    study.set_user_attr(
        REPORTS,
        {
            "characters": len(text),
            "sources": [report.to_plain() for report in warm_start.reports],
        },
    )


def is_kept(attrs: Mapping[str, Any]) -> bool:
    """Whether the study with these user attributes was warm-started."""
    return REPORTS in attrs


def kept_reports(attrs: Mapping[str, Any]) -> tuple[SourceReport, ...]:
    """A report for every source, from the study's user attributes; none for a cold start."""
    kept = attrs.get(REPORTS, {"sources": []})
    return tuple(map(SourceReport.from_plain, kept["sources"]))


def kept_trials(study: optuna.Study) -> tuple[EarlierTrial, ...]:
    """The trials that came in when the study began."""
    kept = study.user_attrs.get(REPORTS)
    if kept is None:
        return ()
    attrs = study._storage.get_study_system_attrs(study._study_id)
    pieces = [attrs[key] for key in sorted(attrs) if key.startswith(_PIECE)]
    # A process that was killed while it wrote may have left more than the next one had to write.
    text = "".join(pieces)[: kept["characters"]]
    return tuple(map(EarlierTrial.from_plain, json.loads(text)))
