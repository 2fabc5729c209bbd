"""Registered models at the command line: their stages, and what they say of texts."""

from __future__ import annotations

import csv

import pytest
from workplace import Swept, Workplace

MODEL = "models:/tiny/1"


@pytest.fixture(scope="module")
def workplace(swept: Swept) -> Workplace:
    return swept.workplace


def test_a_version_moves_through_stages_and_its_history_is_kept(workplace: Workplace) -> None:
    moved = workplace.run("promote", "tiny", "1", "production", "--json")
    assert (moved.json["stage"], moved.json["aliases"]) == ("Production", ["production"])
    then = workplace.run("models", "tiny", "--at", "2999-01-01T00:00")
    assert then.out == "tiny: version 1 was in Production at 2999-01-01 00:00 UTC\n"

    back = workplace.run("register", "small", "--name", "tiny", "--stage", "Staging")
    assert back.out == "tiny version 1 is in Staging: models:/tiny/Staging\n"
    history = workplace.run("models", "tiny", "--history", "--json").json
    assert [change["stage"] for change in history] == ["Staging", "Production", "Staging"]


def test_models_lists_versions_with_their_accuracy(workplace: Workplace) -> None:
    table = workplace.run("models").out
    assert "val/accuracy" in table
    assert "small" in table
    assert "t000" in table or "t003" in table


@pytest.mark.slow
def test_texts_are_classified(workplace: Workplace) -> None:
    hostile = ["great sun [/bold] :smile:", "bad storm, „Büro“ 雪"]
    said = workplace.run("predict", MODEL, *hostile, "--json")
    assert (said.code, said.err) == (0, f"loading {MODEL}\n")
    answers = said.json
    assert [answer["text"] for answer in answers] == hostile
    for answer in answers:
        assert set(answer["probabilities"]) == {"bad", "good"}
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert answer["score"] == max(answer["probabilities"].values())


@pytest.mark.slow
def test_a_file_is_classified_whole_or_not_at_all(workplace: Workplace) -> None:
    source, out = workplace.directory / "in.csv", workplace.directory / "out.csv"
    source.write_text("id,text\n007,great sun\n008,bad storm\n", encoding="utf-8")
    said = workplace.run("predict", MODEL, "--file", "in.csv", "--out", "out.csv")
    assert said.code == 0, said.err
    assert said.err.splitlines()[-1] == "2 rows classified: out.csv"
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["007", "008"]
    assert {row["label"] for row in rows} <= {"good", "bad"}

    before = out.read_bytes()
    workplace.run("predict", MODEL, "--file", "in.csv", "--out", "out.csv").is_refused(
        "out.csv", "--overwrite"
    )
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("predict", MODEL), ("texts", "--file IN")),
        (("predict", MODEL, "good", " "), ("empty", "2")),
        (("predict", MODEL, "\udcff"), ("UTF-8", "1")),
        (("predict", MODEL, "x", "--file", "in.csv"), ("--out OUT",)),
        (("predict", MODEL, "--file", "no.csv", "--out", "o.csv"), ("no.csv", "No such file")),
        (("predict", "tiny", "x"), ("models:/NAME/STAGE", "'tiny'")),
        (("promote", "tiny", "1", "Prod"), ("Prod", "Staging, Production, Archived")),
        (("models", "toni"), ("toni", "did you mean tiny?")),
        (("models", "--history"), ("name it",)),
        (("models", "tiny", "--stage", "Staging"), ("--at",)),
        (("register", "smal", "--name", "tiny"), ("'smal'", "it has small")),
        (("show", "other"), ("'other'", "it has small")),
        (("ui", "other"), ("'other'",)),
    ],
)
def test_a_mistake_is_told_in_one_line(
    workplace: Workplace, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    workplace.run(*arguments).is_refused(*words)
