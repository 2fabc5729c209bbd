from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from finesweep.config import DataConfig
from finesweep.data import check
from finesweep.errors import DataError

Headlines = Callable[..., Path]
Config = Callable[..., DataConfig]


def test_sound_data_is_counted(
    headlines: Headlines, config: Config, checkpoint: Path, tmp_path: Path
) -> None:
    texts = ["man " * (i + 1) for i in range(30)]
    path = headlines(texts=texts, labels=[0] * 20 + [1] * 10)
    report = check(
        config(
            path,
            label_names={0: "plain", 1: "satire"},
            split={"by": "fraction", "validation": 0.2, "test": 0.1},
        ),
        cache=tmp_path,
        tokenizer=checkpoint,
    )
    assert report.ok
    assert (report.rows, report.problems, report.warnings) == (30, (), ())
    assert [(c.label, c.name, c.rows) for c in report.classes] == [
        (0, "plain", 20),
        (1, "satire", 10),
    ]
    assert sum(c.share for c in report.classes) == pytest.approx(1.0)
    assert [(s.name, s.rows, s.class_rows) for s in report.splits] == [
        ("train", 21, (14, 7)),
        ("validation", 6, (4, 2)),
        ("test", 3, (2, 1)),
    ]
    assert report.lengths is not None
    assert report.lengths.unit == "tokens"
    assert (report.lengths.p50, report.lengths.max) == (18, 32)
    assert report.lengths.suggested_max_length == 32
    lines = list(report.lines())
    assert lines[0] == f"{path}: 30 rows, 2 classes"
    assert "  class       plain (label 0): 20 rows, 66.7%" in lines
    assert "  max_length  32 suggested" in lines
    assert lines[-1] == "This data can be trained on."


@pytest.mark.parametrize(
    ("words", "suggested"), [(1, 8), (6, 8), (7, 16), (22, 24), (31, 32), (500, 32)]
)
def test_the_suggestion_is_a_multiple_of_eight_within_the_model(
    headlines: Headlines,
    config: Config,
    checkpoint: Path,
    tmp_path: Path,
    words: int,
    suggested: int,
) -> None:
    path = headlines(texts=["man " * words] * 4)
    report = check(config(path), cache=tmp_path, tokenizer=checkpoint)
    assert report.lengths is not None
    assert report.lengths.p99 == words + 2, "lengths are those of the whole text"
    assert report.lengths.suggested_max_length == suggested


def test_without_a_tokenizer_words_are_counted_and_said_so(
    headlines: Headlines, config: Config, tmp_path: Path
) -> None:
    report = check(config(headlines()), cache=tmp_path, tokenizer=None)
    assert report.lengths is not None
    assert (report.lengths.unit, report.lengths.max) == ("words", 4)
    assert report.lengths.suggested_max_length is None
    text = "\n".join(report.lines())
    assert "longest 4 (words)" in text
    assert "no suggestion: without a checkpoint's tokenizer, words count" in text


def test_every_fault_is_in_one_report(
    headlines: Headlines, config: Config, checkpoint: Path, tmp_path: Path
) -> None:
    texts: list[object] = ["a", None, " ", 7, "b\ud800", "c", "d", "e"]
    labels: list[object] = [0, 1, 0, 1, 0, None, [], ""]
    report = check(
        config(headlines(texts=texts, labels=labels), label_names={5: "x", 0: "y"}),
        cache=tmp_path,
        tokenizer=checkpoint,
    )
    assert not report.ok
    assert (report.missing_texts, report.missing_labels) == (2, 2)
    assert report.splits == ()
    assert [c.name for c in report.classes] == ["0", "1"]
    assert len(report.problems) == 7
    for expected in (
        "row 2, field 'headline': the text is missing",
        "row 3, field 'headline': the text is empty",
        "row 4, field 'headline': expected a text, received 7",
        "row 5, field 'headline': the text holds half of a character",
        "row 6, field 'is_sarcastic': the label is missing (2 rows: 6, 8)",
        "row 7, field 'is_sarcastic': expected a whole number, a text or a boolean",
        "field 'data.label_names': names '5', which no row has",
    ):
        assert any(expected in problem for problem in report.problems), expected
    assert "the splits were not checked, because of the problems" in report.warnings
    plain = report.to_plain()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["ok"] is False
    "\n".join(report.lines()).encode("utf-8")


def test_repeated_texts_are_warnings(
    headlines: Headlines, config: Config, checkpoint: Path, tmp_path: Path
) -> None:
    texts = ["a b", "c", "d", "a  b ", "c", "c", "e", "f"]
    labels = [0, 0, 1, 0, 1, 0, 1, 1]
    split = {"by": "position", "train": 3, "validation": 2, "test": 2}
    path = headlines(texts=texts, labels=labels)
    report = check(config(path, split=split), cache=tmp_path, tokenizer=checkpoint)
    assert report.ok
    assert (report.duplicates, report.texts_in_two_splits) == (3, 2)
    assert report.texts_with_two_labels == 1
    assert report.warnings == (
        "3 rows repeat a text of a row before",
        "2 texts stand in two splits (3 rows of validation and test seen in training)",
        f"1 text has two labels, as in {path}:6, row 2 and {path}:18, row 5",
        "1 last row belongs to no split",
    )


def test_a_split_without_a_class_is_a_warning(
    headlines: Headlines, config: Config, tmp_path: Path
) -> None:
    path = headlines(texts=list("abcd"), labels=["x", "y", "x", "x"])
    split = {"by": "position", "train": 2, "validation": 2}
    report = check(config(path, split=split), cache=tmp_path, tokenizer=None)
    assert report.ok
    assert report.warnings == ("validation has no row of the class 'y'",)


def test_a_split_that_cannot_be_is_a_problem(
    headlines: Headlines, config: Config, tmp_path: Path
) -> None:
    split = {"by": "position", "train": 40, "validation": 2}
    report = check(config(headlines(), split=split), cache=tmp_path, tokenizer=None)
    assert not report.ok
    assert "the split asks for 42 rows (40 + 2), the data has 40" in report.problems[0]
    assert list(report.lines())[-1] == "Training would refuse this data."


def test_no_label_at_all_is_still_a_report(
    headlines: Headlines, config: Config, tmp_path: Path
) -> None:
    path = headlines(texts=[None, ""], labels=[None, None])
    report = check(config(path), cache=tmp_path, tokenizer=None)
    assert report.classes == ()
    assert report.lengths is None
    assert "\n".join(report.lines()).startswith(f"{path}: 2 rows, 0 classes")


def test_labels_of_two_kinds_are_one_problem(
    headlines: Headlines, config: Config, tmp_path: Path
) -> None:
    path = headlines(texts=list("abc"), labels=[0, "one", 1])
    names = config(path, label_names={0: "zero", 1: "one"})
    report = check(names, cache=tmp_path, tokenizer=None)
    assert report.classes == ()
    (problem,) = report.problems
    assert "row 2, field 'is_sarcastic': expected labels of one kind" in problem


def test_a_file_that_cannot_be_read_is_an_error(config: Config, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[{")
    with pytest.raises(DataError, match="the file ends inside the array"):
        check(config(tmp_path / "x.json"), cache=tmp_path, tokenizer=None)
