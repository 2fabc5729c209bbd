from __future__ import annotations

import numpy as np

from finesweep.training import Hyperparameters

GIVEN = Hyperparameters(learning_rate=0.1, batch_size=8, epochs=3, max_length=16)


def test_what_is_one_of_the_four_and_of_its_type_takes_its_place() -> None:
    values = {"learning_rate": 1, "epochs": 5, "units": 64, "kind": "cnn"}
    updated = GIVEN.updated(values)
    assert updated.as_dict() == {**GIVEN.as_dict(), "learning_rate": 1, "epochs": 5}


def test_what_is_only_called_so_is_left_out() -> None:
    strange = {"learning_rate": "cosine", "epochs": 2.5, "batch_size": True}
    assert GIVEN.updated(strange) == GIVEN
    assert GIVEN.updated({"max_length": None, "epochs": np.float32(2)}) == GIVEN
