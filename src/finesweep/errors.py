"""Every error finesweep raises on purpose, and the exit code each one ends with.

    FinesweepError                 1  the sweep, or the command, failed
    ├── UserError                  2  the user's mistake: his file, his option, his data
    │   ├── ConfigError               an experiment or sweep file, or a --set
    │   ├── DataError                 a data file, or the rows in it
    │   ├── CheckpointError           a checkpoint that cannot be found, verified or read
    │   ├── StudyError                a study that cannot be created or continued
    │   ├── TrackingError             a tracking store that cannot be opened or reached
    │   └── RegistryError             a model name, version or stage that does not exist
    ├── TrialError                 1  ends one trial, never the sweep
    │   ├── DivergedError             the loss became NaN or infinite
    │   └── OutOfMemoryError          the memory of the processor or the GPU did not suffice
    ├── WorkerDiedError            1  a worker process ended without a word
    ├── DiskFullError              1  no space is left; what is on record is kept
    └── SweepFailedError           1  the sweep ended without a single completed trial
    InterruptedSweep (KeyboardInterrupt)  130

A message says what was expected, what was received and what to do next, and names the file, the
line (or row) and the field it is about. This module is the only one that knows exit codes.
"""

from __future__ import annotations

from dataclasses import dataclass

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Location:
    """Where in the user's files a mistake stands.

    ``line`` and ``row`` count from 1; ``row`` counts records of a data file, a header not included.
    """

    file: str | None = None
    line: int | None = None
    row: int | None = None
    field: str | None = None

    def __str__(self) -> str:
        parts = []
        if self.file is not None:
            parts.append(self.file if self.line is None else f"{self.file}:{self.line}")
        elif self.line is not None:
            parts.append(f"line {self.line}")
        if self.row is not None:
            parts.append(f"row {self.row}")
        if self.field is not None:
            parts.append(f"field '{self.field}'")
        return ", ".join(parts)


class FinesweepError(Exception):
    """An error with a message for the user, and optionally the place it is about."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, at: Location | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.at = at

    def __str__(self) -> str:
        place = str(self.at) if self.at is not None else ""
        return f"{place}: {self.message}" if place else self.message


class UserError(FinesweepError):
    """Something the user wrote or named is wrong, and only he can put it right."""

    exit_code = EXIT_USER_ERROR


class ConfigError(UserError):
    """An experiment file, a sweep file or a ``--set`` does not say something valid."""


class DataError(UserError):
    """A data file cannot be read, or its rows cannot be learned from."""


class CheckpointError(UserError):
    """A checkpoint cannot be found, fetched, verified or read."""


class StudyError(UserError):
    """A study cannot be created, opened or continued as asked."""


class TrackingError(UserError):
    """The tracking store cannot be opened or reached."""


class RegistryError(UserError):
    """A registered model, version, stage or run does not exist, or cannot be what was asked."""


class TrialError(FinesweepError):
    """Ends the trial that raised it, and only that trial."""


class DivergedError(TrialError):
    """The training or validation loss became NaN or infinite."""


class OutOfMemoryError(TrialError):
    """The memory of the processor or the GPU did not suffice for a training step."""


class WorkerDiedError(FinesweepError):
    """A worker process ended without reporting how its trial ended."""


class DiskFullError(FinesweepError):
    """No space is left on a disk; once there is, the same command goes on."""


class SweepFailedError(FinesweepError):
    """The sweep ended, and no trial of it completed."""


class InterruptedSweep(KeyboardInterrupt):
    """The user stopped the sweep; what was finished is kept and the same command continues it."""

    exit_code = EXIT_INTERRUPTED


def exit_code_of(error: BaseException) -> int:
    """The process exit code that ``error`` ends with; a bug counts as a failure."""
    if isinstance(error, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    if isinstance(error, FinesweepError):
        return error.exit_code
    return EXIT_FAILED
