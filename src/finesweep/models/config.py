"""DistilBERT's geometry and labels, as they stand in a checkpoint's config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from finesweep.errors import CheckpointError, Location

LAYER_NORM_EPSILON = 1e-12
ACTIVATIONS = ("gelu", "relu")

# BERT's name for the same quantity; both architectures are Hugging Face's.
_FROM_BERT = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
    "hidden_act": "activation",
}
_COUNTS = ("vocab_size", "max_position_embeddings", "dim", "n_layers", "n_heads", "hidden_dim")
# Far beyond any classifier; a number that is wrong must not fill the memory with names.
_MOST_LABELS = 100_000
_RATES = ("dropout", "attention_dropout", "seq_classif_dropout")


def default_id2label(num_labels: int) -> dict[int, str]:
    """Hugging Face's names for labels that have none: LABEL_0, LABEL_1 and so on."""
    return {label: f"LABEL_{label}" for label in range(num_labels)}


@dataclass(frozen=True, kw_only=True)
class DistilBertConfig:
    """The shape of a DistilBERT classifier; defaults are distilbert-base-uncased's.

    ``dim`` is the width of a token's vector, ``hidden_dim`` that of the feed-forward layer between,
    the three dropouts are rates: of embeddings and feed-forward outputs, of attention weights, and
    of the pooled vector before the classifier. Source: ``transformers.DistilBertConfig``.
    """

    vocab_size: int = 30522
    max_position_embeddings: int = 512
    dim: int = 768
    n_layers: int = 6
    n_heads: int = 12
    hidden_dim: int = 3072
    dropout: float = 0.1
    attention_dropout: float = 0.1
    seq_classif_dropout: float = 0.2
    activation: str = "gelu"
    initializer_range: float = 0.02
    pad_token_id: int = 0
    id2label: Mapping[int, str] = field(default_factory=lambda: default_id2label(2))

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise _invalid(name, "a whole number above 0", value)
        for name in _RATES:
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0.0 <= value < 1.0:
                raise _invalid(name, "a rate from 0 up to, but not, 1", value)
        if self.dim % self.n_heads:
            raise _invalid("n_heads", f"a divisor of dim {self.dim}", self.n_heads)
        if self.activation not in ACTIVATIONS:
            raise _invalid("activation", " or ".join(ACTIVATIONS), self.activation)
        if len(self.id2label) < 2 or sorted(self.id2label) != list(range(len(self.id2label))):
            raise _invalid("id2label", "two or more labels numbered from 0", dict(self.id2label))
        if len(set(self.id2label.values())) < len(self.id2label):
            raise _invalid("id2label", "a name of its own for each label", dict(self.id2label))

    @property
    def num_labels(self) -> int:
        """How many classes the classifier tells apart."""
        return len(self.id2label)

    @property
    def label2id(self) -> dict[str, int]:
        """The number of each label name."""
        return {name: label for label, name in self.id2label.items()}

    def with_labels(
        self, num_labels: int | None = None, id2label: Mapping[int, str] | None = None
    ) -> Self:
        """The same geometry with other labels; names are kept when their number stays.

        Raises ``CheckpointError`` for fewer than two labels, or numbers that do not agree.
        """
        if num_labels is not None and num_labels < 2:
            raise CheckpointError(
                f"expected two or more labels, received {num_labels}; regression is not supported",
                at=Location(field="num_labels"),
            )
        if id2label is not None:
            if num_labels is not None and num_labels != len(id2label):
                raise CheckpointError(
                    f"expected {len(id2label)}, the number of names in id2label, received "
                    f"{num_labels}; leave num_labels out",
                    at=Location(field="num_labels"),
                )
            return replace(self, id2label={int(k): str(v) for k, v in id2label.items()})
        if num_labels is None or num_labels == self.num_labels:
            return self
        return replace(self, id2label=default_id2label(num_labels))

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, file: str | None = None) -> Self:
        """Read a config.json of model type ``distilbert``, or ``bert`` for folding.

        Raises ``CheckpointError`` for another architecture, and for a BERT that cannot be folded
        exactly.
        """
        model_type = content.get("model_type")
        if model_type not in ("distilbert", "bert"):
            raise CheckpointError(
                f"expected model_type 'distilbert' or 'bert', received {model_type!r}; "
                "name a DistilBERT checkpoint, or a BERT one that can be folded into it",
                at=Location(file=file, field="model_type"),
            )
        if model_type == "bert":
            content = _renamed_from_bert(content, file=file)
        known = {name: content[name] for name in _FIELDS if content.get(name) is not None}
        if content.get("problem_type") not in (None, "single_label_classification"):
            raise CheckpointError(
                "expected single_label_classification, received "
                f"{content['problem_type']!r}, which is not supported; name another checkpoint",
                at=Location(file=file, field="problem_type"),
            )
        labels = _labels(content, file=file)
        try:
            known["id2label"] = {int(label): str(name) for label, name in labels.items()}
            return cls(**known)
        except CheckpointError as error:
            field_name = error.at.field if error.at else None
            raise CheckpointError(
                error.message, at=Location(file=file, field=field_name)
            ) from error
        except (TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"expected id2label to map numbers to names, received {labels!r:.200}; correct it",
                at=Location(file=file, field="id2label"),
            ) from error

    def to_json(self) -> dict[str, Any]:
        """What config.json holds, in the terms of ``transformers.DistilBertConfig``."""
        return {
            "architectures": ["DistilBertForSequenceClassification"],
            "model_type": "distilbert",
            **{name: getattr(self, name) for name in _FIELDS},
            "id2label": {str(label): name for label, name in self.id2label.items()},
            "label2id": self.label2id,
            "problem_type": "single_label_classification",
        }


