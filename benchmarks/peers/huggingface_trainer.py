"""One fine-tuning with transformers' Trainer: torch, padded by the batch, grouped by length."""

from __future__ import annotations

import os
from typing import Any

os.environ.update(
    TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error", HF_HUB_OFFLINE="1"
)

from benchmarks.peers.contract import Split, Task, read_splits, read_task, report

WARM_UP_BATCHES = 2


def main() -> None:
    task = read_task()

    import torch
    from transformers import (
        AutoTokenizer,
        DataCollatorWithPadding,
        DistilBertForSequenceClassification,
        Trainer,
    )

    if task.cores:
        torch.set_num_threads(len(task.cores))
    tokenizer = AutoTokenizer.from_pretrained(task.checkpoint)

    def encoded(split: Split) -> list[dict[str, Any]]:
        found = tokenizer(split.texts, truncation=True, max_length=task.max_length)
        columns = (found["input_ids"], found["attention_mask"], split.labels)
        return [
            {"input_ids": ids, "attention_mask": mask, "labels": label}
            for ids, mask, label in zip(*columns, strict=True)
        ]

    train, validation = read_splits(task)
    rows, model = (
        encoded(train),
        DistilBertForSequenceClassification.from_pretrained(task.checkpoint, num_labels=2),
    )

    def trainer_on(rows: list[dict[str, Any]]) -> Any:
        return Trainer(
            model=model,
            args=arguments(task, cpu=not torch.cuda.is_available()),
            train_dataset=rows,
            eval_dataset=encoded(validation),
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=lambda found: {
                "accuracy": float((found.predictions.argmax(-1) == found.label_ids).mean())
            },
        )

    trainer_on(rows[: WARM_UP_BATCHES * task.batch_size]).train()
    trainer = trainer_on(rows)
    trained = trainer.train()
    report(
        examples=task.rows * task.epochs,
        training_seconds=trained.metrics["train_runtime"],
        validation_accuracy=trainer.evaluate()["eval_accuracy"],
    )


def arguments(task: Task, *, cpu: bool) -> Any:
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir="trainer",
        per_device_train_batch_size=task.batch_size,
        num_train_epochs=task.epochs,
        learning_rate=task.learning_rates[0],
        # As everybody has it.
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        bf16=task.precision == "bfloat16",
        use_cpu=cpu,
        train_sampling_strategy="group_by_length",
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )


if __name__ == "__main__":
    main()
