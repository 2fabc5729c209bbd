from __future__ import annotations

import os
import signal

import pytest

from finesweep.cli.interrupts import signals_as_interrupt


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
