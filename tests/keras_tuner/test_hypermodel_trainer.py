"""Hypermodels trained for real, on models of a few thousand weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from finesweep.data import EncodedTexts
from finesweep.errors import ConfigError, DivergedError, TrialError
from finesweep.keras_tuner.trainer import HyperModelTrainer
from finesweep.models.keras_checkpoint import is_keras_checkpoint, read_keras_checkpoint
from finesweep.models.pretrained import read_checkpoint
from finesweep.registry.classifier import TextClassifier
from finesweep.training import Answer, FineTuned, Hyperparameters, Tick, TrainingSetup
from finesweep.training.drawing import Hypermodel

VALUES = Hyperparameters(learning_rate=0.02, batch_size=8, epochs=3, max_length=12)
METRICS = {"val/loss", "val/accuracy", "val/f1", "examples_per_second", "memory_mb", "train/loss"}


class Draws:
    """A trial of a study in memory, and what was put on record of it."""

    def __init__(self, seed: int = 0) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.RandomSampler(seed=seed)
        self.trial = optuna.create_study(sampler=sampler).ask()
        self.noted: dict[str, Any] = {}
        self.trains: list[bool] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trial, name)

    def note(self, values: Mapping[str, Any], *, trains: bool = False) -> None:
        assert not self.noted.keys() & values.keys()
        self.noted |= values
        self.trains.append(trains)


class Told(list[Tick]):
    """The ticks, answered ``answer`` at ``at``."""

    def __init__(self, answer: Answer = "continue", *, at: int | None = None) -> None:
        super().__init__()
        self._answer = answer
        self._at = at

    def __call__(self, tick: Tick) -> Answer:
        self.append(tick)
        return self._answer if tick.number == self._at else "continue"


Run = Callable[..., tuple[FineTuned, Told, Draws]]


@pytest.fixture
def run(setup: TrainingSetup, tmp_path: Path) -> Run:
    """Fine-tune with a hypermodel of the support module."""

    def run(
        name: str,
        told: Told | None = None,
        draws: Draws | None = None,
        *,
        values: Hyperparameters = VALUES,
        searched: tuple[str, ...] = (),
        parts: int = 1,
    ) -> tuple[FineTuned, Told, Draws]:
        told, draws = told if told is not None else Told(), draws or Draws()
        trainer = trainer_of(setup, name, searched=searched)
        trainer.draw_from(draws)
        result = trainer.fine_tune(
            values,
            output=tmp_path / "checkpoint",
            on_tick=told,
            resume_point=tmp_path / "resume.safetensors",
            accumulation=parts,
        )
        return result, told, draws

    return run


def trainer_of(
    setup: TrainingSetup, name: str, *, searched: tuple[str, ...] = ()
) -> HyperModelTrainer:
    assert setup.hypermodel is not None
    name = name if ":" in name else f"hypermodels:{name}"
    hypermodel = Hypermodel(name=name, folders=setup.hypermodel.folders, searched=searched)
    return HyperModelTrainer(replace(setup, hypermodel=hypermodel))


def test_a_function_learns_ticks_and_is_saved(
    run: Run, setup: TrainingSetup, tmp_path: Path
) -> None:
    result, ticks, draws = run("build_model", values=replace(VALUES, epochs=6))
    assert [tick.number for tick in ticks] == list(range(1, 25))
    assert [tick.full_validation for tick in ticks] == [n % 4 == 0 for n in range(1, 25)]
    assert ticks[-1].examples_seen == 6 * 140
    assert ticks[1].epoch == pytest.approx(0.5, abs=0.06)
    assert all(tick.metrics.keys() == METRICS for tick in ticks)
    assert ticks[0].metrics["train/loss"] > 5 * ticks[-1].metrics["train/loss"]
    assert result.metrics == ticks[-1].metrics
    assert result.metrics["val/accuracy"] > 0.9
    assert not result.stopped
    assert draws.noted.items() >= {"max_length": 12, "epochs": 6, "batch_size": 8}.items()
    assert "learning_rate" not in draws.noted  # the model has a rate of its own, called lr
    assert draws.noted["lr"] == draws.trial.params["lr"]
    checkpoint = tmp_path / "checkpoint"
    assert is_keras_checkpoint(checkpoint)
    again = trainer_of(setup, "build_model").evaluate(checkpoint, max_length=12, split="validation")
    for name in ("val/loss", "val/accuracy", "val/f1"):
        assert again[name] == pytest.approx(result.metrics[name], abs=1e-5)


def test_the_loss_of_a_tick_is_the_mean_since_the_one_before(run: Run) -> None:
    """The means of the quarters of an epoch have the mean of the epoch."""
    values = replace(VALUES, epochs=1, batch_size=7)  # 20 steps, 5 in each quarter
    _, ticks, _ = run("build_model", values=values)
    quarters = [tick.metrics["train/loss"] for tick in ticks]
    _, (whole,), _ = run("build_model", Told("stop", at=4), values=replace(values, batch_size=140))
    assert quarters == sorted(quarters, reverse=True)
    assert quarters[0] == pytest.approx(whole.metrics["train/loss"], rel=0.1)


def test_a_packaged_model_classifies_texts(run: Run, tmp_path: Path) -> None:
    run("build_either", values=replace(VALUES, epochs=6))
    classifier = TextClassifier.load(tmp_path / "checkpoint", max_length=99)
    probabilities = classifier.probabilities(["good sun city", "rain and storm", "great win", ""])
    assert classifier.label_names == ("bad", "good")
    assert probabilities.argmax(axis=1).tolist()[:3] == [1, 0, 1]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_conditional_space_and_a_model_of_two_inputs(run: Run, tmp_path: Path, seed: int) -> None:
    result, _, draws = run("build_either", draws=Draws(seed), values=replace(VALUES, epochs=4))
    kind = draws.noted["kind"]
    assert draws.noted["units"] == draws.trial.params[f"units [kind={kind}]"]
    assert result.metrics["val/accuracy"] > 0.8
    _, form = read_keras_checkpoint(tmp_path / "checkpoint")
    assert form.outputs == "probabilities"  # one sigmoid, of the second label


def test_a_fit_that_draws_the_batch_size_itself(run: Run) -> None:
    _, ticks, draws = run("OwnBatches", values=replace(VALUES, epochs=1))
    assert draws.noted["batch_size"] == draws.trial.params["batch_size"] in (16, 32)
    assert [tick.number for tick in ticks] == [1, 2, 3, 4]


def test_on_record_is_what_was_drawn_in_the_end_and_that_it_trains(run: Run) -> None:
    _, _, draws = run("ChangesItsMind", values=replace(VALUES, epochs=1))
    assert draws.noted["batch_size"] == draws.trial.params["batch_size"] in (14, 28)
    assert draws.noted["learning_rate"] == draws.trial.params["learning_rate"] > 0.4
    assert draws.trains.count(True) == 1


def test_the_epochs_on_record_are_all_of_those_a_fit_in_stages_is_given(run: Run) -> None:
    _, _, draws = run("OneEpochFirst", values=replace(VALUES, epochs=2))
    assert draws.noted["epochs"] == 2


def test_what_was_only_lent_is_not_on_record_of_an_attempt_that_never_trained(run: Run) -> None:
    draws = Draws()
    with pytest.raises(OSError, match="no such file"):
        run("BreaksBeforeItDraws", draws=draws)
    assert "lr" in draws.noted
    assert not {"learning_rate", "batch_size", "epochs"} & draws.noted.keys()
    assert True not in draws.trains


def test_a_loop_by_hand_that_diverges_has_trained(run: Run) -> None:
    draws = Draws()
    with pytest.raises(DivergedError):
        run("ExplosiveLoop", draws=draws)
    assert draws.trains.count(True) == 1


def test_what_the_sweep_searches_is_not_drawn_again(run: Run) -> None:
    values = replace(VALUES, epochs=1, batch_size=20)
    _, _, draws = run("OwnBatches", values=values, searched=("batch_size", "epochs"))
    assert draws.noted["batch_size"] == 20
    assert "batch_size" not in draws.trial.params


def test_a_loop_by_hand_ticks_at_the_ends_of_its_epochs(run: Run, tmp_path: Path) -> None:
    result, ticks, draws = run("OwnLoop")
    assert [tick.number for tick in ticks] == [4, 8]
    assert all(tick.full_validation for tick in ticks)
    assert "train/loss" not in ticks[0].metrics
    assert result.metrics["val/loss"] < ticks[0].metrics["val/loss"]
    assert draws.noted.keys() == {"units", "batch_size", "learning_rate", "max_length"}
    assert not (tmp_path / "resume.safetensors").exists()  # it could not go on from there


@pytest.mark.parametrize("name", ["build_model", "OwnLoop"])
def test_told_to_stop_it_ends_there(run: Run, tmp_path: Path, name: str) -> None:
    result, ticks, _ = run(name, Told("stop", at=4))
    assert ticks[-1].number == result.ticks == 4
    assert result.stopped
    assert result.checkpoint is None
    assert not (tmp_path / "checkpoint").exists()


def test_told_to_stop_inside_an_epoch_it_ends_there(run: Run) -> None:
    result, ticks, _ = run("build_model", Told("stop", at=2))
    assert [tick.number for tick in ticks] == [1, 2]
    assert result.ticks == 2


class Killed(Told):
    """The ticks before ``last``, at which the worker is killed."""

    def __init__(self, *, last: int) -> None:
        super().__init__()
        self._last = last

    def __call__(self, tick: Tick) -> Answer:
        if tick.number == self._last:
            raise KeyboardInterrupt
        return super().__call__(tick)


@pytest.mark.parametrize("name", ["build_model", "OwnBatches", "TakesInitialEpoch"])
def test_goes_on_from_the_last_epoch(run: Run, name: str) -> None:
    """A worker that was killed in the third epoch: the first two are not trained again."""
    draws, before = Draws(), Killed(last=10)
    with pytest.raises(KeyboardInterrupt):
        run(name, before, draws)
    draws.noted.clear()
    result, after, _ = run(name, draws=draws)
    assert [tick.number for tick in after] == [9, 10, 11, 12]
    assert after[0].seconds > before[7].seconds
    # Weights and optimizer as they were: no step back at first.
    assert after[0].metrics["val/loss"] < before[4].metrics["val/loss"]
    assert not result.stopped


def test_a_second_stage_begins_again_and_the_first_does_not(run: Run) -> None:
    """A resume point cannot tell to which call of ``model.fit`` it belongs."""
    draws, before = Draws(), Killed(last=14)
    with pytest.raises(KeyboardInterrupt):
        run("TwoStages", before, draws)
    draws.noted.clear()
    _, after, _ = run("TwoStages", draws=draws)
    assert [tick.number for tick in after] == list(range(9, 17))


def test_a_resume_point_of_other_values_is_passed_over(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("build_model", Told("park", at=4), Draws(0))
    _, after, _ = run("build_model", draws=Draws(3), values=replace(VALUES, epochs=2))
    assert after[0].number == 1
    assert "expected the resume point of this trial" in capsys.readouterr().out


def test_the_same_values_give_the_same_metrics_whatever_ran_before(run: Run) -> None:
    draws = [Draws(5), Draws(5)]
    first, *_ = run("build_model", draws=draws[0])
    run("OwnLoop")
    again, *_ = run("build_model", draws=draws[1], values=replace(VALUES))
    for name in ("train/loss", "val/loss", "val/accuracy"):
        assert again.metrics[name] == first.metrics[name]


def test_the_metrics_are_those_of_the_weights_that_are_saved(
    run: Run, setup: TrainingSetup, tmp_path: Path
) -> None:
    """One that stops early and takes an earlier epoch's weights is measured with these."""
    result, ticks, _ = run("StopsEarly", values=replace(VALUES, epochs=9))
    assert len(ticks) == 8  # the second epoch was not better by ten
    assert result.metrics["val/loss"] == pytest.approx(ticks[3].metrics["val/loss"], abs=1e-6)
    assert result.metrics["val/loss"] != ticks[7].metrics["val/loss"]
    trainer = trainer_of(setup, "StopsEarly")
    saved = trainer.evaluate(tmp_path / "checkpoint", max_length=12, split="validation")
    assert saved["val/loss"] == pytest.approx(result.metrics["val/loss"], abs=1e-5)


