"""The training step in bfloat16 whose kernels are updated by one pass of machine code."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from finesweep.models.distilbert import TFDistilBertForSequenceClassification
from finesweep.models.layers import Dense
from finesweep.models.tensor_file import view_of
from finesweep.training.adam import BETA_1, BETA_2, EPSILON
from finesweep.training.machine_code import compiled
from finesweep.training.memory import own
from finesweep.training.step import TrainStep

ADAM = Path(__file__).with_name("adam.c")

Table = NDArray[np.int64]


def new_train_step(model: TFDistilBertForSequenceClassification) -> TrainStep:
    """The fastest step there is for ``model`` on this machine.

    In bfloat16, without a GPU and with a C compiler it is a ``FusedStep``; in float32 that takes as
    long as a ``TrainStep``, and more memory.
    """
    if not _narrow_layers(model) or tf.config.list_physical_devices("GPU"):
        return TrainStep(model)
    library = compiled(ADAM)
    if library is None:
        return TrainStep(model)
    return FusedStep(model, AdamPass(library, threads=_cores()))


class _Rates(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_float) for name in ("rate", "mean", "square", "epsilon"))


class AdamPass:
    """``adam.c``: one step of Adam over many weights, as ``RowwiseAdam`` takes it.

    Each weight is a row of an int64 table: the addresses of the weight and its two moments, in
    float32, of its gradient and its copy, in bfloat16, and how many numbers each of them has.
    """

    GRADIENT = 3

    def __init__(self, library: ctypes.CDLL, *, threads: int) -> None:
        number = ctypes.c_int64
        self._step = library.adam_step
        self._step.argtypes = [ctypes.c_void_p, number, _Rates, number, number]
        self._step.restype = None
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __call__(self, table: Table, *, rate: float) -> None:
        """Take one step, at a ``rate`` that is corrected for moments that began at 0."""
        # Subtracted in float32, as TensorFlow does: 0.001 is 5 in 100,000 more then.
        mean_rate, square_rate = np.float32(1.0) - np.array([BETA_1, BETA_2], dtype=np.float32)
        rates = _Rates(rate, mean_rate, square_rate, EPSILON)
        step = functools.partial(self._step, table.ctypes.data, len(table), rates)
        if self._pool is None:
            step(0, 1)
        else:
            parts = [self._pool.submit(step, n, self._threads) for n in range(self._threads)]
            for part in parts:
                part.result()


class FusedStep(TrainStep):
    """A ``TrainStep`` that leaves the kernels of dense layers in bfloat16 to an ``AdamPass``.

    They are kept in bfloat16 too, beside the weights in float32: a step casts neither a kernel nor
    its gradient.
    """

    def __init__(self, model: TFDistilBertForSequenceClassification, adam: AdamPass) -> None:
        super().__init__(model)
        self._adam = adam
        self._layers = _narrow_layers(model)
        self._places = [self.paths.index(path) for path in self._layers]
        self._copies = [
            tf.Variable(tf.cast(layer.kernel.value, tf.bfloat16)) for layer in self._layers.values()
        ]
        self._table: Table | None = None

    def __call__(self, input_ids: Any, attention_mask: Any, labels: Any) -> tf.Tensor:
        """Take one step."""
        with self._held() as table:
            loss, rate, gradients = self._compiled(input_ids, attention_mask, labels)
            views = [np.asarray(gradient) for gradient in gradients]
            table[:, AdamPass.GRADIENT] = _addresses(views)
            self._adam(table, rate=float(rate))
        return loss

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, where the weights lie is known and need not be looked up at each step."""
        with self._held():
            yield

    @contextmanager
    def _held(self) -> Iterator[Table]:
        """The table of the kernels, of which the gradients are still to be filled in."""
        if self._table is not None:
            yield self._table
            return
        for layer, copy in zip(self._layers.values(), self._copies, strict=True):
            copy.assign(tf.cast(layer.kernel.value, tf.bfloat16))
        of_all = (self.variables, self.optimizer.means, self.optimizer.squares)
        columns = [[variables[place] for place in self._places] for variables in of_all]
        kernels, means, squares, copies = (
            [_writable(variable) for variable in variables]
            for variables in (*columns, self._copies)
        )
        addresses = [*map(_addresses, (kernels, means, squares, copies))]
        addresses.insert(AdamPass.GRADIENT, [0] * len(kernels))
        sizes = [kernel.size for kernel in kernels]
        self._table = np.ascontiguousarray(np.array([*addresses, sizes], dtype=np.int64).T)
        try:
            yield self._table
        finally:
            self._table = None
            # The views: until here they kept what lies at the addresses from being given back.
            del kernels, means, squares, copies

    def _step(self, input_ids: Any, attention_mask: Any, labels: Any) -> Any:
        by = list(self.variables)
        for place, copy in zip(self._places, self._copies, strict=True):
            by[place] = copy
        with self._copies_in_products():
            loss, gradients = self.loss_and_gradients(
                input_ids, attention_mask, labels, training=True, by=by
            )
        of_kernels = [gradients[place] for place in self._places]
        for place in self._places:
            gradients[place] = None
        return loss, self.optimizer.apply(gradients), of_kernels

    @contextmanager
    def _copies_in_products(self) -> Iterator[None]:
        """While this graph is traced; others cast the weights."""
        try:
            for layer, copy in zip(self._layers.values(), self._copies, strict=True):
                layer.narrow_kernel = copy
            yield
        finally:
            for layer in self._layers.values():
                layer.narrow_kernel = None


def _narrow_layers(model: TFDistilBertForSequenceClassification) -> dict[str, Dense]:
    """The dense layers whose products are in bfloat16, by the paths of their kernels."""
    layers = model.dense_layers()
    return {path: layer for path, layer in layers.items() if layer.compute_dtype == "bfloat16"}


def _writable(variable: tf.Variable) -> NDArray[Any]:
    """The numbers of ``variable``, in memory that is its own: to be written behind TensorFlow."""
    own(variable)
    return view_of(variable)


def _addresses(arrays: Sequence[NDArray[Any]]) -> list[int]:
    return [array.__array_interface__["data"][0] for array in arrays]


def _cores() -> int:
    """The logical cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
