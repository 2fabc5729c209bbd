"""A KerasTuner script with one line changed: the import. (And it dies where a test says.)"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import dying
import keras
import numpy as np
from keras import layers

from finesweep.keras_tuner import Tuner as RandomSearch

rng = np.random.default_rng(0)
x = rng.normal(size=(80, 4)).astype("float32")
y = (x.sum(axis=1) > 0).astype("int32")
x_train, y_train, x_val, y_val = x[:64], y[:64], x[64:], y[64:]


def build_model(hp: Any) -> Any:
    model = keras.Sequential([layers.Input((4,))])
    for n in range(hp.Int("num_layers", 1, 2)):
        activation = hp.Choice("activation", ["relu", "tanh"])
        model.add(layers.Dense(hp.Int(f"units_{n}", 2, 8, step=2), activation=activation))
    if hp.Boolean("dropout"):
        model.add(layers.Dropout(rate=0.25))
    model.add(layers.Dense(2, activation="softmax"))
    learning_rate = hp.Float("lr", min_value=1e-3, max_value=1e-1, sampling="log")
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


dying.prepare()

tuner = RandomSearch(
    hypermodel=build_model,
    objective="val_accuracy",
    max_trials=3,
    executions_per_trial=1,
    overwrite=False,
    directory="tuning",
    project_name="toy",
    seed=7,
)

tuner.search_space_summary()
tuner.search(x_train, y_train, epochs=2, validation_data=(x_val, y_val), verbose=0)

models = tuner.get_best_models(num_models=2)
np.save("predictions.npy", models[0].predict(x_val, verbose=0))
tuner.results_summary(2)
best = tuner.get_best_hyperparameters(5)
build_model(best[0]).fit(x, y, epochs=1, verbose=0)
Path("modules.txt").write_text("\n".join(sys.modules))