def test_in_parts_the_gradients_add_up(run: Run, tmp_path: Path) -> None:
    whole, *_ = run("build_model", values=replace(VALUES, batch_size=14, epochs=2))
    (tmp_path / "resume.safetensors").unlink()
    parts, ticks, _ = run("build_model", values=replace(VALUES, batch_size=14, epochs=2), parts=2)
    assert [tick.number for tick in ticks] == list(range(1, 9))
    assert parts.metrics["val/accuracy"] == pytest.approx(whole.metrics["val/accuracy"], abs=0.2)


def test_out_of_memory_it_goes_on_in_parts_from_where_it_was(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    draws = Draws()
    with pytest.raises(KeyboardInterrupt):
        run("TakesInitialEpoch", Killed(last=6), draws)
    draws.noted.clear()
    _, after, _ = run("TakesInitialEpoch", draws=draws, parts=2)
    assert after[0].number == 5
    assert "in 2 parts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("build_badly", RuntimeError, "broken at layer 3"),
        ("build_nothing", TrialError, "expected a keras.Model from the hypermodel's build"),
        ("build_three_outputs", TrialError, r"expected outputs of shape \(texts, 2\)"),
        ("NeedsAnArgument", ConfigError, "made without arguments.*name an instance"),
    ],
)
def test_what_cannot_be_built_fails_the_trial(
    run: Run, name: str, error: type[Exception], words: str
) -> None:
    draws = Draws()
    with pytest.raises(error, match=words):
        run(name, draws=draws)
    assert draws.noted.keys() <= {"units", "max_length"}
    assert ("units" in draws.noted) == (name != "NeedsAnArgument")
    assert True not in draws.trains


