from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from finesweep.config import (
    ExperimentConfig,
    FloatChoices,
    IntChoices,
    IntRange,
    PercentilePruner,
    PositionSplit,
    SweepConfig,
    load_experiment,
    load_sweep,
)
from finesweep.errors import ConfigError, Location

LoadExperiment = Callable[..., ExperimentConfig]
LoadSweep = Callable[..., SweepConfig]
Refusal = Callable[..., ConfigError]

SWEEP = "experiment: ../experiments/e.yaml\nname: search\nspace:\n  epochs: {low: 1, high: 4}\n"
ROOT = Path(__file__).parents[2]


def test_what_is_left_out_takes_its_default(experiment: LoadExperiment) -> None:
    config = experiment()
    assert (config.learning_rate, config.batch_size, config.epochs) == (5e-5, 16, 3)
    assert config.max_length == 64
    assert config.model.checkpoint == "distilbert/distilbert-base-uncased"
    assert config.data.split.by == "fraction"
    assert config.direction == "maximize"


def test_a_smaller_loss_is_better(experiment: LoadExperiment) -> None:
    assert experiment("name: x\ndata: {path: y}\nmetric: val/loss").direction == "minimize"


def test_a_sweep_holds_its_experiment(sweep: LoadSweep) -> None:
    config = sweep()
    assert config.experiment.name == "headlines"
    assert config.space.epochs == IntRange(low=1, high=4)
    assert config.pruner == PercentilePruner()
    assert config.register_as is None


def test_an_experiment_may_stand_inside_its_sweep(sweep: LoadSweep, folder: Path) -> None:
    inline = SWEEP.replace("../experiments/e.yaml", "{name: x, data: {path: rows.json}}")
    assert sweep(inline).experiment.data.path == str(folder / "sweeps" / "rows.json")


def test_one_value_is_one_choice(sweep: LoadSweep) -> None:
    space = sweep(SWEEP + "  learning_rate: 1\n  max_length: 32\n").space
    assert space.learning_rate == FloatChoices(choices=(1.0,))
    assert space.max_length == IntChoices(choices=(32,))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("0.5h", 1800)],
)
def test_a_timeout_is_in_seconds(sweep: LoadSweep, written: str, seconds: float) -> None:
    assert sweep(f"{SWEEP}timeout: {written}\n").timeout == seconds


@pytest.mark.parametrize(
    ("written", "size"),
    [("1000", 1000), ("500MB", 500_000_000), ("20GB", 20_000_000_000), ("1.5 tb", 1.5e12)],
)
def test_a_disk_limit_is_in_bytes(sweep: LoadSweep, written: str, size: int) -> None:
    assert sweep(f"{SWEEP}disk_limit: {written}\n").disk_limit == size


@pytest.mark.parametrize("written", ["lots", "0", "-5GB", "20 G"])
def test_what_is_no_size_is_refused(sweep: LoadSweep, written: str) -> None:
    with pytest.raises(ConfigError, match="expected a size above zero, in bytes or as 500MB"):
        sweep(f"{SWEEP}disk_limit: {written}\n")


