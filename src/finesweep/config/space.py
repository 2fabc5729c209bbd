"""The search space of a sweep: a range or a list of choices for each hyperparameter."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from finesweep.config.base import Problem, StrictModel, Words, reject, shown
from finesweep.config.experiment import BatchSize, Epochs, LearningRate, MaxLength
from finesweep.config.schema import words

# How far a value may stand off its grid of steps, in steps: what Optuna allows.
_STEP_TOLERANCE = 1e-8


class _Range(StrictModel):
    """What ranges of either type have in common."""

    low: float
    """The smallest value, included."""
    high: float
    """The largest value, included."""
    log: bool = False
    """Whether values are spread evenly over magnitudes, as suits a learning rate; no ``step``."""
    step: Annotated[float, Field(gt=0.0)] | None = None
    """Only ``low``, ``low + step`` and so on, up to ``high``."""

    @model_validator(mode="after")
    def _makes_a_range(self) -> Self:
        reject(_range_problems(self))
        return self

    def contains(self, value: float) -> bool:
        """Whether the range holds ``value``."""
        if not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return abs(steps - round(steps)) <= _STEP_TOLERANCE

    @property
    def size(self) -> int | None:
        """How many values there are; None for a continuum."""
        return None if self.step is None else round((self.high - self.low) / self.step) + 1

    def describe(self) -> str:
        """The range in words, for a message."""
        steps = "" if self.step is None else f" in steps of {self.step}"
        return f"{self.low} to {self.high}{steps}"


class FloatRange(_Range):
    """Numbers from ``low`` to ``high``."""


class IntRange(_Range):
    """Whole numbers from ``low`` to ``high``."""

    low: int
    """The smallest value, included."""
    high: int
    """The largest value, included."""
    step: Annotated[int, Field(ge=1)] | None = None
    """Only ``low``, ``low + step`` and so on, up to ``high``."""

    @property
    def size(self) -> int:
        """How many values there are."""
        return (self.high - self.low) // (self.step or 1) + 1


def _range_problems(entry: _Range) -> list[Problem]:
    """``low`` below ``high``, above zero on a log scale, never a step there, steps that fit."""
    low, high, step = entry.low, entry.high, entry.step
    if low == high:
        message = f"expected low below high, received {low} for both; write {{choices: [{low}]}}"
        return [Problem(("low",), message, against=("high",))]
    if low > high:
        message = f"expected low below high, received {low} above {high}"
        return [Problem(("low",), message, against=("high",))]
    if entry.log and low <= 0:
        return [Problem(("low",), f"expected low above 0 on a log scale, received {low}")]
    if step is None:
        return []
    if entry.log:
        message = f"expected no step on a log scale, received {step}; leave out step or log"
        return [Problem(("step",), message)]
    steps = (high - low) / step
    if not math.isfinite(steps) or round(steps) < 1 or abs(steps - round(steps)) > _STEP_TOLERANCE:
        message = f"expected a step that leads from {low} to exactly {high}, received {step}"
        return [Problem(("step",), message)]
    return []


class _Choices(StrictModel):
    """What choices of either type have in common."""

    choices: Annotated[tuple[float, ...], Field(min_length=1, strict=False)]
    """The values to choose from, each once."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        reject(
            [
                Problem(("choices", index), f"expected every choice once, received {value} again")
                for index, value in enumerate(self.choices)
                if value in self.choices[:index]
            ]
        )
        return self

    def contains(self, value: float) -> bool:
        """Whether ``value`` is one of the choices."""
        return value in self.choices

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.choices)

    def describe(self) -> str:
        """The choices in words, for a message."""
        return "one of " + ", ".join(map(str, self.choices))


class FloatChoices(_Choices):
    """One of the listed numbers."""


class IntChoices(_Choices):
    """One of the listed whole numbers."""

    choices: Annotated[tuple[int, ...], Field(min_length=1, strict=False)]
    """The values to choose from, each once."""


def _form(entry: object) -> Literal["range", "choices"] | None:
    """Which form an entry has; decided by its keys, so that errors speak of that form alone."""
    if isinstance(entry, dict):
        return "choices" if "choices" in entry else "range"
    if isinstance(entry, FloatRange | IntRange):
        return "range"
    return "choices" if isinstance(entry, FloatChoices | IntChoices) else None


def _one_choice(entry: object) -> object:
    """``epochs: 3`` is short for ``epochs: {choices: [3]}``."""
    return {"choices": [entry]} if isinstance(entry, bool | int | float | str) else entry


_ENTRY_WORDS = Words("a range {low: …, high: …}, or {choices: […]}, or one value")

FloatEntry = Annotated[
    Annotated[FloatRange, Tag("range")] | Annotated[FloatChoices, Tag("choices")],
    Discriminator(_form),
    BeforeValidator(_one_choice),
    _ENTRY_WORDS,
]
IntEntry = Annotated[
    Annotated[IntRange, Tag("range")] | Annotated[IntChoices, Tag("choices")],
    Discriminator(_form),
    BeforeValidator(_one_choice),
    _ENTRY_WORDS,
]
Entry = FloatRange | FloatChoices | IntRange | IntChoices

HYPERPARAMETERS: dict[str, Any] = {
    "learning_rate": LearningRate,
    "batch_size": BatchSize,
    "epochs": Epochs,
    "max_length": MaxLength,
}


class SpaceConfig(StrictModel):
    """The hyperparameters a sweep searches.

    One left out keeps the experiment's value, or is the hypermodel's to draw.
    """

    learning_rate: FloatEntry | None = None
    """Adam's learning rate."""
    batch_size: IntEntry | None = None
    """Examples in a training step."""
    epochs: IntEntry | None = None
    """Passes over the training rows."""
    max_length: IntEntry | None = None
    """Tokens kept of each text."""

    @model_validator(mode="after")
    def _can_be_searched(self) -> Self:
        entries = self.entries().items()
        reject([problem for name, entry in entries for problem in _misfits(name, entry)])
        return self

    def entries(self) -> dict[str, Entry]:
        """Hyperparameter → what is searched of it, for those that are searched."""
        named = {name: getattr(self, name) for name in HYPERPARAMETERS}
        return {name: cast("Entry", entry) for name, entry in named.items() if entry is not None}


def _misfits(name: str, entry: Entry) -> list[Problem]:
    """The values of ``entry`` that the hyperparameter cannot take."""
    values: dict[tuple[str | int, ...], float]
    if isinstance(entry, FloatRange | IntRange):
        values = {("low",): entry.low, ("high",): entry.high}
    else:
        values = {("choices", index): value for index, value in enumerate(entry.choices)}
    hyperparameter = HYPERPARAMETERS[name]
    adapter: TypeAdapter[float] = TypeAdapter(hyperparameter)
    problems = []
    for at, value in values.items():
        try:
            adapter.validate_python(value, strict=True)
        except ValidationError:
            message = f"expected {words(hyperparameter)}, received {shown(value)}"
            problems.append(Problem((name, *at), message))
    return problems
