"""A workplace to make mistakes in, and to put right again."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from workplace import Said, Workplace, command

CLOSED = 9  # the port of a service that nobody runs

# Makes a folder read-only for one command, for root too: in a namespace that ends with it.
READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
AS_READ_ONLY = ("unshare", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, "sh")

Content = dict[str, str]


@dataclass(frozen=True)
class Place:
    """A workplace, a copy of it as it was at first, and a cache that outlives mistakes."""

    workplace: Workplace
    pristine: Path
    cache: Path

    @property
    def folder(self) -> Path:
        """The working directory."""
        return self.workplace.directory

    def run(self, *arguments: str, **variables: str) -> Said:
        """Run a command with the place's own cache and without a way to the real hub."""
        return self.workplace.run(*arguments, **(self._variables() | variables))

    def run_read_only(self, folder: Path, *arguments: str) -> Said:
        """Run a command that finds ``folder`` read-only."""
        done = subprocess.run(
            [*AS_READ_ONLY, str(folder), *command(), *arguments],
            cwd=self.folder,
            env=self.workplace.environment | self._variables(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def content(self) -> Content:
        """Every path of the working directory, with the digest of a file; locks are nothing."""
        return {
            str(path.relative_to(self.folder)): sha256(path.read_bytes()).hexdigest()
            if path.is_file()
            else "no file"
            for path in self.folder.rglob("*")
            if path.suffix != ".lock"
        }

    def mend(self) -> None:
        """Put every file back as it was, and take away what was added."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        shutil.copytree(self.pristine, self.folder, dirs_exist_ok=True)

    def _variables(self) -> dict[str, str]:
        hub = {"HF_HOME": str(self.cache / "hub"), "HF_ENDPOINT": f"http://127.0.0.1:{CLOSED}"}
        return {"FINESWEEP_CACHE": str(self.cache), **hub}


def make_place(workplace: Workplace, texts: list[dict[str, str]], *, beside: Path) -> Place:
    """A fresh workplace, with its data in other formats too; ``beside`` is an empty folder."""
    data = workplace.directory / "data"
    with (data / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["text", "label"])
        writer.writeheader()
        writer.writerows(texts)
    (data / "first.json").write_text(json.dumps(texts[:300]))
    (data / "last.json").write_text(json.dumps(texts[300:]))
    pristine = Path(shutil.copytree(workplace.directory, beside / "pristine"))
    return Place(workplace, pristine, beside / "cache")


def sweep(*settings: str) -> tuple[str, ...]:
    """The command that runs the sweep under these settings."""
    return ("run", "sweep.yaml", *(part for setting in settings for part in ("--set", setting)))


def refused(place: Place, said: Said, before: Content, *words: str) -> None:
    """One line with all of ``words``, exit code 2, and a working directory as it was ``before``."""
    said.is_refused(*words)
    assert [line[:7] for line in said.err.splitlines()].count("error: ") == 1, said.err
    assert said.out == ""
    assert place.content() == before
