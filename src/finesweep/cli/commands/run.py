"""``finesweep run``: a sweep, from its file to a registered model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finesweep.cli import options

if TYPE_CHECKING:
    from finesweep.cli.preparing import Ready
    from finesweep.config import SweepConfig
    from finesweep.sweeps import SweepResult


def run(
    sweep: Annotated[Path, typer.Argument(metavar="SWEEP.yaml", help="The sweep file.")],
    overrides: options.Overrides = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="How many trials in all; same as --set trials=N.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stop after this long: 90s, 30m, 2h.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be run, and run nothing.")
    ] = False,
    study: options.Study = None,
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Run a sweep; the same command goes on with one that was stopped.

    Each trial fine-tunes DistilBERT and is a run in MLflow; the best is registered if the file says
    so.
    """
    from finesweep.cli.preparing import make_ready
    from finesweep.config import load_sweep

    given = list(overrides or [])
    given += [f"trials={trials}"] if trials is not None else []
    given += [f"timeout={timeout}"] if timeout is not None else []
    config = load_sweep(sweep, given)
    ready = make_ready(config.experiment, longest=config.longest_max_length)
    if plan:
        _print_plan(config, ready, as_json=as_json)
        return
    result = _run(config, ready, study=options.study_url(study))
    _print_result(result, as_json=as_json)


def _run(config: SweepConfig, ready: Ready, *, study: str) -> SweepResult:
    from finesweep.cli.progress import SweepProgress
    from finesweep.sweeps import run_sweep
    from finesweep.sweeps.engines.local import LocalEngine
    from finesweep.tracking import TrackingStore

    workdir = options.STORE_FOLDER.absolute() / "work" / config.name
    # Opened before the engine: a store that cannot be used is told before any process starts.
    store = TrackingStore.open()
    engine = LocalEngine(ready.setup, logs=workdir / "logs")
    with SweepProgress(metric=config.experiment.metric) as progress:
        return run_sweep(
            config,
            setup=ready.setup,
            data=ready.data,
            store=store,
            study_url=study,
            engine=engine,
            observer=progress,
            workdir=workdir,
        )


def _print_plan(config: SweepConfig, ready: Ready, *, as_json: bool) -> None:
    from finesweep.cli.console import output, print_json
    from finesweep.cli.progress import values_line
    from finesweep.config import to_plain, to_yaml
    from finesweep.sweeps import first_proposals
    from finesweep.sweeps.estimate import estimate

    proposals = first_proposals(config, min(5, config.trials))
    expected = estimate(config, checkpoint=ready.checkpoint, data=ready.data)
    if as_json:
        print_json(
            {
                "configuration": to_plain(config),
                "first_proposals": [proposal.as_dict() for proposal in proposals],
                "seconds": expected.seconds,
                "disk_bytes": expected.disk_bytes,
            }
        )
        return
    console = output()
    console.print(f"# {config.name}: the resolved configuration\n{to_yaml(config)}", markup=False)
    console.print("# what is tried first")
    for number, proposal in enumerate(proposals):
        console.print(f"t{number:03d}  {values_line(proposal)}", markup=False)
    console.print(f"\n# estimate\n{expected.describe()}", markup=False)
    console.print("Nothing was run.")


def _print_result(result: SweepResult, *, as_json: bool) -> None:
    from dataclasses import asdict

    from finesweep.cli.console import command_name, output, print_json
    from finesweep.cli.links import ui_hint
    from finesweep.cli.tables import trials_table

    if as_json:
        print_json(asdict(result))
        return
    console = output()
    console.print(trials_table(result))
    if result.best is not None:
        console.print(f"best: t{result.best.number:03d}, run {result.best.run_id}")
    for name, value in result.test_metrics.items():
        console.print(f"  {name} {value:.4f}")
    if result.registered is not None:
        version = result.registered
        uri = f"models:/{version.name}/{version.stage or version.version}"
        console.print(f"registered: {version.name} version {version.version}, {version.stage}")
        console.print(f'\nclassify:  {command_name()} predict {uri} "some text"')
    console.print(f"look:      {ui_hint(result.experiment_id, result.run_id)}", soft_wrap=True)
