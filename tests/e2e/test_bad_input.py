"""Bad files and values, each tried as a user would.

One line that says what is wrong and what to do, exit code 2, nothing half-written; with the input
put right, the same command works. ``test_mistakes`` has what is wrong with the words of a command,
``test_bad_surroundings`` what is wrong around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from place import Place, make_place, refused, sweep
from spoiling import (
    WEIGHTS,
    Spoil,
    cut,
    link,
    pipe,
    replaced,
    with_config,
    with_token,
    without_tensor,
    written,
)
from workplace import Workplace

JSON, CSV = "data/some rows.json", "data/rows.csv"
FROM_CSV = ("experiment.data.path=data/rows.csv",)
BY_FILES = (
    "experiment.data.path=data/first.json",
    "experiment.data.split={by: files, validation: data/last.json}",
)
BY_POSITION = ("experiment.data.split={by: position, train: 399, validation: 1}",)


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """What is wrong, the settings of the sweep it is wrong in, and words of what is said."""

    spoil: Spoil
    words: tuple[str, ...]
    settings: tuple[str, ...] = ()


MISTAKES = {
    "truncated JSON": Mistake(
        spoil=cut(JSON, 0.5), words=("some rows.json:1, row ", "cut short", "download it again")
    ),
    "a stray quote opens a field of a CSV": Mistake(
        spoil=replaced(CSV, "\n", '\n"'),
        settings=FROM_CSV,
        words=("rows.csv:2, row 1: a quote opens a field here", "written twice"),
    ),
    "a stray quote closes a field of a CSV": Mistake(
        spoil=replaced(CSV, "\n", '\n"so" '),
        settings=FROM_CSV,
        words=("rows.csv:2, row 1: text goes on after the closing quote", "written twice"),
    ),
    "a label only in the validation file": Mistake(
        spoil=replaced("data/last.json", '"bad"', '"odd"'),
        settings=BY_FILES,
        words=("last.json:1, row ", "'label'", "no training row has the label 'odd'", "1 row has"),
    ),
    "a label only in the validation rows": Mistake(
        spoil=replaced(JSON, '"label": "bad"}]', '"label": "odd"}]'),
        settings=BY_POSITION,
        words=("some rows.json:1, row 400, field 'label'", "'odd'", "change data.split"),
    ),
    "a checkpoint of other dimensions": Mistake(
        spoil=with_config(dim=32),
        words=("model.safetensors", "(173, 32)", "(173, 16)", "not of one checkpoint"),
    ),
    "a checkpoint of more layers": Mistake(
        spoil=with_config(n_layers=10**9), words=("model.safetensors", "layer.2.", "fetch both")
    ),
    "a checkpoint without a tensor": Mistake(
        spoil=without_tensor("distilbert.transformer.layer.1.ffn.lin1.weight"),
        words=("model.safetensors", "layer.1.ffn.lin1.weight", "not in the file"),
    ),
    "a tokenizer of another checkpoint": Mistake(
        spoil=with_token(500), words=("checkpoint", "173 words", "500", "fetch both")
    ),
    "a truncated safetensors file": Mistake(
        spoil=cut(WEIGHTS, 0.9), words=("model.safetensors", "whole safetensors", "fetch")
    ),
    "a corrupt safetensors header": Mistake(
        spoil=written(WEIGHTS, b"\xff" * 4096), words=("model.safetensors", "fetch")
    ),
    "a web page for a safetensors file": Mistake(
        spoil=written(WEIGHTS, "<!doctype html><title>404</title>"),
        words=("model.safetensors", "whole safetensors", "fetch"),
    ),
    "what a clone without Git LFS has": Mistake(
        spoil=written(WEIGHTS, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n"),
        words=("model.safetensors", "git lfs pull"),
    ),
    "a config.json of too many labels": Mistake(
        spoil=with_config(num_labels=10**12, id2label=None, label2id=None),
        words=("config.json, field 'num_labels'", "100,000", "correct it"),
    ),
    "a config.json cut short": Mistake(
        spoil=cut("checkpoint/config.json", 0.5), words=("config.json:", "fetch")
    ),
}


@pytest.fixture(scope="module")
def worn(
    new_workplace: Callable[[], Workplace],
    texts: list[dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """One place for all mistakes in files: after them, and with its cache, the sweeps can run."""
    place = make_place(new_workplace(), texts, beside=tmp_path_factory.mktemp("beside"))
    yield place
    for settings in sorted({mistake.settings for mistake in MISTAKES.values()}):
        planned = place.run(*sweep(*settings), "--plan")
        assert planned.code == 0, planned.err


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_in_a_file(worn: Place, mistake: Mistake) -> None:
    try:
        mistake.spoil(worn.folder)
        before = worn.content()
        refused(worn, worn.run(*sweep(*mistake.settings)), before, *mistake.words)
    finally:
        worn.mend()


@pytest.fixture
def place(workplace: Workplace, texts: list[dict[str, str]], tmp_path: Path) -> Place:
    """A place of one test's own."""
    return make_place(workplace, texts, beside=tmp_path)


