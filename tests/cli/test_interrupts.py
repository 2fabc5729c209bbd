from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from finesweep.cli.interrupts import signals_as_interrupt, signals_ask
from finesweep.sweeps.stopping import StopRequest


@pytest.fixture(autouse=True)
def _no_signal_is_ignored() -> Iterator[None]:
    """Under ``nohup``, or behind a shell's ``&``, these tests would wait for ever."""
    before = {
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_is_an_interruption(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        _get(number)
    assert signal.getsignal(number) is before


def _get(number: signal.Signals) -> None:
    with signals_as_interrupt():
        os.kill(os.getpid(), number)
        signal.pause()


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_as_interrupt():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("number", "ending", "reason"),
    [
        (signal.SIGINT, "interrupted", "stopped by the user"),
        (signal.SIGTERM, "preempted", "stopped by SIGTERM"),
        (signal.SIGHUP, "preempted", "stopped by SIGHUP"),
    ],
)
def test_the_first_signal_asks_and_the_second_interrupts(
    number: signal.Signals, ending: str, reason: str
) -> None:
    stop = StopRequest()
    with stop.heeded(), signals_ask(stop):
        os.kill(os.getpid(), number)
        assert (stop.ending, stop.reason) == (ending, reason)
        with pytest.raises(KeyboardInterrupt):
            _send(number)
    assert (stop.ending, stop.reason) == (ending, reason)


def test_a_signal_that_nobody_heeds_interrupts_at_once() -> None:
    stop = StopRequest()
    with signals_ask(stop), pytest.raises(KeyboardInterrupt):
        _send(signal.SIGTERM)
    assert not stop.is_asked


def _send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    signal.pause()
