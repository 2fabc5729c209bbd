"""What everybody is given, and what the command line makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.compare.options import read_options
from benchmarks.compare.outcome import ContestError
from benchmarks.compare.work import SAMPLE, require_rows


def test_the_bundled_headlines_suffice_for_the_full_benchmark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FINESWEEP_BENCH_DATA", raising=False)
    options = read_options([])
    assert options.data == SAMPLE
    require_rows(options.data, needed=options.rows + options.validation_rows)


def test_a_quick_run_is_shorter_and_not_kept() -> None:
    full, quick = read_options([]), read_options(["--quick"])
    assert quick.rows < full.rows
    assert quick.rounds < full.rounds
    assert (full.keep, quick.keep) == (True, False)
    assert read_options(["--quick", "--keep", "--rows", "7"]).rows == 7


def test_part_of_a_table_is_not_kept() -> None:
    assert not read_options(["--only", "article"]).keep


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{}", "expected"),
        ('[{"text": "a"}]', "headline"),
        (json.dumps([{"headline": "a", "is_sarcastic": 1}]), "received 1"),
        ("no JSON", "expected headlines"),
    ],
)
def test_other_data_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    data = tmp_path / "data.json"
    data.write_text(content)
    with pytest.raises(ContestError, match=complaint):
        require_rows(data, needed=10)
