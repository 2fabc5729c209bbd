"""Help is there at once: nothing heavy is loaded to print it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"tensorflow", "keras", "mlflow", "optuna", "pandas", "transformers", "numpy", "sqlalchemy"}

ASK = """
import sys
from contextlib import suppress
{code}
print("\\n", *sorted(set(name.partition(".")[0] for name in sys.modules)))
"""


def loaded_by(code: str) -> set[str]:
    told = subprocess.run(
        [sys.executable, "-c", ASK.format(code=code)], capture_output=True, text=True, check=True
    )
    return set(told.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["run", "--help"], ["predict", "--help"], ["data", "--help"]],
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = "from finesweep.cli.main import main\nwith suppress(SystemExit):\n    "
    assert loaded_by(code + f"main({arguments!r})") & HEAVY == set()


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import finesweep") & HEAVY == set()
