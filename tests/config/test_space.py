from __future__ import annotations

import pytest
from pydantic import ValidationError

from finesweep.config import FloatChoices, FloatRange, IntChoices, IntRange, SpaceConfig


def test_a_range_holds_its_ends() -> None:
    entry = FloatRange(low=1e-5, high=1e-4, log=True)
    assert entry.contains(1e-5)
    assert entry.contains(1e-4)
    assert not entry.contains(1.1e-4)
    assert entry.size is None


def test_a_range_with_steps_holds_only_them() -> None:
    entry = FloatRange(low=0.1, high=0.4, step=0.1)
    assert [value for value in (0.1, 0.2, 0.25, 0.3, 0.4) if entry.contains(value)] == [
        0.1,
        0.2,
        0.3,
        0.4,
    ]
    assert entry.size == 4


def test_a_range_of_whole_numbers_is_finite() -> None:
    assert IntRange(low=1, high=4).size == 4
    entry = IntRange(low=16, high=64, step=16)
    assert entry.size == 4
    assert [value for value in range(100) if entry.contains(value)] == [16, 32, 48, 64]


def test_choices_hold_what_they_list() -> None:
    entry = IntChoices(choices=(8, 16))
    assert entry.contains(8)
    assert not entry.contains(12)
    assert entry.size == 2


def test_entries_are_described() -> None:
    assert FloatRange(low=0.1, high=0.4, step=0.1).describe() == "0.1 to 0.4 in steps of 0.1"
    assert IntRange(low=1, high=4).describe() == "1 to 4"
    assert FloatChoices(choices=(0.1, 0.2)).describe() == "one of 0.1, 0.2"


def test_a_space_lists_what_it_searches() -> None:
    epochs = IntRange(low=1, high=4)
    assert SpaceConfig(epochs=epochs).entries() == {"epochs": epochs}


def test_models_are_checked_in_python_too() -> None:
    with pytest.raises(ValidationError, match="expected low below high, received 4 above 1"):
        IntRange(low=4, high=1)
    with pytest.raises(ValidationError, match=r"expected a whole number \(1 to 1000\), received 0"):
        SpaceConfig(epochs=IntChoices(choices=(0, 1)))
