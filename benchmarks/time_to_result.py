"""Time to result: the same trials with pruning and without.

    python benchmarks/time_to_result.py --data headlines.json [--pruner NAME] [--rows 6000]

The sampler is `random`, whose proposals depend on its seed alone, so that both sweeps try the same
trials. Each runs through the installed command with as many workers as the machine has cores; what
is compared is the command's wall-clock and the best validation accuracy.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FINESWEEP = [sys.executable, "-c", "from finesweep.cli.main import main; main()"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One sweep: seconds of the whole command, seconds of training, and what it came to."""

    pruner: str
    seconds: float
    training_seconds: float
    best: float
    pruned: int


def sweep(folder: Path, options: argparse.Namespace, pruner: dict[str, Any]) -> Outcome:
    file = folder / f"{pruner['name']}.json"
    file.write_text(json.dumps(sweep_file(options, pruner), indent=2))
    # A cache of its own: the second must not find the data prepared.
    variables = {**os.environ, "FINESWEEP_CACHE": str(folder / f"cache-{pruner['name']}")}
    began = time.perf_counter()
    subprocess.run(
        [*FINESWEEP, "run", str(file), "--workers", "auto"], cwd=folder, env=variables, check=True
    )
    seconds = time.perf_counter() - began
    shown = json.loads(
        subprocess.run(
            [*FINESWEEP, "show", pruner["name"], "--json"],
            cwd=folder,
            check=True,
            capture_output=True,
        ).stdout
    )
    trials = shown["trials"]
    return Outcome(
        pruner=pruner["name"],
        seconds=seconds,
        training_seconds=sum(trial["seconds"] for trial in trials),
        best=max(
            trial["metrics"]["val/accuracy"] for trial in trials if trial["state"] == "completed"
        ),
        pruned=sum(trial["state"] == "pruned" for trial in trials),
    )


def sweep_file(options: argparse.Namespace, pruner: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": pruner["name"],
        "trials": options.trials,
        "space": {
            "learning_rate": {"low": 1e-5, "high": 2e-4, "log": True},
            "batch_size": {"choices": [8, 16, 32]},
            "epochs": {"low": 1, "high": 4},
            "max_length": {"choices": [16, 32, 64]},
        },
        "sampler": {"name": "random", "seed": options.seed},
        "pruner": pruner,
        "experiment": {
            "name": "time-to-result",
            "data": {
                "path": str(Path(options.data).resolve()),
                "text": "headline",
                "label": "is_sarcastic",
                "split": {
                    "by": "position",
                    "train": options.rows,
                    "validation": options.validation_rows,
                },
            },
            "model": {"checkpoint": options.checkpoint},
        },
    }


def _pruner(text: str) -> dict[str, Any]:
    return dict(json.loads(text)) if text.startswith("{") else {"name": text}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="the article's headlines")
    parser.add_argument("--checkpoint", default="packaged:minilm-l6-h384")
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--validation-rows", type=int, default=3000)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--pruner", type=_pruner, default={"name": "hyperband"}, help="a name, or a JSON object"
    )
    parser.add_argument("--folder", type=Path, help="keep the sweeps here")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="time-to-result-"))
    folder.mkdir(parents=True, exist_ok=True)
    whole = sweep(folder, options, {"name": "none"})
    pruned = sweep(folder, options, options.pruner)
    for outcome in (whole, pruned):
        print(
            f"{outcome.pruner:>12}: {outcome.seconds:6.0f} s, best {outcome.best:.4f}, "
            f"{outcome.pruned} of {options.trials} pruned"
        )
    print(
        f"time {pruned.seconds / whole.seconds:.0%}, accuracy "
        f"{100 * (pruned.best - whole.best):+.2f} points"
    )


if __name__ == "__main__":
    main()