HOSTILE = {
    "an empty file": (written(CSV, ""), ("rows.csv: the file is empty",)),
    "nothing but the header": (written(CSV, "text,label\n"), ("rows.csv", "no rows below")),
    "UTF-16 without its mark": (
        written(CSV, "text,label\ngood,a\n".encode("utf-16-le")),
        ("rows.csv", "UTF-16", "save it as UTF-8"),
    ),
    "half a character of UTF-16": (
        written(CSV, "text,label\n".encode("utf-16")[:-1]),
        ("rows.csv", "begins as UTF-16", "Save it as UTF-8"),
    ),
    "a NUL in a text": (
        written(CSV, b"text,label\ngo\0od,a\nbad,b\n"),
        ("rows.csv:2, row 1, field 'text'", "NUL", "Remove it"),
    ),
    "a column that stands twice": (
        written(CSV, "text,text,label\na,b,c\n"),
        ("rows.csv, field 'text'", "2 columns", "Rename"),
    ),
    "a spreadsheet": (written(CSV, b"PK\x03\x04xl/workbook.xml"), ("save it as CSV",)),
    "a label of its own for every row": (
        written(CSV, "text,label\n" + "".join(f"good,{n}\n" for n in range(5000))),
        ("rows.csv, field 'data.split'", "1 of the 3 rows it needs"),
    ),
    "a link that goes in a circle": (link(CSV, "rows.csv"), ("rows.csv", "leads to no file")),
    "a link to nowhere": (link(CSV, "gone.csv"), ("rows.csv", "leads to no file", "mend it")),
    "a pipe": (pipe, ("rows.csv", "a pipe or a device", "save in a file")),
}


@pytest.mark.parametrize(("spoil", "words"), HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_data_file(place: Place, spoil: Spoil, words: tuple[str, ...]) -> None:
    spoil(place.folder)
    said = place.run("train", "experiment.yaml", "--set", "data.path=data/rows.csv")
    refused(place, said, place.content(), *words)


ALIASES = "\n".join(f"k{n}: &k{n} [{', '.join(['*k' + str(n - 1)] * 9)}]" for n in range(1, 12))

HOSTILE_YAML = {
    "tabs": (lambda text: text.replace("  path", "\tpath"), ("experiment.yaml:3", "\\t")),
    "aliases that grow": (lambda text: f"k0: &k0 [x]\n{ALIASES}\n{text}", ("fewer aliases",)),
    "an alias of itself": (lambda text: f"a: &a [*a]\n{text}", ("experiment.yaml:1", "alias")),
    "a tag that runs code": (
        lambda text: f"a: !!python/object/apply:os.system [ls]\n{text}",
        ("experiment.yaml:1", "leave it out"),
    ),
    "a NUL": (lambda text: text.replace("tiny", "ti\0ny"), ("experiment.yaml", "#x0000")),
    "a key that stands twice": (lambda text: f"{text}name: again\n", ("'name' once", "on line 1")),
}


@pytest.mark.parametrize(("spoil", "words"), HOSTILE_YAML.values(), ids=list(HOSTILE_YAML))
def test_a_hostile_experiment(
    place: Place, spoil: Callable[[str], str], words: tuple[str, ...]
) -> None:
    file = place.folder / "experiment.yaml"
    file.write_text(spoil(file.read_text()))
    refused(place, place.run("train", "experiment.yaml"), place.content(), *words)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("experiment.learning_rate=.nan", ("learning_rate", "above 0, at most 1", "nan")),
        ("experiment.batch_size=-8", ("batch_size", "1 to 4096", "-8")),
        ("space.epochs={choices: [1, 1]}", ("space.epochs.choices.1", "once", "1 again")),
        ("name=../escaped", ("'name'", "letters, digits", "'../escaped'")),
        ("experiment.data.label_names={good: x, bad: x}", ("label_names.bad", "'x'", "own")),
        ("trials=-1", ("trials", "at least 1", "-1")),
    ],
)
def test_a_hostile_value(place: Place, setting: str, words: tuple[str, ...]) -> None:
    refused(place, place.run(*sweep(setting)), place.content(), *words)
