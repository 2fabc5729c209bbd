from __future__ import annotations

from collections.abc import Callable

import pytest

from finesweep.config import (
    ExperimentConfig,
    FileSplit,
    FractionSplit,
    IntChoices,
    IntRange,
    NoPruner,
    PercentilePruner,
    SweepConfig,
)
from finesweep.errors import ConfigError, Location

LoadExperiment = Callable[..., ExperimentConfig]
LoadSweep = Callable[..., SweepConfig]
Refusal = Callable[..., ConfigError]

EXPERIMENT = "name: headlines\ndata:\n  path: rows.json\n"
SWEEP = "experiment: ../experiments/e.yaml\nname: search\nspace:\n  epochs: {low: 1, high: 4}\n"


def test_overrides_apply_in_order(experiment: LoadExperiment) -> None:
    config = experiment(EXPERIMENT, "epochs=1", " learning_rate = 1e-4", "epochs=2")
    assert (config.epochs, config.learning_rate) == (2, 1e-4)


def test_a_value_is_yaml(experiment: LoadExperiment) -> None:
    config = experiment(EXPERIMENT, "data.label_names={0: no, 1: 'yes'}", "name=a.b")
    assert config.data.label_names == {0: "no", 1: "yes"}
    assert config.name == "a.b"


def test_a_value_may_hold_an_equals_sign(experiment: LoadExperiment) -> None:
    assert experiment(EXPERIMENT, "data.path=http://x/y?a=b").data.path == "http://x/y?a=b"


def test_labels_are_set_one_by_one(experiment: LoadExperiment) -> None:
    config = experiment(EXPERIMENT + "  label_names: {0: a, 1: b}\n", "data.label_names.1=c")
    assert config.data.label_names == {0: "a", 1: "c"}
    quoted = experiment(EXPERIMENT + "  label_names: {'0': a, '1': b}\n", "data.label_names.1=c")
    assert quoted.data.label_names == {"0": "a", "1": "c"}
    new = experiment(EXPERIMENT, "data.label_names.0=a", "data.label_names.1=b")
    assert new.data.label_names == {0: "a", 1: "b"}


def test_null_unsets(sweep: LoadSweep) -> None:
    text = SWEEP + "timeout: 2h\nregister: {name: x}\n"
    config = sweep(text, "timeout=null", "register=null")
    assert (config.timeout, config.register_as) == (None, None)


def test_the_experiment_of_a_sweep_can_be_set(sweep: LoadSweep) -> None:
    config = sweep(SWEEP, "experiment.batch_size=8", "experiment.model.precision=float32")
    assert config.experiment.batch_size == 8
    assert config.experiment.model.precision == "float32"


def test_the_experiment_can_be_replaced(sweep: LoadSweep) -> None:
    text = SWEEP.replace("../experiments/e.yaml", "none.yaml")
    config = sweep(text, "experiment=experiments/e.yaml", "experiment.name=other")
    assert config.experiment.name == "other"


def test_choices_take_the_place_of_a_range_and_back(sweep: LoadSweep) -> None:
    assert sweep(SWEEP, "space.epochs.choices=[1, 3]").space.epochs == IntChoices(choices=(1, 3))
    choices = SWEEP.replace("{low: 1, high: 4}", "{choices: [1, 3]}")
    config = sweep(choices, "space.epochs.low=2", "space.epochs.high=5")
    assert config.space.epochs == IntRange(low=2, high=5)


def test_a_mapping_replaces_the_whole_entry(sweep: LoadSweep) -> None:
    text = SWEEP.replace("{low: 1, high: 4}", "{low: 1, high: 9, step: 2}")
    config = sweep(text, "space.epochs={low: 1, high: 2}")
    assert config.space.epochs == IntRange(low=1, high=2)


def test_another_pruner_drops_the_keys_of_the_former(sweep: LoadSweep) -> None:
    text = SWEEP + "pruner: {name: percentile, percentile: 60, warmup_epochs: 2}\n"
    assert sweep(text, "pruner.name=none").pruner == NoPruner(name="none")
    median = sweep(text, "pruner.name=median").pruner
    assert median.model_dump() == {"name": "median", "warmup_epochs": 2.0, "n_startup_trials": 4}


