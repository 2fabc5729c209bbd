"""Whether the disk has room for what a sweep is about to write."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from finesweep.config import SweepConfig
from finesweep.config.quantities import size_in_words
from finesweep.errors import DiskFullError, StudyError
from finesweep.models.geometry import count_weights
from finesweep.models.pretrained import CONFIG_FILE, read_config
from finesweep.sweeps.oracles.brackets import Brackets
from finesweep.sweeps.study import study_exists
from finesweep.tracking.full_disk import is_full_disk
from finesweep.tracking.store import future_artifact_root

# Weights are trained and saved in float32, whatever the precision of the products.
BYTES_A_WEIGHT = 4
# A resume point holds the weights and Adam's two moments; a new one is written beside the old.
_COPIES_IN_RESUME_POINTS = 6


@dataclass(frozen=True, kw_only=True)
class DiskPlan:
    """The most a sweep has on disk at once, in bytes: models kept, and files of running trials."""

    models: int
    working: int

    @classmethod
    def of(cls, config: SweepConfig, *, checkpoint: Path, workers: int) -> DiskPlan:
        """What ``config`` needs with so many workers, each model as large as ``checkpoint``'s."""
        model = BYTES_A_WEIGHT * weights_of(checkpoint)
        keep = config.trials if config.keep_checkpoints == "all" else config.keep_checkpoints
        # One more than is kept: the worst is removed after the new one has come.
        models = model * min(config.trials, keep + 1)
        working = workers * model * (_COPIES_IN_RESUME_POINTS + 1)
        if config.sampler.is_hyperband:
            working += Brackets.of(config).most_kept * model * _COPIES_IN_RESUME_POINTS // 2
        if config.disk_limit is not None:
            models = max(model, min(models, config.disk_limit - working))
        return cls(models=models, working=working)


def require_room(
    config: SweepConfig, *, checkpoint: Path, workers: int, study_url: str, workdir: Path
) -> None:
    """Refuse a new sweep that would fill the disk, before anything of it is made.

    One that exists is asked later, when it is known whether it has anything left to do.

    Raises:
        StudyError: too little is free, or the study's database cannot be used.
    """
    if not study_exists(study_url, config.name):
        plan = DiskPlan.of(config, checkpoint=checkpoint, workers=workers)
        check_disk(plan, config, artifacts=future_artifact_root(), workdir=workdir)


def check_disk(
    plan: DiskPlan,
    config: SweepConfig,
    *,
    artifacts: Path | None,
    workdir: Path,
    held: DiskPlan | None = None,
) -> None:
    """Refuse to start what would fill the disk.

    ``artifacts`` is where models are stored; None where that is not on this machine. ``held`` is
    what the sweep has there already.

    Raises:
        StudyError: too little is free, or ``disk_limit`` is less than one running trial needs.
    """
    least = plan.models + plan.working
    if config.disk_limit is not None and config.disk_limit < least:
        raise StudyError(
            f"the best model and the files of running trials need {size_in_words(least)} of disk, "
            f"but disk_limit is {size_in_words(config.disk_limit)}; raise it, or use fewer workers"
        )
    held = held or DiskPlan(models=0, working=0)
    needs: Counter[Path] = Counter({workdir: max(0, plan.working - held.working)})
    if artifacts is not None:
        needs[artifacts] += max(0, plan.models - held.models)
    by_device: Counter[int] = Counter()
    folders = {folder: _existing(folder) for folder in needs}
    for folder, size in needs.items():
        by_device[folders[folder].stat().st_dev] += size
    for folder, there in folders.items():
        needed, free = by_device[there.stat().st_dev], shutil.disk_usage(there).free
        if needed > free:
            raise StudyError(
                f"the sweep needs about {size_in_words(needed)} more of disk at {folder} for "
                f"{config.keep_checkpoints} models and the files of running trials, but "
                f"{size_in_words(free)} are free; free some, or lower keep_checkpoints or the "
                "number of workers"
            )


def no_space_left(words: object) -> DiskFullError:
    """The error for a sweep whose disk is full; ``words`` are the system's."""
    return DiskFullError(
        f"no space is left on the disk ({words}); free some and run the same command: it goes on "
        "from the last resume points"
    )


@contextmanager
def full_disk_told() -> Iterator[None]:
    """Turn the system's error for a full disk into ours.

    Raises:
        DiskFullError: no space is left.
    """
    try:
        yield
    except OSError as exc:
        if not is_full_disk(exc):
            raise
        raise no_space_left(exc) from exc


def weights_of(checkpoint: Path) -> int:
    """How many weights a model of a checkpoint has; 0 where there is no checkpoint yet.

    From its geometry: the file may be in parts, or in half the precision that is trained and saved.
    """
    if not (checkpoint / CONFIG_FILE).exists():
        return 0
    config, _ = read_config(checkpoint)
    return count_weights(config)


def _existing(folder: Path) -> Path:
    """The nearest folder above that is there already."""
    while not folder.exists():
        folder = folder.parent
    return folder
