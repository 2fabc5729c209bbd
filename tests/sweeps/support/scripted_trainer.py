"""A trainer that only pretends: ticks in milliseconds, and ends as its script says.

The script is ``script.json`` in the setup's ``prepared`` directory: what each trial does, by number
(``"default"`` for the rest). The number is that of the folder its resume point lies in. A
checkpoint is a config.json and a few bytes of weights, a resume point a few words of JSON.

With ``"draws"`` in the script each trial draws ``units`` and ``kind``, as a hypermodel does, and
notes them, and a batch size of 99; the script's value is the choices of ``kind``, and ``"units"``
the most there are of the other.

A deed is done before the second tick. ``die at 6`` does it before the sixth, ``die once`` in the
first attempt only and ``die 3 times`` in the first three; a file beside the script counts them.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finesweep.errors import ConfigError, DivergedError, Location, OutOfMemoryError
from finesweep.training.drawing import Draws
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import (
    TICKS_PER_EPOCH,
    Answer,
    EvaluationSplit,
    FineTuned,
    Tick,
    TrainingSetup,
)

ACT = re.compile(
    r"(?P<deed>.*?)(?: (?P<once>once)| (?P<times>\d+) times)?(?: at (?P<tick>\d+))?", re.DOTALL
)
GROWTH_BYTES = 300_000_000


def accuracy(hyperparameters: Hyperparameters, tick: int) -> float:
    """Rises with every tick; best at a learning rate of 5e-5."""
    distance = abs(hyperparameters.learning_rate - 5e-5) / 1e-4
    return round(0.9 - 0.3 * distance - 0.2 / (tick + 1), 6)


@dataclass(frozen=True)
class Act:
    """What a trial is to do, before which tick, and in how many of its attempts (None: all)."""

    deed: str
    tick: int
    times: int | None

    @classmethod
    def parse(cls, text: str) -> Act:
        found = ACT.fullmatch(text)
        assert found is not None
        times = 1 if found["once"] else int(found["times"]) if found["times"] else None
        return cls(deed=found["deed"], tick=int(found["tick"] or 2), times=times)


class ScriptedTrainer:
    def __init__(self, setup: TrainingSetup) -> None:
        self.setup = setup
        self.script = json.loads((setup.prepared / "script.json").read_text())
        self.ballast: list[bytes] = []
        time.sleep(self.script.get("seconds_to_load", 0.0))
        if self.script.get("setup") == "broken":
            raise ValueError("the setup is broken")
        if self.script.get("setup") == "mistake":
            raise ConfigError("the module models cannot be imported", at=Location(field="setup"))
        if deed := self.script.get("setup"):
            self.perform(Act.parse(deed), "setup", accumulation=1)

    def draw_from(self, draws: Draws) -> None:
        self.draws = draws

    def fine_tune(
        self,
        hyperparameters: Hyperparameters,
        *,
        output: Path,
        on_tick: Callable[[Tick], Answer],
        resume_point: Path,
        accumulation: int = 1,
    ) -> FineTuned:
        number = str(int(resume_point.parent.name.removeprefix("trial-")))
        act = Act.parse(self.script.get(number, self.script.get("default", "")))
        if kinds := self.script.get("draws"):
            units = self.draws.suggest_int("units [kind=a]", 1, self.script.get("units", 10**6))
            kind = self.draws.suggest_categorical("kind", kinds)
            self.draws.note({"units": units, "kind": kind, "batch_size": 99})
        # What a trial of more epochs goes on from is the point of one of fewer.
        of = replace(hyperparameters, epochs=0) if self.setup.continuable else hyperparameters
        point = load_point(resume_point, of)
        say(
            f"trial {number}: {act.deed or 'trains'}, "
            f"OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']}, "
            f"from tick {point['tick'] + 1}, accumulation {accumulation}"
        )
        started = time.monotonic() - point["seconds"]
        metrics: dict[str, float] = point["metrics"]
        last = hyperparameters.epochs * TICKS_PER_EPOCH
        for tick in range(point["tick"] + 1, last + 1):
            if tick == act.tick:
                self.perform(act, number, accumulation=accumulation)
            time.sleep(self.script.get("seconds_per_tick", 0.0))
            metrics = self.metrics(hyperparameters, tick, act.deed)
            seconds = time.monotonic() - started
            answer = on_tick(
                Tick(
                    number=tick,
                    epoch=tick / TICKS_PER_EPOCH,
                    examples_seen=tick * 100,
                    seconds=seconds,
                    metrics=metrics,
                    full_validation=tick % TICKS_PER_EPOCH == 0,
                )
            )
            saves_here = self.setup.continuable or tick < last
            ends_epoch = tick % TICKS_PER_EPOCH == 0 and saves_here
            if answer == "park" or (answer == "continue" and ends_epoch):
                save_point(resume_point, of, tick=tick, seconds=seconds, metrics=metrics)
            if answer != "continue":
                return FineTuned(
                    metrics=metrics, ticks=tick, seconds=seconds, stopped=True, checkpoint=None
                )
        return FineTuned(
            metrics=metrics,
            ticks=last,
            seconds=time.monotonic() - started,
            stopped=False,
            checkpoint=None if act.deed == "no checkpoint" else save(output),
        )

    def evaluate(
        self, checkpoint: Path, *, max_length: int, split: EvaluationSplit
    ) -> dict[str, float]:
        if self.script.get("evaluate") == "raise":
            raise RuntimeError("cannot evaluate")
        assert (checkpoint / "model.safetensors").is_file()
        prefix = "val" if split == "validation" else "test"
        return {f"{prefix}/accuracy": 0.75, f"{prefix}/max_length": float(max_length)}

    def metrics(self, hyperparameters: Hyperparameters, tick: int, deed: str) -> dict[str, float]:
        value = accuracy(hyperparameters, tick)
        if deed == "worse":
            value -= 0.5
        if deed == "nan" and tick >= 3:
            value = float("nan")
        if deed == "no metric":
            return {"train/loss": 1.0}
        return {"train/loss": 1.0 - value, "val/loss": 1.0 - value, "val/accuracy": value}

    def perform(self, act: Act, number: str, *, accumulation: int) -> None:
        if act.times is not None and self.count_attempt(number) > act.times:
            return
        if act.deed == "grow":
            self.ballast.append(b"x" * GROWTH_BYTES)
        elif act.deed == "oom" and accumulation > 1:
            return
        else:
            perform(act.deed)

    def count_attempt(self, number: str) -> int:
        """How often this was called for the trial, in whatever process."""
        file = self.setup.prepared / f"attempts-{number}"
        with file.open("a") as attempts:
            attempts.write(".")
        return file.stat().st_size


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def perform(deed: str) -> None:
    match deed:
        case "raise":
            raise RuntimeError("the trainer is broken at batch 17")
        case "diverge":
            raise DivergedError("the training loss is nan at step 12")
        case "oom" | "oom always":
            raise OutOfMemoryError("no memory is left for a batch of 16")
        case "memory error":
            raise MemoryError
        case "disk full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "model.safetensors")
        case "die":
            say("about to die")
            os.kill(os.getpid(), signal.SIGKILL)
        case "segv":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
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
        case "fork":
            # A child that inherits everything, the pipe to the coordinator too.
            if os.fork() == 0:
                time.sleep(3600)
            os.kill(os.getpid(), signal.SIGKILL)


def load_point(file: Path, hyperparameters: Hyperparameters) -> dict[str, Any]:
    """The resume point of this very trial; the beginning, if there is none that can be used."""
    beginning: dict[str, Any] = {"tick": 0, "seconds": 0.0, "metrics": {}}
    try:
        point: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError):
        return beginning
    return point if point.get("of") == repr(hyperparameters) else beginning


def save_point(
    file: Path,
    hyperparameters: Hyperparameters,
    *,
    tick: int,
    seconds: float,
    metrics: dict[str, float],
) -> None:
    point = {"of": repr(hyperparameters), "tick": tick, "seconds": seconds, "metrics": metrics}
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".partial")
    beside.write_text(json.dumps(point))
    beside.replace(file)


def save(output: Path) -> Path:
    output.mkdir(parents=True)
    labels = {"0": "plain", "1": "satire"}
    config = {"id2label": labels, "label2id": {name: int(key) for key, name in labels.items()}}
    (output / "config.json").write_text(json.dumps(config))
    (output / "model.safetensors").write_bytes(b"weights")
    return output
