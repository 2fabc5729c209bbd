"""What a reader of the results should know about trials that came in."""

from __future__ import annotations

from collections.abc import Iterable


def about_data(digests: Iterable[str | None], *, here: str) -> tuple[str, ...]:
    """A remark if trials are known to have learned from other data than this sweep's.

    They come in nevertheless: what is good for one set of texts is often good for the next.
    """
    known = [digest for digest in digests if digest is not None]
    others = sum(digest != here for digest in known)
    if not others:
        return ()
    whose = "their data are" if others == len(known) else f"the data of {others} are"
    return (f"{whose} not this sweep's",)
