"""A whole sweep in a plain loop: Optuna asks, KerasHub fits, Optuna is told."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.contract import read_task, report
from benchmarks.peers.kerashub import build, prepare


def main() -> None:
    task = read_task()

    import keras
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    data = prepare(task)

    def objective(trial: optuna.Trial) -> float:
        keras.utils.clear_session()
        rate = trial.suggest_categorical("learning_rate", task.learning_rates)
        model: Any = build(task, rate)
        history = model.fit(
            data.train,
            data.train_labels,
            validation_data=(data.validation, data.validation_labels),
            batch_size=task.batch_size,
            epochs=task.epochs,
            verbose=0,
        )
        return float(history.history["val_accuracy"][-1])

    study = optuna.create_study(direction="maximize")
    for rate in task.learning_rates:
        study.enqueue_trial({"learning_rate": rate})
    study.optimize(objective, n_trials=len(task.learning_rates))
    report(
        examples=len(study.trials) * task.rows * task.epochs,
        training_seconds=None,
        validation_accuracy=study.best_value,
    )


if __name__ == "__main__":
    main()
