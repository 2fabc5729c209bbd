from __future__ import annotations

import pytest

from finesweep.sweeps.engines._environment import worker_environment

THREADS = {"OMP_NUM_THREADS": "2", "TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "1"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """An old processor, and a user who has set none of the variables."""
    for name in [
        *THREADS,
        "TF_ENABLE_ONEDNN_OPTS",
        "TF_ONEDNN_USE_SYSTEM_ALLOCATOR",
        "TF_FORCE_GPU_ALLOW_GROWTH",
    ]:
        monkeypatch.delenv(name, raising=False)
    processor(monkeypatch, "sse4_2", "avx")


def processor(monkeypatch: pytest.MonkeyPatch, *flags: str) -> None:
    monkeypatch.setattr("finesweep.sweeps.engines._environment.cpu_flags", lambda: frozenset(flags))


def test_threads_that_the_user_set_win(monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker_environment(threads=2, gpu=None) == THREADS
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    assert worker_environment(threads=2, gpu=None) == {
        "OMP_NUM_THREADS": "2",
        "TF_NUM_INTEROP_THREADS": "1",
    }


def test_onednn_multiplies_where_tensorflow_would_not_choose_it_unless_the_user_says_no(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processor(monkeypatch, "avx", "avx2", "avx512_vnni")
    assert worker_environment(threads=2, gpu=None) == THREADS
    processor(monkeypatch, "avx", "avx2")
    kernels = {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1"}
    assert worker_environment(threads=2, gpu=None) == {**THREADS, **kernels}
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "0")
    assert worker_environment(threads=2, gpu=None) == THREADS


def test_a_gpu_is_the_only_one_seen_and_is_not_taken_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    seen = {**THREADS, "CUDA_VISIBLE_DEVICES": "1", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    assert worker_environment(threads=2, gpu="1") == seen
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "false")
    del seen["TF_FORCE_GPU_ALLOW_GROWTH"]
    assert worker_environment(threads=2, gpu="1") == seen
