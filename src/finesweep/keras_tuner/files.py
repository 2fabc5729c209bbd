"""A JSON file that is there whole, whenever the process that writes it is killed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` in place of what ``path`` holds, in one step.

    KerasTuner writes into the file itself: killed meanwhile, it leaves half of one, and cannot
    continue the search.
    """
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
