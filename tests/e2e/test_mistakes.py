"""What a user can get wrong before anything is run: one line, exit code 2, nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from workplace import Said, Workplace


@pytest.fixture(scope="module")
def workplace(new_workplace: Callable[[], Workplace]) -> Iterator[Workplace]:
    """One place for all: nothing that is refused may leave anything in it."""
    workplace = new_workplace()
    before = {path.name for path in workplace.directory.iterdir()}
    (workplace.directory / "data" / "rows").write_text("[]")
    (workplace.directory / "data" / "latin.csv").write_bytes(
        "text,label\nBüro,a\n".encode("latin-1")
    )
    (workplace.directory / "data" / "one.csv").write_text("text,label\ngood,a\nbad,a\n")
    (workplace.directory / "data" / "gap.csv").write_text("text,label\ngood,a\n ,b\n")
    yield workplace
    assert {path.name for path in workplace.directory.iterdir()} == before


def data(path: str) -> tuple[str, ...]:
    return ("train", "experiment.yaml", "--set", f"data.path={path}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "no.yaml"), ("no.yaml", "does not exist")),
        (("run", "."), ("directory",)),
        (("run", "data/some rows.json"), ("some rows.json", "list")),
        (("run", "experiment.yaml"), ("expected a sweep file", "train")),
        (("train", "sweep.yaml"), ("expected an experiment file",)),
        (("run", "sweep.yaml", "--set", "trails=3"), ("'trails'", "trials")),
        (("run", "sweep.yaml", "--set", "trials"), ("KEY=VALUE",)),
        (("run", "sweep.yaml", "--set", "space.epochs=[1"), ("space.epochs",)),
        (("run", "sweep.yaml", "--timeout", "soon"), ("90s, 30m, 2h", "'soon'")),
        (("run", "sweep.yaml", "--study", "optuna.db"), ("database URL", "'optuna.db'")),
        (data("data/none.json"), ("none.json", "no such file")),
        (data("data"), ("found a folder",)),
        (data("data/rows"), ("without ending", "data.format")),
        (data("data/latin.csv"), ("latin.csv", "UTF-8")),
        (data("data/one.csv"), ("one.csv", "class")),
        (data("data/gap.csv"), ("gap.csv", "row 2", "text")),
        (data("ftp://host/x.json"), ("ftp://", "download the file")),
        (("train", "experiment.yaml", "--set", "data.text=body"), ("'body'", "'text', 'label'")),
        (("train", "experiment.yaml", "--set", "max_length=512"), ("at most 64", "512")),
        (("train", "experiment.yaml", "--set", "model.checkpoint=./data"), ("config.json",)),
        (
            (
                "run",
                "sweep.yaml",
                "--set",
                "experiment.data.split={by: position, train: 399, validation: 2}",
            ),
            ("some rows.json", "401", "400"),
        ),
        (("data", "check", "nowhere.csv"), ("nowhere.csv", "no such file")),
        (("data", "check", "x.csv", "--set", "a=b"), ("--set", "experiment file")),
        (("checkpoint", "pull", "packaged:none"), ("packaged:",)),
        (("list",), ("no study database",)),
    ],
)
def test_it_is_told_in_one_line(
    workplace: Workplace, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    workplace.run(*arguments).is_refused(*words)


def test_a_truncated_checkpoint_is_found_before_any_run(workplace: Workplace) -> None:
    weights = workplace.directory / "checkpoint" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:1000])
    try:
        workplace.run("train", "experiment.yaml").is_refused("model.safetensors")
    finally:
        weights.write_bytes(whole)


@pytest.mark.parametrize(
    "arguments", [("frobnicate",), ("run",), ("run", "a", "b"), ("run", "a", "--trials", "0")]
)
def test_a_misused_command_names_its_help(workplace: Workplace, arguments: tuple[str, ...]) -> None:
    said = workplace.run(*arguments)
    assert said.code == 2
    assert "--help" in said.err
    assert "Traceback" not in said.err


def test_debug_shows_where_a_mistake_was_found(workplace: Workplace) -> None:
    said = workplace.run("run", "no.yaml", "--debug")
    assert said.code == 2
    assert said.err.startswith("Traceback")
    assert said.err.splitlines()[-1].startswith("error: no.yaml: ")


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path, workplace: Workplace) -> None:
    file = tmp_path / "file"
    file.touch()
    said = workplace.run("models", MLFLOW_TRACKING_URI=f"sqlite:///{file}/mlflow.db")
    said.is_refused("expected a folder", "found a file")
    workplace.run("models", MLFLOW_TRACKING_URI=str(tmp_path)).is_refused("sqlite:////absolute")


def test_data_check_reports_and_judges(workplace: Workplace) -> None:
    def check(*arguments: str) -> Said:
        return workplace.run("data", "check", *arguments)

    said = check("data/some rows.json")
    assert (said.code, said.err) == (0, "")
    assert "400" in said.out
    report = check("experiment.yaml", "--json")
    assert report.code == 0
    assert json.loads(report.out)["rows"] == 400
    bad = check("data/gap.csv", "--json")
    assert (bad.code, bad.json["ok"]) == (2, False)
    assert check("data/gap.csv").code == 2


def test_a_plan_runs_nothing(workplace: Workplace) -> None:
    """The workplace's own check says that no mlruns/ came of it."""
    said = workplace.run("run", "sweep.yaml", "--plan")
    assert said.code == 0, said.err
    assert "t000  learning_rate=0.01  batch_size=8  epochs=4  max_length=16" in said.out
    assert "Nothing was run." in said.out
    assert "for the models of the best 4 trials" in said.out
    assert "for the models of the best 2 trials" in (
        workplace.run("run", "sweep.yaml", "--plan", "--set", "keep_checkpoints=2").out
    )
    plan = workplace.run("run", "sweep.yaml", "--plan", "--json").json
    assert plan["configuration"]["trials"] == 4
    assert len(plan["first_proposals"]) == 4
    assert plan["seconds"] > 0
