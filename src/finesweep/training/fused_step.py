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
from finesweep.training.memory import overwrite, own
from finesweep.training.step import TrainStep

ADAM = Path(__file__).with_name("adam.c")

# Subtracted in float32, as TensorFlow does: 0.001 is 5 in 100,000 more then.
_RATES_OF_MOMENTS = np.float32(1.0) - np.array([BETA_1, BETA_2], dtype=np.float32)

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
    return FusedStep(model, AdamPass(library, threads=_threads()))


class _Rates(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_float) for name in ("rate", "mean", "square", "epsilon"))


class AdamPass:
    """``adam.c``: one step of Adam over many weights, as ``RowwiseAdam`` takes it.

    Each weight is a row of an int64 table: the addresses of the weight and its two moments, in
    float32, of its gradient and its copy, in bfloat16, and how many numbers each of them has.
    """

    WEIGHT, MEAN, SQUARE, GRADIENT, COPY, SIZE = range(6)
    COLUMNS = 6

    def __init__(self, library: ctypes.CDLL, *, threads: int) -> None:
        number = ctypes.c_int64
        self._step = library.adam_step
        self._step.argtypes = [ctypes.c_void_p, number, _Rates, number, number]
        self._step.restype = None
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __call__(self, table: Table, *, rate: float) -> None:
        """Take one step, at a ``rate`` that is corrected for moments that began at 0."""
        rates = _Rates(rate, *_RATES_OF_MOMENTS, EPSILON)
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
            tf.Variable(tf.zeros(layer.kernel.shape, tf.bfloat16))
            for layer in self._layers.values()
        ]
        self._table: Table | None = None

    def __call__(self, input_ids: Any, attention_mask: Any, labels: Any) -> tf.Tensor:
        """Take one step."""
        with self.held() as table:
            loss, rate, gradients = self._compiled(input_ids, attention_mask, labels)
            views = [np.asarray(gradient) for gradient in gradients]
            table[:, AdamPass.GRADIENT] = _addresses(views)
            self._adam(table, rate=float(rate))
        return loss

    @contextmanager
    def held(self) -> Iterator[Table]:
        """Inside, where the weights lie is known and need not be looked up at each step.

        Yields the table of an ``AdamPass``, of which the gradients are still to be filled in.
        """
        if self._table is not None:
            yield self._table
            return
        for layer, copy in zip(self._layers.values(), self._copies, strict=True):
            overwrite(copy, tf.cast(layer.kernel.value, tf.bfloat16))
        # Until they go, these views keep what lies at their addresses from being given back.
        views = {
            AdamPass.WEIGHT: self._writable(self.variables),
            AdamPass.MEAN: self._writable(self.optimizer.means),
            AdamPass.SQUARE: self._writable(self.optimizer.squares),
            AdamPass.COPY: [view_of(copy) for copy in self._copies],
        }
        table = np.zeros((len(self._places), AdamPass.COLUMNS), dtype=np.int64)
        for column, arrays in views.items():
            table[:, column] = _addresses(arrays)
        table[:, AdamPass.SIZE] = [copy.size for copy in views[AdamPass.COPY]]
        self._table = table
        try:
            yield table
        finally:
            self._table = None
            views.clear()

    def _writable(self, variables: Sequence[tf.Variable]) -> list[NDArray[Any]]:
        """The kernels' own, in memory that nobody else has: to be written behind TensorFlow."""
        of_kernels = [variables[place] for place in self._places]
        for variable in of_kernels:
            own(variable)
        return [view_of(variable) for variable in of_kernels]

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


def _addresses(arrays: Sequence[NDArray[Any]]) -> list[int]:
    return [array.__array_interface__["data"][0] for array in arrays]


def _threads() -> int:
    """As many as TensorFlow has for an op: what the engine or the user chose, or one a core."""
    chosen = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return (int(chosen) if chosen.isdecimal() else 0) or os.cpu_count() or 1
