"""The step by machine code against the step by TensorFlow, in bfloat16."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from finesweep.models.distilbert import TFDistilBertForSequenceClassification
from finesweep.models.pretrained import read_checkpoint
from finesweep.models.tensor_file import view_of
from finesweep.training import Hyperparameters, TrainingSetup, fused_step
from finesweep.training.fine_tuner import FineTuner
from finesweep.training.fused_step import ADAM, AdamPass, FusedStep, new_train_step
from finesweep.training.machine_code import compiled
from finesweep.training.memory import overwrite
from finesweep.training.step import TrainStep

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

KERNEL = "blocks.0.widen.kernel"
VALUES = Hyperparameters(learning_rate=1e-3, batch_size=8, epochs=2, max_length=16)


@pytest.fixture(scope="module")
def library() -> Any:
    library = compiled(ADAM)
    assert library is not None
    return library


def new_model(checkpoint: Path, dtype: str = "mixed_bfloat16") -> Any:
    return TFDistilBertForSequenceClassification.from_pretrained(checkpoint, dtype=dtype, seed=3)


def fused(checkpoint: Path, library: Any, *, threads: int = 1) -> FusedStep:
    step = FusedStep(new_model(checkpoint), AdamPass(library, threads=threads))
    step.optimizer.reset(1e-3)
    return step


def by_tensorflow(checkpoint: Path) -> TrainStep:
    step = TrainStep(new_model(checkpoint))
    step.optimizer.reset(1e-3)
    return step


def batch(seed: int) -> tuple[NDArray[np.int32], ...]:
    rng = np.random.default_rng(seed)
    ids = rng.integers(5, 60, size=(8, 12)).astype(np.int32)
    mask = (np.arange(12) < rng.integers(3, 13, size=(8, 1))).astype(np.int32)
    return ids * mask, mask, rng.integers(0, 3, size=8).astype(np.int32)


def assert_same_state(ours: TrainStep, theirs: TrainStep, *, rtol: float = 1e-3) -> None:
    """Both have taken the same steps; ``rtol`` is of the largest number of a variable."""
    expected = theirs.state()
    for name, variable in ours.state().items():
        numbers, others = variable.numpy(), expected[name].numpy()
        scale = max(float(np.abs(others).max()), 1e-12)
        np.testing.assert_allclose(numbers, others, rtol=0, atol=rtol * scale, err_msg=name)


@pytest.mark.parametrize("threads", [1, 3])
def test_takes_the_steps_of_tensorflow(tiny_checkpoint: Path, library: Any, threads: int) -> None:
    ours = fused(tiny_checkpoint, library, threads=threads)
    theirs = by_tensorflow(tiny_checkpoint)
    before = ours.state()[f"weights.{KERNEL}"].numpy()
    with ours.held():
        for seed in range(4):
            assert float(ours(*batch(seed))) == pytest.approx(float(theirs(*batch(seed))), rel=1e-4)
    assert_same_state(ours, theirs)
    assert np.abs(ours.state()[f"weights.{KERNEL}"].numpy() - before).max() > 1e-3


def test_a_first_step_is_the_very_same(tiny_checkpoint: Path, library: Any) -> None:
    """What differs later began as a rounding of the machine's, not with another formula."""
    ours, theirs = fused(tiny_checkpoint, library), by_tensorflow(tiny_checkpoint)
    ours(*batch(0))
    theirs(*batch(0))
    assert_same_state(ours, theirs, rtol=1e-6)


def test_other_weights_count_from_the_next_step_on(tiny_checkpoint: Path, library: Any) -> None:
    ours, theirs = fused(tiny_checkpoint, library), by_tensorflow(tiny_checkpoint)
    for step in (ours, theirs):
        with step.held():
            step(*batch(0))
        kernel = step.state()[f"weights.{KERNEL}"]
        kernel.assign(-2.0 * kernel)
        step.optimizer.reset(1e-2)
        step(*batch(1))
    assert_same_state(ours, theirs)


def test_what_was_assigned_to_a_weight_stays_as_it_is(tiny_checkpoint: Path, library: Any) -> None:
    """A variable lies in the memory of what was assigned to it, until TensorFlow changes either."""
    step = fused(tiny_checkpoint, library)
    assigned = {}
    for kind in ("weights", "means", "squares"):
        variable = step.state()[f"{kind}.{KERNEL}"]
        assigned[kind] = tf.fill(variable.shape, tf.constant(0.25))
        variable.assign(assigned[kind])
    step(*batch(0))
    for kind, tensor in assigned.items():
        assert (tensor.numpy() == 0.25).all(), kind
        assert (step.state()[f"{kind}.{KERNEL}"].numpy() != 0.25).any(), kind


