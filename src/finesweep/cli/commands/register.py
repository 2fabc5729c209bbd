"""``finesweep register``: make a sweep's best trial a version of a registered model."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from finesweep.cli import options
from finesweep.errors import RegistryError

EXAMPLES = options.examples(
    "register headlines-lr-batch --name headlines --stage Staging",
    "register 0123456789abcdef0123456789abcdef --name headlines",
)

_RUN_ID = re.compile(r"[0-9a-f]{32}")


def register(
    sweep: Annotated[
        str, typer.Argument(metavar="SWEEP", help="A sweep's name, or the id of any run.")
    ],
    name: Annotated[str, typer.Option(metavar="NAME", help="The registered model.")],
    stage: Annotated[
        str | None,
        typer.Option(metavar="STAGE", help="Move it to Staging, Production or Archived."),
    ] = None,
    study: options.Study = None,
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Make a sweep's best trial a version of a model.

    A run that is a version already stays that version.
    """
    from finesweep.cli.versions import print_version
    from finesweep.registry import register as register_run
    from finesweep.tracking import TrackingStore

    run_id = sweep if _RUN_ID.fullmatch(sweep) else _best_run(sweep, options.study_url(study))
    version = register_run(TrackingStore.open(create=False), run_id, name=name, stage=stage)
    print_version(version, as_json=as_json)


def _best_run(sweep: str, study: str) -> str:
    from finesweep.sweeps import load_result

    best = load_result(study, sweep).best
    if best is None or best.run_id is None:
        raise RegistryError(
            f"no trial of the sweep '{sweep}' has completed yet; run it on, or name a run's id"
        )
    return best.run_id
