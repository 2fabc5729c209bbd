"""The article's script: fine-tune DistilBERT on news headlines, save, reload, predict.

Its steps are the article's own, with one import changed: the model class comes from finesweep,
because transformers 5 has none for TensorFlow any more. The data file, the checkpoint, the number
of headlines and where to save can be given on the command line:

    python notebooks/article.py sarcasm.json
    python notebooks/article.py sarcasm.json packaged:minilm-l6-h384 2000

transformers 5 gives no TensorFlow tensors either, so the last step asks the tokenizer for NumPy
arrays (``return_tensors="np"``); ``predict`` takes them as they are. ``resolve_checkpoint`` is for
names that only finesweep knows, such as ``packaged:…``; a hub id or a directory needs none.
"""

import json
import sys
import tempfile

import keras
import tensorflow as tf
from transformers import DistilBertTokenizerFast

from finesweep import TFDistilBertForSequenceClassification
from finesweep.models.sources import resolve_checkpoint

data_file = sys.argv[1] if len(sys.argv) > 1 else "sarcasm.json"
checkpoint = sys.argv[2] if len(sys.argv) > 2 else "distilbert/distilbert-base-uncased"
limit = int(sys.argv[3]) if len(sys.argv) > 3 else 26_709
directory = sys.argv[4] if len(sys.argv) > 4 else tempfile.mkdtemp()

# 1. The data: the first three quarters train (20,000 of 26,709), the rest validates.
training_size = limit * 20_000 // 26_709
with open(data_file) as file:  # noqa: PTH123 - as in the article
    rows = json.load(file)[:limit]
sentences = [row["headline"] for row in rows]
labels = [row["is_sarcastic"] for row in rows]
training_sentences, validation_sentences = sentences[:training_size], sentences[training_size:]
training_labels, validation_labels = labels[:training_size], labels[training_size:]

# 2. The tokenizer, and both parts as data sets.
tokenizer = DistilBertTokenizerFast.from_pretrained(resolve_checkpoint(checkpoint))
train_encodings = tokenizer(training_sentences, truncation=True, padding=True)
val_encodings = tokenizer(validation_sentences, truncation=True, padding=True)
train_dataset = tf.data.Dataset.from_tensor_slices((dict(train_encodings), training_labels))
val_dataset = tf.data.Dataset.from_tensor_slices((dict(val_encodings), validation_labels))

# 3. Fine-tuning.
model = TFDistilBertForSequenceClassification.from_pretrained(checkpoint, num_labels=2)
optimizer = keras.optimizers.Adam(learning_rate=5e-5)
model.compile(optimizer=optimizer, loss=model.compute_loss, metrics=["accuracy"])
model.fit(
    train_dataset.shuffle(100).batch(16),
    epochs=3,
    batch_size=16,
    validation_data=val_dataset.shuffle(100).batch(16),
)

# 4. Saving and loading.
model.save_pretrained(directory)
loaded_model = TFDistilBertForSequenceClassification.from_pretrained(directory)

# 5. Predicting.
for test_sentence in (
    "With their homes in ashes, residents share harrowing tales of survival after massive "
    "wildfires kill 15",
    "News anchor hits back at viewer who sent her snarky note about ‘showing too much cleavage’ "
    "during broadcast",
):
    predict_input = tokenizer.encode(test_sentence, truncation=True, return_tensors="np")
    tf_output = loaded_model.predict(predict_input)[0]
    tf_prediction = tf.nn.softmax(tf_output, axis=1).numpy()[0]
    print(f"{test_sentence}: {tf_prediction}")
