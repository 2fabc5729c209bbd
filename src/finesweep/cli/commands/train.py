"""``finesweep train``: one fine-tuning with the experiment's own hyperparameters."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from finesweep.cli import options


def train(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.yaml")],
    overrides: options.Overrides = None,
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Fine-tune once, with the experiment's own hyperparameters, as one run in MLflow."""
    from finesweep.cli.console import output, print_json
    from finesweep.cli.links import ui_hint
    from finesweep.cli.preparing import make_ready
    from finesweep.cli.progress import SweepProgress
    from finesweep.config import load_experiment
    from finesweep.sweeps.engines.local import LocalEngine
    from finesweep.sweeps.single import run_single
    from finesweep.tracking import TrackingStore

    config = load_experiment(experiment, list(overrides or []))
    ready = make_ready(config, longest=config.max_length)
    workdir = options.STORE_FOLDER.absolute() / "work" / f"train-{config.name}"
    store = TrackingStore.open()
    engine = LocalEngine(ready.setup, logs=workdir / "logs")
    with SweepProgress(metric=config.metric) as progress:
        result = run_single(
            config, data=ready.data, store=store, engine=engine, observer=progress, workdir=workdir
        )
    if as_json:
        print_json({**asdict(result), **result.metrics})
        return
    console = output()
    for name, value in result.metrics.items():
        console.print(f"{name:<22} {value:.4f}")
    console.print(f"{'seconds':<22} {result.seconds:.1f}")
    console.print(f"run: {result.run_id}")
    console.print(f"look: {ui_hint(result.experiment_id)}", soft_wrap=True)
