from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from finesweep.cli.commands import doctor
from finesweep.cli.main import main
from finesweep.sweeps.doctor import Finding


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FINESWEEP_STUDY", raising=False)


def exit_code(*arguments: str) -> int:
    try:
        main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def finding(number: int = 0, **changes: Any) -> Finding:
    values: dict[str, Any] = {
        "kind": "runs",
        "level": "problem",
        "subject": f"run-{number}",
        "what": f"run {number} is wrong",
        "advice": "--repair mends it",
        "repairable": True,
    }
    return Finding(**{**values, **changes})


def printed(findings: list[Finding], capsys: pytest.CaptureFixture[str]) -> list[str]:
    doctor._print(findings)
    return capsys.readouterr().out.splitlines()


def test_a_place_where_nothing_was_run_is_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("doctor") == 0
    told = capsys.readouterr().out
    assert "nothing was run here yet" in told
    assert "no problems" in told
    assert list(tmp_path.iterdir()) == []


def test_a_problem_is_told_with_what_to_do_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "optuna.db").write_bytes(b"no database" * 500)
    assert exit_code("doctor", "--repair") == 1
    assert "  problem   the study database" in capsys.readouterr().out
    assert exit_code("doctor", "--json") == 1
    (line,) = capsys.readouterr().out.splitlines()
    (problem,) = [one for one in json.loads(line) if one["level"] == "problem"]
    assert problem["kind"] == "stores"
    assert problem["repaired"] is False
    assert set(problem) >= {"kind", "level", "what", "advice", "repaired"}


def test_findings_are_grouped_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(
        [
            finding(kind="disk", level="ok", what="room enough", advice=None, repairable=False),
            finding(1),
            finding(2, repaired=True),
            finding(3, level="warning", advice="look at [it]", repairable=False),
        ],
        capsys,
    )
    assert lines == [
        "disk",
        "  ok        room enough",
        "runs",
        "  problem   run 1 is wrong",
        "            → --repair mends it",
        "  repaired  run 2 is wrong",
        "  warning   run 3 is wrong",
        "            → look at [it]",
        "",
        "1 problem, 1 warning, 1 repaired; --repair puts 1 of them right",
    ]


def test_many_of_a_kind_are_cut_short(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed([finding(number) for number in range(40)], capsys)
    assert len(lines) == 1 + doctor.MOST_ALIKE + 2 + 2
    assert lines[-4].strip() == "and 35 more like these: see --json"
    assert lines[-1].startswith("40 problems, no warnings")


def test_marks_are_coloured_on_a_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=80)
    (line, _) = doctor._lines([finding()])
    console.print(line)
    assert isinstance(console.file, io.StringIO)
    assert "\x1b[31mproblem" in console.file.getvalue()
