from __future__ import annotations

from pathlib import Path

import pytest

from finesweep.training.precision import cpu_flags, dtype_policy, resolve_precision


def test_flags_are_read_from_the_first_processor(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("model name\t: some\nflags\t\t: fpu avx512_bf16 sse\n\nflags\t\t: fpu\n")
    assert cpu_flags(file) == {"fpu", "avx512_bf16", "sse"}
    assert cpu_flags(tmp_path / "missing") == frozenset()


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


def test_policies() -> None:
    assert dtype_policy("float32") == "float32"
    assert dtype_policy("bfloat16") == "mixed_bfloat16"
