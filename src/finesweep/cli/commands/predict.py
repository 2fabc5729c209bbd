"""``finesweep predict``: classify texts, or the texts of a file, with a registered model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finesweep.cli import options
from finesweep.errors import UserError


def predict(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="models:/NAME/STAGE, or any MLflow model URI.")
    ],
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...")] = None,
    file: Annotated[Path | None, typer.Option(help="Classify the texts of this file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the file's predictions go.")] = None,
    column: Annotated[
        str, typer.Option("--text-column", metavar="NAME", help="The file's column of texts.")
    ] = "text",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace --out.")] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Classify texts: label, score, and the probability of each class."""
    if file is not None and out is not None and not texts:
        _predict_file(model, file, out, column=column, overwrite=overwrite)
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

    with native_noise_kept_back(), waiting(f"loading {model}"):
        predictions = predict_texts(TrackingStore.open(), model, texts)
    if not as_json:
        output().print(predictions_table(texts, predictions))
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


def _predict_file(model: str, file: Path, out: Path, *, column: str, overwrite: bool) -> None:
    from finesweep.cli.console import notes
    from finesweep.cli.progress import StepProgress
    from finesweep.cli.quiet import native_noise_kept_back
    from finesweep.registry import predict_file
    from finesweep.tracking import TrackingStore

    store = TrackingStore.open()
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
    notes().print(f"{rows:,} rows classified: {out}", markup=False)
