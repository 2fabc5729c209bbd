"""A search of a function that has epochs; it dies where a test says."""

from __future__ import annotations

from typing import Any

import dying

from finesweep.keras_tuner import Tuner


class Epochs(Tuner):
    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        x = trial.hyperparameters.Float("x", 0.0, 1.0)
        for epoch in (0, 1):
            self.on_epoch_end(trial, None, epoch, logs={"val_loss": x + 1 - epoch})
        return {"val_loss": x}


dying.prepare()
tuner = Epochs(objective="val_loss", max_trials=3, directory="tuning", project_name="toy", seed=7)
tuner.search(verbose=0)