def test_what_is_held_is_let_go(tiny_checkpoint: Path, library: Any) -> None:
    """Else a trial's first weights would take new memory, and the old ones would stay as well."""
    step = fused(tiny_checkpoint, library)
    state = step.state()
    names = [f"{kind}.{KERNEL}" for kind in ("weights", "means", "squares")]
    # What a checkpoint gave may lie in NumPy's memory, which TensorFlow leaves at the first change.
    for name in names:
        overwrite(state[name], 0.01)
    addresses = [view_of(state[name]).ctypes.data for name in names]
    with step.held():
        step(*batch(0))
    for name in names:
        overwrite(state[name], 0.0)
    assert [view_of(state[name]).ctypes.data for name in names] == addresses
    assert not any(state[name].numpy().any() for name in names)


def test_others_than_the_step_take_the_weights_themselves(
    tiny_checkpoint: Path, library: Any
) -> None:
    step = fused(tiny_checkpoint, library)
    ids, mask, labels = batch(0)
    with step.held():
        step(ids, mask, labels)
        kernel = step.state()[f"weights.{KERNEL}"]
        before = step.model({"input_ids": ids, "attention_mask": mask}).logits.numpy()
        kernel.assign(tf.zeros_like(kernel))
        after = step.model({"input_ids": ids, "attention_mask": mask}).logits.numpy()
    assert np.abs(after - before).max() > 1e-3


def numbers_to_round() -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, size=100_000, dtype=np.uint64).astype(np.uint32)
    halfway = ((bits >> 16) << 16) | 0x8000
    return np.concatenate([bits, halfway, halfway + 1, halfway - 1]).view(np.float32)


def test_copies_are_rounded_as_tensorflow_casts(library: Any) -> None:
    weights = numbers_to_round()
    expected = tf.cast(weights, tf.bfloat16).numpy()
    nothing = np.zeros_like(weights)
    moments = [nothing.copy(), nothing.copy()]
    copies = np.zeros(weights.shape, np.uint16)
    arrays: list[NDArray[Any]] = [weights, *moments, nothing.view(np.uint16), copies]
    table = np.array([[*(array.ctypes.data for array in arrays), weights.size]], dtype=np.int64)
    with np.errstate(invalid="ignore"):
        AdamPass(library, threads=2)(table, rate=0.0)
    # As float32: of bfloat16 NumPy does not know that not-a-number equals itself here.
    received = copies.view(expected.dtype).astype(np.float32)
    np.testing.assert_array_equal(received, expected.astype(np.float32))
    assert np.isnan(received).sum() > 100


def test_a_diverged_weight_stays_not_a_number(tiny_checkpoint: Path, library: Any) -> None:
    step = fused(tiny_checkpoint, library)
    kernel = step.state()[f"weights.{KERNEL}"]
    kernel.assign(tf.fill(kernel.shape, float("nan")))
    assert np.isnan(float(step(*batch(0))))
    assert np.isnan(kernel.numpy()).all()


def test_a_fine_tuning_leaves_no_trace_and_goes_on_where_it_stopped(
    setup: TrainingSetup, tmp_path: Path
) -> None:
    """In bfloat16, bit for bit: from a used trainer, a fresh one, and a resume point."""
    narrow = replace(setup, precision="bfloat16")
    used = FineTuner(narrow)
    assert isinstance(used.train_step, FusedStep)

    def run(tuner: FineTuner, name: str, values: Hyperparameters, park_at: int = 0) -> Any:
        return tuner.fine_tune(
            values,
            output=tmp_path / name,
            on_tick=lambda tick: "park" if tick.number == park_at else "continue",
            resume_point=tmp_path / f"{name}.resume",
        )

    run(used, "other", replace(VALUES, learning_rate=1e-1, epochs=1))
    run(used, "parked", VALUES, park_at=3)
    run(FineTuner(narrow), "whole", VALUES)
    run(used, "parked", VALUES)
    whole, parked = (read_checkpoint(tmp_path / name).tensors for name in ("whole", "parked"))
    for name, tensor in whole.items():
        np.testing.assert_array_equal(tensor, parked[name], err_msg=name)


@pytest.mark.parametrize(("chosen", "expected"), [("3", 3), ("0", 5), ("", 5), ("many", 5)])
def test_takes_as_many_threads_as_tensorflow(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, expected: int
) -> None:
    taken = []
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", chosen)
    monkeypatch.setattr("os.cpu_count", lambda: 5)
    monkeypatch.setattr(fused_step, "AdamPass", lambda _library, *, threads: taken.append(threads))
    new_train_step(new_model(tiny_checkpoint))
    assert taken == [expected]


def test_float32_and_machines_without_a_compiler_take_tensorflow_alone(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert type(new_train_step(new_model(tiny_checkpoint))) is FusedStep
    assert type(new_train_step(new_model(tiny_checkpoint, "float32"))) is TrainStep
    monkeypatch.setenv("PATH", "")
    assert type(new_train_step(new_model(tiny_checkpoint))) is TrainStep
