"""A fine-tuned checkpoint that classifies texts: tokenizer and model together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from finesweep.data.batching import evaluation_batches
from finesweep.data.encoded_texts import EncodedTexts
from finesweep.data.encoding import encode
from finesweep.data.tokenizer import CheckpointTokenizer, load_tokenizer
from finesweep.models.pretrained import read_config

Logits = Callable[[Any, Any], NDArray[np.float32]]


class TextClassifier:
    """Texts in, the probability of each class out; safe to call from several threads at once.

    ``max_length`` is the number of tokens the model was fine-tuned with: texts are cut to it.
    """

    def __init__(
        self,
        *,
        tokenizer: CheckpointTokenizer,
        logits: Logits,
        label_names: tuple[str, ...],
        max_length: int,
    ) -> None:
        self.label_names = label_names
        self._tokenizer = tokenizer
        self._logits = logits
        self._max_length = max_length

    @classmethod
    def load(cls, checkpoint: Path, *, max_length: int) -> Self:
        """Load a ``save_pretrained`` directory, in float32, or any Keras model of a hypermodel's.

        Raises ``CheckpointError``.
        """
        from finesweep.models.distilbert import TFDistilBertForSequenceClassification
        from finesweep.models.inference import CompiledLogits
        from finesweep.models.keras_checkpoint import is_keras_checkpoint, read_keras_checkpoint

        tokenizer = load_tokenizer(checkpoint)
        if is_keras_checkpoint(checkpoint):
            keras_logits, form = read_keras_checkpoint(checkpoint)
            return cls(
                tokenizer=tokenizer,
                logits=keras_logits,
                label_names=tuple(form.id2label[label] for label in range(len(form.id2label))),
                max_length=form.max_length,
            )
        config, _ = read_config(checkpoint)
        model = TFDistilBertForSequenceClassification.from_pretrained(checkpoint, dtype="float32")
        return cls(
            tokenizer=tokenizer,
            logits=CompiledLogits(model),
            label_names=tuple(config.id2label[label] for label in range(config.num_labels)),
            max_length=min(max_length, config.max_position_embeddings),
        )

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The probability of each class, (texts, labels); every row sums to 1."""
        result = np.empty((len(texts), len(self.label_names)), dtype=np.float32)
        encoded = self._encoded(texts)
        rows = np.arange(len(texts), dtype=np.int64)
        for batch in evaluation_batches(encoded, rows, max_length=self._max_length):
            result[batch.rows] = _softmax(self._logits(batch.input_ids, batch.attention_mask))
        return result

    def _encoded(self, texts: Sequence[str]) -> EncodedTexts:
        tokens, offsets = encode(texts, self._tokenizer)
        nothing = np.empty(0, dtype=np.int64)
        return EncodedTexts(
            tokens=tokens,
            offsets=offsets,
            lengths=np.diff(offsets).astype(np.int32),
            labels=np.zeros(len(texts), dtype=np.int32),
            train=nothing,
            validation=nothing,
            test=nothing,
            pad_id=self._tokenizer.pad_id,
            sep_id=self._tokenizer.sep_id,
            max_positions=self._tokenizer.max_positions,
        )


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
