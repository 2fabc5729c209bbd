"""DistilBERT for sequence classification: the class transformers 5 dropped, on Keras 3."""

from __future__ import annotations

import functools
import logging
import operator
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import keras
from keras import ops

from finesweep.errors import CheckpointError
from finesweep.models.config import DistilBertConfig
from finesweep.models.functional import Tensor
from finesweep.models.layers import (
    ClassificationHead,
    Dense,
    Embeddings,
    TransformerBlock,
    require_positions,
)
from finesweep.models.outputs import SequenceClassifierOutput, as_model_inputs
from finesweep.models.pretrained import TokenizerFiles, read_checkpoint, write_checkpoint
from finesweep.models.sources import HubOptions, resolve_checkpoint
from finesweep.models.tensor_file import view_of
from finesweep.models.weights import Array, WeightEntry, check_tensors, weight_table

_log = logging.getLogger("finesweep")


@keras.saving.register_keras_serializable(package="finesweep")
class TFDistilBertForSequenceClassification(keras.Model):
    """A DistilBERT body and a classifier on its first token.

    Called with token ids of shape (batch, length), or a mapping that holds ``input_ids`` and,
    unless every token counts, ``attention_mask``; returns logits of shape (batch, labels) as
    ``.logits`` and ``[0]``. Keeps the surface of the class of the same name in transformers 4
    (``from_pretrained``, ``save_pretrained``, ``compile``, ``fit``, ``predict``), and the files of
    ``DistilBertForSequenceClassification`` in transformers 5.

    ``config`` may be this package's ``DistilBertConfig`` or transformers' own. ``seed`` decides the
    weights a new model is drawn with, and its dropout.
    """

    def __init__(self, config: Any, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(config, DistilBertConfig):
            config = DistilBertConfig.from_json(
                config if isinstance(config, Mapping) else config.to_dict()
            )
        self.config: DistilBertConfig = config
        self.seeds = keras.random.SeedGenerator(seed)
        policy = self.dtype_policy
        self.embeddings = Embeddings(config, self.seeds, name="embeddings", dtype=policy)
        self.blocks = [
            TransformerBlock(config, self.seeds, name=f"layer_{layer}", dtype=policy)
            for layer in range(config.n_layers)
        ]
        self.head = ClassificationHead(config, self.seeds, name="head", dtype=policy)
        self.tokenizer_files: TokenizerFiles = {}
        self.built = True

    @property
    def num_labels(self) -> int:
        """How many classes the classifier tells apart."""
        return self.config.num_labels

    def build(self, input_shape: Any = None) -> None:  # noqa: ARG002 - Keras names it
        """Do nothing: the configuration alone fixes every shape, so ``__init__`` has built all."""
        self.built = True

    def call(
        self, inputs: Any, attention_mask: Tensor | None = None, training: bool = False
    ) -> SequenceClassifierOutput:
        """Logits of a batch; see the class for the forms ``inputs`` may have."""
        if isinstance(inputs, Mapping):
            attention_mask = inputs.get("attention_mask", attention_mask)
            inputs = inputs["input_ids"]
        input_ids = ops.cast(inputs, "int32")
        batch, length = ops.shape(input_ids)[0], ops.shape(input_ids)[1]
        if attention_mask is None:
            attention_mask = ops.ones_like(input_ids)
        visible = ops.reshape(ops.cast(attention_mask, "bool"), (batch, 1, 1, length))
        hidden = self.embeddings(input_ids, training=training)
        for block in self.blocks[:-1]:
            hidden = block(hidden, visible, training=training)
        # The head reads the first token: nothing else that the last layer would compute is used.
        first_token = self.blocks[-1](hidden, visible, training=training, first_only=True)
        return SequenceClassifierOutput(logits=self.head(first_token, training=training))

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, **kwargs: Any) -> None:
        """As ``keras.Model.compile``, with a loss of its own.

        Without a loss, or with this model's ``compute_loss``, it is the cross-entropy of the logits
        against integer labels.
        """
        if loss is None or loss == self.compute_loss:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        by_name = isinstance(loss, str) and loss.endswith("crossentropy")
        if by_name or getattr(loss, "from_logits", True) is False:
            raise ValueError(
                "expected a loss on logits, received one on probabilities; leave it out, or give "
                "keras.losses.SparseCategoricalCrossentropy(from_logits=True)"
            )
        # XLA compiles anew for every length of batch, which costs more than it gains here.
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer, loss=loss, **kwargs)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """The compiled loss on the logits; takes transformers 4's (labels, logits) too."""
        if y_pred is None:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            return loss(x, _logits(y))
        return super().compute_loss(
            x=x,
            y=_labels(x, y),
            y_pred=_logits(y_pred),
            sample_weight=sample_weight,
            training=training,
        )

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The compiled metrics on the logits."""
        return super().compute_metrics(
            x=x, y=_labels(x, y), y_pred=_logits(y_pred), sample_weight=sample_weight
        )

    def __call__(self, inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Logits of a batch; ``model(**tokenizer(…))`` works as it did in transformers 4."""
        if inputs is None and "input_ids" in kwargs:
            names = ("input_ids", "attention_mask", "token_type_ids", "labels")
            inputs = {name: kwargs.pop(name) for name in names if name in kwargs}
        return super().__call__(as_model_inputs(inputs), *args, **kwargs)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As ``keras.Model.fit``; what a tokenizer returns goes straight in."""
        return super().fit(as_model_inputs(x), *args, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As ``keras.Model.evaluate``; what a tokenizer returns goes straight in."""
        return super().evaluate(as_model_inputs(x), *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> SequenceClassifierOutput:
        """As ``keras.Model.predict``; what a tokenizer returns goes straight in.

        The result holds NumPy logits of shape (rows, labels) as ``.logits`` and ``[0]``.
        """
        inputs = as_model_inputs(x)
        input_ids = inputs["input_ids"] if isinstance(inputs, Mapping) else inputs
        require_positions(getattr(input_ids, "shape", (0, None))[1], self.config)
        output: SequenceClassifierOutput = super().predict(inputs, *args, **kwargs)
        return output

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        num_labels: int | None = None,
        id2label: Mapping[int, str] | None = None,
        revision: str | None = None,
        ignore_mismatched_sizes: bool = False,
        keep_head: bool = True,
        seed: int | None = None,
        dtype: Any = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        token: str | None = None,
    ) -> Self:
        """Load a DistilBERT checkpoint, or a BERT one folded into DistilBERT's layout.

        ``name`` is a hub id, a local directory, or ``packaged:minilm-l6-h384``. A checkpoint
        without a classifier gets a new one, drawn from ``seed``; so does one with another number of
        labels if ``ignore_mismatched_sizes``, and every one unless ``keep_head``. ``cache_dir``,
        ``local_files_only`` and ``token`` are the hub's. Raises ``CheckpointError`` when the
        checkpoint cannot be found or read.
        """
        hub = HubOptions(cache_dir=cache_dir, local_files_only=local_files_only, token=token)
        directory = resolve_checkpoint(str(name), revision=revision, hub=hub)
        checkpoint = read_checkpoint(directory, keep_head=keep_head)
        config = checkpoint.config.with_labels(num_labels, id2label)
        model = cls(config, seed=seed, dtype=dtype)
        entries = check_tensors(
            weight_table(config),
            {path: tuple(variable.shape) for path, variable in model.variables_by_path().items()},
            checkpoint.tensors,
            file=str(checkpoint.weights_file),
            ignore_mismatched_head=ignore_mismatched_sizes,
        )
        if len(entries) < len(weight_table(config)):
            _log.warning("the classifier is new and starts at random: fine-tune before predicting")
        for entry in entries:
            model.variable(entry).assign(entry.to_variable(checkpoint.tensors))
        model.tokenizer_files = checkpoint.tokenizer_files
        return model

    def save_pretrained(self, directory: str | Path) -> None:
        """Write config.json, model.safetensors (torch names) and the tokenizer's files.

        transformers loads the directory as ``DistilBertForSequenceClassification``. A tokenizer
        that stands in the directory already stays as it is. Raises ``CheckpointError`` when the
        directory cannot be written.
        """
        if not str(directory):
            raise CheckpointError("expected a directory to save to, received an empty name")
        shapes: dict[str, tuple[int, ...]] = {}
        for entry in weight_table(self.config):
            shapes.update(entry.tensor_shapes(self.variable(entry).shape))
        write_checkpoint(
            Path(directory).expanduser(),
            config=self.config,
            shapes=shapes,
            tensors=self._tensors(),
            tokenizer_files=self.tokenizer_files,
        )

    def _tensors(self) -> Iterator[Array]:
        """The weights as the file format has them; at most one variable is copied at a time."""
        for entry in weight_table(self.config):
            yield from entry.to_tensors(view_of(self.variable(entry).value)).values()

    def variable(self, entry: WeightEntry) -> keras.Variable:
        """The variable that a line of the weight table is about."""
        variable: keras.Variable = self._at(entry.variable)
        return variable

    def variables_by_path(self) -> dict[str, keras.Variable]:
        """Every variable under its path in the weight table, in the table's order."""
        return {entry.variable: self.variable(entry) for entry in weight_table(self.config)}

    def dense_layers(self) -> dict[str, Dense]:
        """Every dense layer under the path of its kernel, in the table's order."""
        paths = [path for path in self.variables_by_path() if path.endswith(".kernel")]
        return {path: self._at(path.removesuffix(".kernel")) for path in paths}

    def _at(self, path: str) -> Any:
        """What lies at a path of attributes and places."""
        return functools.reduce(_step, path.split("."), self)

    def get_config(self) -> dict[str, Any]:
        """What Keras needs to build the same model again."""
        policy = keras.dtype_policies.serialize(self.dtype_policy)
        return {"config": self.config.to_json(), "name": self.name, "dtype": policy}

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: Any = None,  # noqa: ARG003 - Keras names it
    ) -> Self:
        """The inverse of ``get_config``."""
        return cls(**config)


def _step(owner: Any, name: str) -> Any:
    return operator.itemgetter(int(name))(owner) if name.isdigit() else getattr(owner, name)


def _logits(output: Any) -> Tensor:
    return output.logits if isinstance(output, SequenceClassifierOutput) else output


def _labels(x: Any, y: Any) -> Any:
    if y is None and isinstance(x, Mapping):
        return x.get("labels")
    return y
