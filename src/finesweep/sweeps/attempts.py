"""Whether an attempt that ended without a result is followed by another."""

from __future__ import annotations

from finesweep.sweeps.record import Failures
from finesweep.sweeps.result import Ending
from finesweep.training.hyperparameters import Hyperparameters

# They say nothing about the trial: it is tried again for as long as it takes.
ALWAYS_AGAIN: frozenset[Ending] = frozenset({"preempted", "interrupted"})

_PARTS_FOR_LESS_MEMORY = 2


def is_tried_again(
    ending: Ending,
    *,
    failures: Failures,
    hyperparameters: Hyperparameters,
    accumulation: int,
    retries: int,
) -> bool:
    """Whether the trial goes on after an attempt that ended so.

    Args:
        ending: how the attempt ended.
        failures: how attempts failed before it.
        hyperparameters: the trial's own; a batch of one example cannot be halved.
        accumulation: in how many parts this attempt computed a batch; halves are not halved again.
        retries: how often a failed trial is tried again.
    """
    if ending in ALWAYS_AGAIN:
        return True
    if ending == "failed":
        return failures.get("failed", 0) < retries
    if ending == "out_of_memory":
        halved = accumulation > 1 or failures.get("out_of_memory")
        return not halved and hyperparameters.batch_size > 1
    return False


def accumulation_of(failures: Failures) -> int:
    """In how many parts a batch is computed: two, once one as a whole has taken too much memory."""
    return _PARTS_FOR_LESS_MEMORY if failures.get("out_of_memory") else 1


def describe_next(ending: Ending, *, hyperparameters: Hyperparameters) -> str:
    """What the next attempt does, for people."""
    if ending != "out_of_memory":
        return "it goes on from its last resume point"
    part = -(-hyperparameters.batch_size // _PARTS_FOR_LESS_MEMORY)
    return (
        f"it goes on with {part} examples at a time, whose gradients are accumulated to the same "
        f"batch of {hyperparameters.batch_size}"
    )
