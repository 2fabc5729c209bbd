from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from finesweep.config import SweepConfig
from finesweep.config.warm_start import (
    EarlierExperiment,
    EarlierProject,
    EarlierSource,
    EarlierStorage,
    EarlierSweep,
    source_of,
)
from finesweep.errors import ConfigError

LoadSweep = Callable[..., SweepConfig]

SWEEP = "experiment: ../experiments/e.yaml\nname: search\nspace:\n  epochs: {low: 1, high: 4}\n"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("headlines-lr", EarlierSweep("headlines-lr")),
        ("old.db", EarlierSweep("old.db")),
        ("mlflow:my runs/1", EarlierExperiment("my runs/1")),
        ("./project", EarlierProject("./project")),
        ("search/my project", EarlierProject("search/my project")),
        ("~", EarlierProject("~")),
        ("..", EarlierProject("..")),
        ("sqlite:///old.db", EarlierStorage("sqlite:///old.db", None)),
        ("sqlite:///old.db#a b", EarlierStorage("sqlite:///old.db", "a b")),
        ("postgresql://host/db", EarlierStorage("postgresql://host/db", None)),
        ("mlflow:", None),
        ("two words", None),
        ("sqlite:///old.db#", None),
        ("", None),
    ],
)
def test_the_form_of_a_source_says_what_it_is(text: str, source: EarlierSource | None) -> None:
    assert source_of(text) == source


def test_one_source_needs_no_list(sweep: LoadSweep) -> None:
    assert sweep(SWEEP).warm_start == ()
    assert sweep(SWEEP + "warm_start: a\n").warm_start == ("a",)
    assert sweep(SWEEP, "warm_start=[a, b]").warm_start == ("a", "b")


def test_paths_start_where_they_are_written(sweep: LoadSweep, folder: Path) -> None:
    text = SWEEP + "warm_start: [a, ./p, ../q, 'mlflow:x/y', 'sqlite:///o.db']\n"
    expected = ("a", f"{folder}/sweeps/p", f"{folder}/q", "mlflow:x/y", "sqlite:///o.db")
    assert sweep(text).warm_start == expected
    assert sweep(text, "warm_start=./p").warm_start == (f"{folder}/p",)
    assert sweep(text, "warm_start.1=./p").warm_start[1] == f"{folder}/p"


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("search", r"field 'warm_start': expected the name of another sweep"),
        ("[a, search]", r"field 'warm_start\.1': .*this sweep's own, 'search'; .*--new NAME"),
        ("[a, a]", r"field 'warm_start\.1': expected every source once, received 'a' again"),
        ("two words", r"expected a sweep's name, mlflow:EXPERIMENT, .*received 'two words'"),
        ("['postgresql://me:secret@h/d']", r"without a password in its URL"),
        ("3", r"expected a source, or a list of sources, received 3"),
        ("[3]", r"field 'warm_start\.0': expected text"),
    ],
)
def test_what_names_no_source_is_refused(sweep: LoadSweep, written: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as refusal:
        sweep(SWEEP + f"warm_start: {written}\n")
    assert "secret" not in str(refusal.value)
