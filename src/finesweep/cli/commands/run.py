"""``finesweep run``: a sweep, from its file to a registered model."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finesweep.cli import options

if TYPE_CHECKING:
    from finesweep.cli.preparing import Ready
    from finesweep.config import SweepConfig
    from finesweep.sweeps import SweepResult
    from finesweep.sweeps.result import Registered

EXAMPLES = options.examples(
    "run sweeps/quickstart.yaml",
    "run sweeps/headlines.yaml --plan",
    "run sweeps/headlines.yaml --trials 40 --timeout 2h --workers auto",
    "run sweeps/headlines.yaml --set experiment.data.path=other.json --new other",
)


def run(
    sweep: Annotated[Path, typer.Argument(metavar="SWEEP.yaml", help="The sweep file.")],
    overrides: options.Overrides = None,
    trials: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="How many trials in all, those of earlier calls included."
        ),
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stop after 90s, 30m or 2h; go on later.")
    ] = None,
    workers: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="Trials at a time, each with cores (or a GPU) of its own; auto: as many as the "
            "cores, GPUs and free memory allow.",
        ),
    ] = "1",
    new: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Start another sweep under this name, from this file."),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be run, and run nothing.")
    ] = False,
    study: options.Study = None,
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Run a sweep, or go on with one that was stopped.

    Each trial fine-tunes DistilBERT and is a run in MLflow; the best one is registered if the file
    says so. All of it is in mlruns/ of the working directory, or in the store that
    MLFLOW_TRACKING_URI names.

    Ctrl-C stops a sweep at the next tick of each trial, a second one at once. Whatever stopped it,
    a kill or a crash too, the same command goes on to the same total of trials, each from its last
    resume point.
    """
    from finesweep.cli.preparing import make_ready
    from finesweep.config import hypermodel_folders, load_sweep
    from finesweep.training.drawing import Hypermodel

    given = list(overrides or [])
    given += [f"trials={trials}"] if trials is not None else []
    given += [f"timeout={timeout}"] if timeout is not None else []
    given += [f"name={new}"] if new is not None else []
    count = _count_of(workers)
    config = load_sweep(sweep, given)
    ready = make_ready(config.experiment, longest=config.longest_max_length)
    if config.hypermodel is not None:
        hypermodel = Hypermodel(
            name=config.hypermodel,
            folders=hypermodel_folders(sweep),
            searched=tuple(config.study_space.entries()),
        )
        ready = replace(ready, setup=replace(ready.setup, hypermodel=hypermodel))
    if config.sampler.is_hyperband:
        ready = replace(ready, setup=replace(ready.setup, continuable=True))
    if config.sampler.is_oracle:
        _load_oracles()
    if plan:
        _print_plan(config, ready, study=options.study_url(study), as_json=as_json)
        return
    result = _run(config, ready, study=options.study_url(study), workers=count)
    _print_result(result, as_json=as_json)


def _count_of(workers: str) -> int | None:
    """``--workers`` as a number; None for ``auto``."""
    if workers == "auto":
        return None
    if not workers.isdecimal() or int(workers) < 1:
        raise typer.BadParameter(
            f"expected a whole number of at least 1, or auto, received {workers!r}",
            param_hint="'--workers'",
        )
    return int(workers)


def _load_oracles() -> None:
    """Load KerasTuner, and so TensorFlow, before anything is shown that it could print into."""
    from finesweep.cli.progress import waiting
    from finesweep.cli.quiet import native_noise_kept_back

    with native_noise_kept_back(), waiting("loading KerasTuner"):
        import_module("finesweep.sweeps.oracles.sampler")


