"""Each mistake in an experiment or sweep file, and the message a user gets for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from finesweep.errors import EXIT_USER_ERROR, ConfigError, Location, exit_code_of

Refusal = Callable[..., ConfigError]

EXPERIMENT = "name: headlines\ndata:\n  path: rows.json\n"
SWEEP = "experiment: ../experiments/e.yaml\nname: search\n"
SEARCH = SWEEP + "space:\n  epochs: {low: 1, high: 4}\n"

EXPERIMENT_MISTAKES = [
    # A mistake, the field it is about, what the message says.
    ("learnin_rate: 1", "learnin_rate", "received 'learnin_rate'; did you mean learning_rate?"),
    ("Batch-Size: 1", "Batch-Size", "did you mean batch_size?"),
    ("checkpoint: x", "checkpoint", "did you mean model.checkpoint?"),
    ("zzz: 1", "zzz", "received 'zzz'; the keys here are name, data, model, metric"),
    ("1: x", "1", "expected text as a key, received 1"),
    ("epochs: 3.0", "epochs", "expected a whole number (1 to 1000), received 3.0"),
    ("epochs: true", "epochs", "expected a whole number (1 to 1000), received true"),
    ("epochs: '3'", "epochs", "received '3'; leave out the quotes"),
    ("epochs: three", "epochs", "expected a whole number (1 to 1000), received 'three'"),
    ("epochs: 0", "epochs", "expected a whole number (1 to 1000), received 0"),
    ("epochs:", "epochs", "received nothing (null); give a value, or leave the key out"),
    ("epochs: [3]", "epochs", "expected a whole number (1 to 1000), received a list"),
    ("batch_size: 0", "batch_size", "expected a whole number (1 to 4096), received 0"),
    ("max_length: 3", "max_length", "expected a whole number (4 to 8192), received 3"),
    ("learning_rate: 0", "learning_rate", "expected a number (above 0, at most 1), received 0"),
    ("learning_rate: 1.5", "learning_rate", "expected a number (above 0, at most 1), received 1.5"),
    ("learning_rate: .nan", "learning_rate", "received nan"),
    ("learning_rate: false", "learning_rate", "received false"),
    ("seed: -1", "seed", "expected a whole number (at least 0, below 2147483648), received -1"),
    ("metric: accuracy", "metric", "expected one of val/accuracy, val/f1, val/loss, received 'acc"),
    ("metric: VAL/F1", "metric", "received 'VAL/F1'; did you mean val/f1?"),
    ("model: x", "model", "expected a mapping, received 'x'; its keys are checkpoint, revision"),
    ("model: {checkpoint: 3}", "model.checkpoint", "received 3; put it in quotes"),
    ("model: {precision: fp16}", "model.precision", "expected one of auto, float32, bfloat16"),
]


@pytest.mark.parametrize(("mistake", "field", "message"), EXPERIMENT_MISTAKES)
def test_mistake_in_an_experiment(
    refused_experiment: Refusal, mistake: str, field: str, message: str
) -> None:
    error = refused_experiment(f"{EXPERIMENT}{mistake}\n")
    assert error.at == Location(file="experiments/e.yaml", line=4, field=field)
    assert message in error.message
    assert "\n" not in error.message
    assert exit_code_of(error) == EXIT_USER_ERROR


DATA_MISTAKES = [
    ("txt: a", "txt", "received 'txt'; did you mean text?"),
    ("sha256: ABC", "sha256", "expected 64 lower-case hexadecimal digits, received 'ABC'"),
    ("format: jsno", "format", "received 'jsno'; did you mean json?"),
    ("label: text", "label", "expected another column than text, received 'text' for both"),
    ("label: ''", "label", "expected text (not empty), received ''"),
    ("label_names: [a, b]", "label_names", "expected a mapping, received a list"),
    ("label_names: {0: a}", "label_names", "expected a name for each of two labels or more, re"),
    ("label_names: {0: a, 1: a}", "label_names.1", "expected a name of its own, received 'a', the"),
    ("label_names: {0: a, '0': b}", "label_names.0", "label 0 is named twice"),
    ("label_names: {0: a, 1: 2}", "label_names.1", "received 2; put it in quotes"),
    ("label_names: {1.5: a, 2: b}", "label_names.1.5", "expected a label, whole number or text"),
    ("split: 3", "split", "expected a mapping, received 3; its keys are by, train, validation"),
    ("split: {train: 3}", "split", "one of position, fraction, files, received no 'by'; add it"),
    ("split: {by: positon}", "split.by", "received 'positon'; did you mean position?"),
    ("split: {by: [x]}", "split.by", "one of position, fraction, files, received a list"),
    ("split: {by: fraction}", "split.validation", "received nothing; add the key 'validation'"),
    (
        "split: {by: fraction, validation: 0.2, train: 5}",
        "split.train",
        "received 'train'; it belongs to by: position; the keys here are by, validation, test",
    ),
    (
        "split: {by: position, train: 0, validation: 2}",
        "split.train",
        "expected a whole number (at least 1), received 0",
    ),
    (
        "split: {by: fraction, validation: 20}",
        "split.validation",
        "expected a number (above 0, below 1), received 20",
    ),
    (
        "split: {by: fraction, validation: 0.6, test: 0.4}",
        "split.test",
        "expected validation + test below 1, received 0.6 + 0.4",
    ),
]


@pytest.mark.parametrize(("mistake", "field", "message"), DATA_MISTAKES)
def test_mistake_in_the_data(
    refused_experiment: Refusal, mistake: str, field: str, message: str
) -> None:
    error = refused_experiment(f"{EXPERIMENT}  {mistake}\n")
    assert error.at == Location(file="experiments/e.yaml", line=4, field=f"data.{field}")
    assert message in error.message
    assert "\n" not in error.message


SPACE_MISTAKES = [
    ("epochs: {low: 3, high: 1}", "epochs.low", "expected low below high, received 3 above 1"),
    ("epochs: {low: 3, high: 3}", "epochs.low", "received 3 for both; write {choices: [3]}"),
    ("epochs: {low: 0, high: 3}", "epochs.low", "expected a whole number (1 to 1000), received 0"),
    ("epochs: {low: 1, high: 3.0}", "epochs.high", "expected a whole number, received 3.0"),
    ("epochs: {low: 1, high: true}", "epochs.high", "expected a whole number, received true"),
    ("epochs: {low: 1, high: 4, step: 2}", "epochs.step", "leads from 1 to exactly 4, received 2"),
    ("epochs: {low: 1, high: 4, step: 6}", "epochs.step", "leads from 1 to exactly 4, received 6"),
    ("epochs: {low: 1, high: 4, step: 0}", "epochs.step", "expected a whole number (at least 1)"),
    ("epochs: {low: 0, high: 4, log: true}", "epochs.low", "above 0 on a log scale, received 0"),
    ("epochs: {low: 1, high: 4, log: true, step: 1}", "epochs.step", "leave out step or log"),
    ("epochs: {low: 1, high: 4, log: yes}", "epochs.log", "expected true or false, received 'yes'"),
    ("epochs: {low: 1}", "epochs.high", "expected a whole number, received nothing; add the key"),
    ("epochs: {low: 1, high: 3, hgih: 2}", "epochs.hgih", "did you mean high?"),
    ("epochs: {choices: [1], low: 1}", "epochs.low", "it belongs to range; the keys here are ch"),
    ("epochs: {choices: []}", "epochs.choices", "expected at least one item, received an empty"),
    ("epochs: {choices: 3}", "epochs.choices", "expected a list, each item a whole number, rece"),
    ("epochs: {choices: [1, 2, 1]}", "epochs.choices.2", "every choice once, received 1 again"),
    ("epochs: {choices: [1, 2.5]}", "epochs.choices.1", "expected a whole number, received 2.5"),
    ("epochs: {choices: [1, true]}", "epochs.choices.1", "expected a whole number, received true"),
    ("epochs: {choices: [1, 2000]}", "epochs.choices.1", "(1 to 1000), received 2000"),
    ("epochs: [1, 2]", "epochs", "a range {low: …, high: …}, or {choices: […]}, or one value"),
    ("epochs: three", "epochs", "expected a whole number, received 'three'"),
    ("epochs: 0", "epochs", "expected a whole number (1 to 1000), received 0"),
    ("max_length: {choices: [3]}", "max_length.choices.0", "(4 to 8192), received 3"),
    ("batch_size: {low: 1, high: 5000}", "batch_size.high", "(1 to 4096), received 5000"),
    ("learning_rate: {low: 0, high: 0.1}", "learning_rate.low", "(above 0, at most 1)"),
    ("learning_rate: {low: 0.1, high: 2}", "learning_rate.high", "(above 0, at most 1)"),
    ("learning_rate: {low: 0.1, high: .inf}", "learning_rate.high", "a number, received inf"),
    ("learning_rate: {low: 0.1, high: '0.2'}", "learning_rate.high", "leave out the quotes"),
    (
        "learning_rate: {low: 0.1, high: 0.2, step: 1.0e-320}",
        "learning_rate.step",
        "leads from 0.1 to exactly 0.2, received 1e-320",
    ),
    ("lr: 0.1", "lr", "the keys here are learning_rate, batch_size, epochs, max_length"),
]


@pytest.mark.parametrize(("mistake", "field", "message"), SPACE_MISTAKES)
def test_mistake_in_the_space(
    refused_sweep: Refusal, mistake: str, field: str, message: str
) -> None:
    error = refused_sweep(f"{SWEEP}space:\n  {mistake}\n")
    assert error.at == Location(file="sweeps/s.yaml", line=4, field=f"space.{field}")
    assert message in error.message
    assert "\n" not in error.message


TIME = "expected a time above zero, in seconds or as 90s, 30m, 2h or 1h30m, received"

SWEEP_MISTAKES = [
    ("data: {path: x}", "data", "did you mean experiment.data?"),
    ("learning_rate: 1", "learning_rate", "experiment.learning_rate or space.learning_rate?"),
    ("register_as: {name: x}", "register_as", "did you mean register?"),
    ("register: {name: x, stage: staging}", "register.stage", "did you mean Staging?"),
    ("register: x", "register", "expected a mapping, received 'x'; its keys are name, stage"),
    ("register: {name: a b}", "register.name", "expected a name of letters, digits, '.', '_' and"),
    ("register: {name: 7}", "register.name", "received 7; put it in quotes"),
    ("trials: 0", "trials", "expected a whole number (at least 1), received 0"),
    ("timeout: 0", "timeout", f"{TIME} 0"),
    ("timeout: 1:30", "timeout", f"{TIME} '1:30'"),
    ("timeout: 30m1h", "timeout", f"{TIME} '30m1h'"),
    ("timeout: h", "timeout", f"{TIME} 'h'"),
    ("timeout: true", "timeout", f"{TIME} true"),
    ("timeout: ''", "timeout", f"{TIME} ''"),
    ("timeout: '90'", "timeout", f"{TIME} '90'; leave out the quotes"),
    ("sampler: tpe", "sampler", "expected a mapping, received 'tpe'; its keys are name, seed"),
    ("sampler: {name: TPE}", "sampler.name", "received 'TPE'; did you mean tpe?"),
    ("pruner: {percentile: 3}", "pruner", "hyperband, none, received no 'name'; add it"),
    ("pruner: {name: meidan}", "pruner.name", "received 'meidan'; did you mean median?"),
    ("pruner: {name: median, percentile: 3}", "pruner.percentile", "belongs to name: percentile;"),
    ("pruner: {name: hyperband, min_epochs: 5}", "pruner.min_epochs", "at most 4, the most epochs"),
    ("pruner: {name: asha, min_epochs: 0.1}", "pruner.min_epochs", "(at least 0.25), received 0.1"),
    ("enqueue: {epochs: 2}", "enqueue", "expected a list, each item a mapping, received a mapping"),
    ("enqueue: [3]", "enqueue.0", "expected a mapping, received 3; its keys are learning_rate"),
    ("enqueue: [{}]", "enqueue.0", "expected at least one of learning_rate, batch_size, epochs"),
    ("enqueue: [{epochs: 2.0}]", "enqueue.0.epochs", "(1 to 1000), received 2.0"),
    (
        "enqueue: [{epochs: 5}]",
        "enqueue.0.epochs",
        "expected a value of space.epochs (1 to 4), received 5; change it or widen the space",
    ),
    (
        "enqueue: [{epochs: 2, batch_size: 8}]",
        "enqueue.0.batch_size",
        "expected 16, the experiment's batch_size, which the space does not search, received 8",
    ),
]


@pytest.mark.parametrize(("mistake", "field", "message"), SWEEP_MISTAKES)
def test_mistake_in_a_sweep(refused_sweep: Refusal, mistake: str, field: str, message: str) -> None:
    error = refused_sweep(f"{SEARCH}{mistake}\n")
    assert error.at == Location(file="sweeps/s.yaml", line=5, field=field)
    assert message in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize("space", ["{}", "{epochs: }"])
def test_a_space_searches_something(refused_sweep: Refusal, space: str) -> None:
    error = refused_sweep(f"{SWEEP}space: {space}\n")
    assert error.at == Location(file="sweeps/s.yaml", line=3, field="space")
    assert error.message == (
        "expected at least one of learning_rate, batch_size, epochs, max_length, received none; "
        "or name a hypermodel"
    )


def test_a_missing_key_is_named_where_it_belongs(refused_experiment: Refusal) -> None:
    error = refused_experiment("# an experiment\nname: x\n")
    assert str(error) == (
        "experiments/e.yaml:2, field 'data': expected a mapping, received nothing; "
        "add the key 'data'"
    )


def test_a_required_key_cannot_be_left_empty(refused_experiment: Refusal) -> None:
    error = refused_experiment("name: x\ndata:\n")
    assert str(error) == (
        "experiments/e.yaml:2, field 'data': expected a mapping, "
        "received nothing (null); give a value"
    )


def test_all_mistakes_are_reported_in_reading_order(refused_experiment: Refusal) -> None:
    error = refused_experiment(f"{EXPERIMENT}zzz: 1\nepochs: 0\nseed: x\n")
    assert error.at == Location(file="experiments/e.yaml", line=4, field="zzz")
    first, *others = error.message.splitlines()
    assert first.startswith("expected a known key, received 'zzz'")
    assert others == [
        "also experiments/e.yaml:5, field 'epochs': "
        "expected a whole number (1 to 1000), received 0",
        "also experiments/e.yaml:6, field 'seed': "
        "expected a whole number (at least 0, below 2147483648), received 'x'",
    ]


def test_mistakes_in_the_experiment_of_a_sweep_name_its_file(
    refused_sweep: Refusal, refused_experiment: Refusal
) -> None:
    refused_experiment(f"{EXPERIMENT}epohcs: 3\nmodel: {{chekpoint: x}}\npath: x\n")
    error = refused_sweep(f"{SEARCH}trials: 0\n")
    assert error.at == Location(file="experiments/e.yaml", line=4, field="epohcs")
    assert "did you mean epochs?" in error.message
    assert "also experiments/e.yaml:5, field 'model.chekpoint': " in error.message
    assert "also experiments/e.yaml:6, field 'path': expected a known key, received 'path'; " in (
        error.message
    )
    assert "did you mean data.path?" in error.message
    assert "also sweeps/s.yaml:5, field 'trials': " in error.message


def test_the_grid_sampler_needs_finitely_many_values(refused_sweep: Refusal) -> None:
    space = "space:\n  learning_rate: {low: 0.1, high: 0.2}\n  epochs: {low: 1, high: 4}\n"
    error = refused_sweep(f"{SWEEP}{space}sampler: {{name: grid}}\n")
    assert error.at == Location(file="sweeps/s.yaml", line=4, field="space.learning_rate")
    assert "expected finitely many values, received a continuous range; add a step" in error.message


def test_the_grid_sampler_needs_few_enough_values(refused_sweep: Refusal) -> None:
    space = "space:\n  batch_size: {low: 1, high: 4096}\n  max_length: {low: 4, high: 4096}\n"
    error = refused_sweep(f"{SWEEP}{space}sampler: {{name: grid}}\n")
    assert error.at == Location(file="sweeps/s.yaml", line=3, field="space")
    assert "at most 100,000 combinations, received 16,764,928" in error.message


def test_the_rungs_of_a_pruner_lie_within_the_experiments_epochs(refused_sweep: Refusal) -> None:
    text = (
        f"{SWEEP}space: {{batch_size: {{choices: [8, 16]}}}}\npruner: {{name: asha, min_epochs: 4}}"
    )
    assert "expected at most 3, the most epochs a trial has" in refused_sweep(text).message
