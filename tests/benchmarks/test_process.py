"""Contestants as processes: what they say, how long they take, what is left of their failures."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks.compare.outcome import ContestError
from benchmarks.compare.process import ROOT, run_together


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_processes_run_side_by_side(tmp_path: Path) -> None:
    nap = "import time; time.sleep(0.5); print('slept')"
    finished = run_together([python(nap), python(nap)], folder=tmp_path / "new")
    assert finished.outputs == ("slept\n", "slept\n")
    assert finished.seconds >= 0.5


def test_a_failure_is_told_by_its_last_line(tmp_path: Path) -> None:
    failing = python(
        "import sys; sys.stderr.write('first\\nValueError: so it is\\n\\n'); sys.exit(3)"
    )
    with pytest.raises(ContestError, match=r"^ValueError: so it is$"):
        run_together([python(""), failing], folder=tmp_path)


def test_a_reason_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    failing = python(f"import sys; sys.exit('no file {ROOT / 'x'} nor {Path.home() / 'y'}')")
    with pytest.raises(ContestError, match=r"^no file \./x nor ~/y$"):
        run_together([failing], folder=tmp_path)


def test_a_failure_ends_what_runs_beside_it(tmp_path: Path) -> None:
    tells = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
    waits = (
        f"import os, sys, time\nwhile not os.path.exists({str(tmp_path / 'pid')!r}): "
        "time.sleep(0.01)\ntime.sleep(0.2); sys.exit(1)"
    )
    with pytest.raises(ContestError):
        run_together([python(waits), python(tells + "; time.sleep(60)")], folder=tmp_path)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_users_own_settings_reach_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    said = run_together(
        [python("import os; print(sorted(os.environ))")],
        folder=tmp_path,
        variables={"FINESWEEP_CACHE": "here"},
    ).outputs[0]
    assert "OMP_NUM_THREADS" not in said
    assert "MLFLOW_TRACKING_URI" not in said
    assert "FINESWEEP_CACHE" in said
