from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finesweep.config import to_yaml
from finesweep.config.hypermodel import require_hypermodel
from finesweep.errors import ConfigError, Location

PREFACE = "experiment: ../experiments/e.yaml\nname: search\n"
HYPERMODEL = f"{PREFACE}hypermodel: mine:build_model\n"

LoadSweep = Callable[..., Any]
Refusal = Callable[..., ConfigError]


@pytest.fixture(autouse=True)
def module(folder: Path) -> Path:
    """``mine.py`` beside the sweep file; importing it would fail."""
    file = folder / "sweeps" / "mine.py"
    file.write_text(
        "import there_is_no_such_module\n"
        "def build_model(hp):\n    inner = 1\n"
        "class Tower:\n    pass\n"
        "try:\n    from elsewhere import borrowed as lent\nexcept ImportError:\n    lent = None\n"
        "first, (second, *others) = Tower, (Tower, 1)\n"
        "annotated: object = Tower()\n"
    )
    return file


def test_a_hypermodel_takes_the_place_of_a_space(sweep: LoadSweep) -> None:
    config = sweep(HYPERMODEL)
    assert config.hypermodel == "mine:build_model"
    assert config.space.entries() == {}
    assert config.longest_max_length == config.experiment.max_length
    assert sweep(HYPERMODEL + "space: {epochs: 2}\n").space.entries().keys() == {"epochs"}
    assert 'hypermodel: "mine:build_model"' in to_yaml(config)
    assert "there_is_no_such_module" not in sys.modules


@pytest.mark.parametrize(
    "name", ["build_model", "Tower", "lent", "first", "second", "others", "annotated"]
)
def test_whatever_a_module_may_define_can_be_named(sweep: LoadSweep, name: str) -> None:
    assert sweep(f"{PREFACE}hypermodel: mine:{name}\n").hypermodel == f"mine:{name}"


@pytest.mark.parametrize(
    "name",
    ["finesweep.keras_tuner:DistilBertHyperModel", "zlib:whatever", "json.decoder:JSONDecoder"],
)
def test_installed_modules_are_found_too(sweep: LoadSweep, name: str) -> None:
    """Of what only an import would tell nothing is claimed."""
    assert sweep(f"{PREFACE}hypermodel: {name}\n").hypermodel == name


def test_the_working_directory_comes_after_the_sweeps_own(
    sweep: LoadSweep, folder: Path, module: Path
) -> None:
    (folder / "package").mkdir()
    (folder / "package" / "inner.py").write_text("def build_model(hp): ...\n")
    assert sweep(f"{PREFACE}hypermodel: package.inner:build_model\n")
    (folder / "mine.py").write_text("def other(hp): ...\n")
    assert sweep(HYPERMODEL)
    module.unlink()
    with pytest.raises(ConfigError, match=f"{folder}/mine.py, received 'build_model'"):
        sweep(HYPERMODEL)


def test_a_star_may_bring_any_name(sweep: LoadSweep, module: Path) -> None:
    module.write_text("from elsewhere import *\n")
    assert sweep(HYPERMODEL)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mine", "expected a name as in my_module:build_model"),
        ("mine.py:build_model", "expected a module that can be imported, received 'mine.py'"),
        ("./mine:build_model", "expected a name as in my_module:build_model"),
        ("theirs:build_model", "received 'theirs', which is neither in {folder}/sweeps and in"),
        ("mine:build_mode", "received 'build_mode', which it does not define; did you mean"),
        ("mine:inner", "received 'inner', which it does not define; define it there"),
    ],
)
def test_a_hypermodel_that_is_not_there(
    refused_sweep: Refusal, folder: Path, name: str, words: str
) -> None:
    error = refused_sweep(f"{PREFACE}hypermodel: {name}\n")
    assert error.at == Location(file="sweeps/s.yaml", line=3, field="hypermodel")
    assert words.format(folder=folder) in error.message
    assert "\n" not in error.message


def test_a_module_that_is_no_python_is_named_with_its_line(
    refused_sweep: Refusal, module: Path
) -> None:
    module.write_text("import os\ndef build_model(hp:\n")
    error = refused_sweep(HYPERMODEL)
    assert error.at == Location(file=str(module), line=2)


def test_something_must_be_searched(refused_sweep: Refusal) -> None:
    error = refused_sweep(PREFACE)
    assert "expected at least one of learning_rate, batch_size, epochs" in error.message
    assert "hypermodel" in error.message


def test_where_it_was_looked_for_is_said_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"neither in {tmp_path} nor installed"):
        require_hypermodel("theirs:a", [tmp_path, tmp_path], at=Location())
