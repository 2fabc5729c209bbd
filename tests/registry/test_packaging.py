from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mlflow.models import Model

import finesweep
from finesweep.errors import RegistryError
from finesweep.registry import package
from finesweep.registry.packaging import read_label_names, warm_up


def test_the_checkpoint_is_moved_in_whole(tiny_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = Path(shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint"))
    names = {file.name for file in checkpoint.iterdir()}
    inode = (checkpoint / "model.safetensors").stat().st_ino
    packaged = package(checkpoint, tmp_path / "model", max_length=16)
    assert packaged == tmp_path / "model"
    assert not checkpoint.exists()
    inside = packaged / "artifacts" / "checkpoint"
    assert {file.name for file in inside.iterdir()} == names
    assert (inside / "model.safetensors").stat().st_ino == inode


def test_there_is_no_pickle(packaged: Path) -> None:
    files = {file.name for file in packaged.rglob("*") if file.is_file()}
    assert not [name for name in files if name.endswith(".pkl")]
    assert "pyfunc_model.py" in files


def test_the_signature_names_every_class(packaged: Path) -> None:
    signature = Model.load(str(packaged)).signature
    assert signature.inputs.to_dict() == [{"type": "string", "name": "text", "required": True}]
    assert [(each["name"], each["type"]) for each in signature.outputs.to_dict()] == [
        ("label", "string"),
        ("score", "double"),
        ("probability_plain", "double"),
        ("probability_satire", "double"),
        ("probability_other", "double"),
    ]


def test_the_description_keeps_no_path_of_this_machine(packaged: Path) -> None:
    text = (packaged / "MLmodel").read_text()
    assert str(Path(finesweep.__file__).parent) not in text
    assert str(packaged.parent) not in text
    assert "max_length: 16" in text


def test_the_requirements_are_pinned(packaged: Path) -> None:
    lines = (packaged / "requirements.txt").read_text().split()
    assert lines[0] == f"finesweep=={finesweep.__version__}"
    assert all("==" in line for line in lines)
    names = {line.partition("==")[0].removesuffix("-cpu") for line in lines}
    assert {"tensorflow", "keras", "tokenizers", "safetensors", "numpy", "mlflow"} <= names


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"is not a checkpoint: it has no config\.json"):
        package(tmp_path, tmp_path / "model", max_length=16)


@pytest.mark.parametrize(
    "config", ["{}", "not json", '{"id2label": {"1": "a"}}', '{"id2label": 3}', '{"id2label": {}}']
)
def test_a_checkpoint_without_class_names(config: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(RegistryError, match=r"config\.json, field 'id2label': expected the class"):
        read_label_names(tmp_path)


def test_a_target_that_exists(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="exists already"):
        package(tiny_checkpoint, tmp_path, max_length=16)
    assert (tiny_checkpoint / "config.json").is_file()


def test_warming_up_does_what_the_first_call_would(monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = []
    monkeypatch.setattr(
        "finesweep.registry.packaging.package", lambda *given, **_: packaged.append(given)
    )
    warm_up.cache_clear()
    warm_up()
    warm_up()
    ((checkpoint, into),) = packaged
    assert not checkpoint.parent.exists()
    assert not into.exists()


def test_a_warm_up_that_fails_is_left_for_the_real_call(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    warm_up.cache_clear()
    warm_up()
