"""One fine-tuning with KerasHub: compile and fit."""

from __future__ import annotations

import time

from benchmarks.peers.contract import read_task, report
from benchmarks.peers.kerashub import build, prepare

WARM_UP_BATCHES = 2
EVALUATION_BATCH = 64


def main() -> None:
    task = read_task()
    data = prepare(task)
    model = build(task, task.learning_rates[0])
    import keras

    # With a last batch of the same size as in the training, or Keras would trace there once more.
    first = slice(0, WARM_UP_BATCHES * task.batch_size + task.rows % task.batch_size)
    model.fit(
        {name: array[first] for name, array in data.train.items()},
        data.train_labels[first],
        batch_size=task.batch_size,
        verbose=0,
    )
    # At times fit returns seconds after its last batch, when a thread of tf.data next wakes up.
    ends: list[float] = []
    at_end = keras.callbacks.LambdaCallback(on_train_end=lambda _: ends.append(time.perf_counter()))
    began = time.perf_counter()
    model.fit(
        data.train,
        data.train_labels,
        batch_size=task.batch_size,
        epochs=task.epochs,
        callbacks=[at_end],
        verbose=0,
    )
    seconds = ends[0] - began
    _, accuracy = model.evaluate(
        data.validation, data.validation_labels, batch_size=EVALUATION_BATCH, verbose=0
    )
    report(
        examples=task.rows * task.epochs,
        training_seconds=seconds,
        validation_accuracy=float(accuracy),
    )


if __name__ == "__main__":
    main()
