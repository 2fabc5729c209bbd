from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from finesweep.config import ExperimentConfig, FileSplit, SweepConfig
from finesweep.errors import ConfigError, Location

LoadExperiment = Callable[..., ExperimentConfig]
LoadSweep = Callable[..., SweepConfig]
Refusal = Callable[..., ConfigError]

SWEEP = "experiment: ../experiments/e.yaml\nname: search\nspace:\n  epochs: {low: 1, high: 4}\n"


def of(path: str, **model: str) -> str:
    text = f"name: x\ndata: {{path: {path!r}}}\n"
    return text + (f"model: {model}\n" if model else "")


@pytest.mark.parametrize(
    ("written", "resolved"),
    [
        ("rows.json", "experiments/rows.json"),
        ("../data/rows.json", "data/rows.json"),
        ("./a b/é.json", "experiments/a b/é.json"),
        ("..", "."),
        ("https/rows.json", "experiments/https/rows.json"),
    ],
)
def test_a_path_in_a_file_starts_at_the_file(
    experiment: LoadExperiment, folder: Path, written: str, resolved: str
) -> None:
    assert experiment(of(written)).data.path == str(folder / resolved)


@pytest.mark.parametrize(
    "written",
    [
        "/data/rows.json",
        "https://host/a/../rows.json",
        "HTTP://x",
        "s3://x/y",
        "packaged:headlines",
    ],
)
def test_absolute_paths_urls_and_packaged_names_are_left_alone(
    experiment: LoadExperiment, written: str
) -> None:
    assert experiment(of(written)).data.path == written


def test_home_is_expanded(
    experiment: LoadExperiment, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    config = experiment(of("~/rows.json", checkpoint="~/model"))
    assert config.data.path == str(folder / "rows.json")
    assert config.model.checkpoint == str(folder / "model")


def test_the_home_of_nobody_is_refused(refused_experiment: Refusal) -> None:
    error = refused_experiment(of("~no-such-user/rows.json"))
    assert error.at == Location(file="experiments/e.yaml", line=2, field="data.path")
    assert "expected a path, received '~no-such-user/rows.json'" in error.message


def test_a_link_keeps_its_name(experiment: LoadExperiment, folder: Path) -> None:
    (folder / "experiments" / "rows.json").symlink_to(folder / "blob")
    assert experiment(of("rows.json")).data.path == str(folder / "experiments" / "rows.json")


def test_a_path_in_an_override_starts_at_the_working_directory(
    experiment: LoadExperiment, sweep: LoadSweep, folder: Path
) -> None:
    assert experiment(of("x"), "data.path=rows.json").data.path == str(folder / "rows.json")
    config = sweep(SWEEP, "experiment.data.path=rows.json")
    assert config.experiment.data.path == str(folder / "rows.json")
    whole = sweep(SWEEP, "experiment.data={path: rows.json}")
    assert whole.experiment.data.path == str(folder / "rows.json")


def test_a_path_in_the_experiment_of_a_sweep_starts_at_the_experiment(
    sweep: LoadSweep, folder: Path
) -> None:
    assert sweep(SWEEP).experiment.data.path == str(folder / "experiments" / "rows.json")


def test_the_files_of_a_split_are_resolved(experiment: LoadExperiment, folder: Path) -> None:
    text = of("x") + "  split: {by: files, validation: v.json, test: http://x/t.json}\n"
    text = text.replace("{path: 'x'}", "\n  path: x")
    config = experiment(text)
    assert config.data.split == FileSplit(
        by="files", validation=str(folder / "experiments" / "v.json"), test="http://x/t.json"
    )
    config = experiment(text, "data.split.test=t.json")
    assert isinstance(config.data.split, FileSplit)
    assert config.data.split.test == str(folder / "t.json")


@pytest.mark.parametrize(
    ("written", "resolved"),
    [
        ("./model", "experiments/model"),
        ("../model", "model"),
        (".", "experiments"),
        ("there", "experiments/there"),
        ("org/there", "experiments/org/there"),
    ],
)
def test_a_checkpoint_that_looks_like_a_path_or_is_one_is_resolved(
    experiment: LoadExperiment, folder: Path, written: str, resolved: str
) -> None:
    for name in ("there", "org/there"):
        (folder / "experiments" / name).mkdir(parents=True)
    checkpoint = experiment(of("x", checkpoint=written)).model.checkpoint
    assert checkpoint == str(folder / resolved)


@pytest.mark.parametrize(
    "written", ["distilbert/distilbert-base-uncased", "packaged:minilm-l6-h384", "model", "x" * 300]
)
def test_any_other_checkpoint_is_left_alone(
    experiment: LoadExperiment, folder: Path, written: str
) -> None:
    (folder / "model").mkdir()  # beside the folder of the file, not in it
    assert experiment(of("x", checkpoint=written)).model.checkpoint == written


def test_a_checkpoint_in_an_override_starts_at_the_working_directory(
    experiment: LoadExperiment, folder: Path
) -> None:
    (folder / "model").mkdir()
    config = experiment(of("x"), "model.checkpoint=model")
    assert config.model.checkpoint == str(folder / "model")


def test_wrong_types_reach_validation(refused_experiment: Refusal) -> None:
    error = refused_experiment("name: x\ndata: {path: 3, split: [1]}\nmodel: [2]\n")
    assert error.message.startswith("expected text (not empty), received 3; put it in quotes")
    assert "field 'data.split': expected a mapping, received a list" in error.message
    assert "field 'model': expected a mapping, received a list" in error.message
