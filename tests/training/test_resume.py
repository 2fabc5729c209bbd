"""The file of a resume point, with variables of its own."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from finesweep.training.resume import ResumeFile, ResumePoint

POINT = ResumePoint(examples_seen=40, tick=1, seconds=2.5, metrics={"val/loss": 0.1 + 0.2})
IDENTITY = {"learning_rate": 3e-5, "labels": ("bad", "good"), "seed": 1}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trial-007" / "resume.safetensors"


def variables(seed: int, *, columns: int = 3) -> dict[str, tf.Variable]:
    rng = np.random.default_rng(seed)
    return {
        "weights.a": tf.Variable(rng.normal(size=(5, columns)).astype("float32")),
        "weights.b": tf.Variable(rng.normal(size=(7,)).astype("float32")),
        "step": tf.Variable(seed, dtype=tf.int64),
        "random_state": tf.Variable(rng.integers(0, 2**60, size=2)),
        "narrow": tf.Variable(tf.cast(rng.normal(size=(3,)), tf.bfloat16)),
    }


def resume_file(file: Path, seed: int, **identity: Any) -> ResumeFile:
    return ResumeFile(file, identity={**IDENTITY, **identity}, variables=variables(seed))


def values(file: ResumeFile) -> dict[str, Any]:
    return {name: variable.numpy() for name, variable in file.variables.items()}


def assert_passed_over(file: ResumeFile, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = values(file)
    assert file.restore() is None
    for name, value in values(file).items():
        np.testing.assert_array_equal(value, before[name])
    said = capsys.readouterr().out
    assert why in said
    assert str(file.file) in said
    assert said.count("\n") == 1


def test_what_was_saved_is_restored_bit_for_bit(file: Path) -> None:
    saved, restored = resume_file(file, 1), resume_file(file, 2)
    saved.save(POINT)
    assert restored.restore() == POINT
    for name, value in values(restored).items():
        np.testing.assert_array_equal(value, saved.variables[name].numpy(), strict=True)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_the_file_is_one_that_safetensors_reads(file: Path) -> None:
    saved = resume_file(file, 1)
    saved.save(POINT)
    tensors = load_file(file)
    assert set(tensors) == set(saved.variables)
    for name, value in values(saved).items():
        # NumPy knows no bfloat16: its bits are there.
        stored = tensors[name].view(value.dtype)
        np.testing.assert_array_equal(stored, value, strict=True)


def test_a_missing_file_is_no_resume_point(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert resume_file(file, 1).restore() is None
    assert capsys.readouterr().out == ""


def test_the_last_point_saved_is_the_one(file: Path) -> None:
    resume_file(file, 1).save(POINT)
    later = ResumePoint(examples_seen=80, tick=2, seconds=5.0, metrics={})
    resume_file(file, 3).save(later)
    restored = resume_file(file, 2)
    assert restored.restore() == later
    assert restored.variables["step"].numpy() == 3


def test_a_file_cut_short_anywhere_is_passed_over(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resume_file(file, 1).save(POINT)
    whole = file.read_bytes()
    for length in (0, 5, 8, 60, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        assert_passed_over(resume_file(file, 2), "expected a whole resume point", capsys)


def test_other_files_are_passed_over(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.parent.mkdir()
    file.write_bytes(b"{not a tensor in it}" * 100)
    assert_passed_over(resume_file(file, 2), "expected a whole resume point", capsys)
    resume_file(file, 1).save(POINT)
    file.write_bytes(
        file.read_bytes().replace(b"finesweep.resume_point", b"some.other_tools_file_")
    )
    assert_passed_over(resume_file(file, 2), "received another file", capsys)


def test_another_format_is_passed_over(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resume_file(file, 1).save(POINT)
    ours, theirs = (json.dumps(json.dumps({"version": n}))[2:-2].encode() for n in (2, 3))
    content = file.read_bytes()
    assert ours in content
    file.write_bytes(content.replace(ours, theirs))
    assert_passed_over(resume_file(file, 2), "of version 2, received 3", capsys)


def test_a_point_of_another_trial_is_passed_over(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resume_file(file, 1).save(POINT)
    assert_passed_over(resume_file(file, 2, learning_rate=1e-5), "another learning_rate", capsys)
    assert_passed_over(resume_file(file, 2, schedule="linear"), "another schedule", capsys)


def test_variables_of_another_model_are_passed_over(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resume_file(file, 1).save(POINT)
    wider = ResumeFile(file, identity=IDENTITY, variables=variables(2, columns=4))
    assert_passed_over(wider, "expected the variables of this model", capsys)
    fewer = ResumeFile(file, identity=IDENTITY, variables={"step": tf.Variable(0, dtype=tf.int64)})
    assert_passed_over(fewer, "expected the variables of this model", capsys)


def test_what_a_killed_attempt_left_half_written_is_removed(file: Path) -> None:
    resume_file(file, 1).save(POINT)
    file.with_name(".resume.safetensors.4711.partial").write_bytes(b"half")
    assert resume_file(file, 2).restore() == POINT
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@contextmanager
def little_room() -> Iterator[None]:
    """No file may grow past 100 bytes: a write fails in its middle, as on a full disk.

    Only while the block runs: pytest itself may be writing to a file.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_point_that_cannot_be_written_leaves_the_one_before(file: Path) -> None:
    resume_file(file, 1).save(POINT)
    before = file.read_bytes()
    with pytest.raises(OSError, match="File too large"), little_room():
        resume_file(file, 2).save(POINT)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]
