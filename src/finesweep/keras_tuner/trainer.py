"""The trainer of a hypermodel: builds a model for every trial, trains it as it wants, measures it.

The encoded texts come as ``x``, all padded to ``max_length``: the ids for a model of one input, ids
and mask for one that takes both. The labels are ``y``. Metrics are computed from the model's
outputs, whatever it was compiled with, so that they compare with those of any other trial.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from finesweep.data import EncodedTexts, whole_split
from finesweep.errors import OutOfMemoryError
from finesweep.keras_tuner.drawing import Drawing
from finesweep.keras_tuner.loading import hypermodel_maker
from finesweep.keras_tuner.measuring import form_of, measured
from finesweep.keras_tuner.model_training import ModelTraining
from finesweep.models.distilbert import TFDistilBertForSequenceClassification
from finesweep.models.keras_checkpoint import (
    KerasLogits,
    is_keras_checkpoint,
    read_keras_checkpoint,
)
from finesweep.training.drawing import Draws, Hypermodel
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.progress import (
    Answer,
    EvaluationSplit,
    FineTuned,
    Tick,
    TrainingSetup,
)


class HyperModelTrainer:
    """The ``Trainer`` of the setup's hypermodel; draws from whom ``draw_from`` names.

    Nothing of one fine-tuning is left for the next: Keras' state is cleared, and the seed set
    again, before each build. What the user's module keeps by itself stays.
    """

    def __init__(self, setup: TrainingSetup) -> None:
        if setup.hypermodel is None:
            raise ValueError("expected a setup with a hypermodel, received one without")
        self.setup = setup
        self.hypermodel: Hypermodel = setup.hypermodel
        self.texts = EncodedTexts.open(setup.prepared)
        self._new_hypermodel = hypermodel_maker(self.hypermodel, setup)
        self._draws: Draws | None = None

    def draw_from(self, draws: Draws) -> None:
        """Ask ``draws`` for the hyperparameters of the next fine-tuning."""
        self._draws = draws

    def fine_tune(
        self,
        hyperparameters: Hyperparameters,
        *,
        output: Path,
        on_tick: Callable[[Tick], Answer],
        resume_point: Path,
        accumulation: int = 1,
    ) -> FineTuned:
        """Build, train and save a model.

        See ``Trainer.fine_tune``. A resume point is kept at the ends of epochs, and gone on from,
        where ``model.fit`` trains, or a ``fit`` of the hypermodel's own that takes
        ``initial_epoch``; any other begins again. Raises what the user's code raises,
        ``DivergedError`` and ``OutOfMemoryError``.
        """
        assert self._draws is not None, "the worker names whom to ask before each fine-tuning"
        keras.backend.clear_session(free_memory=True)
        keras.utils.set_random_seed(self.setup.seed)
        drawing = Drawing(self._draws, hyperparameters, searched=self.hypermodel.searched)
        try:
            hypermodel = self._new_hypermodel()
            model = drawing.build(hypermodel)
            training = ModelTraining(
                self.setup, self.texts, drawing=drawing, model=model, resume_point=resume_point
            )
            return training.run(
                hypermodel, output=output, on_tick=on_tick, accumulation=accumulation
            )
        except (tf.errors.ResourceExhaustedError, MemoryError) as exc:
            raise OutOfMemoryError(
                "expected memory for the model and its batches, received too little; lower "
                "batch_size or max_length, or narrow the hypermodel"
            ) from exc
        finally:
            drawing.conclude()

    def evaluate(
        self, checkpoint: Path, *, max_length: int, split: EvaluationSplit
    ) -> dict[str, float]:
        """Measure a saved checkpoint on a whole split; metrics named after the split."""
        keras.backend.clear_session(free_memory=True)
        if is_keras_checkpoint(checkpoint):
            logits, _ = read_keras_checkpoint(checkpoint)
        else:
            model = TFDistilBertForSequenceClassification.from_pretrained(checkpoint)
            logits = KerasLogits(model, form_of(self.setup, self.texts, max_length=max_length))
        rows, prefix = (
            (self.texts.test, "test") if split == "test" else (self.texts.validation, "val")
        )
        batch = whole_split(self.texts, rows, max_length=max_length)
        return measured(logits, batch, prefix=prefix)
