"""DistilBERT as a KerasTuner hypermodel: more to search than the four hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import keras
import keras_tuner

from finesweep.keras_tuner.rates import RateSchedule
from finesweep.models.distilbert import TFDistilBertForSequenceClassification
from finesweep.models.pretrained import read_config
from finesweep.training.precision import dtype_policy, resolve_precision
from finesweep.training.progress import TrainingSetup

# The largest rate that dropout is searched up to; half of the numbers is much already.
_MOST_DROPOUT = 0.5


class DistilBertHyperModel(keras_tuner.HyperModel):
    """Fine-tunes a DistilBERT checkpoint and searches how.

    Its hyperparameters:

    * ``learning_rate``: of Adam, at its highest;
    * ``schedule``: how the rate goes after the warm-up, ``linear`` or ``cosine`` down to 0, or
      ``constant``; ``warmup``: the share of all steps in which it rises from 0;
    * ``weight_decay``: AdamW's, of every weight matrix and table;
    * ``dropout``: in the body; ``head_dropout``: before the classifier;
    * ``frozen_layers``: so many layers, counted from the texts on, keep their weights, and the
      embeddings below them; 0 freezes nothing.

    In a sweep file: ``hypermodel: finesweep.keras_tuner:DistilBertHyperModel``, with the
    experiment's checkpoint, labels, seed and precision. For a tuner of KerasTuner's own it is made
    with a checkpoint, as ``TFDistilBertForSequenceClassification.from_pretrained`` takes it, and
    searched with ``x`` a mapping of ``input_ids`` and ``attention_mask``.

    ``keep_head`` says whether the checkpoint's classifier is gone on from.
    """

    watches_validation = False

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        num_labels: int | None = None,
        id2label: Mapping[int, str] | None = None,
        keep_head: bool = False,
        seed: int | None = None,
        dtype: Any = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.num_labels = num_labels
        self.id2label = id2label
        self.keep_head = keep_head
        self.seed = seed
        self.dtype = dtype
        super().__init__(name="distilbert")

    @classmethod
    def for_experiment(cls, setup: TrainingSetup) -> Self:
        """The hypermodel of a sweep: what each trial shares is the experiment's."""
        id2label = dict(enumerate(setup.label_names))
        trained, _ = read_config(setup.checkpoint)
        return cls(
            setup.checkpoint,
            id2label=id2label,
            keep_head=dict(trained.id2label) == id2label,
            seed=setup.seed,
            dtype=dtype_policy(resolve_precision(setup.precision)),
        )

    def build(self, hp: Any) -> TFDistilBertForSequenceClassification:
        """The compiled model, its first layers frozen."""
        model = TFDistilBertForSequenceClassification.from_pretrained(
            self.checkpoint,
            num_labels=self.num_labels,
            id2label=self.id2label,
            keep_head=self.keep_head,
            ignore_mismatched_sizes=True,
            seed=self.seed,
            dtype=self.dtype,
        )
        set_dropout(
            model,
            body=hp.Float("dropout", 0.0, _MOST_DROPOUT, step=0.05, default=0.1),
            head=hp.Float("head_dropout", 0.0, _MOST_DROPOUT, step=0.05, default=0.2),
        )
        freeze(model, layers=hp.Int("frozen_layers", 0, model.config.n_layers))
        optimizer = keras.optimizers.AdamW(
            learning_rate=hp.Float("learning_rate", 1e-5, 1e-4, sampling="log", default=5e-5),
            weight_decay=hp.Float("weight_decay", 1e-4, 1e-1, sampling="log", default=1e-2),
        )
        # As BERT was trained: what shifts and scales is not drawn to 0.
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        model.compile(optimizer=optimizer, metrics=["accuracy"])
        # Declared here, where tuners look for a search space; ``fit`` carries them out.
        hp.Choice("schedule", ["linear", "cosine", "constant"])
        hp.Float("warmup", 0.0, 0.2, step=0.05)
        return model

    def fit(self, hp: Any, model: Any, *args: Any, callbacks: Any = (), **kwargs: Any) -> Any:
        """``model.fit`` with the learning rate on its schedule."""
        rates = RateSchedule(
            hp.get("learning_rate"), schedule=hp.get("schedule"), warmup=hp.get("warmup")
        )
        return model.fit(*args, callbacks=[rates, *callbacks], **kwargs)


def set_dropout(model: TFDistilBertForSequenceClassification, *, body: float, head: float) -> None:
    """Give the body and the head other rates of dropout; the attention's stays.

    To be called before the model is first used.
    """
    model.embeddings.dropout.rate = body
    for block in model.blocks:
        block.dropout.rate = body
    model.head.dropout.rate = head
    model.config = replace(model.config, dropout=body, seq_classif_dropout=head)


def freeze(model: TFDistilBertForSequenceClassification, *, layers: int) -> None:
    """Keep the embeddings and the first ``layers`` layers as they are; 0 freezes nothing."""
    model.embeddings.trainable = layers == 0
    for number, block in enumerate(model.blocks):
        block.trainable = number >= layers
