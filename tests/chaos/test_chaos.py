"""Twenty kills at random moments, with the installed command on a small model."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from killer import rampage
from scene import Scene

CYCLES = 20


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nothing_is_lost_or_doubled(tiny_checkpoint: Path, tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    sys.stdout.write(f"seed {seed}\n")  # shown when the test fails
    report = rampage(Scene.set_up(tmp_path / "scene", tiny_checkpoint), cycles=CYCLES, seed=seed)
    told = "\n".join(report.lines())
    assert report.kills.total() == CYCLES
    assert report.is_clean, told
