"""Writing a safetensors file one tensor after another.

The library's own writers want every tensor in memory at once, and the whole file once more beside
them; its ``save_file`` also leaves a file that only its owner may read. Source of the format: the
README of huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TensorLayout:
    """A tensor's type as safetensors names it, such as F32, and its shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor in the file."""
        bits = re.search(r"\d+$", self.dtype)
        width = int(bits[0]) // 8 if bits else 1  # BOOL takes a byte
        return math.prod(self.shape) * width


def view_of(variable: Any) -> NDArray[Any]:
    """The numbers of a variable of TensorFlow, to be read before it is given others.

    They lie in the variable's own memory, where ``numpy()`` would copy them, and ``read_value()``
    those of a variable that was written by rows; those on a GPU are copied.
    """
    return np.asarray(variable.read_value_no_copy())


def write_tensors(
    stream: BinaryIO,
    tensors: Iterable[NDArray[Any]],
    *,
    layouts: Mapping[str, TensorLayout],
    metadata: Mapping[str, str],
) -> None:
    """Write ``tensors``, which come in the order of ``layouts``; none is held but the one before.

    Raises:
        OSError: the stream cannot be written.
        ValueError: a tensor has another size than its layout; the file is of no use then.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, layout in layouts.items():
        start, end = end, end + layout.nbytes
        header[name] = {
            "dtype": layout.dtype,
            "shape": list(layout.shape),
            "data_offsets": [start, end],
        }
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)  # so that numbers begin at a multiple of their size
    stream.write(len(encoded).to_bytes(8, "little"))
    stream.write(encoded)
    for (name, layout), tensor in zip(layouts.items(), tensors, strict=True):
        if tensor.nbytes != layout.nbytes:
            raise ValueError(f"expected {layout.nbytes} bytes of {name}, received {tensor.nbytes}")
        stream.write(np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data)
