"""The resume point of one trial: everything a fine-tuning needs to go on as if never interrupted.

One safetensors file holds the weights, Adam's moments and step and the random state, and in its
metadata how far the fine-tuning had come and which trial it belongs to. The epoch's order of
batches and the learning rate follow from that place and the seed, so they are not kept.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from finesweep.models.tensor_file import TensorLayout, view_of, write_tensors
from finesweep.training.progress import FineTuned

# 2: batches have other widths than in 1, and so come in another order.
FORMAT_VERSION = 2

_METADATA_KEY = "finesweep.resume_point"
# TensorFlow's name of a type, and safetensors' of one that NumPy has as well: bits stay bits.
_DTYPES = {
    "bfloat16": "U16",
    "bool": "BOOL",
    "float8_e4m3fn": "U8",
    "float8_e5m2": "U8",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
}


@dataclass(frozen=True, kw_only=True)
class ResumePoint:
    """How far a fine-tuning has come: always a tick, the last one, whose ``metrics`` these are.

    ``seconds`` is the time spent on the trial, that of earlier attempts included.
    """

    examples_seen: int
    tick: int
    seconds: float
    metrics: dict[str, float]

    def outcome(self, *, checkpoint: Path | None, precision: str) -> FineTuned:
        """What a fine-tuning that ends here comes to; one without a ``checkpoint`` was stopped."""
        return FineTuned(
            metrics=self.metrics,
            ticks=self.tick,
            seconds=self.seconds,
            stopped=checkpoint is None,
            checkpoint=checkpoint,
            precision=precision,
        )


BEGINNING = ResumePoint(examples_seen=0, tick=0, seconds=0.0, metrics={})


class ResumeFile:
    """Where the resume point of one trial is kept.

    ``variables``, of TensorFlow, are all that training changes, by lasting names; saving reads and
    restoring assigns them. ``identity`` is a JSON object that tells the trial and what it is
    trained on: a point of another identity is of no use.
    """

    def __init__(
        self, file: Path, *, identity: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> None:
        self.file = file
        self.variables = variables
        # As it comes back from a file, where a tuple is a list.
        self.identity = json.loads(json.dumps(identity))

    def save(self, point: ResumePoint) -> None:
        """Replace the file in one step: whoever is killed here leaves the one before it.

        Raises ``OSError`` when it cannot be written; what was there stays.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.file.with_name(f".{self.file.name}.{os.getpid()}.partial")
        try:
            with partial.open("wb") as stream:
                self._write(stream, point)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(self.file)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def restore(self) -> ResumePoint | None:
        """Assign every variable and return the place; None without a point that can be used.

        A file that cannot be used is passed over with a line on stdout that says why; if it broke
        off while it was read, some variables have changed. What an attempt that was killed left
        half-written is removed.
        """
        for partial in self.file.parent.glob(f".{self.file.name}.*.partial"):
            partial.unlink(missing_ok=True)
        if not self.file.exists():
            return None
        try:
            return self._read()
        except _UnusableError as exc:
            sys.stdout.write(f"{self.file}: {exc}; the trial starts from its beginning\n")
            sys.stdout.flush()
            return None

    def _write(self, stream: BinaryIO, point: ResumePoint) -> None:
        about = {"version": FORMAT_VERSION, "identity": self.identity, "point": asdict(point)}
        write_tensors(
            stream,
            map(view_of, self.variables.values()),
            layouts={name: _layout(variable) for name, variable in self.variables.items()},
            metadata={_METADATA_KEY: json.dumps(about)},
        )

    def _read(self) -> ResumePoint:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.file, framework="numpy") as tensors:
                point = self._point(tensors.metadata() or {})
                self._require_same_variables(tensors)
                for name, variable in self.variables.items():
                    bits = tensors.get_tensor(name)
                    variable.assign(bits.view(variable.dtype.as_numpy_dtype))
        except (SafetensorError, OSError) as exc:
            raise _UnusableError(f"expected a whole resume point, received: {exc}") from exc
        return point

    def _point(self, metadata: Mapping[str, str]) -> ResumePoint:
        try:
            about = json.loads(metadata[_METADATA_KEY])
            version, identity = about["version"], about["identity"]
        except (KeyError, TypeError, ValueError) as exc:
            raise _UnusableError("expected a resume point, received another file") from exc
        if version != FORMAT_VERSION:
            raise _UnusableError(
                f"expected a resume point of version {FORMAT_VERSION}, received {version}"
            )
        if identity != self.identity:
            names = [*self.identity, *sorted(identity.keys() - self.identity.keys())]
            other = [name for name in names if identity.get(name) != self.identity.get(name)]
            raise _UnusableError(
                f"expected the resume point of this trial, received one of another {other[0]}"
            )
        return ResumePoint(**about["point"])

    def _require_same_variables(self, tensors: Any) -> None:
        slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
        received = {
            name: TensorLayout(part.get_dtype(), tuple(part.get_shape()))
            for name, part in slices.items()
        }
        if received != {name: _layout(variable) for name, variable in self.variables.items()}:
            raise _UnusableError("expected the variables of this model, received those of another")


def _layout(variable: Any) -> TensorLayout:
    return TensorLayout(_DTYPES[variable.dtype.name], tuple(variable.shape))


class _UnusableError(Exception):
    """Why a resume point cannot be gone on from."""
