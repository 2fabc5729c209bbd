"""The model file MLflow keeps with every packaged checkpoint, and runs to load it.

MLflow copies this file into the model's folder and executes the copy, outside its package: it
imports finesweep by full name, and only where it is used, since MLflow also runs it when a model is
packaged, in a process that must not load TensorFlow.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel, PythonModelContext

if TYPE_CHECKING:
    from finesweep.registry.classifier import TextClassifier


class ClassifierModel(PythonModel):
    """Classifies texts: a column ``text`` in; ``label``, ``score`` and the probabilities out.

    Thread-safe once loaded, since it keeps nothing of a call.
    """

    _classifier: TextClassifier

    def load_context(self, context: PythonModelContext) -> None:
        """Load the checkpoint; this is where TensorFlow is imported (4-14 s)."""
        from finesweep.registry.classifier import TextClassifier

        self._classifier = TextClassifier.load(
            Path(context.artifacts["checkpoint"]),
            max_length=int(context.model_config["max_length"]),
        )

    # The DataFrame hint is the one MLflow neither warns about nor derives a signature from.
    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """One row a text, in order; the index of a DataFrame or Series is kept.

        Called without MLflow's schema in front, it also takes a Series, a list, an array, or one
        string.

        Raises:
            MlflowException: a text is missing or not a string; the message names its row, from 1.
        """
        del context, params  # part of MLflow's interface; everything was read when loading
        from finesweep.registry.columns import output_columns

        texts, index = texts_of(model_input)
        names = self._classifier.label_names
        columns = output_columns(names)
        if not texts:
            empty = {name: pd.Series(dtype="float64") for name in columns}
            return pd.DataFrame({**empty, columns[0]: pd.Series(dtype="str")})
        probabilities = np.asarray(self._classifier.probabilities(texts), dtype=np.float64)
        best = probabilities.argmax(axis=1)
        labels = [names[i] for i in best]
        scores = probabilities.max(axis=1)
        values = [labels, scores, *probabilities.T]
        return pd.DataFrame(dict(zip(columns, values, strict=True)), index=index)


def texts_of(model_input: Any) -> tuple[list[str], pd.Index | None]:
    """The texts of anything that plainly holds texts, and the index they came with."""
    index: pd.Index | None = None
    cells: list[Any]
    if isinstance(model_input, str):
        cells = [model_input]
    elif isinstance(model_input, pd.DataFrame):
        if "text" not in model_input.columns:
            raise _refused(f"expected a column 'text', received {list(model_input.columns)}")
        cells, index = list(model_input["text"]), model_input.index
        if len(cells) == 1 and isinstance(cells[0], list | np.ndarray):
            # MLflow wraps {"text": [one, two]} into a single row that holds the list.
            cells, index = list(cells[0]), None
    elif isinstance(model_input, pd.Series):
        cells, index = list(model_input), model_input.index
    elif isinstance(model_input, np.ndarray):
        cells = list(model_input.reshape(-1))
    elif isinstance(model_input, list | tuple):
        cells = list(model_input)
    else:
        raise _refused(f"expected texts, received {type(model_input).__name__}")
    for row, cell in enumerate(cells, start=1):
        if not isinstance(cell, str):
            what = "nothing" if cell is None or cell is pd.NA or cell != cell else repr(cell)[:80]
            raise _refused(f"row {row}: expected a text, received {what}")
    return [str(cell) for cell in cells], index


def _refused(message: str) -> MlflowException:
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)


set_model(ClassifierModel())
