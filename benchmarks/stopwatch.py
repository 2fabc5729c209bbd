"""Seconds by part of the program: chosen functions are timed, each without those inside it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any


class Stopwatch:
    """Times the calls of one thread; the others pass through.

    A part's time is that of its functions less that of other parts called within.
    """

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._thread = threading.get_ident()
        self._inner = [0.0]

    def watch(self, parts: Mapping[str, list[tuple[Any, str]]]) -> None:
        """Time ``parts``: by name, the functions as (class or module, attribute)."""
        for part, functions in parts.items():
            for owner, name in functions:
                setattr(owner, name, self._timed(part, getattr(owner, name)))

    def _timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != self._thread:
                return function(*args, **kwargs)
            self._inner.append(0.0)
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                whole = time.perf_counter() - began
                self.seconds[part] += whole - self._inner.pop()
                self._inner[-1] += whole

        return timed
