"""Fine-tunings that are interrupted and go on as if they never were: float32, bit for bit."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from finesweep.models.pretrained import read_checkpoint
from finesweep.training import Answer, FineTuned, Hyperparameters, Tick, TrainingSetup
from finesweep.training.fine_tuner import FineTuner
from finesweep.training.progress import Schedule

# 140 texts: an epoch is 17 whole batches and one of four, and no tick but the last is at its end.
VALUES = Hyperparameters(learning_rate=1e-3, batch_size=8, epochs=3, max_length=16)
MEASURED = ("train/loss", "val/loss", "val/accuracy", "val/f1")


class KilledError(Exception):
    """Stands for the end of a process in the middle of a fine-tuning."""


@pytest.fixture(scope="module")
def tuner(setup: TrainingSetup) -> FineTuner:
    return FineTuner(setup)


@pytest.fixture(scope="module")
def uninterrupted(
    tuner: FineTuner, tmp_path_factory: pytest.TempPathFactory
) -> tuple[FineTuned, list[Tick]]:
    return attempt(tuner, tmp_path_factory.mktemp("uninterrupted"))


def attempt(
    tuner: FineTuner,
    folder: Path,
    *,
    values: Hyperparameters = VALUES,
    park_at: int | None = None,
    killed_at: int | None = None,
    accumulation: int = 1,
) -> tuple[FineTuned, list[Tick]]:
    ticks: list[Tick] = []

    def on_tick(tick: Tick) -> Answer:
        ticks.append(tick)
        if tick.number == killed_at:
            raise KilledError
        return "park" if tick.number == park_at else "continue"

    result = tuner.fine_tune(
        values,
        output=folder / "checkpoint",
        on_tick=on_tick,
        resume_point=folder / "resume.safetensors",
        accumulation=accumulation,
    )
    return result, ticks


def told(ticks: list[Tick]) -> list[tuple[object, ...]]:
    """What does not depend on the clock or the process."""
    return [
        (t.number, t.epoch, t.examples_seen, t.full_validation, *(t.metrics[n] for n in MEASURED))
        for t in ticks
    ]


def assert_same_weights(ours: Path | None, theirs: Path | None) -> None:
    assert ours is not None
    assert theirs is not None
    expected = read_checkpoint(theirs).tensors
    for name, tensor in read_checkpoint(ours).tensors.items():
        np.testing.assert_array_equal(tensor, expected[name], strict=True)


Interrupt = Callable[[FineTuner, Path], int]


def parked(*at: int) -> Interrupt:
    def interrupt(tuner: FineTuner, folder: Path) -> int:
        for number in at:
            result, ticks = attempt(tuner, folder, park_at=number)
            assert result.stopped
            assert result.checkpoint is None
            assert result.ticks == ticks[-1].number == number
            assert not (folder / "checkpoint").exists()
        return at[-1]

    return interrupt


def killed(at: int, *, back_to: int) -> Interrupt:
    def interrupt(tuner: FineTuner, folder: Path) -> int:
        with pytest.raises(KilledError):
            attempt(tuner, folder, killed_at=at)
        return back_to

    return interrupt


@pytest.mark.parametrize(
    "interrupt",
    [
        pytest.param(parked(1), id="in the first epoch"),
        pytest.param(parked(6), id="in a later epoch"),
        pytest.param(parked(4), id="at the end of an epoch"),
        pytest.param(parked(3, 5, 8, 9), id="again and again"),
        pytest.param(parked(12), id="at the very end"),
        pytest.param(killed(7, back_to=4), id="killed after an epoch and three ticks"),
        pytest.param(killed(2, back_to=0), id="killed before the first resume point"),
        pytest.param(killed(8, back_to=4), id="killed at the end of an epoch, before its answer"),
    ],
)
def test_goes_on_as_if_never_interrupted(
    interrupt: Interrupt,
    tuner: FineTuner,
    uninterrupted: tuple[FineTuned, list[Tick]],
    tmp_path: Path,
) -> None:
    went_on_after = interrupt(tuner, tmp_path)
    # What another trial leaves in the weights, the optimizer and the random state.
    other = replace(VALUES, learning_rate=1e-2, batch_size=4, epochs=1)
    attempt(tuner, tmp_path / "other", values=other)
    result, ticks = attempt(tuner, tmp_path)
    expected, expected_ticks = uninterrupted
    assert told(ticks) == told(expected_ticks[went_on_after:])
    assert not result.stopped
    assert result.ticks == expected.ticks
    assert [result.metrics[name] for name in MEASURED] == [
        expected.metrics[name] for name in MEASURED
    ]
    assert_same_weights(result.checkpoint, expected.checkpoint)


def test_goes_on_in_another_trainer(
    tuner: FineTuner,
    setup: TrainingSetup,
    uninterrupted: tuple[FineTuned, list[Tick]],
    tmp_path: Path,
) -> None:
    attempt(tuner, tmp_path, park_at=6)
    result, ticks = attempt(FineTuner(setup), tmp_path)
    assert told(ticks) == told(uninterrupted[1][6:])
    assert_same_weights(result.checkpoint, uninterrupted[0].checkpoint)


@pytest.mark.slow
def test_goes_on_in_another_process(
    tuner: FineTuner,
    setup: TrainingSetup,
    uninterrupted: tuple[FineTuned, list[Tick]],
    tmp_path: Path,
) -> None:
    attempt(tuner, tmp_path, park_at=6)
    job = tmp_path / "job.pickle"
    job.write_bytes(pickle.dumps((setup, VALUES, tmp_path)))
    program = (
        "import pickle, sys; from pathlib import Path\n"
        "from finesweep.training.fine_tuner import FineTuner\n"
        "setup, values, folder = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
        "FineTuner(setup).fine_tune(values, output=folder / 'checkpoint',\n"
        "    on_tick=lambda tick: 'continue' if tick.number > 6 else 'stop',\n"
        "    resume_point=folder / 'resume.safetensors')\n"
    )
    subprocess.run([sys.executable, "-c", program, str(job)], check=True, timeout=300)
    assert_same_weights(tmp_path / "checkpoint", uninterrupted[0].checkpoint)


def test_a_constant_learning_rate_goes_on_too(setup: TrainingSetup, tmp_path: Path) -> None:
    tuner = FineTuner(replace(setup, schedule="constant"))
    expected, _ = attempt(tuner, tmp_path / "uninterrupted")
    attempt(tuner, tmp_path, park_at=5)
    result, _ = attempt(tuner, tmp_path)
    assert_same_weights(result.checkpoint, expected.checkpoint)


def test_seconds_add_up(tuner: FineTuner, tmp_path: Path) -> None:
    told_at = [
        tick.seconds
        for park_at in (6, 8, None)
        for tick in attempt(tuner, tmp_path, park_at=park_at)[1]
    ]
    # Not the results' seconds: the writing of the resume point is in them, and comes after it.
    assert told_at == sorted(told_at)
    assert len(set(told_at)) == 12


def test_a_point_is_kept_at_every_epoch_but_the_last_and_where_parked(
    tuner: FineTuner, tmp_path: Path
) -> None:
    file = tmp_path / "resume.safetensors"
    changes: list[int] = []
    seen: list[int] = []

    def on_tick(tick: Tick) -> Answer:
        # Saved after the answer to a tick, so it shows at the next one.
        if file.exists() and file.stat().st_ino not in seen:
            seen.append(file.stat().st_ino)
            changes.append(tick.number - 1)
        return "stop" if tick.number == 11 else "continue"

    tuner.fine_tune(VALUES, output=tmp_path / "none", on_tick=on_tick, resume_point=file)
    assert changes == [4, 8]
    before = file.read_bytes()
    attempt(tuner, tmp_path)
    assert file.read_bytes() == before, "the end of the last epoch has a checkpoint instead"


def test_a_point_of_other_hyperparameters_is_passed_over(
    tuner: FineTuner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attempt(tuner, tmp_path, park_at=5)
    _, ticks = attempt(tuner, tmp_path, values=replace(VALUES, batch_size=16))
    assert ticks[0].number == 1
    assert "another batch_size; the trial starts from its beginning" in capsys.readouterr().out


def test_a_point_of_another_setup_is_passed_over(
    tuner: FineTuner,
    setup: TrainingSetup,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    attempt(tuner, tmp_path, park_at=1)
    finished, _ = attempt(tuner, tmp_path / "finished", values=replace(VALUES, epochs=1))
    assert finished.checkpoint is not None
    for other, name in (
        (replace(setup, seed=2), "seed"),
        (replace(setup, schedule="constant"), "schedule"),
        (replace(setup, label_names=("good", "bad")), "labels"),
        (replace(setup, checkpoint=finished.checkpoint), "checkpoint"),
    ):
        _, ticks = attempt(FineTuner(other), tmp_path, park_at=1)
        assert ticks[0].number == 1
        assert f"another {name};" in capsys.readouterr().out
        attempt(tuner, tmp_path, park_at=1)
        capsys.readouterr()


def test_goes_on_in_more_parts_after_memory_ran_out(tuner: FineTuner, tmp_path: Path) -> None:
    attempt(tuner, tmp_path, park_at=5)
    result, ticks = attempt(tuner, tmp_path, accumulation=2)
    assert [tick.number for tick in ticks] == [6, 7, 8, 9, 10, 11, 12]
    assert not result.stopped


def test_the_file_names_weights_by_their_place_in_the_model(
    tuner: FineTuner, tmp_path: Path
) -> None:
    attempt(tuner, tmp_path, park_at=1)
    with safe_open(tmp_path / "resume.safetensors", framework="numpy") as tensors:
        names = set(tensors.keys())
    assert {"step", "random_state", "squares.head.classifier.bias"} <= names
    assert len(names) == 3 * 32 + 2


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_more_epochs_go_on_from_the_end_of_fewer_at_a_constant_rate(
    setup: TrainingSetup, tmp_path: Path, schedule: Schedule
) -> None:
    tuner = FineTuner(replace(setup, schedule=schedule, continuable=True))
    whole, all_ticks = attempt(tuner, tmp_path / "whole")
    _, first_ticks = attempt(tuner, tmp_path / "short", values=replace(VALUES, epochs=1))
    assert [tick.number for tick in first_ticks] == [1, 2, 3, 4]
    (tmp_path / "promoted").mkdir()
    point = tmp_path / "short" / "resume.safetensors"
    point.rename(tmp_path / "promoted" / point.name)
    promoted, more_ticks = attempt(tuner, tmp_path / "promoted")
    if schedule == "linear":
        # The rate had come to 0, so nothing can be gone on from.
        assert more_ticks[0].number == 1
        return
    assert more_ticks[0].number == 5
    assert more_ticks[0].epoch > 1
    # Not of `short`: the saving of its model came after the resume point.
    assert more_ticks[0].seconds > first_ticks[-1].seconds
    assert told([*first_ticks, *more_ticks]) == told(all_ticks)
    assert_same_weights(promoted.checkpoint, whole.checkpoint)


def test_a_finished_fine_tuning_is_not_repeated(setup: TrainingSetup, tmp_path: Path) -> None:
    tuner = FineTuner(replace(setup, continuable=True))
    first, _ = attempt(tuner, tmp_path, values=replace(VALUES, epochs=1))
    again, ticks = attempt(tuner, tmp_path, values=replace(VALUES, epochs=1))
    assert not ticks
    assert again.metrics == first.metrics
    assert again.checkpoint is not None
