"""KerasHub's DistilBERT classifier on TensorFlow, as three of the peers use it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")

from benchmarks.peers.contract import Split, Task, read_splits


@dataclass(frozen=True, kw_only=True)
class Data:
    """Token ids and masks padded to the task's length, and labels, of both splits."""

    train: Any
    train_labels: Any
    validation: Any
    validation_labels: Any


def prepare(task: Task) -> Data:
    """Set Keras to the task's precision, and tokenize."""
    import keras
    import numpy as np
    from tokenizers import Tokenizer

    bfloat16 = task.precision == "bfloat16"
    keras.config.set_dtype_policy("mixed_bfloat16" if bfloat16 else "float32")
    tokenizer = Tokenizer.from_file(str(task.checkpoint / "tokenizer.json"))
    tokenizer.enable_truncation(task.max_length)
    tokenizer.enable_padding(length=task.max_length)

    def encoded(split: Split) -> dict[str, Any]:
        found = tokenizer.encode_batch(split.texts)
        return {
            "token_ids": np.array([text.ids for text in found]),
            "padding_mask": np.array([text.attention_mask for text in found]),
        }

    train, validation = read_splits(task)
    return Data(
        train=encoded(train),
        train_labels=np.array(train.labels),
        validation=encoded(validation),
        validation_labels=np.array(validation.labels),
    )


def build(task: Task, learning_rate: float) -> Any:
    """A compiled classifier with the checkpoint's weights."""
    import keras
    import keras_hub

    backbone = keras_hub.models.DistilBertBackbone.from_preset(str(task.checkpoint))
    model = keras_hub.models.DistilBertTextClassifier(
        backbone=backbone, num_classes=2, preprocessor=None
    )
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
