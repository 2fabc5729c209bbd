"""The Keras callback through which a hypermodel's training tells its ticks and hears the answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras

from finesweep.errors import DivergedError
from finesweep.training.memory import peak_memory_mb
from finesweep.training.progress import TICKS_PER_EPOCH, Answer, Tick
from finesweep.training.resume import ResumePoint

Measure = Callable[..., dict[str, float]]


class TrainingEnded(BaseException):
    """Ends a training at a tick, from within; no ``except Exception`` of the user's holds it up."""


class TickCallback(keras.callbacks.Callback):
    """Counts batches and epochs, measures at every tick, and ends the training when it is told to.

    ``measure(full=…)`` gives the validation metrics, ``on_tick`` the answer, and ``save`` keeps a
    resume point at the end of an epoch. A loop of the user's own that only calls ``on_epoch_end``
    ticks at the ends of its epochs. ``point`` is the tick reached.
    """

    def __init__(
        self,
        *,
        n_train: int,
        measure: Measure,
        on_tick: Callable[[Tick], Answer],
        save: Callable[[ResumePoint], None],
    ) -> None:
        super().__init__()
        self._n_train = n_train
        self._measure = measure
        self._on_tick = on_tick
        self._save = save
        self._epochs = 0
        self._began = time.perf_counter()
        self._interval = _Interval(examples=0.0)
        self.point = ResumePoint(examples_seen=0, tick=0, seconds=0.0, metrics={})

    def start_from(self, point: ResumePoint) -> None:
        """Go on counting at the end of an epoch that an earlier attempt reached."""
        self.point = point
        self._epochs = point.tick // TICKS_PER_EPOCH
        self._began = time.perf_counter() - point.seconds
        self._interval = _Interval(examples=float(point.examples_seen))

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tick if a quarter of the epoch was crossed; its end is left to ``on_epoch_end``."""
        steps = (self.params or {}).get("steps")
        if steps and batch + 1 < steps:
            share = (batch + 1) / steps
            number = self._epochs * TICKS_PER_EPOCH + int(share * TICKS_PER_EPOCH + 1e-9)
            if number > self.point.tick:
                self._tick(number, share=share, logs=logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tick, measured on the whole validation split."""
        del epoch  # begins at 0 again where a fit trains in stages
        self._epochs += 1
        self._tick(self._epochs * TICKS_PER_EPOCH, share=0.0, logs=logs)

    def finish(self, metrics: Mapping[str, float], *, ticks: int) -> None:
        """The metrics of the finished model; told as a tick if the training never told one."""
        if not self.point.tick:
            self._epochs = ticks // TICKS_PER_EPOCH
            self._tell(ticks, share=0.0, metrics=dict(metrics))
        self.point = ResumePoint(
            examples_seen=self.point.examples_seen,
            tick=self.point.tick,
            seconds=time.perf_counter() - self._began,
            metrics={**self.point.metrics, **metrics},
        )

    def _tick(self, number: int, *, share: float, logs: Mapping[str, Any] | None) -> None:
        seen = (self._epochs + share) * self._n_train
        trained = self._interval.ended(seen, share=share, loss=(logs or {}).get("loss"))
        measured = self._measure(full=share == 0.0)
        answer = self._tell(number, share=share, metrics={**trained, **measured})
        if share == 0.0 and answer != "stop":
            self._save(self.point)
        if answer != "continue":
            raise TrainingEnded
        self._interval.begin_again()

    def _tell(self, number: int, *, share: float, metrics: dict[str, float]) -> Answer:
        for name, kind in (("train/loss", "training"), ("val/loss", "validation")):
            if not math.isfinite(metrics.get(name, 0.0)):
                raise DivergedError(
                    f"the {kind} loss became {metrics[name]}; a lower learning rate may help"
                )
        epoch, seconds = self._epochs + share, time.perf_counter() - self._began
        metrics = {**metrics, "memory_mb": peak_memory_mb()}
        seen = round(epoch * self._n_train)
        self.point = ResumePoint(examples_seen=seen, tick=number, seconds=seconds, metrics=metrics)
        return self._on_tick(
            Tick(
                number=number,
                epoch=epoch,
                examples_seen=seen,
                seconds=seconds,
                metrics=metrics,
                full_validation=share == 0.0,
            )
        )


class _Interval:
    """The training between two ticks: its mean loss and its speed, evaluations left out.

    Keras gives the mean loss since the epoch began.
    """

    def __init__(self, *, examples: float) -> None:
        self._examples = examples
        self._began = time.perf_counter()
        self._share = 0.0
        self._loss_so_far = 0.0

    def begin_again(self) -> None:
        """The evaluation is over."""
        self._began = time.perf_counter()

    def ended(self, examples: float, *, share: float, loss: Any) -> dict[str, float]:
        """``train/loss``, if the training tells one, and ``examples_per_second`` up to now."""
        seconds = max(time.perf_counter() - self._began, 1e-9)
        metrics = {"examples_per_second": (examples - self._examples) / seconds}
        if loss is not None:
            done = share or 1.0
            total = float(loss) * done
            metrics["train/loss"] = (total - self._loss_so_far) / max(done - self._share, 1e-9)
            self._loss_so_far = total if share else 0.0
        self._share, self._examples = share, examples
        return metrics
