"""A trainer that draws hyperparameters of its own while it builds its model.

Its search space is code, so nobody knows it before it runs: each value is asked for when the code
comes to it. Whoever has the study answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

Value = bool | int | float | str

ANOTHER_NAME = "give it another name, or ask for it in a conditional_scope"
"""What helps when a study knows the name with another distribution."""

MIRRORED = " (reverse_log)"
"""What Optuna's name of a hyperparameter ends with that is mirrored: low + high less its value."""


class DrawingError(ValueError):
    """A value cannot be drawn; the message says what to do."""


class Suggests(Protocol):
    """Draws values of one trial: an ``optuna.Trial``, or whatever suggests as one does.

    A name that was drawn before, by an earlier attempt too, has the same value again. Raises
    ``ValueError`` for a distribution that the study cannot take for the name, and ``DrawingError``
    where the message says what to do.
    """

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """A whole number from ``low`` to ``high``."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number from ``low`` to ``high``."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of ``choices``."""


class Draws(Suggests, Protocol):
    """The trial of a sweep, as the trainer that runs it sees it."""

    def note(self, values: Mapping[str, Value], *, trains: bool = False) -> None:
        """Put hyperparameters on record that are in effect, under the names people know.

        ``trains`` says that the training begins: all that it depends on has been drawn.
        """


@dataclass(frozen=True, kw_only=True)
class Hypermodel:
    """The code that builds a sweep's models.

    ``name`` is ``module:attribute``, looked for in ``folders`` before anywhere else. The sweep's
    own space searches the hyperparameters named in ``searched``: these are not asked for again.
    """

    name: str
    folders: tuple[Path, ...] = ()
    searched: tuple[str, ...] = ()


@runtime_checkable
class DrawingTrainer(Protocol):
    """A ``Trainer`` that is told, before each fine-tuning, whom to ask."""

    def draw_from(self, draws: Draws) -> None:
        """Ask ``draws`` for the hyperparameters of the next fine-tuning."""
