"""A whole sweep with KerasTuner's RandomSearch over KerasHub's classifier."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.contract import read_task, report
from benchmarks.peers.kerashub import build, prepare


def main() -> None:
    task = read_task()

    import keras_tuner

    data = prepare(task)

    def hypermodel(hp: Any) -> Any:
        return build(task, hp.Choice("learning_rate", list(task.learning_rates)))

    tuner = keras_tuner.RandomSearch(
        hypermodel,
        objective="val_accuracy",
        max_trials=len(task.learning_rates),
        seed=0,
        directory="keras-tuner",
        overwrite=True,
    )
    tuner.search(
        data.train,
        data.train_labels,
        validation_data=(data.validation, data.validation_labels),
        batch_size=task.batch_size,
        epochs=task.epochs,
        verbose=0,
    )
    # It draws at random and may give up before it has found every choice: counted is what it ran.
    trials = list(tuner.oracle.trials.values())
    report(
        examples=len(trials) * task.rows * task.epochs,
        training_seconds=None,
        validation_accuracy=max(trial.score for trial in trials),
    )


if __name__ == "__main__":
    main()
