"""Quality: the article's values in bfloat16 and in float32, some seeds each.

    python benchmarks/quality.py --data headlines.json [--seeds 3]

Each training is one `finesweep train` on the article's split, pinned to a core; as many run at a
time as there are cores. It takes hours of one core: about nine minutes a training in bfloat16.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

EXPERIMENT = Path(__file__).resolve().parents[1] / "experiments" / "headlines.yaml"
PRECISIONS = ("bfloat16", "float32")
METRIC = "val/accuracy"


def train(folder: Path, cores: SimpleQueue[int], settings: dict[str, object]) -> float:
    """The validation accuracy at the end of one training."""
    core = cores.get()
    try:
        chosen = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        command = "from finesweep.cli.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", command, "train", str(EXPERIMENT), *chosen, "--json"],
            cwd=folder,
            check=True,
            stdout=subprocess.PIPE,
            env={**os.environ, **dict.fromkeys(THREADS, "1")},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    finally:
        cores.put(core)
    accuracy: float = json.loads(done.stdout)["metrics"][METRIC]
    return accuracy


THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the article's headlines")
    parser.add_argument("--checkpoint", default="packaged:minilm-l6-h384")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="quality-"))
    cores: SimpleQueue[int] = SimpleQueue()
    for core in sorted(os.sched_getaffinity(0)):
        cores.put(core)
    with ThreadPoolExecutor(cores.qsize()) as pool:
        runs = {
            precision: [
                pool.submit(
                    train,
                    folder,
                    cores,
                    {
                        "data.path": options.data.resolve(),
                        "model.checkpoint": options.checkpoint,
                        "model.precision": precision,
                        "seed": seed,
                    },
                )
                for seed in range(options.seeds)
            ]
            for precision in PRECISIONS
        }
    means = {}
    for precision, trainings in runs.items():
        accuracies = [training.result() for training in trainings]
        means[precision] = statistics.mean(accuracies)
        listed = ", ".join(f"{accuracy:.4f}" for accuracy in accuracies)
        print(f"{precision}: {listed}; mean {means[precision]:.4f}")
    print(f"bfloat16 less float32: {100 * (means['bfloat16'] - means['float32']):+.2f} points")


if __name__ == "__main__":
    main()
