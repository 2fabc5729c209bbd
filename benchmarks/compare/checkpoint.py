"""``python -m benchmarks.compare.checkpoint GEOMETRY FOLDER``: make the checkpoint all start from.

``minilm`` is the packaged one. ``base`` has DistilBERT-base's sizes, random weights and the same
tokenizer: its speed is the real one's, its accuracy says nothing.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

PACKAGED = "packaged:minilm-l6-h384"
SEED = 1


def main() -> None:
    geometry, folder = sys.argv[1:]

    from finesweep.models import TFDistilBertForSequenceClassification

    model = TFDistilBertForSequenceClassification.from_pretrained(PACKAGED, seed=SEED, num_labels=2)
    if geometry == "base":
        tokenizer_files = model.tokenizer_files
        base = replace(model.config, dim=768, hidden_dim=3072, n_heads=12, n_layers=6)
        model = TFDistilBertForSequenceClassification(base, seed=SEED)
        model.tokenizer_files = tokenizer_files
    model.save_pretrained(Path(folder))


if __name__ == "__main__":
    main()
