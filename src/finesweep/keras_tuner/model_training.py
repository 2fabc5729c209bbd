"""One training of a built model: its data, its ticks, its resume point, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from finesweep.data import Batch, EncodedTexts, stratified_sample, whole_split
from finesweep.keras_tuner.drawing import Drawing
from finesweep.keras_tuner.fitting import Training, fit, watches_validation
from finesweep.keras_tuner.measuring import form_of, measured
from finesweep.keras_tuner.ticking import TickCallback, TrainingEnded
from finesweep.models.distilbert import TFDistilBertForSequenceClassification
from finesweep.models.keras_checkpoint import (
    KerasLogits,
    Outputs,
    arranged,
    outputs_of,
    write_keras_checkpoint,
)
from finesweep.models.pretrained import read_checkpoint
from finesweep.training.progress import (
    TICKS_PER_EPOCH,
    Answer,
    FineTuned,
    Tick,
    TrainingSetup,
)
from finesweep.training.resume import ResumeFile, ResumePoint

_ACCUMULATOR = "gradient_accumulator"
# As many as show whether the outputs have the right form.
_FEW_ROWS = 32


class ModelTraining:
    """Trains ``model``, which ``drawing`` has built, and tells how it goes.

    ``resume_point`` is the file it goes on from, where the way it trains allows that.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        texts: EncodedTexts,
        *,
        drawing: Drawing,
        model: Any,
        resume_point: Path,
    ) -> None:
        self._setup = setup
        self._texts = texts
        self._drawing = drawing
        self._model = model
        self._resume_point = resume_point
        self._file: ResumeFile | None = None
        self._keeps = True
        self._max_length = drawing.hyperparameters.max_length
        self._validation = self._whole(texts.validation)
        self._sample = self._whole(
            stratified_sample(
                texts.labels, texts.validation, limit=setup.tick_validation_rows, seed=setup.seed
            )
        )
        self._form = replace(
            form_of(setup, texts, max_length=self._max_length), outputs=self._outputs()
        )
        self._logits = KerasLogits(model, self._form)

    def run(
        self,
        hypermodel: Any,
        *,
        output: Path,
        on_tick: Callable[[Tick], Answer],
        accumulation: int,
    ) -> FineTuned:
        """Train to the end, or to the tick that ends it."""
        train = self._whole(self._texts.train)
        callback = TickCallback(
            n_train=len(train.labels), measure=self._measure, on_tick=on_tick, save=self._save
        )
        training = Training(
            x=self._arranged(train),
            y=train.labels,
            validation=(self._arranged(self._validation), self._validation.labels),
            hyperparameters=self._drawing.hyperparameters,
            callback=callback,
            parts=accumulation,
        )
        precision = str(self._model.dtype_policy.compute_dtype)
        try:
            fit(
                hypermodel,
                self._drawing.hp,
                self._model,
                training=training,
                go_on=lambda: self._go_on(callback),
                keep_no_more=self._keep_no_more,
                lend=self._drawing.lend,
                begin=self._drawing.begin,
            )
            self._finish(callback, measure_again=watches_validation(hypermodel))
        except TrainingEnded:
            return callback.point.outcome(checkpoint=None, precision=precision)
        self._write(output)
        return callback.point.outcome(checkpoint=output, precision=precision)

    def _finish(self, callback: TickCallback, *, measure_again: bool) -> None:
        """Measure the model as it is at the end, which may be that of another epoch than the last.

        Told as a tick only if none was: an answer to it could change nothing.
        """
        if measure_again or not callback.point.tick:
            total = self._drawing.hyperparameters.epochs * TICKS_PER_EPOCH
            callback.finish(self._measure(full=True), ticks=total)

    def _measure(self, *, full: bool) -> dict[str, float]:
        # Here at the latest: nobody sees a loop by hand begin.
        self._drawing.begin()
        batch = self._validation if full else self._sample
        return measured(self._logits, batch, prefix="val")

    def _go_on(self, callback: TickCallback) -> int:
        """The epoch to begin at, with the model as it was at the resume point."""
        if self._file is not None:
            return 0
        optimizer = self._model.optimizer
        if optimizer is not None and not optimizer.built:
            optimizer.build(self._model.trainable_variables)
        self._file = ResumeFile(
            self._resume_point,
            identity=self._identity(),
            variables=_named(self._model.variables, optimizer.variables if optimizer else []),
        )
        variables = self._file.variables
        there = self._resume_point.exists()
        before = {name: one.numpy() for name, one in variables.items()} if there else {}
        point = self._file.restore()
        if point is None:
            # A file that broke off half-way may have been read half-way.
            for name, value in before.items():
                variables[name].assign(value)
            return 0
        callback.start_from(point)
        epoch = point.tick // TICKS_PER_EPOCH
        # Not the first epoch's order of rows again.
        keras.utils.set_random_seed(self._setup.seed + epoch)
        return epoch

    def _save(self, point: ResumePoint) -> None:
        if self._file is not None and self._keeps:
            self._file.save(point)

    def _keep_no_more(self) -> None:
        self._keeps = False

    def _identity(self) -> dict[str, Any]:
        """All that decides how the trial goes on, apart from the user's code.

        One that others go on from is the beginning of one with more epochs.
        """
        prepared = self._setup.prepared
        fixed, drawn = self._drawing.hyperparameters.as_dict(), self._drawing.values
        if self._setup.continuable:
            del fixed["epochs"]
            drawn.pop("epochs", None)
        return {
            **fixed,
            "hyperparameters": drawn,
            "hypermodel": self._setup.hypermodel.name if self._setup.hypermodel else "",
            "seed": self._setup.seed,
            "labels": self._setup.label_names,
            "dataset": [prepared.parent.parent.name, prepared.name],
        }

    def _write(self, output: Path) -> None:
        model = self._model
        if isinstance(model, TFDistilBertForSequenceClassification):
            model.config = model.config.with_labels(id2label=self._form.id2label)
            model.save_pretrained(output)
            return
        tokenizer_files = read_checkpoint(self._setup.checkpoint).tokenizer_files
        write_keras_checkpoint(
            output, model=model, form=self._form, tokenizer_files=tokenizer_files
        )

    def _outputs(self) -> Outputs:
        """What the model answers; building whatever Keras builds at a first call."""
        few = self._whole(self._texts.validation[:_FEW_ROWS])
        outputs = self._model(self._arranged(few), training=False)
        outputs = np.asarray(getattr(outputs, "logits", outputs))
        return outputs_of(self._model, outputs, labels=len(self._setup.label_names))

    def _whole(self, rows: NDArray[np.int64]) -> Batch:
        return whole_split(self._texts, rows, max_length=self._max_length)

    def _arranged(self, batch: Batch) -> Any:
        return arranged(self._model, batch.input_ids, batch.attention_mask)


def _named(weights: list[Any], optimizer: list[Any]) -> dict[str, Any]:
    """TensorFlow's variables by lasting names; Keras gives the same path to several at times.

    Sums of gradients that are not applied yet are left out: a trial that ran out of memory goes on
    in smaller batches from a point where there were none.
    """
    optimizer = [variable for variable in optimizer if _ACCUMULATOR not in variable.path]
    return {
        f"{kind}.{place:04d}.{variable.path}": variable.value
        for kind, variables in (("model", weights), ("optimizer", optimizer))
        for place, variable in enumerate(variables)
    }
