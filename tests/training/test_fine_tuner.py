"""Real fine-tunings of the two-layer model, seconds each."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from finesweep.errors import DivergedError, OutOfMemoryError
from finesweep.models.pretrained import read_checkpoint
from finesweep.training import Answer, FineTuned, Hyperparameters, Tick, TrainingSetup
from finesweep.training.fine_tuner import FineTuner
from finesweep.training.progress import Schedule

VALUES = Hyperparameters(learning_rate=1e-3, batch_size=8, epochs=3, max_length=16)


@pytest.fixture(scope="module")
def tuner(setup: TrainingSetup) -> FineTuner:
    return FineTuner(setup)


def run(
    tuner: FineTuner, values: Hyperparameters, output: Path, *, stop_at: int | None = None
) -> tuple[FineTuned, list[Tick]]:
    ticks: list[Tick] = []

    def on_tick(tick: Tick) -> Answer:
        ticks.append(tick)
        return "stop" if tick.number == stop_at else "continue"

    point = output.with_name(f"{output.name}.resume.safetensors")
    return tuner.fine_tune(values, output=output, on_tick=on_tick, resume_point=point), ticks


def test_learns_reports_every_quarter_epoch_and_saves(tuner: FineTuner, tmp_path: Path) -> None:
    result, ticks = run(tuner, replace(VALUES, epochs=10), tmp_path / "checkpoint")
    assert [tick.number for tick in ticks] == list(range(1, 41))
    assert [tick.full_validation for tick in ticks] == [n % 4 == 0 for n in range(1, 41)]
    assert ticks[-1].epoch == 10.0
    assert ticks[-1].examples_seen == 10 * len(tuner.texts.train)
    for tick in ticks:
        assert set(tick.metrics) == {
            "train/loss",
            "val/loss",
            "val/accuracy",
            "val/f1",
            "examples_per_second",
            "memory_mb",
        }
    assert result.metrics == ticks[-1].metrics
    assert result.metrics["val/accuracy"] >= 0.75  # a coin would have 0.5
    assert ticks[0].metrics["train/loss"] > ticks[-1].metrics["train/loss"]
    assert not result.stopped
    assert result.precision == "float32"
    assert result.ticks == 40
    assert result.checkpoint == tmp_path / "checkpoint"
    config = read_checkpoint(tmp_path / "checkpoint").config
    assert dict(config.id2label) == {0: "bad", 1: "good"}


def test_what_ran_before_leaves_no_trace(
    tuner: FineTuner, setup: TrainingSetup, tmp_path: Path
) -> None:
    """The same values give the same metrics in a used trainer and in a fresh one, bit for bit."""
    run(tuner, replace(VALUES, learning_rate=1e-1, epochs=1), tmp_path / "other")
    used, _ = run(tuner, VALUES, tmp_path / "used")
    fresh, _ = run(FineTuner(setup), VALUES, tmp_path / "fresh")
    measured = ("train/loss", "val/loss", "val/accuracy")
    assert [used.metrics[name] for name in measured] == [fresh.metrics[name] for name in measured]
    ours, theirs = (read_checkpoint(tmp_path / name).tensors for name in ("used", "fresh"))
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_steps_read_and_update_variables_where_they_are(tuner: FineTuner, tmp_path: Path) -> None:
    """Written by rows, a variable is copied for each of its readers: a tenth of a step."""
    copied: list[set[str]] = []

    def on_tick(tick: Tick) -> Answer:
        state = tuner.train_step.state()
        copied.append({name for name, one in state.items() if not _is_read_in_place(one)})
        return "continue"

    point = tmp_path / "resume.safetensors"
    tuner.fine_tune(VALUES, output=tmp_path / "out", on_tick=on_tick, resume_point=point)
    # Every step writes a few rows of the word embeddings, and no step reads them whole.
    by_rows = {f"{kind}.embeddings.word_table" for kind in ("weights", "means", "squares")}
    assert len(copied) == 12
    assert all(names <= by_rows for names in copied)


def _is_read_in_place(variable: tf.Variable) -> bool:
    first, second = (np.asarray(variable.read_value()) for _ in range(2))
    return np.shares_memory(first, second)


def test_every_batch_size_ticks_on_one_grid(tuner: FineTuner, tmp_path: Path) -> None:
    for batch_size in (1, 8, 32):
        values = replace(VALUES, batch_size=batch_size, epochs=1)
        _, ticks = run(tuner, values, tmp_path / str(batch_size))
        assert [tick.number for tick in ticks] == [1, 2, 3, 4]


def test_a_batch_larger_than_a_quarter_epoch_skips_ticks_and_still_ends_on_one(
    tuner: FineTuner, tmp_path: Path
) -> None:
    _, ticks = run(tuner, replace(VALUES, batch_size=1000, epochs=2), tmp_path / "big")
    assert [tick.number for tick in ticks] == [4, 8]


def test_stops_at_the_tick_that_says_so_and_saves_nothing(tuner: FineTuner, tmp_path: Path) -> None:
    result, ticks = run(tuner, VALUES, tmp_path / "stopped", stop_at=5)
    assert result.stopped
    assert result.checkpoint is None
    assert result.ticks == ticks[-1].number == 5
    assert not (tmp_path / "stopped").exists()


def test_a_loss_that_is_not_finite_ends_the_fine_tuning(tuner: FineTuner, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"loss became (nan|inf)"):
        run(tuner, replace(VALUES, learning_rate=float("inf")), tmp_path / "diverged")
    result, _ = run(tuner, VALUES, tmp_path / "after")
    assert np.isfinite(result.metrics["val/loss"])


@pytest.mark.parametrize(
    "error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM")]
)
def test_too_little_memory_says_what_to_lower(
    tuner: FineTuner, tmp_path: Path, error: Exception
) -> None:
    def on_tick(_: Tick) -> Answer:
        raise error

    paths = {"output": tmp_path / "none", "resume_point": tmp_path / "resume.safetensors"}
    with pytest.raises(OutOfMemoryError, match="a batch of 8 texts of up to 16 tokens in 2 parts"):
        tuner.fine_tune(VALUES, on_tick=on_tick, accumulation=2, **paths)
    result, _ = run(tuner, VALUES, tmp_path / "after")
    assert np.isfinite(result.metrics["val/loss"])


def test_compiling_leaves_no_file_behind(
    setup: TrainingSetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is killed cannot remove what AutoGraph writes to the temporary directory."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    run(FineTuner(setup), replace(VALUES, epochs=1), tmp_path / "compiled")
    assert not list(temporary.iterdir())


def test_a_saved_checkpoint_measures_as_it_did_when_it_was_trained(
    tuner: FineTuner, tmp_path: Path
) -> None:
    result, _ = run(tuner, VALUES, tmp_path / "checkpoint")
    run(tuner, replace(VALUES, epochs=1), tmp_path / "another")
    again = tuner.evaluate(tmp_path / "checkpoint", max_length=16, split="validation")
    assert again == pytest.approx({name: result.metrics[name] for name in again})
    on_test = tuner.evaluate(tmp_path / "checkpoint", max_length=16, split="test")
    assert set(on_test) == {"test/loss", "test/accuracy", "test/f1"}


def test_a_classifier_trained_for_other_labels_is_not_kept(
    tuner: FineTuner, setup: TrainingSetup, tmp_path: Path
) -> None:
    run(tuner, replace(VALUES, epochs=1), tmp_path / "first")
    same = FineTuner(replace(setup, checkpoint=tmp_path / "first"))
    turned = FineTuner(replace(setup, checkpoint=tmp_path / "first", label_names=("good", "bad")))
    trained = read_checkpoint(tmp_path / "first").tensors["classifier.weight"].T
    np.testing.assert_array_equal(same.model.head.classifier.kernel.numpy(), trained)
    drawn = FineTuner(setup).model.head.classifier.kernel.numpy()
    np.testing.assert_array_equal(turned.model.head.classifier.kernel.numpy(), drawn)
    assert not np.array_equal(drawn, trained)


@pytest.mark.parametrize(("schedule", "share"), [("linear", 4 / 280), ("constant", 1.0)])
def test_the_learning_rate_follows_its_schedule(
    setup: TrainingSetup, tmp_path: Path, schedule: Schedule, share: float
) -> None:
    """Two epochs of 140 texts in batches of 8: before the last step, four texts are left to see."""
    tuner = FineTuner(replace(setup, schedule=schedule))
    assert len(tuner.texts.train) == 140
    run(tuner, replace(VALUES, epochs=2), tmp_path / "run")
    rate = float(tuner.train_step.optimizer.learning_rate.numpy())
    assert rate == pytest.approx(VALUES.learning_rate * share, rel=1e-3)
