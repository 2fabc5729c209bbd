from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from finesweep.config import DataConfig
from finesweep.data import EncodedTexts, PreparedData, load_tokenizer, prepare
from finesweep.errors import CheckpointError, DataError

Headlines = Callable[..., Path]
Config = Callable[..., DataConfig]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def tokenised(config: DataConfig, *, checkpoint: Path, cache: Path) -> tuple[PreparedData, bool]:
    """Prepare, and tell whether anything had to be tokenised."""
    told: list[str] = []
    prepared = prepare(
        config,
        name="test",
        checkpoint=checkpoint,
        cache=cache,
        progress=lambda what, done, total: told.append(what),
    )
    return prepared, "tokenizing the texts" in told


def test_rows_become_arrays(
    headlines: Headlines, config: Config, checkpoint: Path, cache: Path
) -> None:
    path = headlines()
    prepared = prepare(
        config(path, label_names={0: "plain", 1: "satire"}),
        name="headlines",
        checkpoint=checkpoint,
        cache=cache,
    )
    assert prepared.label_names == ("plain", "satire")
    assert (prepared.n_train, prepared.n_validation, prepared.n_test) == (32, 8, 0)
    assert prepared.identity.name == "headlines"
    assert prepared.identity.source == str(path)
    assert prepared.identity.rows == 40
    assert prepared.identity.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    texts = EncodedTexts.open(prepared.directory)
    assert len(texts.train) == 32
    assert len(texts.test) == 0
    assert sorted([*texts.train, *texts.validation]) == list(range(40))
    assert texts.labels.tolist() == [0, 1] * 20
    assert (texts.pad_id, texts.sep_id, texts.max_positions) == (0, 3, 32)
    assert isinstance(texts.tokens.base, np.memmap)
    assert not texts.tokens.flags.writeable
    assert [array.dtype for array in (texts.tokens, texts.offsets, texts.labels, texts.train)] == [
        np.dtype(kind) for kind in ("int32", "int64", "int32", "int64")
    ]
    row = 35
    ids = load_tokenizer(checkpoint).tokenizer.encode("man says report " + "s" * (row + 1)).ids
    assert texts.tokens[texts.offsets[row] : texts.offsets[row + 1]].tolist() == ids
    assert texts.lengths[row] == len(ids)


def test_tokenised_once_whatever_the_split_and_the_names(
    headlines: Headlines, config: Config, checkpoint: Path, cache: Path
) -> None:
    path = headlines()
    first, fresh = tokenised(config(path), checkpoint=checkpoint, cache=cache)
    assert fresh
    again, fresh = tokenised(config(path), checkpoint=checkpoint, cache=cache)
    assert (again, fresh) == (first, False)
    other = config(path, split={"by": "position", "train": 20, "validation": 10, "test": 5})
    second, fresh = tokenised(other, checkpoint=checkpoint, cache=cache)
    assert not fresh
    assert second.directory != first.directory
    assert EncodedTexts.open(second.directory).test.tolist() == list(range(30, 35))
    assert EncodedTexts.open(first.directory).test.tolist() == []


def test_other_texts_labels_or_tokenizers_are_tokenised_anew(
    headlines: Headlines, config: Config, checkpoint: Path, cache: Path, tmp_path: Path
) -> None:
    tokenised(config(headlines()), checkpoint=checkpoint, cache=cache)
    swapped = headlines("swapped.json", labels=[1, 0] * 20)
    assert tokenised(config(swapped), checkpoint=checkpoint, cache=cache)[1]
    fewer = headlines("fewer.json", texts=[f"man {'s' * i}" for i in range(10)])
    assert tokenised(config(fewer), checkpoint=checkpoint, cache=cache)[1]
    shorter = tmp_path / "shorter"
    shorter.mkdir()
    (shorter / "tokenizer.json").write_bytes((checkpoint / "tokenizer.json").read_bytes())
    (shorter / "config.json").write_text('{"max_position_embeddings": 4}')
    prepared, fresh = tokenised(config(headlines()), checkpoint=shorter, cache=cache)
    assert fresh
    texts = EncodedTexts.open(prepared.directory)
    assert texts.lengths.max() == 4
    assert (texts.tokens[texts.offsets[1:] - 1] == texts.sep_id).all()


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("damage", [flip, Path.unlink, lambda path: os.truncate(path, 100)])
@pytest.mark.parametrize("name", ["tokens.npy", "meta.json", "splits/*/train.npy"])
def test_a_damaged_cache_is_rebuilt(
    headlines: Headlines,
    config: Config,
    checkpoint: Path,
    cache: Path,
    damage: Callable[[Path], None],
    name: str,
) -> None:
    prepared, _ = tokenised(config(headlines()), checkpoint=checkpoint, cache=cache)
    whole = EncodedTexts.open(prepared.directory)
    tokens, train = whole.tokens.copy(), whole.train.copy()
    (path,) = prepared.directory.parent.parent.glob(name)
    damage(path)
    again, _ = tokenised(config(headlines()), checkpoint=checkpoint, cache=cache)
    assert again == prepared
    texts = EncodedTexts.open(again.directory)
    assert np.array_equal(texts.tokens, tokens)
    assert np.array_equal(texts.train, train)


