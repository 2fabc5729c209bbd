"""``finesweep train``: one fine-tuning with the experiment's own hyperparameters."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from finesweep.cli import options

EXAMPLES = options.examples(
    "train experiments/sample.yaml",
    "train experiments/headlines.yaml --set learning_rate=3e-5 --set epochs=2 --json",
)


def train(
    experiment: Annotated[
        Path, typer.Argument(metavar="EXPERIMENT.yaml", help="The experiment file.")
    ],
    overrides: options.Overrides = None,
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Fine-tune once, as one run in MLflow.

    The hyperparameters are the experiment's own: learning_rate, batch_size, epochs, max_length.
    """
    from finesweep.cli.console import command_name, print_json, tell
    from finesweep.cli.interrupts import signals_as_interrupt
    from finesweep.cli.links import tell_where_to_look
    from finesweep.cli.preparing import make_ready
    from finesweep.cli.progress import SweepProgress, waiting
    from finesweep.config import load_experiment
    from finesweep.sweeps.engines.local import LocalEngine

    config = load_experiment(experiment, list(overrides or []))
    ready = make_ready(config, longest=config.max_length)
    workdir = options.STORE_FOLDER.absolute() / "work" / f"train-{config.name}"
    with waiting("opening the tracking store"):
        from finesweep.sweeps.single import run_single
        from finesweep.tracking import TrackingStore

        store = TrackingStore.open()
    engine = LocalEngine(ready.setup, logs=workdir / "logs")
    with signals_as_interrupt(), SweepProgress(metric=config.metric) as progress:
        result = run_single(
            config, data=ready.data, store=store, engine=engine, observer=progress, workdir=workdir
        )
    if as_json:
        print_json({**asdict(result), **result.metrics})
        return
    for name, value in result.metrics.items():
        tell(f"{name:<22} {value:.4f}")
    tell(f"{'seconds':<22} {result.seconds:.1f}\n")
    tell(f"run:       {result.run_id}")
    tell(f'classify:  {command_name()} predict runs:/{result.run_id}/model "some text"')
    tell_where_to_look(result.experiment_id)