_FIELDS = tuple(name for name in DistilBertConfig.__dataclass_fields__ if name != "id2label")


def _labels(content: Mapping[str, Any], *, file: str | None) -> Any:
    """id2label in whichever way config.json gives it."""
    if content.get("id2label"):
        return content["id2label"]
    if isinstance(content.get("label2id"), dict) and content["label2id"]:
        return {label: name for name, label in content["label2id"].items()}
    number = content.get("num_labels") or 2
    if not isinstance(number, int) or not 2 <= number <= _MOST_LABELS:
        raise CheckpointError(
            f"expected a whole number of labels from 2 to {_MOST_LABELS:,}, received {number!r}; "
            "correct it, or name the labels in id2label",
            at=Location(file=file, field="num_labels"),
        )
    return default_id2label(number)


def _renamed_from_bert(content: Mapping[str, Any], *, file: str | None) -> dict[str, Any]:
    epsilon = content.get("layer_norm_eps", LAYER_NORM_EPSILON)
    if epsilon != LAYER_NORM_EPSILON:
        raise CheckpointError(
            f"expected {LAYER_NORM_EPSILON}, the only value DistilBERT knows, received {epsilon}; "
            "this BERT checkpoint cannot be folded exactly, name another",
            at=Location(file=file, field="layer_norm_eps"),
        )
    for name in ("is_decoder", "add_cross_attention"):
        if content.get(name):
            raise CheckpointError(
                "expected an encoder, received a decoder; DistilBERT attends both ways, so this "
                "BERT checkpoint cannot be folded, name another",
                at=Location(file=file, field=name),
            )
    position_type = content.get("position_embedding_type", "absolute")
    if position_type != "absolute":
        raise CheckpointError(
            f"expected 'absolute', received {position_type!r}; "
            "this BERT checkpoint cannot be folded into DistilBERT, name another",
            at=Location(file=file, field="position_embedding_type"),
        )
    return {_FROM_BERT.get(name, name): value for name, value in content.items()}


def _invalid(name: str, expected: str, received: object) -> CheckpointError:
    return CheckpointError(
        f"expected {expected}, received {received!r}; correct the checkpoint's config.json",
        at=Location(field=name),
    )
