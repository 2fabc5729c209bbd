"""The roofline: what this machine multiplies at most, and our share of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare.flops import training_flops
from benchmarks.compare.process import run_together
from benchmarks.compare.work import Work, texts

ONE_CORE, WHOLE = "one core", "all cores"
GPU = "the GPU"


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """Peaks in operations per second, by what computes and in which precision; and our need.

    ``flops_a_text`` are the operations of training on one text, on average over the texts.
    """

    peaks: Mapping[str, Mapping[str, float]]
    precision: str
    flops_a_text: float

    def share(self, rate: float) -> float:
        """What part of the peak of the whole machine ``rate`` examples per second come to."""
        whole = self.peaks[GPU] if GPU in self.peaks else self.peaks[WHOLE]
        return rate * self.flops_a_text / whole[self.precision]

    def lines(self, rate: float | None) -> list[str]:
        """The roofline in words, for people."""
        found = [
            f"peak of matrix products, {where}: "
            + ", ".join(f"{name} {peak / 1e9:,.0f} GFLOP/s" for name, peak in peaks.items())
            for where, peaks in self.peaks.items()
        ]
        found.append(f"one text of training: {self.flops_a_text / 1e9:.3f} GFLOP")
        if rate is not None:
            reached = rate * self.flops_a_text / 1e9
            found.append(
                f"finesweep's workers together: {reached:,.0f} GFLOP/s, "
                f"{self.share(rate):.0%} of the peak in {self.precision}"
            )
        return found


def measure(work: Work, folder: Path, *, gpu: bool) -> Roofline:
    """Measure the peaks, which takes half a minute. Raises ``ContestError``."""
    if gpu:
        peaks = {GPU: _peaks(folder)}
    else:
        core = str(min(os.sched_getaffinity(0)))
        peaks = {ONE_CORE: _peaks(folder, core), WHOLE: _peaks(folder)}
    return Roofline(peaks=peaks, precision=work.precision, flops_a_text=flops_a_text(work))


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
