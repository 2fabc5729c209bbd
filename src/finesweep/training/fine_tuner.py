"""One fine-tuning after another with one model: what a worker process keeps alive."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from finesweep.data import EncodedTexts
from finesweep.errors import OutOfMemoryError
from finesweep.models.distilbert import TFDistilBertForSequenceClassification
from finesweep.models.inference import CompiledLogits
from finesweep.models.pretrained import read_checkpoint, read_config
from finesweep.models.weights import weight_table
from finesweep.training.accumulation import AccumulatedStep
from finesweep.training.course import Course
from finesweep.training.evaluation import Evaluator
from finesweep.training.fused_step import new_train_step
from finesweep.training.hyperparameters import Hyperparameters
from finesweep.training.memory import give_back_free_memory, overwrite
from finesweep.training.precision import dtype_policy, resolve_precision
from finesweep.training.progress import Answer, EvaluationSplit, FineTuned, Tick, TrainingSetup
from finesweep.training.resume import BEGINNING, ResumeFile
from finesweep.training.step import TrainStep

OnTick = Callable[[Tick], Answer]


class FineTuner:
    """The ``Trainer`` of DistilBERT: builds and traces once, then resets between fine-tunings.

    Every fine-tuning starts from the same weights, with an empty optimizer and the same random
    state, or from its own resume point, so that what ran before leaves no trace. The checkpoint's
    classifier is kept if it was trained for the very same labels, else a new one is drawn from the
    setup's seed.
    """

    def __init__(self, setup: TrainingSetup) -> None:
        self.setup = setup
        self.precision = resolve_precision(setup.precision)
        self.texts = EncodedTexts.open(setup.prepared)
        id2label = dict(enumerate(setup.label_names))
        trained, _ = read_config(setup.checkpoint)
        self.model = TFDistilBertForSequenceClassification.from_pretrained(
            setup.checkpoint,
            id2label=id2label,
            # Another order of the same names would make the old classifier answer wrong.
            keep_head=dict(trained.id2label) == id2label,
            seed=setup.seed,
            dtype=dtype_policy(self.precision),
        )
        self.train_step = new_train_step(self.model)
        self.evaluator = Evaluator(
            CompiledLogits(self.model),
            self.texts,
            tick_rows=setup.tick_validation_rows,
            seed=setup.seed,
        )
        self._initial_weights = [tf.constant(weight) for weight in self.model.get_weights()]
        self._checkpoint_digest = self._digest_of_body()

    def fine_tune(
        self,
        hyperparameters: Hyperparameters,
        *,
        output: Path,
        on_tick: OnTick,
        resume_point: Path,
        accumulation: int = 1,
    ) -> FineTuned:
        """Fine-tune from ``resume_point`` or the setup's checkpoint; save to ``output`` at the end.

        See ``Trainer.fine_tune``. Raises ``DivergedError`` at the first tick whose training or
        validation loss is not finite, ``OutOfMemoryError``, and ``OSError`` when a resume point
        cannot be written.
        """
        file = ResumeFile(
            resume_point,
            identity=self._identity(hyperparameters),
            variables=self.train_step.state(),
        )
        try:
            start = file.restore()
            if start is None:
                # Afterwards: a file that broke off half-way may have been read half-way.
                self._reset(hyperparameters.learning_rate)
            step = self._step(accumulation)
            course = Course(
                hyperparameters,
                setup=self.setup,
                texts=self.texts,
                step=step,
                evaluator=self.evaluator,
                start=start or BEGINNING,
            )
            with step.held():
                return self._run(course, file=file, output=output, on_tick=on_tick)
        except (tf.errors.ResourceExhaustedError, MemoryError) as exc:
            raise _out_of_memory(hyperparameters, accumulation=accumulation) from exc
        finally:
            give_back_free_memory()

    def evaluate(
        self, checkpoint: Path, *, max_length: int, split: EvaluationSplit
    ) -> dict[str, float]:
        """Measure a saved checkpoint on a whole split; metrics named after the split."""
        tensors = read_checkpoint(checkpoint).tensors
        for entry in weight_table(self.model.config):
            self.model.variable(entry).assign(entry.to_variable(tensors))
        return self.evaluator.whole(split, max_length=max_length)

    def _run(self, course: Course, *, file: ResumeFile, output: Path, on_tick: OnTick) -> FineTuned:
        for tick in course.ticks():
            answer = on_tick(tick)
            # Only now that the tick is on record: a resume point ahead of the record would lose it,
            # one behind it only has some ticks told again.
            end_of_epoch = tick.full_validation and (self.setup.continuable or not course.at_end)
            if answer == "park" or (answer == "continue" and end_of_epoch):
                file.save(course.point)
            if answer != "continue":
                return course.point.outcome(checkpoint=None, precision=self.precision)
        self.model.save_pretrained(output)
        return course.point.outcome(checkpoint=output, precision=self.precision)

    def _reset(self, learning_rate: float) -> None:
        for variable, initial in zip(self.model.weights, self._initial_weights, strict=True):
            overwrite(variable.value, initial)
        self.train_step.optimizer.reset(learning_rate)
        self.model.seeds.state.assign(keras.random.SeedGenerator(self.setup.seed).state)

    def _step(self, accumulation: int) -> TrainStep | AccumulatedStep:
        if accumulation == 1:
            return self.train_step
        return AccumulatedStep(self.train_step, parts=accumulation)

    def _identity(self, hyperparameters: Hyperparameters) -> dict[str, Any]:
        """All that decides how a fine-tuning goes on from a resume point, by its name for the user.

        Parts of a batch are not in it: a trial that ran out of memory goes on in more of them. The
        epochs decide the learning rate of a linear schedule; with a constant one a fine-tuning of
        fewer epochs is the beginning of one of more.
        """
        prepared = self.setup.prepared
        values = hyperparameters.as_dict()
        if self.setup.schedule == "constant":
            del values["epochs"]
        return {
            "schedule": self.setup.schedule,
            **values,
            "precision": self.precision,
            "seed": self.setup.seed,
            "labels": self.setup.label_names,
            "checkpoint": self._checkpoint_digest,
            # The folders of the encoded texts and of the split, both named after their content.
            "dataset": [prepared.parent.parent.name, prepared.name],
        }

    def _digest_of_body(self) -> str:
        """The checkpoint, known by its numbers: a folder may move. A new head is the seed's."""
        digest = hashlib.blake2b(digest_size=16)
        for path, variable in self.model.variables_by_path().items():
            if not path.startswith("head."):
                digest.update(variable.numpy().tobytes())
        return digest.hexdigest()


def _out_of_memory(hyperparameters: Hyperparameters, *, accumulation: int) -> OutOfMemoryError:
    in_parts = f" in {accumulation} parts" if accumulation > 1 else ""
    return OutOfMemoryError(
        f"expected memory for a batch of {hyperparameters.batch_size} texts of up to "
        f"{hyperparameters.max_length} tokens{in_parts}, received too little; "
        "lower batch_size or max_length"
    )
