"""What KerasTuner's users bring: the public examples in other words, on token ids."""

from __future__ import annotations

import sys
from typing import Any

import keras
import keras_tuner
import numpy as np
import tensorflow as tf

WORDS = 200
NOT_A_MODEL = 3


def build_model(hp: Any) -> Any:
    """Layers, units, activation, dropout and rate, as in the getting-started guide."""
    model = keras.Sequential()
    model.add(keras.layers.Embedding(WORDS, 16))
    model.add(keras.layers.GlobalAveragePooling1D())
    for layer in range(hp.Int("num_layers", 1, 2)):
        model.add(
            keras.layers.Dense(
                units=hp.Int(f"units_{layer}", min_value=8, max_value=32, step=8),
                activation=hp.Choice("activation", ["relu", "tanh"]),
            )
        )
    if hp.Boolean("dropout"):
        model.add(keras.layers.Dropout(rate=0.25))
    model.add(keras.layers.Dense(2, activation="softmax"))
    rate = hp.Float("lr", min_value=1e-2, max_value=3e-2, sampling="log")
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def build_either(hp: Any) -> Any:
    """A choice of architecture, each with units of its own, and a model of two inputs."""
    ids = keras.Input((None,), dtype="int32", name="input_ids")
    mask = keras.Input((None,), dtype="int32", name="attention_mask")
    hidden = keras.layers.Embedding(WORDS, 16)(ids)
    kind = hp.Choice("kind", ["mean", "convolution"])
    with hp.conditional_scope("kind", ["mean"]):
        if kind == "mean":
            hidden = keras.layers.Dense(hp.Int("units", 8, 16, step=8))(hidden)
    with hp.conditional_scope("kind", ["convolution"]):
        if kind == "convolution":
            hidden = keras.layers.Conv1D(hp.Choice("units", [4, 12]), 3, padding="same")(hidden)
    weights = keras.ops.expand_dims(keras.ops.cast(mask, "float32"), -1)
    pooled = keras.ops.sum(hidden * weights, axis=1) / keras.ops.sum(weights, axis=1)
    outputs = keras.layers.Dense(1, activation="sigmoid")(pooled)
    model = keras.Model([mask, ids], outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(0.02), loss="binary_crossentropy", jit_compile=False
    )
    return model


def build_explosive(hp: Any) -> Any:
    model = build_model(hp)
    model.optimizer.learning_rate = 1e30
    return model


class OwnBatches(keras_tuner.HyperModel):
    """Draws the batch size in ``fit`` and hands the rest on."""

    def build(self, hp: Any) -> Any:
        return build_model(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, batch_size=hp.Choice("batch_size", [16, 32]), **kwargs)


class ChangesItsMind(keras_tuner.HyperModel):
    """Gets in ``build`` what it declares in ``fit``, and declares what ``fit`` is given."""

    def build(self, hp: Any) -> Any:
        model = build_model(hp)
        model.optimizer.learning_rate = hp.get("learning_rate")
        return model

    def fit(self, hp: Any, model: Any, *args: Any, batch_size: int, **kwargs: Any) -> Any:
        del batch_size
        model.optimizer.learning_rate = hp.Float("learning_rate", 0.5, 0.6)
        return model.fit(*args, batch_size=hp.Choice("batch_size", [14, 28]), **kwargs)


