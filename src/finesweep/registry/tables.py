"""Whole tables, read and written with nothing guessed: what stands in a file comes out again."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finesweep.errors import DataError, Location

if TYPE_CHECKING:
    import pandas as pd

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_SEPARATORS = {"csv": ",", "tsv": "\t"}


def table_format(file: Path) -> str:
    """The format that the ending of ``file`` names.

    Raises:
        DataError: the ending is not known.
    """
    try:
        return _FORMATS[file.suffix.lower()]
    except KeyError:
        raise DataError(
            f"expected a file that ends in one of {', '.join(_FORMATS)}",
            at=Location(file=str(file)),
        ) from None


def read_table(file: Path) -> pd.DataFrame:
    """All columns of ``file``; the cells of CSV and TSV stay the strings they are.

    Raises:
        DataError: the file is missing, or is not what its ending says.
    """
    import pandas as pd
    import pyarrow as pa

    kind = table_format(file)
    at = Location(file=str(file))
    try:
        if kind in _SEPARATORS:
            return pd.read_csv(
                file, sep=_SEPARATORS[kind], dtype=str, keep_default_na=False, encoding="utf-8-sig"
            )
        if kind == "parquet":
            return pd.read_parquet(file)
        return _frame_of_objects(_objects(file, kind), file)
    except OSError as exc:
        raise DataError(f"cannot read the file: {exc.strerror or exc}", at=at) from exc
    except UnicodeDecodeError as exc:
        raise DataError(f"expected UTF-8 text: {exc.reason} at byte {exc.start}", at=at) from exc
    except (ValueError, csv.Error, pa.ArrowException) as exc:
        reason = str(exc).splitlines()[0]
        raise DataError(f"expected {kind.upper()}: {reason}", at=at) from exc


def write_table(table: pd.DataFrame, file: Path, *, overwrite: bool) -> None:
    """Write ``table`` so that ``file`` appears whole or not at all.

    Raises:
        DataError: the file exists and ``overwrite`` is not set, or it cannot be written.
    """
    at = Location(file=str(file))
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".partial", dir=file.parent)
        os.close(handle)
        partial = Path(name)
        try:
            _write(table, partial, table_format(file))
            # mkstemp keeps others out; the result gets the mode any new file gets.
            mask = os.umask(0)
            os.umask(mask)
            partial.chmod(0o666 & ~mask)
            if overwrite:
                partial.replace(file)
            else:
                file.hardlink_to(partial)  # unlike a rename, refuses a file made meanwhile
        finally:
            partial.unlink(missing_ok=True)
    except FileExistsError as exc:
        raise DataError(
            "the file exists already; choose another, or pass --overwrite", at=at
        ) from exc
    except OSError as exc:
        raise DataError(f"cannot write the file: {exc.strerror or exc}", at=at) from exc


def _write(table: pd.DataFrame, file: Path, kind: str) -> None:
    if kind in _SEPARATORS:
        table.to_csv(file, sep=_SEPARATORS[kind], index=False, encoding="utf-8")
    elif kind == "parquet":
        table.to_parquet(file, index=False)
    elif kind == "jsonl":
        table.to_json(file, orient="records", lines=True, force_ascii=False)
    else:
        table.to_json(file, orient="records", force_ascii=False, indent=1)


def _objects(file: Path, kind: str) -> list[Any]:
    content = file.read_text(encoding="utf-8-sig")
    if kind == "json":
        whole = json.loads(content)
        if not isinstance(whole, list):
            raise DataError("expected an array of objects", at=Location(file=str(file)))
        return whole
    return [json.loads(line) for line in content.split("\n") if line.strip()]


def _frame_of_objects(objects: list[Any], file: Path) -> pd.DataFrame:
    import pandas as pd

    for row, each in enumerate(objects, start=1):
        if not isinstance(each, dict):
            raise DataError(
                f"expected an object, received {json.dumps(each)[:80]}",
                at=Location(file=str(file), row=row),
            )
    # object: a column of mixed values, or of integers with one missing, stays what it is
    return pd.DataFrame(objects, dtype=object)
