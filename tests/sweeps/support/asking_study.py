"""Sweeps without training: a study is asked and told, as a coordinator would, two trials at a time.

Run as a program it goes on, in a process of its own, with the studies that its input names.
"""

from __future__ import annotations

import json
import math
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any

import optuna

from finesweep.config import SweepConfig
from finesweep.sweeps.progress import trials_left
from finesweep.sweeps.samplers import build_sampler
from finesweep.sweeps.space import propose
from finesweep.sweeps.study import left_running, next_number, open_study, park

SPACE = {
    "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
    "batch_size": {"choices": [8, 16, 32]},
    "epochs": {"low": 1, "high": 4},
    "max_length": {"low": 16, "high": 64, "step": 16},
}
HYPERMODEL = "asking_study:draw"
FINITE = {**SPACE, "learning_rate": {"choices": [1e-5, 3e-5, 1e-4, 3e-4, 1e-3]}}


def sweep(sampler_name: str, /, *, seed: int = 7, trials: int = 50, **changes: Any) -> SweepConfig:
    """A sweep of the four hyperparameters with this sampler.

    With ``hypermodel=HYPERMODEL`` each trial draws those of ``draw`` besides.
    """
    values: dict[str, Any] = {
        "name": sampler_name,
        "experiment": {"name": "e", "data": {"path": "x.json"}, "schedule": "constant"},
        "trials": trials,
        "space": FINITE if sampler_name == "grid" else SPACE,
        "sampler": {"name": sampler_name, "seed": seed},
        "pruner": {"name": "none"},
    }
    if sampler_name == "keras_tuner.hyperband":
        values["space"] = {name: entry for name, entry in SPACE.items() if name != "epochs"}
        values["sampler"] |= {"max_epochs": 9, "iterations": 3}
    return SweepConfig.model_validate({**values, **changes})


def draw(hp: Any) -> None:
    """A hypermodel's space: of every kind, with conditions, and a name that means two things."""
    kind = hp.Choice("kind", ["mean", "convolution"])
    with hp.conditional_scope("kind", ["mean"]):
        if kind == "mean":
            hp.Int("units", 8, 32, step=8)
    with hp.conditional_scope("kind", ["convolution"]):
        if kind == "convolution":
            hp.Choice("units", [4, 12])
            hp.Float("dropout", 0.1, 0.5, step=0.1)
    if hp.Boolean("hidden"):
        hp.Int("width", 1, 64, sampling="log")


POOLINGS = [None, "first", 2]


def draw_for(trial: optuna.Trial) -> None:
    """Let the trial draw what ``draw`` asks for, and one of choices KerasTuner has no kind for."""
    trial.suggest_categorical("pooling", POOLINGS)
    # Imports TensorFlow, which most samplers are tested without.
    from finesweep.keras_tuner import suggest

    draw(suggest(trial))


def drawn_names(params: Mapping[str, Any]) -> set[str]:
    """The parameters that ``draw`` asks for beside those of ``params`` that decide it."""
    mean = {"units [kind=mean]"}
    convolution = {"units [kind=convolution]", "dropout [kind=convolution]"}
    width = {"width"} if params["hidden"] else set()
    return {
        "pooling",
        "kind",
        "hidden",
        *width,
        *(mean if params["kind"] == "mean" else convolution),
    }


def score(params: dict[str, Any]) -> float:
    """Best at a learning rate of 1e-4 and long texts."""
    rate = abs(math.log10(params.get("learning_rate", 1e-4)) + 4)
    return float(1 - 0.2 * rate + params.get("max_length", 64) / 1000 + params["epochs"] / 100)


def ask_and_tell(study: optuna.Study, config: SweepConfig, *, until: int) -> None:
    """Ask until the study has so many trials, or nothing is left; the last two stay open.

    What was open when another process broke off is asked for again first.
    """
    for left in left_running(study):
        park(study, left.number)
    opened: deque[optuna.Trial] = deque()
    while next_number(study.get_trials(deepcopy=False)) < until:
        trials = study.get_trials(deepcopy=False)
        if len(opened) < 2 and trials_left(trials, config):
            study.sampler = build_sampler(config, trials, number=next_number(trials))
            opened.append(study.ask())
            propose(opened[-1], space=config.study_space, experiment=config.experiment)
            if config.hypermodel is not None:
                draw_for(opened[-1])
        elif opened:
            trial = opened.popleft()
            study.tell(trial, score(trial.params))
        else:
            return


def study_of(url: str, config: SweepConfig) -> optuna.Study:
    """The study of a sweep, as a coordinator opens it."""
    return open_study(url, config.name, direction=config.experiment.direction)


def main() -> None:
    for plan in json.load(sys.stdin):
        config = SweepConfig.model_validate_json(json.dumps(plan["config"]))
        ask_and_tell(study_of(plan["url"], config), config, until=plan["until"])


if __name__ == "__main__":
    main()
