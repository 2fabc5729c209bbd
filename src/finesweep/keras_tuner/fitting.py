"""Training by a hypermodel's own ``fit``, with what it takes of what there is to give.

KerasTuner hands to ``HyperModel.fit`` what was given to ``search``, always with callbacks. Many
draw the batch size or the epochs themselves and pass the rest on: ``model.fit(*args,
batch_size=hp.Choice(…), **kwargs)``. So these two are given only to a ``fit`` that names them; to
``model.fit`` they are what it takes where it is given none.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner

from finesweep.training.hyperparameters import Hyperparameters

_FIT = inspect.signature(keras.Model.fit)
_OPTIONAL = ("batch_size", "epochs", "initial_epoch")


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a model is trained on and with; ``parts`` is into how many a batch is taken apart."""

    x: Any
    y: Any
    validation: tuple[Any, Any]
    hyperparameters: Hyperparameters
    callback: Any
    parts: int = 1


def watches_validation(hypermodel: Any) -> bool:
    """Whether a ``fit`` of the hypermodel's own may look at the validation rows.

    It may stop early then, and keep the weights of another epoch than the last. A hypermodel says
    that it does not with an attribute ``watches_validation = False``.
    """
    has_own_fit = type(hypermodel).fit is not keras_tuner.HyperModel.fit
    return has_own_fit and bool(getattr(hypermodel, "watches_validation", True))


def fit(
    hypermodel: Any,
    hp: Any,
    model: Any,
    *,
    training: Training,
    go_on: Callable[[], int],
    keep_no_more: Callable[[], None],
    lend: Callable[[dict[str, int]], None],
    begin: Callable[[dict[str, int]], None],
) -> None:
    """Train ``model``.

    ``go_on`` restores the model to a resume point, if there is one, and returns the epoch to begin
    at; it is asked as soon as it is certain that somebody skips the epochs before. ``keep_no_more``
    is called when ``model.fit`` is called a second time: a resume point of then could not say so.
    ``lend`` is told the batch size and the epochs that the hypermodel's ``fit`` is given, and
    ``begin`` those that are in effect when ``model.fit`` is first called.
    """
    # Before the optimizer is built, which going on from a resume point does.
    _accumulates(model, parts=training.parts)
    named = inspect.signature(hypermodel.fit).parameters
    takes_all = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in named.values())
    given: dict[str, Any] = {"callbacks": [training.callback], "verbose": 2}
    if watches_validation(hypermodel):
        # Nobody else wants it: the callback measures by itself.
        given["validation_data"] = training.validation
    values = training.hyperparameters
    optional = {"batch_size": values.batch_size, "epochs": values.epochs}
    if "initial_epoch" in named:
        optional["initial_epoch"] = go_on()
    given = {name: value for name, value in given.items() if takes_all or name in named}
    given |= {name: value for name, value in optional.items() if name in named}
    lend({name: given[name] for name in ("batch_size", "epochs") if name in given})
    with _defaults(model, training, go_on=go_on, keep_no_more=keep_no_more, begin=begin):
        hypermodel.fit(hp, model, training.x, training.y, **given)


@contextmanager
def _defaults(
    model: Any,
    training: Training,
    *,
    go_on: Callable[[], int],
    keep_no_more: Callable[[], None],
    begin: Callable[[dict[str, int]], None],
) -> Iterator[None]:
    """``model.fit`` with the trial's batch size and epochs; its first call goes on where it can."""
    original, values, calls = model.fit, training.hyperparameters, 0

    def fit_with_defaults(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        given = _FIT.bind_partial(model, *args, **kwargs).arguments
        del given["self"]
        given.setdefault("epochs", values.epochs)
        effective = {"epochs": int(given["epochs"])}
        if _is_array(given.get("x")):
            given["batch_size"] = int(given.get("batch_size") or values.batch_size)
            effective["batch_size"] = given["batch_size"]
            if _accumulates(model, parts=training.parts):
                given["batch_size"] = math.ceil(given["batch_size"] / training.parts)
        if calls == 1:
            begin(effective)
            if "initial_epoch" not in given:
                given["initial_epoch"] = go_on()
        elif calls == 2:
            keep_no_more()
        return original(**given)

    model.fit = fit_with_defaults
    try:
        yield
    finally:
        del model.fit


def _is_array(x: Any) -> bool:
    """Whether ``x`` is cut into batches by Keras; a dataset or a generator brings its own."""
    if isinstance(x, dict):
        return all(map(_is_array, x.values()))
    if isinstance(x, list | tuple):
        return all(map(_is_array, x))
    return hasattr(x, "shape") and hasattr(x, "dtype")


def _accumulates(model: Any, *, parts: int) -> bool:
    """Whether Keras adds up the gradients of ``parts`` batches; it is told to while it can be.

    Smaller batches take less memory for the same effective batch.
    """
    optimizer = getattr(model, "optimizer", None)  # none where a loop by hand has its own
    if parts == 1 or optimizer is None:
        return False
    if not optimizer.built:
        optimizer.gradient_accumulation_steps = parts
    return bool(optimizer.gradient_accumulation_steps == parts)
