from __future__ import annotations

import re
from pathlib import Path

import pytest

from finesweep.cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "write it again: python -m finesweep.cli.reference > docs/cli.md"
    )


@pytest.mark.parametrize("variable", ["COLUMNS", "TERM", "FINESWEEP_STUDY"])
def test_the_page_does_not_depend_on_the_terminal(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "40")
    assert reference() == PAGE.read_text(encoding="utf-8")


def test_no_summary_of_a_command_is_cut_off() -> None:
    lists = re.findall(r"^Commands:\n((?:  .*\n)+)", reference(), re.MULTILINE)
    assert len(lists) == 3
    assert "..." not in "".join(lists)


def test_every_option_and_argument_has_a_meaning() -> None:
    for heading in ("Arguments", "Options"):
        for block in re.findall(rf"^{heading}:\n((?:  .*\n)+)", reference(), re.MULTILINE):
            entries = re.split(r"^  (?=\S)", block, flags=re.MULTILINE)[1:]
            bare = [entry for entry in entries if len(re.split(r"\s{2,}", entry.strip())) < 2]
            assert bare == []


def test_every_command_that_works_has_an_example_or_needs_none() -> None:
    sections = reference().split("\n## ")[1:]
    without = {part.splitlines()[0] for part in sections if "Examples:" not in part}
    groups = {"finesweep", "finesweep data", "finesweep checkpoint"}
    assert without - groups == {"finesweep show", "finesweep list", "finesweep status"}
