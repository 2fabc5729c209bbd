"""DistilBertHyperModel by itself, as one of KerasTuner's own tuners would use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from finesweep.data import EncodedTexts, whole_split
from finesweep.keras_tuner import DistilBertHyperModel
from finesweep.keras_tuner.distilbert import freeze, set_dropout
from finesweep.keras_tuner.rates import rate_factor
from finesweep.models.distilbert import TFDistilBertForSequenceClassification
from finesweep.training import TrainingSetup


class Rates(keras.callbacks.Callback):
    """The learning rate of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(float(self.model.optimizer.learning_rate))


def test_with_kerastuners_defaults(tiny_checkpoint: Path, setup: TrainingSetup) -> None:
    texts = EncodedTexts.open(setup.prepared)
    train = whole_split(texts, texts.train, max_length=12)
    x = {"input_ids": train.input_ids, "attention_mask": train.attention_mask}
    hypermodel = DistilBertHyperModel(tiny_checkpoint, num_labels=2, seed=3)
    hp, rates = keras_tuner.HyperParameters(), Rates()
    hp.Fixed("warmup", 0.2)
    model = hypermodel.build(hp)
    history = hypermodel.fit(
        hp, model, x, train.labels, batch_size=28, epochs=2, callbacks=[rates], verbose=0
    )
    rest = {"weight_decay": 1e-2, "dropout": 0.1, "head_dropout": 0.2, "frozen_layers": 0}
    assert hp.values == {"learning_rate": 5e-5, "schedule": "linear", "warmup": 0.2, **rest}
    assert [len(history.history[name]) for name in ("loss", "accuracy")] == [2, 2]
    # Ten steps: two up, eight down.
    shares = [0.0, 0.5, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]
    np.testing.assert_allclose(rates.seen, 5e-5 * np.array(shares), rtol=1e-5)


def test_weight_decay_leaves_what_shifts_and_scales(tiny_checkpoint: Path) -> None:
    model = DistilBertHyperModel(tiny_checkpoint).build(keras_tuner.HyperParameters())
    variables = model.trainable_variables
    model.optimizer.build(variables)
    decayed = [one.path for one in variables if model.optimizer._use_weight_decay(one)]
    assert len(decayed) == 2 + 4 * len(model.blocks) + 2  # tables, matrices, the head's
    assert not [path for path in decayed if path.endswith(("bias", "gamma", "beta"))]


@pytest.mark.parametrize(("layers", "trained"), [(0, [0, 1]), (1, [1]), (2, [])])
def test_frozen_layers_are_counted_from_the_texts_on(
    tiny_checkpoint: Path, layers: int, trained: list[int]
) -> None:
    model = TFDistilBertForSequenceClassification.from_pretrained(tiny_checkpoint)
    freeze(model, layers=layers)
    trainable = {id(variable) for variable in model.trainable_variables}
    found = {
        ".".join(path.split(".")[: 2 if path.startswith("blocks") else 1])
        for path, variable in model.variables_by_path().items()
        if id(variable) in trainable
    }
    embeddings = set() if layers else {"embeddings"}
    assert found == embeddings | {"head"} | {f"blocks.{number}" for number in trained}


def test_dropout_is_what_training_drops_and_what_is_saved(tiny_checkpoint: Path) -> None:
    model = TFDistilBertForSequenceClassification.from_pretrained(tiny_checkpoint)
    ids = np.full((1, 4), 7)

    def differs() -> bool:
        first, second = (np.asarray(model(ids, training=True).logits) for _ in range(2))
        return bool((first != second).any())

    for block in model.blocks:
        block.attention.dropout.rate = 0.0
    set_dropout(model, body=0.0, head=0.0)
    assert not differs()
    set_dropout(model, body=0.5, head=0.0)
    assert differs()
    set_dropout(model, body=0.0, head=0.5)
    assert differs()
    assert (model.config.dropout, model.config.seq_classif_dropout) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.0, 0.5, 1.0, 1.0, 1.0]),
        ("linear", [0.0, 0.5, 1.0, 0.5, 0.0]),
        ("cosine", [0.0, 0.5, 1.0, 0.5, 0.0]),
    ],
)
def test_the_course_of_the_rate(schedule: str, expected: list[float]) -> None:
    places = [0.0, 0.1, 0.2, 0.6, 1.0]
    factors = [rate_factor(done, schedule=schedule, warmup=0.2) for done in places]
    np.testing.assert_allclose(factors, expected, atol=1e-12)
    assert rate_factor(0.0, schedule=schedule, warmup=0.0) == 1.0


def test_a_schedule_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match="expected linear, cosine or constant"):
        rate_factor(0.5, schedule="steps", warmup=0.0)
