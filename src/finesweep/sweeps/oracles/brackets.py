"""Hyperband's brackets by their numbers: how many trials stand on which rung, for how long.

The same numbers as KerasTuner's, so that what is kept on disk is known without loading it.
Source: Li et al., Hyperband (2018), https://jmlr.org/papers/v18/16-558.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from finesweep.config import SweepConfig

FACTOR = 3
ITERATIONS = 1


@dataclass(frozen=True, kw_only=True)
class Brackets:
    """The brackets of a sweep, in the order in which they begin, from 0; the boldest is first.

    A bracket with ``halvings`` to come has one round more. One without is random search at the most
    epochs. After the last bracket the first comes again.
    """

    max_epochs: int
    factor: int
    iterations: int

    @classmethod
    def of(cls, config: SweepConfig) -> Brackets:
        """The brackets a sweep's configuration asks for."""
        sampler = config.sampler
        return cls(
            max_epochs=config.most_epochs,
            factor=sampler.factor or FACTOR,
            iterations=sampler.iterations or ITERATIONS,
        )

    @property
    def count(self) -> int:
        """How many there are before the first comes again."""
        epochs, count = float(self.max_epochs), 0
        while epochs >= 1:
            epochs /= self.factor
            count += 1
        return count

    def halvings(self, bracket: int) -> int:
        """How often the best of a bracket go on."""
        return self.count - 1 - bracket % self.count

    def size(self, bracket: int, round_number: int) -> int:
        """How many trials a round has."""
        halvings = self.halvings(bracket)
        at_the_end = math.ceil(1 + math.log(self.max_epochs, self.factor)) / (halvings + 1)
        return math.ceil(at_the_end * float(self.factor) ** (halvings - round_number))

    def sizes(self, bracket: int) -> list[int]:
        """How many trials each round of a bracket has."""
        return [self.size(bracket, turn) for turn in range(self.halvings(bracket) + 1)]

    @property
    def most_kept(self) -> int:
        """The most trials of a bracket that could still go on."""
        return max(sum(self.sizes(nth)[1:]) for nth in range(self.count))
