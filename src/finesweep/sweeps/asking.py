"""How a worker draws a hyperparameter: it asks over its pipe, as if it had the trial itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from finesweep.sweeps.engines._base import Asked, Drawn, Noted, Refused, Suggestion
from finesweep.training.drawing import DrawingError, Value


class PipeDraws:
    """The ``Draws`` of a trial whose study is in another process.

    ``ask`` sends a question and waits for the answer, ``tell`` only sends.
    """

    def __init__(
        self,
        trial: int,
        *,
        ask: Callable[[Asked], Drawn | Refused],
        tell: Callable[[Noted], None],
    ) -> None:
        self._trial = trial
        self._ask = ask
        self._tell = tell

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """A whole number from ``low`` to ``high``."""
        return int(self._drawn("suggest_int", name=name, low=low, high=high, step=step, log=log))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number from ``low`` to ``high``."""
        value = self._drawn("suggest_float", name=name, low=low, high=high, step=step, log=log)
        return float(value)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of ``choices``."""
        return self._drawn("suggest_categorical", name=name, choices=list(choices))

    def note(self, values: Mapping[str, Value], *, trains: bool = False) -> None:
        """Have hyperparameters that are in effect put on record."""
        self._tell(Noted(trial=self._trial, values=dict(values), trains=trains))

    def _drawn(self, method: Suggestion, **arguments: Any) -> Any:
        """The value; ``DrawingError`` where the study cannot take what is asked for."""
        match self._ask(Asked(trial=self._trial, method=method, arguments=arguments)):
            case Refused(reason=reason):
                raise DrawingError(reason)
            case Drawn(value=value):
                return value
