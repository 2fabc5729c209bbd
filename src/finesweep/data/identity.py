"""Which data a run learned from: the name, the fingerprint and the origin that go on record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DatasetIdentity:
    """A dataset as lineage knows it.

    ``digest`` is the SHA-256 (hex) of the file's bytes, or of the files' digests where training,
    validation and test stand in files of their own; ``source`` is the path or URL of the training
    file; ``rows`` counts all rows read.
    """

    name: str
    digest: str
    source: str
    rows: int
