from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from finesweep.config import SweepConfig
from finesweep.errors import DiskFullError, StudyError
from finesweep.sweeps.disk import DiskPlan, check_disk, full_disk_told, require_room
from finesweep.sweeps.study import open_study

GEOMETRY = {
    "model_type": "distilbert",
    "vocab_size": 20_000,
    "max_position_embeddings": 64,
    "dim": 12,
    "hidden_dim": 48,
    "n_layers": 2,
    "n_heads": 2,
}
# Two tables, a norm, two layers of four squares, a feed-forward and two norms, and the head.
MODEL = 4 * (20_064 * 12 + 24 + 2 * (4 * 156 + 624 + 588 + 48) + 156 + 26)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A geometry is enough: weights may be in parts, or in half the precision."""
    (tmp_path / "checkpoint").mkdir()
    write_geometry(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def write_geometry(checkpoint: Path, **changes: int) -> None:
    (checkpoint / "config.json").write_text(json.dumps({**GEOMETRY, **changes}))


def config(**changes: Any) -> SweepConfig:
    values = {
        "name": "s",
        "experiment": {"name": "e", "data": {"path": "x.json"}},
        "trials": 20,
        "space": {"epochs": {"low": 1, "high": 3}},
    }
    return SweepConfig.model_validate({**values, **changes})


def test_a_plan_counts_the_models_that_stay_and_what_running_trials_need(checkpoint: Path) -> None:
    plan = DiskPlan.of(config(), checkpoint=checkpoint, workers=2)
    # Five that stay and the one that comes before the worst goes; a resume point of three copies,
    # twice for a moment, and a checkpoint, for each worker.
    assert (plan.models, plan.working) == (6 * MODEL, 14 * MODEL)
    everything = DiskPlan.of(config(keep_checkpoints="all"), checkpoint=checkpoint, workers=1)
    assert everything.models == 20 * MODEL
    few = DiskPlan.of(config(trials=2), checkpoint=checkpoint, workers=1)
    assert few.models == 2 * MODEL


def test_a_limit_bounds_the_models(checkpoint: Path) -> None:
    plan = DiskPlan.of(config(disk_limit=10 * MODEL), checkpoint=checkpoint, workers=1)
    assert plan.models + plan.working == 10 * MODEL


def test_what_would_fill_the_disk_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    plan = DiskPlan(models=10**18, working=0)
    with pytest.raises(
        StudyError, match=r"needs about 1e\+06 TB more of disk .* are free; free some"
    ):
        check_disk(plan, config(), artifacts=tmp_path / "not yet" / "there", workdir=tmp_path)
    # On a server the models fill another machine's disk.
    check_disk(plan, config(), artifacts=None, workdir=tmp_path)


def test_a_limit_too_small_for_one_trial_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    limited = config(disk_limit=5 * MODEL)
    plan = DiskPlan.of(limited, checkpoint=checkpoint, workers=1)
    with pytest.raises(
        StudyError, match=r"need 7.83 MB of disk, but disk_limit is 4.89 MB; raise it, or"
    ):
        check_disk(plan, limited, artifacts=tmp_path, workdir=tmp_path)


def test_only_a_full_disk_is_told_as_one() -> None:
    with pytest.raises(DiskFullError, match="free some"), full_disk_told():
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError), full_disk_told():
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_new_sweep_is_refused_before_anything_is_made(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    url = f"sqlite:///{tmp_path}/here/mlruns/optuna.db"
    write_geometry(checkpoint, vocab_size=10**11)

    def ask() -> None:
        work = tmp_path / "here" / "mlruns" / "work"
        require_room(config(), checkpoint=checkpoint, workers=1, study_url=url, workdir=work)

    with pytest.raises(StudyError, match="the sweep needs about"):
        ask()
    assert list((tmp_path / "here").iterdir()) == []
    # One that is there may have nothing left to do.
    open_study(url, "s", direction="maximize")
    ask()
