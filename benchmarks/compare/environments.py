"""The peers' own environments, each made once from its pinned requirements."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.compare.outcome import ContestError
from benchmarks.compare.process import ROOT, last_line

PEERS = ROOT / "benchmarks" / "peers"
CONSTRAINTS = ROOT / "constraints.txt"
GPU_REQUIREMENTS = PEERS / "gpu.txt"
# The environments whose TensorFlow needs more on a GPU.
_TENSORFLOW = ("article", "keras")

_ASK_VERSIONS = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {"python": sys.version.split()[0]}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def python_of(name: str, folder: Path, *, gpu: bool) -> Path:
    """The interpreter of the environment ``name`` below ``folder``, made where it is missing.

    Made again when its requirements have changed. Raises ``ContestError`` with pip's last line.
    """
    target = folder / name
    python = target / "bin" / "python"
    files = [PEERS / f"{name}.txt", CONSTRAINTS]
    if gpu and name in _TENSORFLOW:
        files.append(GPU_REQUIREMENTS)
    wanted = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    mark = target / ".requirements"
    if mark.is_file() and mark.read_text() == wanted:
        return python
    print(f"making the environment of {name}; some minutes at the first time", file=sys.stderr)
    _call([sys.executable, "-m", "venv", "--clear", str(target)])
    requirements = [part for file in files if file != CONSTRAINTS for part in ("-r", str(file))]
    _call([str(python), "-m", "pip", "--disable-pip-version-check", "install", *requirements])
    mark.write_text(wanted)
    return python


def versions_of_peers(folder: Path) -> dict[str, dict[str, str]]:
    """What each environment that exists has of the packages its requirements name."""
    found = {}
    for file in sorted(PEERS.glob("*.txt")):
        python = folder / file.stem / "bin" / "python"
        if python.is_file():
            names = [line.split("==")[0] for line in file.read_text().splitlines() if "==" in line]
            found[file.stem] = versions_in(python, names)
    return found


def versions_in(python: Path, packages: list[str]) -> dict[str, str]:
    """The versions an environment has of ``packages``, and of Python; those it lacks left out."""
    answer = _call([str(python), "-c", _ASK_VERSIONS, *packages])
    found: dict[str, str] = json.loads(answer)
    return found


def _call(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ContestError(last_line(done.stderr or done.stdout))
    return done.stdout
