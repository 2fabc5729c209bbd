"""An experiment file: what is learned, from which data, starting at which checkpoint."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from finesweep.config.base import Problem, StrictModel, Words, reject, shown

Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100),
    Words("a name of letters, digits, '.', '_' and '-', at most 100, the first a letter or digit"),
]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$"), Words("64 lower-case hexadecimal digits")]
Seed = Annotated[int, Field(ge=0, lt=2**31)]

LearningRate = Annotated[float, Field(gt=0.0, le=1.0)]
BatchSize = Annotated[int, Field(ge=1, le=4096)]
Epochs = Annotated[int, Field(ge=1, le=1000)]
MaxLength = Annotated[int, Field(ge=4, le=8192)]


class PositionSplit(StrictModel):
    """Rows in file order: the first ``train``, the next ``validation``, the next ``test``."""

    by: Literal["position"]
    """Split by position in the file."""
    train: Annotated[int, Field(ge=1)]
    """Rows to train on."""
    validation: Annotated[int, Field(ge=1)]
    """Rows every tick and every choice between trials is measured on."""
    test: Annotated[int, Field(ge=0)] = 0
    """Rows the winner alone is measured on; 0 for no test split."""


class FractionSplit(StrictModel):
    """Seeded random fractions of every class; what is left over trains."""

    by: Literal["fraction"]
    """Split at random, every class in the same proportion."""
    validation: Fraction
    """Share of the rows every tick and every choice between trials is measured on."""
    test: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the rows the winner alone is measured on; 0 for no test split."""
    seed: Seed = 0
    """The same seed splits the same file the same way."""

    @model_validator(mode="after")
    def _leaves_rows_to_train_on(self) -> Self:
        if self.validation + self.test >= 1.0:
            total = f"{self.validation} + {self.test}"
            message = f"expected validation + test below 1, received {total}"
            reject([Problem(("test",), message, against=("validation",))])
        return self


class FileSplit(StrictModel):
    """``data.path`` trains; validation and test stand in other files, of the same columns."""

    by: Literal["files"]
    """Every split in its own file."""
    validation: Text
    """The file of the validation rows, found as ``data.path`` is."""
    test: Text | None = None
    """The file of the test rows, found as ``data.path`` is."""


Split = Annotated[PositionSplit | FractionSplit | FileSplit, Field(discriminator="by")]


class DataConfig(StrictModel):
    """Labelled texts: where they are, which columns hold them and how they are split."""

    path: Text
    """A file, an ``http(s)://`` URL, or ``packaged:headlines``, the bundled sample. A relative path
    in a file is relative to that file; in a ``--set``, to the working directory."""
    sha256: Sha256 | None = None
    """The digest the file at ``path`` must have; for data that is downloaded."""
    format: Literal["json", "jsonl", "csv", "tsv", "parquet"] | None = None
    """How ``path`` is read; when left out, its suffix says so."""
    text: Text = "text"
    """The column that holds the texts."""
    label: Text = "label"
    """The column that holds the labels, integers or text."""
    label_names: dict[int | str, Text] | None = None
    """A label as it stands in the data → the name shown to people and kept with the model, such as
    ``{0: 'not sarcastic', 1: sarcastic}``."""
    split: Split = FractionSplit(by="fraction", validation=0.2)
    """Which rows train, which choose between trials and which test the winner."""

    @model_validator(mode="after")
    def _names_tell_labels_apart(self) -> Self:
        problems = []
        if self.text == self.label:
            message = f"expected another column than text, received {shown(self.label)} for both"
            problems.append(Problem(("label",), message))
        if self.label_names is not None:
            problems += _label_name_problems(self.label_names)
        reject(problems)
        return self


def _label_name_problems(label_names: dict[int | str, str]) -> list[Problem]:
    """A model stores label ↔ name both ways, so names must differ, and labels as text too."""
    if len(label_names) < 2:
        message = f"expected a name for each of two labels or more, received {len(label_names)}"
        return [Problem(("label_names",), message)]
    problems = []
    labels: set[str] = set()
    owners: dict[str, int | str] = {}
    for label, name in label_names.items():
        at = ("label_names", label)
        if str(label) in labels:
            message = f"label {label} is named twice, as a number and as text; keep one"
            problems.append(Problem(at, message))
        labels.add(str(label))
        if name in owners:
            message = f"expected a name of its own, received {name!r}, the name of {owners[name]!r}"
            problems.append(Problem(at, message))
        owners[name] = label
    return problems


class ModelConfig(StrictModel):
    """The checkpoint fine-tuning starts from, and the precision it computes in."""

    checkpoint: Text = "distilbert/distilbert-base-uncased"
    """A Hugging Face hub id, a local directory, or ``packaged:minilm-l6-h384``, which needs no hub.
    A value that starts with ``./``, ``../``, ``/`` or ``~``, or names a directory that exists, is
    a path, relative as ``data.path`` is."""
    revision: Text | None = None
    """The branch, tag or commit of a hub id."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """What products are computed in. ``auto`` is bfloat16 where the processor multiplies it
    natively, else float32; weights are float32 either way."""


Metric = Literal["val/accuracy", "val/f1", "val/loss"]


class ExperimentConfig(StrictModel):
    """What is learned.

    ``finesweep train`` runs it once, with the four hyperparameters given here; a sweep's space
    takes their place.
    """

    name: Name
    """The MLflow experiment that runs are filed under."""
    data: DataConfig
    """The labelled texts."""
    model: ModelConfig = ModelConfig()
    """The checkpoint fine-tuning starts from."""
    metric: Metric = "val/accuracy"
    """What makes one trial better than another; F1 is the macro average."""
    learning_rate: LearningRate = 5e-5
    """Adam's learning rate."""
    batch_size: BatchSize = 16
    """Examples in a training step."""
    epochs: Epochs = 3
    """Passes over the training rows."""
    max_length: MaxLength = 64
    """Tokens kept of each text."""
    tick_validation_rows: Annotated[int, Field(ge=1)] = 1000
    """Most validation rows evaluated at a tick (a quarter of an epoch) inside an epoch: a fixed,
    stratified choice, the same in every trial. The end of an epoch evaluates the whole split."""
    schedule: Literal["linear", "constant"] = "linear"
    """How the learning rate goes: down to 0 in a straight line over the whole training, which ends
    it calmly, or ``constant``, as in the article."""
    seed: Seed = 0
    """Seeds the new head, dropout and the order of the rows."""

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Whether a better trial has a larger or a smaller metric."""
        return "minimize" if self.metric == "val/loss" else "maximize"
