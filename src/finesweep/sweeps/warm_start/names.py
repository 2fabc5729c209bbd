"""What other programs call what this one calls ``val/accuracy``."""

from __future__ import annotations

from collections.abc import Mapping


def is_metric(name: str, wanted: str) -> bool:
    """Whether ``name`` is ``wanted``; Keras writes ``val_accuracy`` for ``val/accuracy``."""
    return name in (wanted, _keras_name(wanted))


def result(metrics: Mapping[str, float], wanted: str) -> float | None:
    """The value of ``wanted`` that a run comes to, of the last value of each of its metrics.

    A search by the Tuner here also logs the curve, and the trial's score apart from it.
    """
    names = (wanted, f"best/{_keras_name(wanted)}", _keras_name(wanted))
    return next((metrics[name] for name in names if name in metrics), None)


def _keras_name(name: str) -> str:
    return name.replace("/", "_")
