"""Bytes of a text file to characters, without guessing an encoding."""

from __future__ import annotations

import codecs

from finesweep.errors import DataError, Location

_BYTE_ORDER_MARKS = (
    # The mark of UTF-32 (little endian) begins with that of UTF-16: it must be tried first.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_TEXT = (
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet", "unpack it, or save it as CSV"),
    (b"PAR1", "a Parquet file", "set data.format to parquet"),
)
_NUL_SHARE_OF_UTF16 = 0.2


def decode(content: bytes, *, file: str) -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 with a byte order mark.

    Bytes that are no UTF-8 become lone surrogates (``surrogateescape``): validation finds them in
    the row and field that hold them, and a column nobody learns from may hold what it likes.
    """
    at = Location(file=file)
    if not content:
        raise DataError("the file is empty; copy or download it again", at=at)
    for magic, what, advice in _NOT_TEXT:
        if content.startswith(magic):
            raise DataError(f"expected a text file, found {what}; {advice}", at=at)
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            try:
                text = content.decode(encoding)
            except UnicodeDecodeError as exc:
                raise DataError(
                    f"the file begins as {encoding.upper()} but is not: {exc.reason} at byte "
                    f"{exc.start + 1:,}. Save it as UTF-8",
                    at=at,
                ) from exc
            break
    else:
        if content.count(0) > _NUL_SHARE_OF_UTF16 * len(content):
            raise DataError(
                "the file looks like UTF-16 without a byte order mark, or is no text at all; "
                "save it as UTF-8",
                at=at,
            )
        text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    if not text.strip():
        raise DataError("the file holds nothing but blanks; copy or download it again", at=at)
    return text