def _run(config: SweepConfig, ready: Ready, *, study: str, workers: int | None) -> SweepResult:
    from finesweep.cli.interrupts import signals_ask
    from finesweep.cli.progress import SweepProgress, waiting
    from finesweep.sweeps.engines.local import LocalEngine

    workdir = options.STORE_FOLDER.absolute() / "work" / config.name
    with waiting("opening the tracking store and the study"):
        from finesweep.sweeps import run_sweep
        from finesweep.sweeps.disk import require_room
        from finesweep.sweeps.stopping import StopRequest
        from finesweep.sweeps.storage import require_usable
        from finesweep.tracking import TrackingStore

        # Before the store is made, and that before any process starts.
        require_usable(study)
        count = workers or _chosen_workers(config, ready)
        require_room(
            config, checkpoint=ready.checkpoint, workers=count, study_url=study, workdir=workdir
        )
        store = TrackingStore.open()
    engine = LocalEngine(ready.setup, workers=count, logs=workdir / "logs")
    stop = StopRequest()
    with signals_ask(stop), SweepProgress(metric=config.experiment.metric) as progress:
        return run_sweep(
            config,
            setup=ready.setup,
            data=ready.data,
            store=store,
            study_url=study,
            engine=engine,
            observer=progress,
            workdir=workdir,
            stop=stop,
        )


def _chosen_workers(config: SweepConfig, ready: Ready) -> int:
    """What ``auto`` comes to here, and says so."""
    from finesweep.cli.console import note
    from finesweep.sweeps.disk import weights_of
    from finesweep.sweeps.machine import choose_workers

    choice = choose_workers(parameters=weights_of(ready.checkpoint), trials=config.trials)
    note(choice.why)
    return choice.workers


def _print_plan(config: SweepConfig, ready: Ready, *, study: str, as_json: bool) -> None:
    from finesweep.cli.console import print_json, tell
    from finesweep.cli.progress import values_line
    from finesweep.config import to_plain, to_yaml
    from finesweep.sweeps import first_proposals
    from finesweep.sweeps.estimate import estimate
    from finesweep.sweeps.warm_start.reading import warm_start_of
    from finesweep.tracking import TrackingStore

    warm = warm_start_of(
        config,
        study_url=study,
        digest=ready.data.identity.digest,
        tracking=lambda: TrackingStore.open(create=False),  # a plan makes nothing
    )
    # Trials that differ in nothing but what the hypermodel draws are not worth a line each.
    count = min(5, config.trials) if config.study_space.entries() else 0
    proposals = first_proposals(config, count, earlier=warm.trials)
    expected = estimate(config, checkpoint=ready.checkpoint, data=ready.data)
    if as_json:
        print_json(
            {
                "configuration": to_plain(config),
                "first_proposals": [proposal.as_dict() for proposal in proposals],
                "warm_start": [report.to_plain() for report in warm.reports],
                "seconds": expected.seconds,
                "disk_bytes": expected.disk_bytes,
            }
        )
        return
    tell(f"# {config.name}: the resolved configuration\n{to_yaml(config)}")
    for report in warm.reports:
        tell(f"# warm start: {report}")
    tell("# what is tried first")
    for number, proposal in enumerate(proposals):
        tell(f"t{number:03d}  {values_line(proposal)}")
    if config.hypermodel is not None:
        tell(f"{'and ' if proposals else ''}what {config.hypermodel} draws when it is built")
    tell(f"\n# estimate\n{expected.describe()}\nNothing was run.")


def _print_result(result: SweepResult, *, as_json: bool) -> None:
    from dataclasses import asdict

    from finesweep.cli.console import output, print_json, tell
    from finesweep.cli.links import tell_where_to_look
    from finesweep.cli.tables import trials_table

    if as_json:
        print_json(asdict(result))
        return
    console = output()
    console.print(trials_table(result, width=console.width))
    if result.best is not None:
        tell(f"best:      t{result.best.number:03d}, run {result.best.run_id}")
    if result.test_metrics:
        measured = ", ".join(f"{name} {value:.4f}" for name, value in result.test_metrics.items())
        tell(f"test:      {measured}")
    if result.registered is not None:
        _tell_what_to_do_with(result.registered)
    tell_where_to_look(result.experiment_id, sweep=result.study_name, sweep_run_id=result.run_id)


def _tell_what_to_do_with(version: Registered) -> None:
    from finesweep.cli.console import command_name, tell
    from finesweep.cli.versions import model_uri

    uri = model_uri(version.name, version.version, stage=version.stage)
    tell(f"model:     {version.name} version {version.version}, {uri}")
    tell("\nNext steps")
    tell(f'classify:  {command_name()} predict {uri} "some text"')
    if version.stage != "Production":
        tell(f"promote:   {command_name()} promote {version.name} {version.version} Production")
