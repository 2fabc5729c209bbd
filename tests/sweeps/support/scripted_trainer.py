"""A trainer that only pretends: ticks in milliseconds, and ends as its script says.

The script is ``script.json`` in the setup's ``prepared`` directory: what each trial does, by number
(``"default"`` for the rest). A checkpoint is a config.json and a few bytes of weights.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from finesweep.errors import DivergedError
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import (
    TICKS_PER_EPOCH,
    Answer,
    EvaluationSplit,
    FineTuned,
    Tick,
    TrainingSetup,
)


def accuracy(hyperparameters: Hyperparameters, tick: int) -> float:
    """Rises with every tick; best at a learning rate of 5e-5."""
    distance = abs(hyperparameters.learning_rate - 5e-5) / 1e-4
    return round(0.9 - 0.3 * distance - 0.2 / (tick + 1), 6)


class ScriptedTrainer:
    def __init__(self, setup: TrainingSetup) -> None:
        self.setup = setup
        self.script = json.loads((setup.prepared / "script.json").read_text())
        if self.script.get("setup") == "broken":
            raise ValueError("the setup is broken")

    def fine_tune(
        self, hyperparameters: Hyperparameters, *, output: Path, on_tick: Callable[[Tick], Answer]
    ) -> FineTuned:
        number = str(int(output.parent.name.removeprefix("trial-")))
        act = self.script.get(number, self.script.get("default", ""))
        say(f"trial {number}: {act or 'trains'}, OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']}")
        started = time.monotonic()
        for tick in range(1, hyperparameters.epochs * TICKS_PER_EPOCH + 1):
            if tick == 2:
                perform(act)
            time.sleep(self.script.get("seconds_per_tick", 0.0))
            metrics = self.metrics(hyperparameters, tick, act)
            answer = on_tick(
                Tick(
                    number=tick,
                    epoch=tick / TICKS_PER_EPOCH,
                    examples_seen=tick * 100,
                    seconds=time.monotonic() - started,
                    metrics=metrics,
                    full_validation=tick % TICKS_PER_EPOCH == 0,
                )
            )
            if answer == "stop":
                return FineTuned(
                    metrics=metrics,
                    ticks=tick,
                    seconds=time.monotonic() - started,
                    stopped=True,
                    checkpoint=None,
                )
        return FineTuned(
            metrics=metrics,
            ticks=tick,
            seconds=time.monotonic() - started,
            stopped=False,
            checkpoint=None if act == "no checkpoint" else save(output),
        )

    def evaluate(
        self, checkpoint: Path, *, max_length: int, split: EvaluationSplit
    ) -> dict[str, float]:
        if self.script.get("evaluate") == "raise":
            raise RuntimeError("cannot evaluate")
        assert (checkpoint / "model.safetensors").is_file()
        prefix = "val" if split == "validation" else "test"
        return {f"{prefix}/accuracy": 0.75, f"{prefix}/max_length": float(max_length)}

    def metrics(self, hyperparameters: Hyperparameters, tick: int, act: str) -> dict[str, float]:
        value = accuracy(hyperparameters, tick)
        if act == "worse":
            value -= 0.5
        if act == "nan" and tick >= 3:
            value = float("nan")
        if act == "no metric":
            return {"train/loss": 1.0}
        return {"train/loss": 1.0 - value, "val/loss": 1.0 - value, "val/accuracy": value}


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def perform(act: str) -> None:
    match act:
        case "raise":
            raise RuntimeError("the trainer is broken at batch 17")
        case "diverge":
            raise DivergedError("the training loss is nan at step 12")
        case "die":
            say("about to die")
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(3600)
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(3600)
        case "child":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
            say(f"child {child.pid}")
            os.kill(os.getpid(), signal.SIGKILL)


def save(output: Path) -> Path:
    output.mkdir(parents=True)
    labels = {"0": "plain", "1": "satire"}
    config = {"id2label": labels, "label2id": {name: int(key) for key, name in labels.items()}}
    (output / "config.json").write_text(json.dumps(config))
    (output / "model.safetensors").write_bytes(b"weights")
    return output
