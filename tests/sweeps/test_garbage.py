"""What was there before a sweep is not looked through again and again."""

from __future__ import annotations

import gc
import weakref

import pytest

from finesweep.sweeps.garbage import imports_not_searched


class Cycle:
    def __init__(self) -> None:
        self.me = self


def test_what_was_there_is_left_alone_and_what_comes_is_collected() -> None:
    before = gc.get_freeze_count()
    with imports_not_searched():
        assert gc.get_freeze_count() > before
        new = weakref.ref(Cycle())
        gc.collect()
        assert new() is None
    assert gc.get_freeze_count() == 0


def test_all_is_searched_again_after_a_failure() -> None:
    kept = [Cycle()]
    gone = weakref.ref(kept[0])

    def fail() -> None:
        with imports_not_searched():
            kept.clear()
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    gc.collect()
    assert gone() is None