def test_a_missing_folder_says_how_to_get_it_back(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run the command again, it prepares the data anew"):
        EncodedTexts.open(tmp_path / "key" / "splits" / "x")


def test_processes_that_prepare_at_once_share_one_folder(
    headlines: Headlines, checkpoint: Path, cache: Path, tmp_path: Path
) -> None:
    path = headlines(texts=[f"man {i} dogs" for i in range(6000)])
    script = tmp_path / "at_once.py"
    script.write_text(
        "import json, sys\n"
        "from pathlib import Path\n"
        "from finesweep.config import DataConfig\n"
        "from finesweep.data import EncodedTexts, prepare\n"
        "told = []\n"
        "config = DataConfig(path=sys.argv[1], text='headline', label='is_sarcastic')\n"
        "prepared = prepare(config, name='x', checkpoint=Path(sys.argv[2]), "
        "cache=Path(sys.argv[3]), progress=lambda what, done, total: told.append(what))\n"
        "texts = EncodedTexts.open(prepared.directory)\n"
        "print(json.dumps([str(prepared.directory), len(texts.train), told]))\n"
    )
    arguments = [sys.executable, str(script), str(path), str(checkpoint), str(cache)]
    running = [subprocess.Popen(arguments, stdout=subprocess.PIPE) for _ in range(3)]
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in running]
    assert {directory for directory, _, _ in answers} == {answers[0][0]}
    assert [rows for _, rows, _ in answers] == [4800] * 3
    tokenised_by = [told for _, _, told in answers if "tokenizing the texts" in told]
    assert len(tokenised_by) == 1, "one tokenises, the others wait for it"
    assert not list((cache / "encoded").glob("*.new-*"))


