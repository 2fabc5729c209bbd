"""Labelled texts, from a file to a batch: read, check, split, tokenise once, batch by length.

``check`` reports what a data file holds; ``prepare`` turns it into a folder of token arrays that
workers open memory-mapped (``EncodedTexts.open``) and cut into batches (``training_batches``,
``evaluation_batches``). Nothing here loads TensorFlow; importing the room loads nothing at all
until one of its names is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finesweep.data.batching import (
        Batch,
        evaluation_batches,
        training_batches,
        whole_split,
    )
    from finesweep.data.checking import check
    from finesweep.data.encoded_texts import EncodedTexts
    from finesweep.data.identity import DatasetIdentity
    from finesweep.data.preparation import PreparedData, prepare
    from finesweep.data.report import DataReport
    from finesweep.data.sampling import stratified_sample
    from finesweep.data.tokenizer import CheckpointTokenizer, load_tokenizer

__all__ = [
    "Batch",
    "CheckpointTokenizer",
    "DataReport",
    "DatasetIdentity",
    "EncodedTexts",
    "PreparedData",
    "check",
    "evaluation_batches",
    "load_tokenizer",
    "prepare",
    "stratified_sample",
    "training_batches",
    "whole_split",
]

_HOME = {
    "Batch": "batching",
    "CheckpointTokenizer": "tokenizer",
    "DataReport": "report",
    "DatasetIdentity": "identity",
    "EncodedTexts": "encoded_texts",
    "PreparedData": "preparation",
    "check": "checking",
    "evaluation_batches": "batching",
    "load_tokenizer": "tokenizer",
    "prepare": "preparation",
    "stratified_sample": "sampling",
    "training_batches": "batching",
    "whole_split": "batching",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
