"""What holds for the whole command, wherever its error is told."""

from __future__ import annotations

debug = False
"""Whether a user's mistake is shown with its traceback: ``--debug``."""


def set_debug(wanted: bool) -> bool:
    """Take note of ``--debug``; handed to the option as its callback."""
    global debug
    debug = debug or wanted
    return wanted
