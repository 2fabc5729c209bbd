from __future__ import annotations

import pytest

from finesweep.sweeps.attempts import accumulation_of, describe_next, is_tried_again
from finesweep.sweeps.record import Failures
from finesweep.sweeps.result import Ending
from finesweep.training.hyperparameters import Hyperparameters

POINT = Hyperparameters(learning_rate=5e-5, batch_size=15, epochs=2, max_length=32)
ONE = Hyperparameters(learning_rate=5e-5, batch_size=1, epochs=2, max_length=32)


def again(
    ending: Ending, point: Hyperparameters = POINT, accumulation: int = 1, **failures: int
) -> bool:
    before: Failures = {"failed": failures.get("failed", 0)}
    if "out_of_memory" in failures:
        before["out_of_memory"] = failures["out_of_memory"]
    return is_tried_again(
        ending, failures=before, hyperparameters=point, accumulation=accumulation, retries=2
    )


@pytest.mark.parametrize("ending", ["preempted", "interrupted"])
def test_what_is_nobodys_fault_is_tried_again_without_limit(ending: Ending) -> None:
    assert again(ending, failed=99, out_of_memory=1)


@pytest.mark.parametrize("ending", ["completed", "pruned", "diverged"])
def test_what_was_decided_is_not_tried_again(ending: Ending) -> None:
    assert not again(ending)


def test_a_failure_is_tried_again_so_often() -> None:
    assert [again("failed", failed=count) for count in range(4)] == [True, True, False, False]


def test_out_of_memory_is_tried_again_once_with_half_the_batch() -> None:
    assert again("out_of_memory")
    assert not again("out_of_memory", out_of_memory=1)
    assert not again("out_of_memory", ONE)
    # It went on from one that had to: its batches were halved from the start.
    assert not again("out_of_memory", accumulation=2)
    assert accumulation_of({}) == 1
    assert accumulation_of({"out_of_memory": 1}) == 2
    assert "8 examples at a time" in describe_next("out_of_memory", hyperparameters=POINT)
    assert "same batch of 15" in describe_next("out_of_memory", hyperparameters=POINT)
