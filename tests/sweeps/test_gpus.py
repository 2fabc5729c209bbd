from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from finesweep.sweeps import gpus
from finesweep.sweeps.gpus import usable_gpus, visible_gpus
from finesweep.sweeps.machine import Machine

TWO = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-5c89852c-d268)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-77aa0000-1111)
"""
DIVIDED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c-d268)
  MIG 1g.5gb      Device  0: (UUID: MIG-aaaa)
  MIG 1g.5gb      Device  1: (UUID: MIG-bbbb)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-77aa0000-1111)
"""

Driver = Callable[[str], None]


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """Puts an ``nvidia-smi`` with a given body on the path; there is none before."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def install(body: str) -> None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{body}\n")
        tool.chmod(0o755)

    return install


def listing(text: str) -> str:
    return f'[ "$1" = -L ] && cat <<END\n{text}END'


def test_all_there_are(driver: Driver) -> None:
    driver(listing(TWO))
    assert visible_gpus() == ("GPU-5c89852c-d268", "GPU-77aa0000-1111")


def test_the_parts_of_a_divided_one(driver: Driver) -> None:
    driver(listing(DIVIDED))
    assert visible_gpus() == ("MIG-aaaa", "MIG-bbbb", "GPU-77aa0000-1111")


@pytest.mark.parametrize(
    ("chosen", "visible"),
    [
        ("1", ("1",)),
        ("1, 0", ("1", "0")),
        ("0,7,1", ("0",)),
        ("GPU-77aa", ("GPU-77aa",)),
        ("MIG-bbbb", ("MIG-bbbb",)),
        ("", ()),
        ("-1", ()),
        ("none", ()),
    ],
)
def test_the_users_choice(
    chosen: str, visible: tuple[str, ...], driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(listing(DIVIDED))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == visible


@pytest.mark.parametrize("body", ["exit 9", "echo 'NVIDIA-SMI has failed'", "exec sleep 30"])
def test_a_driver_that_does_not_answer(
    body: str, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "ASK_SECONDS", 0.2)
    driver(body)
    assert visible_gpus() == ()


def test_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert visible_gpus() == ()


@pytest.mark.parametrize("found", [True, False])
def test_one_without_cuda_libraries_is_of_no_use(
    found: bool, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(listing(TWO))
    monkeypatch.setattr(gpus, "find_spec", lambda _: None)
    monkeypatch.setattr(gpus, "find_library", lambda name: f"lib{name}.so.9" if found else None)
    assert len(visible_gpus()) == 2
    assert len(usable_gpus()) == (2 if found else 0)
    here = Machine.here()
    assert (here.gpus, here.idle_gpus) == ((2, 0) if found else (0, 2))