def test_a_key_that_the_new_pruner_does_not_know_is_refused_after(refused_sweep: Refusal) -> None:
    error = refused_sweep(SWEEP, "pruner.name=none", "pruner.percentile=60")
    assert error.at == Location(file="--set pruner.percentile=60", field="pruner.percentile")
    assert "it belongs to name: percentile" in error.message


def test_a_key_below_an_unset_union_sets_its_default_variant(sweep: LoadSweep) -> None:
    config = sweep(SWEEP, "pruner.percentile=60", "experiment.data.split.validation=0.3")
    assert config.pruner == PercentilePruner(percentile=60.0)
    assert config.experiment.data.split == FractionSplit(by="fraction", validation=0.3)


def test_another_split_drops_the_keys_of_the_former(
    experiment: LoadExperiment, refused_experiment: Refusal
) -> None:
    text = EXPERIMENT + "  split: {by: position, train: 5, validation: 2}\n"
    config = experiment(text, "data.split.by=files", "data.split.validation=/v.json")
    assert config.data.split == FileSplit(by="files", validation="/v.json")
    # A key that both know is kept, and refused where the file wrote it.
    error = refused_experiment(text, "data.split.by=fraction")
    assert error.at == Location(file="experiments/e.yaml", line=4, field="data.split.validation")


def test_items_of_a_list_are_set_by_number(sweep: LoadSweep, refused_sweep: Refusal) -> None:
    text = SWEEP + "enqueue: [{epochs: 1}, {epochs: 2}]\n"
    assert sweep(text, "enqueue.1.epochs=3").enqueue[1].epochs == 3
    for key in ("2", "-1", "x"):
        error = refused_sweep(text, f"enqueue.{key}.epochs=3")
        assert error.at == Location(file=f"--set enqueue.{key}.epochs=3", field="enqueue")
        assert f"expected an item that exists (2, counted from 0), received {key}" in error.message


@pytest.mark.parametrize(
    ("override", "field", "message"),
    [
        ("epochs", None, "expected KEY=VALUE, such as epochs=3 or data.path=headlines.json"),
        ("=3", None, "expected KEY=VALUE"),
        ("data..path=3", None, "expected KEY=VALUE"),
        (".=3", None, "expected KEY=VALUE"),
        ("", None, "expected KEY=VALUE"),
        ("epochs=", None, "expected a value after '=', received none; write null to unset"),
        ("epochs=# three", None, "expected a value after '=', received none"),
        ("epochs=[1", None, "expected YAML, received a syntax error"),
        ("data={a: 1, a: 2}", None, "expected the key 'a' once, received it before and here"),
        ("data.path=*x", None, "found undefined alias"),
        ("epochz=3", "epochz", "received 'epochz'; did you mean epochs?"),
        ("modle.checkpoint=x", "modle", "received 'modle'; did you mean model?"),
        ("data.pth=x", "data.pth", "received 'pth'; did you mean path?"),
        ("name.x=3", "name", "expected a mapping to set keys in, received 'headlines' there"),
        ("data.path.x.y=3", "data.path", "expected a mapping to set keys in, received 'rows.json'"),
        ("epochs=3.0", "epochs", "expected a whole number (1 to 1000), received 3.0"),
        ("model=null", "model", "expected a mapping, received nothing (null)"),
        ("data.split.by=x", "data.split.by", "one of position, fraction, files, received 'x'"),
    ],
)
def test_a_mistake_in_an_override_names_it(
    refused_experiment: Refusal, override: str, field: str | None, message: str
) -> None:
    error = refused_experiment(EXPERIMENT, override)
    assert error.at == Location(file=f"--set {override}", field=field)
    assert message in error.message


def test_of_two_keys_that_disagree_the_one_set_is_named(refused_sweep: Refusal) -> None:
    for override, field in {
        "space.epochs.high=1": "space.epochs.high",
        "space.epochs.low=9": "space.epochs.low",
    }.items():
        error = refused_sweep(SWEEP, override)
        assert error.at == Location(file=f"--set {override}", field=field)


def test_mistakes_of_file_and_override_are_told_apart(refused_experiment: Refusal) -> None:
    error = refused_experiment(EXPERIMENT + "seed: x\n", "epochs=0")
    assert error.at == Location(file="--set epochs=0", field="epochs")
    assert "also experiments/e.yaml:4, field 'seed': " in error.message


def test_an_override_mends_what_the_file_has_wrong(experiment: LoadExperiment) -> None:
    assert experiment(EXPERIMENT + "epochs: none\n", "epochs=2").epochs == 2
