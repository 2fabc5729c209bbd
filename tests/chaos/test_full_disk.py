"""The disk of a sweep becomes full, again and again; it is a small one of its own."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from filler import MAY_NOT_MOUNT

FILLS = 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_sweep_goes_on_when_there_is_space_again(tiny_checkpoint: Path, tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("needs unshare, to mount a small disk where nobody else sees it")
    filler = Path(__file__).with_name("filler.py")
    seed = random.randrange(10**6)
    arguments = (filler, tmp_path / "scene", tiny_checkpoint, FILLS, seed)
    done = subprocess.run(
        [unshare, "-rm", sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == MAY_NOT_MOUNT or done.stderr.startswith("unshare:"):
        pytest.skip(f"may not mount a file system: {done.stderr.strip()}")
    assert done.returncode == 0, f"seed {seed}\n{done.stdout}\n{done.stderr}"