def test_a_loss_that_is_not_finite_ends_the_trial(run: Run) -> None:
    with pytest.raises(DivergedError, match="loss became"):
        run("build_explosive")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hypermodels:NOT_A_MODEL", "received int as hypermodels:NOT_A_MODEL"),
        ("hypermodels:missing", "has no attribute 'missing'"),
        ("no_such_module:build_model", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_a_name_that_is_no_hypermodel(setup: TrainingSetup, name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        trainer_of(setup, name)


def test_an_instance_serves(run: Run) -> None:
    result, _, _ = run("needs_nothing", values=replace(VALUES, epochs=1))
    assert result.ticks == 4


def test_distilbert_freezes_what_it_says_and_is_saved_as_ours(
    run: Run, setup: TrainingSetup, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    draws = Draws()
    draws.trial.study.enqueue_trial({"frozen_layers": 1})
    draws.trial = draws.trial.study.ask()
    result, ticks, _ = run(
        "finesweep.keras_tuner:DistilBertHyperModel",
        draws=draws,
        values=replace(VALUES, learning_rate=1e-3, epochs=2),
        searched=("learning_rate", "epochs"),
    )
    assert draws.noted.keys() == {
        *("learning_rate", "batch_size", "epochs", "max_length"),
        *("dropout", "head_dropout", "frozen_layers", "weight_decay", "schedule", "warmup"),
    }
    assert draws.noted["learning_rate"] == 1e-3
    assert len(ticks) == 8
    ours = read_checkpoint(tmp_path / "checkpoint")
    before = read_checkpoint(tiny_checkpoint).tensors
    body = [name for name in before if name.startswith("distilbert.")]
    changed = [name for name in body if (before[name] != ours.tensors[name]).any()]
    assert not [name for name in changed if "embeddings" in name or "layer.0" in name]
    assert [name for name in changed if "layer.1" in name]
    assert ours.config.dropout == draws.noted["dropout"]
    assert dict(ours.config.id2label) == {0: "bad", 1: "good"}
    trainer = trainer_of(setup, "finesweep.keras_tuner:DistilBertHyperModel")
    measured = trainer.evaluate(tmp_path / "checkpoint", max_length=12, split="validation")
    assert measured["val/loss"] == pytest.approx(result.metrics["val/loss"], rel=1e-4)
    assert EncodedTexts.open(setup.prepared).test.size
    assert "test/f1" in trainer.evaluate(tmp_path / "checkpoint", max_length=12, split="test")
