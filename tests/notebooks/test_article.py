"""The article's script runs as it stands, from the first line to the last."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "notebooks" / "article.py"


def test_the_articles_script_on_a_slice_of_data(tiny_checkpoint: Path, tmp_path: Path) -> None:
    rows = json.loads((files("finesweep.data") / "samples/headlines.json").read_text())
    data = tmp_path / "headlines.json"
    data.write_text(json.dumps(rows[:80]))
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    for file in tiny_checkpoint.iterdir():
        (checkpoint / file.name).write_bytes(file.read_bytes())
    _drop_head(checkpoint / "model.safetensors")
    finished = subprocess.run(
        [sys.executable, SCRIPT, data, checkpoint, "80", tmp_path / "saved"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert len(re.findall(r"val_accuracy: \d", finished.stdout)) >= 3
    predictions = re.findall(r": \[\s*([\d.e+-]+)\s+([\d.e+-]+)\s*\]", finished.stdout)
    assert len(predictions) == 2
    for pair in predictions:
        assert abs(sum(map(float, pair)) - 1.0) < 1e-3
    saved = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert saved["id2label"] == {"0": "LABEL_0", "1": "LABEL_1"}


def _drop_head(weights: Path) -> None:
    """Leave the body alone, as a checkpoint that was never fine-tuned has it."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file(weights)
    body = {name: tensor for name, tensor in tensors.items() if name.startswith("distilbert.")}
    save_file(body, weights, metadata={"format": "pt"})
