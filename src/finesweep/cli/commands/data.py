"""``finesweep data check``: what a data file holds, before anything is trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finesweep.cli import options
from finesweep.errors import EXIT_USER_ERROR, UserError

if TYPE_CHECKING:
    from finesweep.config import DataConfig

EXAMPLES = options.examples(
    "data check packaged:headlines --text headline --label is_sarcastic",
    "data check reviews.csv --text body --label stars --checkpoint packaged:minilm-l6-h384",
    "data check experiments/headlines.yaml --set data.path=sarcasm.json",
)

app = typer.Typer(no_args_is_help=True)


@app.callback()
def data() -> None:
    """Look at labelled texts before training on them."""


@app.command(epilog=EXAMPLES)
def check(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A data file or URL, packaged:headlines, or an experiment.yaml."
        ),
    ],
    text: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column of the texts.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column of the labels.")
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Count tokens with this checkpoint's tokenizer; without it, words."
        ),
    ] = None,
    overrides: options.Overrides = None,
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Report rows, classes, lengths, gaps and duplicates.

    Exits with 2 if the data cannot be trained on, and says why.
    """
    from finesweep.cli.console import print_json, tell
    from finesweep.cli.progress import StepProgress, waiting
    from finesweep.config.cache import cache_directory
    from finesweep.data import check as check_data
    from finesweep.models.sources import resolve_checkpoint

    config, named = _data_config(file, text=text, label=label, overrides=list(overrides or []))
    tokenizer = None
    if source := checkpoint or named:
        with waiting(f"looking for the checkpoint {source}"):
            tokenizer = resolve_checkpoint(source)
    with StepProgress() as progress:
        report = check_data(config, cache=cache_directory(), tokenizer=tokenizer, progress=progress)
    if as_json:
        print_json(report.to_plain())
    else:
        for line in report.lines():
            tell(line)
    if not report.ok:
        raise typer.Exit(EXIT_USER_ERROR)


def _data_config(
    file: str, *, text: str | None, label: str | None, overrides: list[str]
) -> tuple[DataConfig, str | None]:
    """The data to check, and the checkpoint its experiment names."""
    from finesweep.config import DataConfig, load_experiment

    if file.endswith((".yaml", ".yml")):
        columns = [
            f"data.{name}={value}" for name, value in (("text", text), ("label", label)) if value
        ]
        experiment = load_experiment(Path(file), [*overrides, *columns])
        return experiment.data, experiment.model.checkpoint
    if overrides:
        raise UserError("--set goes with an experiment file; name one instead of the data file")
    return DataConfig(path=file, text=text or "text", label=label or "label"), None