@pytest.mark.parametrize("written", ["none", "0", "2.5"])
def test_what_is_no_number_of_checkpoints_is_refused_once(sweep: LoadSweep, written: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sweep(f"{SWEEP}keep_checkpoints: {written}\n")
    expected = f"expected a whole number of at least 1, or all, received {written}"
    assert caught.value.message.replace("'", "") == expected


def test_the_key_of_register_as_is_register(sweep: LoadSweep) -> None:
    config = sweep(f"{SWEEP}register: {{name: m, stage: None}}\n")
    assert config.register_as is not None
    assert (config.register_as.name, config.register_as.stage) == ("m", "None")


def test_models_can_be_built_in_python_without_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Renewed(SweepConfig):
            """Building the model again would repeat a warning about a shadowed name."""

    assert "register_as" in Renewed.model_fields


def test_a_configuration_is_frozen(experiment: LoadExperiment) -> None:
    with pytest.raises(ValueError, match="frozen"):
        experiment().epochs = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("experiment_name", "message"),
    [
        ("none.yaml", "expected an experiment file, received 'none.yaml': no such file"),
        ("''", "expected an experiment file, received '': a directory"),
        ("..", "expected an experiment file, received '..': a directory"),
        ("~no-such-user/x", "expected a path, received '~no-such-user/x'"),
        ("3", "expected an experiment file, or a mapping, received 3"),
    ],
)
def test_a_sweep_without_its_experiment(
    refused_sweep: Refusal, experiment_name: str, message: str
) -> None:
    error = refused_sweep(SWEEP.replace("../experiments/e.yaml", experiment_name))
    assert error.at == Location(file="sweeps/s.yaml", line=1, field="experiment")
    assert error.message.startswith(message)


def test_a_sweep_is_no_experiment(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment(Path("sweeps/s.yaml"))
    assert str(caught.value) == (
        "sweeps/s.yaml:1: expected an experiment file, received a sweep: "
        "it has the key 'experiment'"
    )


def test_an_experiment_is_no_sweep(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_sweep(Path("experiments/e.yaml"))
    assert str(caught.value) == (
        "experiments/e.yaml: expected a sweep file, received an experiment; "
        "`finesweep train` runs one"
    )


def test_a_sweep_cannot_be_its_own_experiment(refused_sweep: Refusal) -> None:
    error = refused_sweep(SWEEP.replace("../experiments/e.yaml", "s.yaml"))
    assert "expected an experiment file, received a sweep" in error.message


def test_a_syntax_error_in_the_experiment_names_its_file(
    refused_experiment: Refusal, refused_sweep: Refusal
) -> None:
    refused_experiment("name: a: b\n")
    assert refused_sweep(SWEEP).at == Location(file="experiments/e.yaml", line=1)


@pytest.mark.parametrize("name", ["headlines", "sample"])
def test_the_shipped_experiments_load(name: str) -> None:
    config = load_experiment(ROOT / "experiments" / f"{name}.yaml")
    assert config.name == name
    assert (config.data.text, config.data.label) == ("headline", "is_sarcastic")
    assert config.data.label_names == {0: "not sarcastic", 1: "sarcastic"}
    assert (config.learning_rate, config.batch_size, config.epochs) == (5e-5, 16, 3)


def test_the_headlines_are_split_as_in_the_article() -> None:
    config = load_experiment(ROOT / "experiments" / "headlines.yaml")
    assert config.data.split == PositionSplit(by="position", train=20_000, validation=6_709)
    assert config.data.path.startswith("https://")
    assert config.max_length == 64


@pytest.mark.parametrize(("name", "trials"), [("headlines", 20), ("quickstart", 6)])
def test_the_shipped_sweeps_load(name: str, trials: int) -> None:
    config = load_sweep(ROOT / "sweeps" / f"{name}.yaml")
    assert config.trials == trials
    assert set(config.space.entries()) == {"learning_rate", "batch_size", "epochs", "max_length"}
    assert len(config.enqueue) == 1
    assert config.enqueue[0].learning_rate == 5e-5
    assert config.sampler.seed == 7
    assert config.register_as is not None
    assert (config.register_as.name, config.register_as.stage) == (name, "Staging")


def test_the_shipped_sweep_of_a_hypermodel_is_valid() -> None:
    config = load_sweep(ROOT / "sweeps" / "hypermodel.yaml")
    assert config.hypermodel == "finesweep.keras_tuner:DistilBertHyperModel"
    assert set(config.space.entries()) == {"learning_rate", "epochs"}


def test_the_quickstart_needs_no_network() -> None:
    config = load_sweep(ROOT / "sweeps" / "quickstart.yaml").experiment
    assert config.data.path == "packaged:headlines"
    assert config.model.checkpoint == "packaged:minilm-l6-h384"
