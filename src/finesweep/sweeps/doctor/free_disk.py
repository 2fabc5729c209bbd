"""How much disk is free where finesweep writes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from finesweep.config.quantities import size_in_words
from finesweep.sweeps.doctor.finding import Finding
from finesweep.sweeps.doctor.place import Place

LEAST_BYTES = 5 * 10**9
LEAST_SHARE = 0.05


def look(place: Place) -> Iterator[Finding]:
    """Each file system once."""
    seen: set[int] = set()
    for folder in (place.root, place.work, place.cache):
        there = next(one for one in (folder, *folder.parents) if one.exists())
        device = there.stat().st_dev
        if device not in seen:
            seen.add(device)
            yield _free_at(folder, there)


def _free_at(folder: Path, there: Path) -> Finding:
    usage = shutil.disk_usage(there)
    share = usage.free / usage.total if usage.total else 0.0
    what = f"{size_in_words(usage.free)} are free at {folder}, {share:.0%} of the disk"
    if usage.free >= LEAST_BYTES and share >= LEAST_SHARE:
        return Finding(kind="disk", level="ok", subject=str(folder), what=what)
    return Finding(
        kind="disk",
        level="warning",
        subject=str(folder),
        what=what,
        advice="free some, or lower keep_checkpoints or disk_limit of the sweep",
    )
