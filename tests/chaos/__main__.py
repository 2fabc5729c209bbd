"""``make chaos CYCLES=200``: kill a sweep that often, and print what came of it."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from killer import rampage
from scene import Scene

CHECKPOINT = Path(__file__).parents[1] / "fixtures" / "tiny-distilbert"


def main() -> int:
    """Run, report, and tell by the exit code whether all was well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    sys.stdout.write(f"seed {arguments.seed}\n")
    with tempfile.TemporaryDirectory(prefix="finesweep-chaos-") as folder:
        scene = Scene.set_up(Path(folder) / "scene", CHECKPOINT)
        report = rampage(scene, cycles=arguments.cycles, seed=arguments.seed, tell=_tell)
    _tell("\n".join(report.lines()))
    return 0 if report.is_clean else 1


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
