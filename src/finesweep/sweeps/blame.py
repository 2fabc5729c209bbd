"""What the end of an attempt without a result means: how it ended, and whose error it was."""

from __future__ import annotations

from dataclasses import dataclass

from finesweep.sweeps.ending import Verdict
from finesweep.sweeps.engines._base import Died, Failed


@dataclass(frozen=True, kw_only=True)
class Blame:
    """A verdict, and the error behind it.

    ``error`` is its kind and its words, for what the same error in trial after trial would be a
    reason to stop; None for what says nothing about the user's code.
    """

    verdict: Verdict
    error: tuple[str, str] | None = None


def blame_for(event: Failed | Died) -> Blame:
    """The blame for an attempt whose task failed, or whose worker died."""
    match event.cause:
        case "diverged":
            return Blame(verdict=Verdict(ending="diverged", reason=f"diverged: {_words(event)}"))
        case "disk_full":
            reason = f"interrupted: no space is left on the disk ({_words(event)})"
            return Blame(verdict=Verdict(ending="interrupted", reason=reason))
        case "set_up":
            # Not the trial's: it goes on once the user has put it right.
            return Blame(verdict=Verdict(ending="interrupted", reason=_words(event)))
        case "preempted":
            reason = f"preempted: {_words(event)}"
            return Blame(verdict=Verdict(ending="preempted", reason=reason))
        case "out_of_memory":
            verdict = Verdict(ending="out_of_memory", reason=f"out of memory: {_words(event)}")
            return Blame(verdict=verdict, error=("OutOfMemory", _words(event)))
        case "failed" | "crashed":
            kind = event.kind if isinstance(event, Failed) else "WorkerDied"
            return blame_for_error(kind, _words(event))


def blame_for_error(kind: str, reason: str) -> Blame:
    """The blame for an error of the user's code or data, or of his trainer."""
    verdict = Verdict(ending="failed", reason=f"{kind}: {reason}")
    return Blame(verdict=verdict, error=(kind, reason))


def _words(event: Failed | Died) -> str:
    return event.reason if isinstance(event, Failed) else event.detail
