"""Signals that ask a long command to end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finesweep.sweeps.stopping import StopRequest

# A scheduler that takes the machine back; a terminal that is closed.
_TAKEN_AWAY = (signal.SIGTERM, signal.SIGHUP)

_Handler = Callable[[int, FrameType | None], None]


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, with what it has so far on record.

    A signal that is ignored, as ``nohup`` does, stays ignored. Call it from the main thread.
    """
    with _handled(_interrupt, _TAKEN_AWAY):
        yield


@contextmanager
def signals_ask(stop: StopRequest) -> Iterator[None]:
    """Let the first Ctrl-C, SIGTERM or SIGHUP ask for the end, and the second interrupt at once.

    While nobody heeds ``stop`` the first one interrupts too. A signal that is ignored stays so.
    """

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_asked or not stop.is_heeded:
            _interrupt(number, frame)
        elif number == signal.SIGINT:
            stop.ask("interrupted", "stopped by the user")
        else:
            stop.ask("preempted", f"stopped by {signal.Signals(number).name}")

    with _handled(ask, (signal.SIGINT, *_TAKEN_AWAY)):
        yield


@contextmanager
def _handled(handler: _Handler, numbers: tuple[signal.Signals, ...]) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in numbers}
    for number, old in before.items():
        if old is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
