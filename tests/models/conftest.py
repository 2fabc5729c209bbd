from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from finesweep.models.weights import Array

Golden = dict[str, Array]


@pytest.fixture(scope="session")
def golden(tiny_checkpoint: Path) -> Golden:
    """Inputs, logits, loss and gradients that transformers computed on torch."""
    golden: Golden = load_file(tiny_checkpoint.parent / "golden.safetensors")
    return golden


@pytest.fixture
def bert_checkpoint(tmp_path: Path) -> tuple[Path, dict[str, Any], Golden]:
    """A random two-layer BERT on disk: its directory, config.json and tensors."""
    config = {
        "model_type": "bert",
        "vocab_size": 40,
        "max_position_embeddings": 16,
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 12,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "type_vocab_size": 2,
    }
    rng = np.random.default_rng(1)

    def draw(*shape: int) -> Array:
        return rng.normal(size=shape).astype(np.float32)

    tensors: Golden = {
        "bert.embeddings.word_embeddings.weight": draw(40, 8),
        "bert.embeddings.position_embeddings.weight": draw(16, 8),
        "bert.embeddings.token_type_embeddings.weight": draw(2, 8),
        "bert.embeddings.LayerNorm.gamma": draw(8),
        "bert.embeddings.LayerNorm.beta": draw(8),
        "bert.pooler.dense.weight": draw(8, 8),
        "bert.pooler.dense.bias": draw(8),
    }
    for layer in range(2):
        stem = f"bert.encoder.layer.{layer}"
        for name in ("attention.self.query", "attention.self.key", "attention.self.value"):
            tensors[f"{stem}.{name}.weight"], tensors[f"{stem}.{name}.bias"] = draw(8, 8), draw(8)
        for name, out, inner in (
            ("attention.output.dense", 8, 8),
            ("intermediate.dense", 12, 8),
            ("output.dense", 8, 12),
        ):
            tensors[f"{stem}.{name}.weight"] = draw(out, inner)
            tensors[f"{stem}.{name}.bias"] = draw(out)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            tensors[f"{stem}.{name}.weight"], tensors[f"{stem}.{name}.bias"] = draw(8), draw(8)
    directory = tmp_path / "bert"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    save_file(tensors, directory / "model.safetensors")
    return directory, config, tensors


@pytest.fixture(scope="session")
def without_dropout(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint with every rate 0, so that training mode can be compared exactly."""
    copy = Path(shutil.copytree(tiny_checkpoint, tmp_path_factory.mktemp("rates") / "copy"))
    set_rates(copy, dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0)
    return copy


def set_rates(checkpoint: Path, **rates: float) -> None:
    file = checkpoint / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | rates))


@pytest.fixture
def tiny_copy(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny checkpoint, free to be damaged."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "copy"))
