from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from finesweep.config import (
    AshaPruner,
    DataConfig,
    Difference,
    EnqueuedTrial,
    ExperimentConfig,
    FileSplit,
    FloatChoices,
    FloatRange,
    FractionSplit,
    HyperbandPruner,
    IntChoices,
    IntRange,
    MedianPruner,
    ModelConfig,
    NoPruner,
    PercentilePruner,
    PositionSplit,
    PrunerConfig,
    RegisterConfig,
    SamplerConfig,
    SpaceConfig,
    SweepConfig,
    differences,
    load_experiment,
    load_sweep,
    to_plain,
    to_yaml,
)

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
# No line ends that YAML folds: they are no part of a column's name or a label's.
texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=1)
seeds = st.integers(0, 2**31 - 1)
paths = texts.map(lambda text: "/data/" + text.replace("/", "_") + ".json") | st.just(
    "https://host/rows.json"
)
splits: st.SearchStrategy[Any] = st.one_of(
    st.builds(
        PositionSplit,
        by=st.just("position"),
        train=st.integers(1, 10**6),
        validation=st.integers(1, 10**6),
        test=st.integers(0, 10),
    ),
    st.builds(
        FractionSplit,
        by=st.just("fraction"),
        validation=st.floats(1e-9, 0.5),
        test=st.floats(0, 0.4),
        seed=seeds,
    ),
    st.builds(FileSplit, by=st.just("files"), validation=paths, test=st.none() | paths),
)


