"""What every room's tests may use: a tiny real checkpoint, and stores of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def tiny_checkpoint() -> Path:
    """A two-layer DistilBERT of three labels, written by transformers and torch themselves."""
    return FIXTURES / "tiny-distilbert"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes to the store the developer has in use."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
