"""What other programs call what this one calls ``val/accuracy``."""

from __future__ import annotations


def is_metric(name: str, wanted: str) -> bool:
    """Whether ``name`` is ``wanted``; Keras writes ``val_accuracy`` for ``val/accuracy``."""
    return name in (wanted, wanted.replace("/", "_"))