@st.composite
def datasets(draw: st.DrawFn) -> DataConfig:
    columns = draw(st.lists(texts, min_size=2, max_size=2, unique=True))
    labels = draw(
        st.none() | st.lists(st.integers() | texts, min_size=2, max_size=4, unique_by=str)
    )
    shown = draw(st.lists(texts, min_size=4, max_size=4, unique=True))
    return DataConfig(
        path=draw(paths),
        sha256=draw(st.none() | st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
        format=draw(st.sampled_from([None, "json", "csv"])),
        text=columns[0],
        label=columns[1],
        label_names=None if labels is None else dict(zip(labels, shown, strict=False)),
        split=draw(splits),
    )


experiments = st.builds(
    ExperimentConfig,
    name=names,
    data=datasets(),
    model=st.builds(
        ModelConfig,
        checkpoint=st.sampled_from(["a/b", "packaged:x", "/models/mine"]),
        revision=st.none() | texts,
        precision=st.sampled_from(["auto", "float32", "bfloat16"]),
    ),
    metric=st.sampled_from(["val/accuracy", "val/f1", "val/loss"]),
    learning_rate=st.floats(0, 1, exclude_min=True),
    batch_size=st.integers(1, 4096),
    epochs=st.integers(1, 1000),
    max_length=st.integers(4, 8192),
    tick_validation_rows=st.integers(1),
    seed=seeds,
)


@st.composite
def float_entries(draw: st.DrawFn) -> FloatRange | FloatChoices:
    values = draw(st.lists(st.floats(0, 1, exclude_min=True), min_size=2, max_size=5, unique=True))
    if draw(st.booleans()):
        return FloatChoices(choices=tuple(values))
    return FloatRange(low=min(values), high=max(values), log=draw(st.booleans()))


@st.composite
def int_entries(draw: st.DrawFn, low: int, high: int) -> IntRange | IntChoices:
    values = draw(st.lists(st.integers(low, high), min_size=2, max_size=5, unique=True))
    if draw(st.booleans()):
        return IntChoices(choices=tuple(values))
    log = draw(st.booleans())
    step = None if log or draw(st.booleans()) else max(values) - min(values)
    return IntRange(low=min(values), high=max(values), log=log, step=step)


def a_value(entry: Any) -> Any:
    return entry.low if isinstance(entry, FloatRange | IntRange) else entry.choices[-1]


pruners: st.SearchStrategy[PrunerConfig] = st.one_of(
    st.builds(PercentilePruner, percentile=st.floats(0.1, 99.9), warmup_epochs=st.floats(0, 9)),
    st.builds(MedianPruner, name=st.just("median"), n_startup_trials=st.integers(0, 99)),
    st.builds(AshaPruner, name=st.just("asha"), eta=st.integers(2, 9)),
    st.builds(HyperbandPruner, name=st.just("hyperband"), min_epochs=st.floats(0.25, 1)),
    st.builds(NoPruner, name=st.just("none")),
)


@st.composite
def sweeps(draw: st.DrawFn) -> SweepConfig:
    space = SpaceConfig(
        learning_rate=draw(st.none() | float_entries()),
        batch_size=draw(st.none() | int_entries(1, 4096)),
        epochs=draw(int_entries(1, 1000)),
        max_length=draw(st.none() | int_entries(4, 8192)),
    )
    first = EnqueuedTrial(**{name: a_value(entry) for name, entry in space.entries().items()})
    return SweepConfig(
        name=draw(names),
        experiment=draw(experiments),
        trials=draw(st.integers(1)),
        timeout=draw(st.none() | st.floats(1e-3, 1e9)),
        space=space,
        enqueue=draw(st.sampled_from([(), (first,), (first, first)])),
        sampler=draw(
            st.builds(
                SamplerConfig,
                name=st.sampled_from(
                    ["tpe", "random", "qmc", "cmaes", "keras_tuner.bayesian", "keras_tuner.grid"]
                ),
                seed=seeds,
                n_startup_trials=st.none() | st.integers(1, 99),
            )
        ),
        pruner=draw(pruners),
        register_as=draw(
            st.none()
            | st.builds(
                RegisterConfig, name=names, stage=st.sampled_from(["None", "Staging", "Archived"])
            )
        ),
    )


@settings(max_examples=50, deadline=None)
@given(config=experiments)
def test_an_experiment_round_trips(config: ExperimentConfig) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "resolved.yaml"
        path.write_text(to_yaml(config), encoding="utf-8", newline="")
        assert load_experiment(path) == config


@settings(max_examples=50, deadline=None)
@given(config=sweeps())
def test_a_sweep_round_trips(config: SweepConfig) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "resolved.yaml"
        path.write_text(to_yaml(config), encoding="utf-8", newline="")
        assert load_sweep(path) == config
    plain = to_plain(config)
    assert json.loads(json.dumps(plain)) == plain
    assert differences(json.loads(json.dumps(plain)), plain) == []


def experiment(**values: Any) -> ExperimentConfig:
    return ExperimentConfig(name="x", data=DataConfig(path="/rows.json"), **values)


def sweep(**values: Any) -> SweepConfig:
    space = SpaceConfig(epochs=IntRange(low=1, high=4))
    return SweepConfig(name="s", experiment=experiment(), space=space, **values)


def test_the_yaml_is_laid_out_for_people() -> None:
    config = sweep(register_as=RegisterConfig(name="m"), pruner=NoPruner(name="none"))
    text = to_yaml(config)
    assert "  learning_rate: 5.0e-05\n" in text
    assert "  epochs: {low: 1, high: 4, log: false}\n" in text
    assert text.endswith("register: {name: m, stage: Staging}\n")
    assert text.index("name: s") < text.index("experiment:") < text.index("space:")
    assert "\ntimeout" not in text


@pytest.mark.parametrize("value", [5e-5, 1e-9, 0.1, 1.0])
def test_numbers_are_numbers_to_readers_of_yaml_1_1(value: float) -> None:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    assert yaml.load(to_yaml(experiment(learning_rate=value)))["learning_rate"] == value


def test_plain_values_go_through_json() -> None:
    data = DataConfig(path="/rows.json", label_names={0: "no", 1: "yes"})
    plain = to_plain(ExperimentConfig(name="x", data=data))
    assert plain["data"]["label_names"] == {"0": "no", "1": "yes"}
    assert to_plain(sweep(register_as=RegisterConfig(name="m")))["register"]["name"] == "m"


def test_differences_name_dotted_fields() -> None:
    old = to_plain(sweep())
    new = to_plain(
        sweep(trials=30, pruner=NoPruner(name="none"), enqueue=(EnqueuedTrial(epochs=2),))
    )
    assert [str(difference) for difference in differences(old, new)] == [
        "trials: 20 → 30",
        "enqueue: [] → [{learning_rate: unset, batch_size: unset, epochs: 2, max_length: unset}]",
        "pruner.name: percentile → none",
        "pruner.percentile: 75.0 → unset",
        "pruner.warmup_epochs: 1.0 → unset",
        "pruner.n_startup_trials: 4 → unset",
    ]


def test_differences_ignore_fields_with_all_below() -> None:
    old = {"trials": 1, "trial": 1, "space": {"epochs": {"low": 1, "high": 2}}}
    new = {"trials": 2, "trial": 2, "space": {"epochs": {"low": 2, "high": 3}}}
    found = differences(old, new, ignore=["trials", "space.epochs.low"])
    assert found == [Difference("trial", 1, 2), Difference("space.epochs.high", 2, 3)]
    assert differences(old, new, ignore={"trials", "trial", "space"}) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": None}, {}, []),
        ({}, {"a": None}, []),
        ({0: "x"}, {"0": "x"}, []),
        ({}, {"a": []}, []),
        ({"a": []}, {"a": [1]}, [Difference("a", [], [1])]),
        ({}, {"a": False}, [Difference("a", None, False)]),
        ({"a": {"b": 1}}, {"a": None}, [Difference("a", {"b": 1}, None)]),
        ({"a": [1, 2]}, {"a": [2, 1]}, [Difference("a", [1, 2], [2, 1])]),
    ],
)
def test_what_differs(
    old: Mapping[Any, Any], new: Mapping[Any, Any], expected: list[Difference]
) -> None:
    assert differences(old, new) == expected
