from __future__ import annotations

import os
import sys

import pytest

from finesweep.cli.quiet import native_noise_kept_back
from finesweep.errors import UserError


def test_native_output_is_held_and_python_s_passes(capfd: pytest.CaptureFixture[str]) -> None:
    with native_noise_kept_back():
        os.write(2, b"a library's noise\n")
        sys.stderr.write("our words\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "our words\nafter\n"


def test_what_was_held_explains_an_unexpected_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        _fail_noisily(ZeroDivisionError(), "out of memory\n")
    assert capfd.readouterr().err == "out of memory\n"


@pytest.mark.parametrize("error", [UserError("a mistake"), KeyboardInterrupt()])
def test_a_mistake_or_an_interruption_needs_no_noise(
    error: BaseException, capfd: pytest.CaptureFixture[str]
) -> None:
    before = sys.stderr
    with pytest.raises(type(error)):
        _fail_noisily(error, "noise\n")
    assert capfd.readouterr().err == ""
    assert sys.stderr is before


def _fail_noisily(error: BaseException, noise: str) -> None:
    with native_noise_kept_back():
        os.write(2, noise.encode())
        raise error
