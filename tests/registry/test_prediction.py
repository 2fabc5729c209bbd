"""The tiny checkpoint, registered, loaded through MLflow and asked."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import finesweep
from finesweep.errors import DataError, RegistryError
from finesweep.registry import predict, predict_file, register
from finesweep.registry.prediction import load
from finesweep.tracking import TrackingStore

LABELS = ("plain", "satire", "other")
SOURCES = Path(finesweep.__file__).parents[1]  # where an installed package is found anyway
MakeRun = Callable[[], str]


@pytest.fixture
def staged(store: TrackingStore, finished_run: MakeRun) -> TrackingStore:
    register(store, finished_run(), name="headlines", stage="Staging")
    return store


def test_every_uri_gives_the_same(staged: TrackingStore) -> None:
    texts = ["the cat sat", "a dog"]
    version = staged.client.get_model_version("headlines", "1")
    uris = ["models:/headlines/Staging", "models:/headlines/1", "models:/headlines@staging"]
    uris += ["models:/headlines/latest", f"runs:/{version.run_id}/model"]
    found = [predict(staged, uri, texts) for uri in uris]
    for each in found:
        assert each.class_names == LABELS
        assert each.probabilities.shape == (2, 3)
        np.testing.assert_allclose(each.probabilities.sum(axis=1), 1.0, atol=1e-5)
        np.testing.assert_allclose(each.scores, each.probabilities.max(axis=1))
        best = [LABELS[number] for number in each.probabilities.argmax(axis=1)]
        assert list(each.labels) == best
        np.testing.assert_allclose(each.probabilities, found[0].probabilities, atol=1e-6)


def test_no_texts_no_predictions(staged: TrackingStore) -> None:
    found = predict(staged, "models:/headlines/1", [])
    assert (found.labels, found.probabilities.shape) == ((), (0, 3))
    assert found.class_names == LABELS


def test_a_text_that_is_missing(staged: TrackingStore) -> None:
    texts: list[str] = ["a", None]  # type: ignore[list-item]
    with pytest.raises(RegistryError, match="row 2: expected a text, received nothing"):
        predict(staged, "models:/headlines/1", texts)


def test_threads_get_their_own_answers(staged: TrackingStore) -> None:
    model = load(staged, "models:/headlines/1")
    texts = [f"the cat sat on {'the ' * number}mat" for number in range(8)]
    alone = [float(model.frame([text])["score"].iloc[0]) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda text: float(model.frame([text])["score"].iloc[0]), texts))
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_files_that_are_gone(staged: TrackingStore) -> None:
    version = staged.client.get_model_version("headlines", "1")
    weights = Path(version.source) / "artifacts" / "checkpoint" / "model.safetensors"
    weights.unlink()
    with pytest.raises(RegistryError, match="cannot load models:/headlines/1") as caught:
        load(staged, "models:/headlines/1")
    assert "\n" not in str(caught.value)


def test_runs_without_a_model(staged: TrackingStore) -> None:
    with pytest.raises(RegistryError, match="cannot find the files of runs:/nope/model"):
        load(staged, "runs:/nope/model")


def test_a_file_gets_its_predictions(staged: TrackingStore, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text('id,headline,label\n007,"the cat, sat",NA\n8,a dog,\n')
    done: list[tuple[int, int]] = []
    rows = predict_file(
        staged,
        "models:/headlines/Staging",
        source,
        out,
        text_column="headline",
        progress=lambda part, whole: done.append((part, whole)),
    )
    assert (rows, done) == (2, [(2, 2)])
    with out.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == [
        "id",
        "headline",
        "label",
        "predicted_label",
        "score",
        *(f"probability_{label}" for label in LABELS),
    ]
    assert [(row["id"], row["headline"], row["label"]) for row in table] == [
        ("007", "the cat, sat", "NA"),
        ("8", "a dog", ""),
    ]
    expected = predict(staged, "models:/headlines/Staging", ["the cat, sat", "a dog"])
    assert tuple(row["predicted_label"] for row in table) == expected.labels


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        ('text\na\n" "\n', "text", "in.csv, row 2, field 'text': expected a text, rec"),
        ("headline\na\n", "text", "there is no column 'text'; the columns are 'headline'"),
    ],
)
def test_a_file_without_its_texts(
    content: str, column: str, message: str, store: TrackingStore, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    source.write_text(content)
    with pytest.raises(DataError) as caught:
        predict_file(store, "models:/h/1", source, tmp_path / "out.csv", text_column=column)
    assert message in str(caught.value)
    assert not (tmp_path / "out.csv").exists()


def test_targets_that_are_refused_before_anything_is_loaded(
    store: TrackingStore, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text\na\n")
    (tmp_path / "there.csv").write_text("mine")
    refused = {
        "there.csv": "exists already; choose another, or pass --overwrite",
        "in.csv": "the predictions would overwrite the texts",
        "none/out.csv": "create it first",
        "out.xlsx": "expected a file that ends in one of",
    }
    for name, message in refused.items():
        with pytest.raises(DataError, match=message):
            predict_file(store, "models:/h/1", source, tmp_path / name)
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_columns_that_are_taken_twice(staged: TrackingStore, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text,label,predicted_label\na,b,c\n")
    with pytest.raises(DataError, match="need a column 'predicted_label', which is there already"):
        predict_file(staged, "models:/headlines/1", source, tmp_path / "out.csv")


@pytest.mark.slow
def test_plain_mlflow_loads_it_anywhere(staged: TrackingStore, tmp_path: Path) -> None:
    code = (
        "import mlflow, pandas as pd\n"
        "model = mlflow.pyfunc.load_model('models:/headlines/Staging')\n"
        "found = model.predict(pd.DataFrame({'text': ['the cat', 'a dog'], 'n': [1, 2]}, "
        "index=[5, 9]))\n"
        "print(list(found.columns), list(found.index), round(found.score.sum(), 3) > 0)\n"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=elsewhere,
        env={**os.environ, "MLFLOW_TRACKING_URI": staged.uri, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    columns = ["label", "score", *(f"probability_{label}" for label in LABELS)]
    assert done.stdout.strip() == f"{columns} [5, 9] True"
    assert "Traceback" not in done.stderr
    assert list(elsewhere.iterdir()) == []
