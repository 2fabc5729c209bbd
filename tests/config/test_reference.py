from __future__ import annotations

import re
from pathlib import Path

from finesweep.config.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "write it again: python -m finesweep.config.reference > docs/configuration.md"
    )


def test_every_key_has_a_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \| (.*) \|$", reference(), re.MULTILINE)
    assert len(rows) > 60
    assert [row for row in rows if not all(row)] == []


def test_every_union_lists_its_variants() -> None:
    headings = re.findall(r"^#### (.*)$", reference(), re.MULTILINE)
    assert "`pruner`: `name: hyperband`" in headings
    assert "`data.split`: `by: files`" in headings
    assert "`space.batch_size`, `space.epochs`, `space.max_length`: choices" in headings
