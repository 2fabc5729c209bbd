"""The weight table is a bijection, and folding a BERT is exact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from finesweep.errors import CheckpointError
from finesweep.models import DistilBertConfig
from finesweep.models.geometry import count_weights
from finesweep.models.pretrained import read_checkpoint
from finesweep.models.weights import WeightEntry, to_distilbert_names, weight_table


@given(layers=st.integers(1, 12))
def test_every_variable_and_every_tensor_stands_in_the_table_once(layers: int) -> None:
    table = weight_table(DistilBertConfig(n_layers=layers))
    tensors = [name for entry in table for name in entry.tensors]
    assert len(set(tensors)) == len(tensors) == 4 + 16 * layers + 4
    assert len({entry.variable for entry in table}) == len(table)


def test_the_table_names_the_tensors_transformers_writes(tiny_checkpoint: Path) -> None:
    table = weight_table(DistilBertConfig(n_layers=2))
    written = load_file(tiny_checkpoint / "model.safetensors")
    assert {name for entry in table for name in entry.tensors} == set(written)


@given(
    parts=st.integers(1, 3),
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    kernel=st.booleans(),
)
def test_to_variable_and_back_changes_nothing(
    parts: int, rows: int, columns: int, kernel: bool
) -> None:
    rng = np.random.default_rng(rows * 31 + columns)
    names = tuple(f"tensor_{part}" for part in range(parts))
    tensors = {name: rng.normal(size=(rows, columns)).astype(np.float32) for name in names}
    entry = WeightEntry("somewhere", names, kernel=kernel)
    back = entry.to_tensors(entry.to_variable(tensors))
    assert back.keys() == tensors.keys()
    for name in names:
        np.testing.assert_array_equal(back[name], tensors[name])


def test_folding_a_bert_adds_the_first_token_type_to_every_position(
    bert_checkpoint: tuple[Path, dict[str, Any], dict[str, Any]],
) -> None:
    directory, _, tensors = bert_checkpoint
    checkpoint = read_checkpoint(directory)
    assert (checkpoint.config.dim, checkpoint.config.hidden_dim) == (8, 12)
    folded = checkpoint.tensors
    np.testing.assert_array_equal(
        folded["distilbert.embeddings.position_embeddings.weight"],
        tensors["bert.embeddings.position_embeddings.weight"]
        + tensors["bert.embeddings.token_type_embeddings.weight"][0],
    )
    np.testing.assert_array_equal(
        folded["distilbert.transformer.layer.1.ffn.lin2.weight"],
        tensors["bert.encoder.layer.1.output.dense.weight"],
    )
    np.testing.assert_array_equal(
        folded["distilbert.transformer.layer.0.sa_layer_norm.bias"],
        tensors["bert.encoder.layer.0.attention.output.LayerNorm.bias"],
    )
    body = {n for e in weight_table(checkpoint.config) for n in e.tensors if "classifier" not in n}
    assert set(folded) == body
    settings = json.loads(checkpoint.tokenizer_files["tokenizer_config.json"])
    assert settings["model_input_names"] == ["input_ids", "attention_mask"]


def test_a_body_without_prefix_is_read(tiny_checkpoint: Path) -> None:
    tensors = load_file(tiny_checkpoint / "model.safetensors")
    bare = {name.removeprefix("distilbert."): tensor for name, tensor in tensors.items()}
    assert set(to_distilbert_names(bare, model_type="distilbert")) == set(tensors)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps.*cannot be folded exactly"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type.*cannot be folded"),
        ({"hidden_act": "silu"}, "activation.*gelu or relu.*'silu'"),
        ({"is_decoder": True}, "is_decoder.*expected an encoder, received a decoder"),
        ({"num_attention_heads": 3}, "n_heads.*divisor of dim 8.*3"),
        ({"model_type": "roberta"}, "model_type.*'distilbert' or 'bert'.*'roberta'"),
    ],
)
def test_a_bert_that_cannot_be_folded_is_refused(
    bert_checkpoint: tuple[Path, dict[str, Any], dict[str, Any]],
    change: dict[str, Any],
    message: str,
) -> None:
    directory, config, _ = bert_checkpoint
    (directory / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(CheckpointError, match=message) as raised:
        read_checkpoint(directory)
    assert str(directory / "config.json") in str(raised.value)


def test_half_precision_tensors_become_float32(tiny_copy: Path) -> None:
    file = tiny_copy / "model.safetensors"
    save_file({k: v.astype(np.float16) for k, v in load_file(file).items()}, file)
    checkpoint = read_checkpoint(tiny_copy)
    entry = weight_table(checkpoint.config)[0]
    assert entry.to_variable(checkpoint.tensors).dtype == np.float32


def test_weights_are_counted_from_the_geometry(tiny_checkpoint: Path) -> None:
    checkpoint = read_checkpoint(tiny_checkpoint)
    numbers = sum(tensor.size for tensor in checkpoint.tensors.values())
    assert count_weights(checkpoint.config) == numbers