@pytest.mark.parametrize(
    ("texts", "labels", "fields", "expected"),
    [
        (["a", None, "b", "c"], [0, 1, 0, 1], {}, "row 2, field 'headline': the text is missing."),
        (["a", " ", "", "c"], [0, 1, 0, 1], {}, "the text is empty (2 rows: 2, 3). Fill it in"),
        (["a", 5, "b", "c"], [0, 1, 0, 1], {}, "row 2, field 'headline': expected a text, received"
         " 5 (of type int)"),
        (["a", "b\0", "b", "c"], [0, 1, 0, 1], {}, "the text holds a NUL character"),
        (["a", "\ud83d", "b", "c"], [0, 1, 0, 1], {}, "row 2, field 'headline': the text holds "
         "half of a character"),
        (["a", "b", "c", "d"], [0, None, 0, 1], {}, "field 'is_sarcastic': the label is missing"),
        (["a", "b", "c", "d"], [1, 1, 1, 1], {}, "field 'is_sarcastic': every row has the label 1; "
         "expected at least two classes"),
        (["a", "", "c", "d"], [1, None, 1, 2.5], {}, "the text is empty. Fill it in, or remove the "
         "row. The data has 3 more problems; 'finesweep data check' lists all"),
        (["a", "b", "c", "d"], [0, 1, 0, 1], {"label_names": {0: "x", 3: "y"}},
         "field 'data.label_names': names '3', which no row has"),
        (["a", "b", "c", "d"], [0, 1, 0, 1], {"text": "headlines"}, "did you mean 'headline'?"),
        (["a", "b", "c", "d"], [0, 1, 0, 1], {"sha256": "0" * 64}, "expected the bytes with"),
        (["a", "b", "c", "d"], [0, 1, 0, 1],
         {"split": {"by": "position", "train": 4, "validation": 1}}, "the split asks for 5 rows"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_learned_from_is_refused(
    headlines: Headlines,
    config: Config,
    checkpoint: Path,
    cache: Path,
    texts: list[Any],
    labels: list[Any],
    fields: dict[str, Any],
    expected: str,
) -> None:
    path = headlines(texts=texts, labels=labels)
    with pytest.raises(DataError) as caught:
        prepare(config(path, **fields), name="x", checkpoint=checkpoint, cache=cache)
    assert expected in str(caught.value)
    assert caught.value.exit_code == 2
    assert not cache.exists(), "nothing is prepared of data that is refused"


def test_a_latin_1_file_is_named_by_line_row_and_field(
    config: Config, checkpoint: Path, cache: Path, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(
        "headline,is_sarcastic\nplain,0\ncaf\u00e9,1\n\u00e9t\u00e9,0\n".encode("latin-1")
    )
    with pytest.raises(DataError) as caught:
        prepare(config(path), name="x", checkpoint=checkpoint, cache=cache)
    assert str(caught.value) == (
        f"{path}:3, row 2, field 'headline': the text is not valid UTF-8 (2 rows: 2, 3). "
        "Save the file as UTF-8 (iconv -f WINDOWS-1252 -t UTF-8 FILE, if it is Latin-1)"
    )


def test_files_of_their_own_are_one_dataset(
    headlines: Headlines, config: Config, checkpoint: Path, cache: Path
) -> None:
    train = headlines("train.json", texts=list("abcd"), labels=[0, 1, 0, 1])
    validation = headlines("validation.json", texts=list("ef"), labels=[1, 0])
    test = headlines("test.json", texts=["g"], labels=[1])
    files = {"by": "files", "validation": str(validation), "test": str(test)}
    prepared = prepare(config(train, split=files), name="x", checkpoint=checkpoint, cache=cache)
    assert (prepared.n_train, prepared.n_validation, prepared.n_test) == (4, 2, 1)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (train, validation, test)]
    together = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    assert prepared.identity.digest == together
    assert (prepared.identity.source, prepared.identity.rows) == (str(train), 7)
    headlines("validation.json", texts=["e", ""], labels=[1, 0])
    with pytest.raises(DataError, match=r"validation\.json:\d+, row 2, field 'headline'"):
        prepare(config(train, split=files), name="x", checkpoint=checkpoint, cache=cache)


def test_a_checkpoint_without_tokenizer_is_a_checkpoint_error(
    headlines: Headlines, config: Config, cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=r"expected tokenizer\.json or vocab\.txt"):
        prepare(config(headlines()), name="x", checkpoint=tmp_path / "no", cache=cache)


def test_a_cache_that_cannot_be_written_is_said_so(
    headlines: Headlines, config: Config, checkpoint: Path, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(
        DataError, match="cannot write the prepared data: .*; make room, or .*FINESWEEP_CACHE"
    ):
        prepare(config(headlines()), name="x", checkpoint=checkpoint, cache=blocked)


def test_importing_the_room_loads_nothing_heavy() -> None:
    script = (
        "import sys, finesweep.data\n"
        "assert 'numpy' not in sys.modules\n"
        "from finesweep.data import prepare, check, training_batches\n"
        "assert callable(prepare) and callable(check)\n"
        "heavy = {'tensorflow', 'pandas', 'pyarrow', 'mlflow', 'optuna'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_waiting_for_another_process_is_told(
    headlines: Headlines, config: Config, checkpoint: Path, cache: Path
) -> None:
    prepared, _ = tokenised(config(headlines()), checkpoint=checkpoint, cache=cache)
    lock = FileLock(prepared.directory.parent.parent.with_suffix(".lock"), thread_local=False)
    lock.acquire()
    told: list[str] = []

    def progress(what: str, done: int, total: int | None) -> None:
        told.append(what)
        lock.release()

    again = prepare(
        config(headlines()), name="test", checkpoint=checkpoint, cache=cache, progress=progress
    )
    assert again == prepared
    assert told == ["waiting for a process that prepares the same data"]
