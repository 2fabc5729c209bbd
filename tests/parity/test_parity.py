"""Our model against transformers' own on torch, live; run by ``make parity``."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finesweep import TFDistilBertForSequenceClassification
from finesweep.config import DataConfig
from finesweep.data import prepare
from finesweep.models.sources import resolve_checkpoint
from finesweep.models.weights import weight_table
from finesweep.registry.classifier import TextClassifier
from finesweep.training import Hyperparameters, TrainingSetup
from finesweep.training.fine_tuner import FineTuner
from finesweep.training.step import TrainStep

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.parity, pytest.mark.slow]

PACKAGED = "packaged:minilm-l6-h384"


def headlines(count: int) -> list[str]:
    rows = json.loads((files("finesweep.data") / "samples/headlines.json").read_text())
    return [row["headline"] for row in rows[:count]]


def torch_probabilities(checkpoint: Path, texts: list[str], *, max_length: int) -> Any:
    from transformers import AutoTokenizer, DistilBertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = DistilBertForSequenceClassification.from_pretrained(checkpoint).eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(texts), 50):
            inputs = tokenizer(
                texts[start : start + 50],
                truncation=True,
                max_length=max_length,
                padding=True,
                return_tensors="pt",
            )
            parts.append(torch.softmax(model(**inputs).logits, dim=-1).numpy())
    return np.concatenate(parts)


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_logits_and_gradients_of_a_random_model(tmp_path: Path, activation: str) -> None:
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    torch.manual_seed(3)
    config = DistilBertConfig(
        vocab_size=120,
        max_position_embeddings=48,
        dim=48,
        n_layers=3,
        n_heads=4,
        hidden_dim=96,
        activation=activation,
        initializer_range=0.2,
        num_labels=5,
    )
    theirs = DistilBertForSequenceClassification(config).eval()
    theirs.save_pretrained(tmp_path)
    rng = np.random.default_rng(5)
    lengths = rng.integers(2, 40, size=8)
    mask = (np.arange(40)[None] < lengths[:, None]).astype(np.int64)
    ids = rng.integers(1, 120, size=mask.shape) * mask
    labels = rng.integers(0, 5, size=8)
    output = theirs(
        input_ids=torch.tensor(ids),
        attention_mask=torch.tensor(mask),
        labels=torch.tensor(labels),
    )
    output.loss.backward()

    model = TFDistilBertForSequenceClassification.from_pretrained(tmp_path)
    inputs = {"input_ids": ids.astype("int32"), "attention_mask": mask.astype("int32")}
    logits = model.predict(inputs, verbose=0).logits
    np.testing.assert_allclose(logits, output.logits.detach().numpy(), atol=1e-4)
    _, gradients = TrainStep(model).loss_and_gradients(
        inputs["input_ids"], inputs["attention_mask"], labels.astype("int32"), training=False
    )
    expected = {name: weight.grad.numpy() for name, weight in theirs.named_parameters()}
    for entry, gradient in zip(weight_table(model.config), gradients, strict=True):
        for name, ours in entry.to_tensors(np.asarray(dense(gradient))).items():
            np.testing.assert_allclose(ours, expected[name], atol=1e-4, err_msg=name)


def dense(gradient: Any) -> Any:
    import tensorflow as tf

    return tf.convert_to_tensor(gradient)


def test_a_folded_bert_computes_what_the_bert_did(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, BertModel, DistilBertModel

    source = resolve_checkpoint(PACKAGED)
    TFDistilBertForSequenceClassification.from_pretrained(PACKAGED).save_pretrained(tmp_path)
    inputs = AutoTokenizer.from_pretrained(tmp_path)(
        headlines(40), padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        bert = BertModel.from_pretrained(source).eval()(**inputs).last_hidden_state
        folded = DistilBertModel.from_pretrained(tmp_path).eval()(**inputs).last_hidden_state
    kept = inputs["attention_mask"].bool()
    np.testing.assert_allclose(bert[kept].numpy(), folded[kept].numpy(), atol=1e-4)


def test_a_trials_checkpoint_gives_the_same_labels_on_500_headlines(tmp_path: Path) -> None:
    checkpoint = resolve_checkpoint(PACKAGED)
    config = DataConfig.model_validate(
        {
            "path": "packaged:headlines",
            "text": "headline",
            "label": "is_sarcastic",
            "split": {"by": "fraction", "validation": 0.2},
        }
    )
    data = prepare(config, name="parity", checkpoint=checkpoint, cache=tmp_path / "cache")
    tuner = FineTuner(
        TrainingSetup(checkpoint=checkpoint, prepared=data.directory, label_names=data.label_names)
    )
    values = Hyperparameters(learning_rate=1e-4, batch_size=16, epochs=1, max_length=24)
    tuner.fine_tune(
        values,
        output=tmp_path / "trial",
        on_tick=lambda _: "continue",
        resume_point=tmp_path / "resume.safetensors",
    )

    texts = headlines(500)
    ours = TextClassifier.load(tmp_path / "trial", max_length=24).probabilities(texts)
    theirs = torch_probabilities(tmp_path / "trial", texts, max_length=24)
    assert np.abs(ours - theirs).max() < 1e-3
    np.testing.assert_array_equal(ours.argmax(axis=1), theirs.argmax(axis=1))
    assert len(set(ours.argmax(axis=1))) == 2
