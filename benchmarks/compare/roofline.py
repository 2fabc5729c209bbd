"""The roofline: what this machine multiplies at most, and our share of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.compare.flops import training_flops
from benchmarks.compare.process import run_together
from benchmarks.compare.work import Work, texts

ONE_CORE, WHOLE = "one core", "all cores"
GPU = "the GPU"

# Operations per second, by what computes and in which precision.
Peaks = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """What the machine could do and what finesweep did, round by round.

    Shared machines change their speed within minutes, so each round has ``peaks`` of its own, and
    its own of ``rates``: finesweep's examples per second, None where it had no turn or failed.
    ``flops_a_text`` are the operations of training on one text, on average over the texts.
    """

    peaks: tuple[Peaks, ...]
    rates: tuple[float | None, ...]
    precision: str
    flops_a_text: float

    @property
    def shares(self) -> list[float]:
        """What part of the whole machine's peak finesweep reached, in each round it has a rate."""
        return [
            rate * self.flops_a_text / peaks[GPU if GPU in peaks else WHOLE][self.precision]
            for peaks, rate in zip(self.peaks, self.rates, strict=True)
            if rate is not None
        ]

    def lines(self) -> list[str]:
        """The roofline in words, for people: medians of the rounds."""
        found = [
            f"peak of matrix products, {where}: "
            + ", ".join(f"{name} {self._peak(where, name) / 1e9:,.0f} GFLOP/s" for name in by_name)
            for where, by_name in self.peaks[0].items()
        ]
        found.append(f"one text of training: {self.flops_a_text / 1e9:.3f} GFLOP")
        if shares := self.shares:
            rate = median(rate for rate in self.rates if rate is not None)
            found.append(
                f"finesweep's workers together: {rate * self.flops_a_text / 1e9:,.0f} GFLOP/s, "
                f"{median(shares):.0%} of the peak in {self.precision}"
                + (f" ({min(shares):.0%} to {max(shares):.0%})" if len(shares) > 1 else "")
            )
        return found

    def _peak(self, where: str, precision: str) -> float:
        return median(peaks[where][precision] for peaks in self.peaks)


def measure_peaks(folder: Path, *, gpu: bool) -> Peaks:
    """The fastest matrix products of this moment; takes half a minute. Raises ``ContestError``."""
    if gpu:
        return {GPU: _peaks(folder)}
    core = str(min(os.sched_getaffinity(0)))
    return {ONE_CORE: _peaks(folder, core), WHOLE: _peaks(folder)}


def flops_a_text(work: Work) -> float:
    """The operations of training on one of the work's texts, on average."""
    from finesweep.data.encoding import token_lengths
    from finesweep.data.tokenizer import load_tokenizer
    from finesweep.models.pretrained import read_config

    config, _ = read_config(work.checkpoint)
    lengths = token_lengths(texts(work), load_tokenizer(work.checkpoint))
    return training_flops(config, [min(int(length), work.max_length) for length in lengths])


def _peaks(folder: Path, *arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.compare.peak", *arguments]
    found: dict[str, float] = json.loads(run_together([command], folder=folder).outputs[0])
    return found
