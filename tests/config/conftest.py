"""A folder with an experiment and a sweep, and loaders that take their text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from finesweep.config import ExperimentConfig, SweepConfig, load_experiment, load_sweep
from finesweep.errors import ConfigError

EXPERIMENT = """\
name: headlines
data:
  path: rows.json
"""

SWEEP = """\
experiment: ../experiments/e.yaml
name: search
space:
  epochs: {low: 1, high: 4}
"""

LoadExperiment = Callable[..., ExperimentConfig]
LoadSweep = Callable[..., SweepConfig]
Refusal = Callable[..., ConfigError]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with ``experiments/e.yaml`` and ``sweeps/s.yaml`` below it."""
    for name, text in {"experiments/e.yaml": EXPERIMENT, "sweeps/s.yaml": SWEEP}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def experiment(folder: Path) -> LoadExperiment:
    """Loads an experiment from its text, written to ``experiments/e.yaml``."""

    def load(text: str | bytes = EXPERIMENT, *overrides: str) -> ExperimentConfig:
        path = Path("experiments/e.yaml")
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load_experiment(path, overrides)

    return load


@pytest.fixture
def sweep(folder: Path) -> LoadSweep:
    """Loads a sweep from its text, written to ``sweeps/s.yaml``."""

    def load(text: str = SWEEP, *overrides: str) -> SweepConfig:
        path = Path("sweeps/s.yaml")
        path.write_text(text, encoding="utf-8")
        return load_sweep(path, overrides)

    return load


@pytest.fixture
def refused_experiment(experiment: LoadExperiment) -> Refusal:
    """The error that loading an experiment's text ends with."""

    def refuse(*arguments: str | bytes) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            experiment(*arguments)
        return caught.value

    return refuse


@pytest.fixture
def refused_sweep(sweep: LoadSweep) -> Refusal:
    """The error that loading a sweep's text ends with."""

    def refuse(*arguments: str) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            sweep(*arguments)
        return caught.value

    return refuse
