from __future__ import annotations

from pathlib import Path

import pytest

from finesweep.training.precision import cpu_flags, dtype_policy, resolve_precision


def test_flags_are_read_from_the_first_processor(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("model name\t: some\nflags\t\t: fpu avx512_bf16 sse\n\nflags\t\t: fpu\n")
    assert cpu_flags(file) == {"fpu", "avx512_bf16", "sse"}
    assert cpu_flags(tmp_path / "missing") == frozenset()
    file.write_text("processor\t: 0\nFeatures\t: fp asimd bf16\n")
    assert "bf16" in cpu_flags(file)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [({"avx2"}, "float32"), ({"amx_bf16"}, "bfloat16"), ({"avx512_bf16"}, "bfloat16")],
)
def test_auto_takes_what_the_processor_multiplies(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], expected: str
) -> None:
    monkeypatch.setattr("finesweep.training.precision.cpu_flags", lambda: frozenset(flags))
    assert resolve_precision("auto") == expected
    assert resolve_precision("float32") == "float32"


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [([(7, 5)], "float32"), ([(8, 0)], "bfloat16"), ([(9, 0), (7, 0)], "float32")],
)
def test_auto_asks_the_gpus_before_the_processor(
    monkeypatch: pytest.MonkeyPatch, capabilities: list[tuple[int, int]], expected: str
) -> None:
    monkeypatch.setattr("finesweep.training.precision.gpu_capabilities", lambda: capabilities)
    monkeypatch.setattr(
        "finesweep.training.precision.cpu_flags", lambda: frozenset({"avx512_bf16"})
    )
    assert resolve_precision("auto") == expected


def test_policies() -> None:
    assert dtype_policy("float32") == "float32"
    assert dtype_policy("bfloat16") == "mixed_bfloat16"
