"""``finesweep predict``: classify texts, or the texts of a file, with a registered model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finesweep.cli import options
from finesweep.errors import UserError

EXAMPLES = options.examples(
    'predict models:/headlines/Staging "a headline" "another one"',
    "predict models:/headlines/Production --file in.csv --out out.csv",
)


def predict(
    model: options.Model,
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="What to classify.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(metavar="IN", help="Classify a file: .csv, .tsv, .json, .jsonl, .parquet."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="The same file with its predictions; any format of IN's."),
    ] = None,
    column: Annotated[
        str, typer.Option("--text-column", metavar="COLUMN", help="The column of the texts in IN.")
    ] = "text",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUT if it exists.")
    ] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Classify texts, or the texts of a file.

    Gives the label, its score, and the probability of each class.
    """
    if file is not None and out is not None and not texts:
        _predict_file(model, file, out, column=column, overwrite=overwrite, as_json=as_json)
    elif texts and file is None and out is None:
        _predict_texts(model, texts, as_json=as_json)
    else:
        raise UserError("expected one or more texts, or --file IN together with --out OUT")


def _predict_texts(model: str, texts: list[str], *, as_json: bool) -> None:
    from finesweep.cli.console import output, print_json
    from finesweep.cli.progress import waiting
    from finesweep.cli.quiet import native_noise_kept_back
    from finesweep.cli.tables import predictions_table
    from finesweep.registry import predict as predict_texts
    from finesweep.tracking import TrackingStore

    for number, text in enumerate(texts, start=1):
        _require_text(text, number)
    store = TrackingStore.open(create=False)
    with native_noise_kept_back(), waiting(f"loading {model}"):
        predictions = predict_texts(store, model, texts)
    if not as_json:
        console = output()
        console.print(predictions_table(texts, predictions, width=console.width))
        return
    rows = zip(
        texts, predictions.labels, predictions.scores, predictions.probabilities, strict=True
    )
    print_json(
        [
            {
                "text": text,
                "label": label,
                "score": float(score),
                "probabilities": dict(
                    zip(predictions.class_names, map(float, probabilities), strict=True)
                ),
            }
            for text, label, score, probabilities in rows
        ]
    )


def _require_text(text: str, number: int) -> None:
    if not text.strip():
        raise UserError(f"expected a text to classify, received an empty one: number {number}")
    if any("\ud800" <= character <= "\udfff" for character in text):
        # How Python hands on bytes of an argument that are no text.
        raise UserError(f"expected text in UTF-8, received other bytes: number {number}")


def _predict_file(
    model: str, file: Path, out: Path, *, column: str, overwrite: bool, as_json: bool
) -> None:
    from finesweep.cli.console import note, print_json
    from finesweep.cli.progress import StepProgress
    from finesweep.cli.quiet import native_noise_kept_back
    from finesweep.registry import predict_file
    from finesweep.tracking import TrackingStore

    store = TrackingStore.open(create=False)
    with native_noise_kept_back(), StepProgress() as progress:
        rows = predict_file(
            store,
            model,
            file,
            out,
            text_column=column,
            overwrite=overwrite,
            progress=lambda done, total: progress("classifying", done, total),
        )
    if as_json:
        print_json({"rows": rows, "out": str(out)})
    else:
        note(f"{rows:,} rows classified: {out}")
