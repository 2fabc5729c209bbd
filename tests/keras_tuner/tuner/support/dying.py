"""Lets a script die where the variable DIE says.

``after 4 tuner:Tuner on_epoch_end``: after the fourth call of that method.
"""

from __future__ import annotations

import os
import pkgutil
import signal
from collections.abc import Callable
from typing import Any


def prepare() -> None:
    if "DIE" in os.environ:
        when, call, owner, name = os.environ["DIE"].split()
        kind = pkgutil.resolve_name(f"finesweep.keras_tuner.{owner}")
        setattr(kind, name, _dying(getattr(kind, name), call=int(call), when=when))


def _dying(function: Callable[..., Any], *, call: int, when: str) -> Callable[..., Any]:
    calls: list[int] = []

    def die_at_last(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) < call:
            return function(*arguments, **options)
        if when == "after":
            function(*arguments, **options)
        return os.kill(os.getpid(), signal.SIGKILL)

    return die_at_last