class TwoStages(keras_tuner.HyperModel):
    """Trains twice, the second time at another rate."""

    def build(self, hp: Any) -> Any:
        return build_model(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        model.fit(*args, epochs=2, **kwargs)
        model.optimizer.learning_rate = 0.001
        return model.fit(*args, epochs=2, **kwargs)


class OneEpochFirst(keras_tuner.HyperModel):
    """Trains one epoch, and then all it is given."""

    def build(self, hp: Any) -> Any:
        return build_model(hp)

    def fit(self, hp: Any, model: Any, *args: Any, epochs: int, **kwargs: Any) -> Any:
        model.fit(*args, epochs=1, **kwargs)
        return model.fit(*args, epochs=epochs, **kwargs)


class BreaksBeforeItDraws(keras_tuner.HyperModel):
    """Fails in ``fit`` before it draws the batch size that it is given."""

    def build(self, hp: Any) -> Any:
        hp.get("learning_rate")
        return build_model(hp)

    def fit(self, hp: Any, model: Any, *args: Any, batch_size: int, **kwargs: Any) -> Any:
        raise OSError("no such file")


class TakesInitialEpoch(keras_tuner.HyperModel):
    """Names all that it wants to have, and says into how many parts Keras takes a batch."""

    def build(self, hp: Any) -> Any:
        return build_model(hp)

    def fit(
        self, hp: Any, model: Any, x: Any, y: Any, callbacks: Any, initial_epoch: int, epochs: int
    ) -> Any:
        result = model.fit(x, y, callbacks=callbacks, epochs=epochs, initial_epoch=initial_epoch)
        sys.stdout.write(f"in {model.optimizer.gradient_accumulation_steps} parts\n")
        return result


class StopsEarly(keras_tuner.HyperModel):
    """Keeps the best epoch's weights."""

    def build(self, hp: Any) -> Any:
        return build_model(hp)

    def fit(self, hp: Any, model: Any, *args: Any, callbacks: Any, **kwargs: Any) -> Any:
        stopping = keras.callbacks.EarlyStopping(
            "val_loss", patience=0, min_delta=10.0, restore_best_weights=True
        )
        return model.fit(*args, callbacks=[*callbacks, stopping], **kwargs)


class OwnLoop(keras_tuner.HyperModel):
    """A training loop by hand that calls the callbacks after each epoch."""

    def build(self, hp: Any) -> Any:
        inputs = keras.Input((None,), dtype="int32")
        hidden = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(WORDS, 16)(inputs))
        hidden = keras.layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu")(hidden)
        return keras.Model(inputs, keras.layers.Dense(2)(hidden))

    def fit(
        self, hp: Any, model: Any, x: Any, y: Any, validation_data: Any, callbacks: Any = None
    ) -> float:
        size = hp.Int("batch_size", 8, 16, step=8)
        rows = tf.data.Dataset.from_tensor_slices((x, y)).batch(size)
        optimizer = keras.optimizers.Adam(hp.Float("learning_rate", 1e-2, 3e-2, sampling="log"))
        optimizer.build(model.trainable_variables)
        loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        @tf.function
        def step(ids: Any, labels: Any) -> None:
            with tf.GradientTape() as tape:
                loss = loss_of(labels, model(ids, training=True))
            optimizer.apply(tape.gradient(loss, model.trainable_variables))

        for callback in callbacks:
            callback.set_model(model)
        best = float("inf")
        for epoch in range(2):
            for ids, labels in rows:
                step(ids, labels)
            ids, labels = validation_data
            loss = float(loss_of(labels, model(np.asarray(ids))))
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"my_metric": loss})
            best = min(best, loss)
        return best


class ExplosiveLoop(OwnLoop):
    """Its first epoch comes to nothing."""

    def fit(
        self, hp: Any, model: Any, x: Any, y: Any, validation_data: Any, callbacks: Any = None
    ) -> float:
        del hp, x, y, validation_data
        for callback in callbacks:
            callback.set_model(model)
            callback.on_epoch_end(0, logs={"loss": float("nan")})
        return 0.0


class NeedsAnArgument(keras_tuner.HyperModel):
    def __init__(self, units: int) -> None:
        self.units = units
        super().__init__()

    def build(self, hp: Any) -> Any:
        return build_model(hp)


needs_nothing = NeedsAnArgument(8)


def build_nothing(hp: Any) -> Any:
    hp.Int("units", 1, 2)
    return "a model"


def build_three_outputs(hp: Any) -> Any:
    hp.Int("units", 1, 2)
    inputs = keras.Input((None,), dtype="int32")
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(WORDS, 4)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3)(pooled))
    model.compile(loss="sparse_categorical_crossentropy")
    return model


def build_badly(hp: Any) -> Any:
    hp.Int("units", 1, 2)
    raise RuntimeError("the model is broken at layer 3")
