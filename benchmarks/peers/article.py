"""The article's script: transformers' TensorFlow class, texts padded all alike, Keras' Adam.

One thing is mended: this transformers cannot load safetensors into a TensorFlow model without
torch, so the weights are read here and handed over.
"""

from __future__ import annotations

import os
import time

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3")

from benchmarks.peers.contract import Split, Task, read_splits, read_task, report

WARM_UP_BATCHES = 2
SHUFFLE_BUFFER = 100  # the article's


def main() -> None:
    task = read_task()

    import tensorflow as tf
    from transformers import DistilBertTokenizerFast

    train, validation = read_splits(task)
    tokenizer = DistilBertTokenizerFast.from_pretrained(task.checkpoint)

    def dataset(split: Split) -> tf.data.Dataset:
        encodings = tokenizer(
            split.texts, truncation=True, padding=True, max_length=task.max_length
        )
        return tf.data.Dataset.from_tensor_slices((dict(encodings), split.labels))

    training = dataset(train)
    model = load_model(task)
    model.compile(
        optimizer=tf.keras.optimizers.Adam(learning_rate=task.learning_rates[0]),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(training.take(WARM_UP_BATCHES * task.batch_size).batch(task.batch_size), verbose=0)
    # At times fit returns seconds after its last batch, when a thread of tf.data next wakes up.
    ends: list[float] = []
    at_end = tf.keras.callbacks.LambdaCallback(
        on_train_end=lambda _: ends.append(time.perf_counter())
    )
    began = time.perf_counter()
    model.fit(
        training.shuffle(SHUFFLE_BUFFER).batch(task.batch_size),
        epochs=task.epochs,
        callbacks=[at_end],
        verbose=0,
    )
    seconds = ends[0] - began
    _, accuracy = model.evaluate(dataset(validation).batch(task.batch_size), verbose=0)
    report(
        examples=task.rows * task.epochs,
        training_seconds=seconds,
        validation_accuracy=float(accuracy),
    )


def load_model(task: Task):  # type: ignore[no-untyped-def]  # of an environment that has no types
    from safetensors.numpy import load_file
    from transformers import DistilBertConfig, TFDistilBertForSequenceClassification
    from transformers.modeling_tf_pytorch_utils import load_pytorch_state_dict_in_tf2_model

    config = DistilBertConfig.from_pretrained(task.checkpoint, num_labels=2)
    return load_pytorch_state_dict_in_tf2_model(
        TFDistilBertForSequenceClassification(config),
        load_file(task.checkpoint / "model.safetensors"),
        allow_missing_keys=True,
    )


if __name__ == "__main__":
    main()
