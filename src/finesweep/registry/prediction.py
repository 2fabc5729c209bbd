"""Predictions of a registered model, loaded the way anybody would: through MLflow's pyfunc."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from finesweep.errors import RegistryError
from finesweep.registry.columns import LABEL, SCORE, TEXT, probability_column
from finesweep.registry.stages import canonical_stage
from finesweep.registry.versions import (
    RegisteredVersion,
    find_version,
    list_versions,
    unknown_model,
)
from finesweep.tracking.mlflow_access import import_mlflow, one_line, quiet_warnings, translated
from finesweep.tracking.store import TrackingStore

if TYPE_CHECKING:
    import pandas as pd

_MODELS_URI = re.compile(r"models:/+(?P<name>[^/@]+)(?:/(?P<which>[^/@]+)|@(?P<alias>[^/@]+))$")
EXPECTED_URI = "models:/NAME/STAGE, models:/NAME/VERSION, models:/NAME@ALIAS or runs:/RUN_ID/model"


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a model says of n texts, in their order.

    ``scores`` (n,) is the probability of each label in ``labels``; ``probabilities`` (n, classes)
    has the classes in the order of ``class_names``.
    """

    labels: tuple[str, ...]
    scores: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float64]
    class_names: tuple[str, ...]


class LoadedModel:
    """A registered model in memory, at ``uri``. May be asked from several threads."""

    def __init__(self, uri: str, pyfunc: Any) -> None:
        self.uri = uri
        self.pyfunc = pyfunc

    def frame(self, texts: Sequence[str]) -> pd.DataFrame:
        """The predictions as the model's own columns, one row a text.

        Raises:
            RegistryError: the model cannot take the texts.
        """
        import pandas as pd
        from mlflow.exceptions import MlflowException

        # An empty list would become a column of numbers, which the model's signature refuses.
        column = pd.Series(list(texts), dtype="str" if not texts else None, name=TEXT)
        try:
            frame = self.pyfunc.predict(column.to_frame())
        except MlflowException as exc:
            raise RegistryError(f"{self.uri} cannot classify the texts: {one_line(exc)}") from exc
        if not isinstance(frame, pd.DataFrame) or not {LABEL, SCORE} <= set(frame.columns):
            raise RegistryError(
                f"{self.uri} is not a text classifier of finesweep: its predictions have no "
                f"columns '{LABEL}' and '{SCORE}'"
            )
        return frame


def load(store: TrackingStore, model_uri: str) -> LoadedModel:
    """Load a registered model, or a run's; TensorFlow is imported here (4-14 s).

    Raises:
        RegistryError: the URI is malformed, names nothing, or what it names cannot be loaded.
    """
    folder = find_files(store, model_uri)
    pyfunc: Any = import_mlflow("mlflow.pyfunc")
    try:
        with quiet_warnings():
            return LoadedModel(model_uri, pyfunc.load_model(folder))
    except Exception as exc:  # whatever code and libraries the model was saved with
        raise RegistryError(f"cannot load {model_uri}: {one_line(exc)}") from exc


def predict(store: TrackingStore, model_uri: str, texts: Sequence[str]) -> Predictions:
    """Classify ``texts`` with the model that ``model_uri`` names.

    Raises:
        RegistryError: the model cannot be loaded, or a text is not a string.
    """
    frame = load(store, model_uri).frame(texts)
    prefix = probability_column("")
    columns = [column for column in frame.columns if str(column).startswith(prefix)]
    return Predictions(
        labels=tuple(frame[LABEL]),
        scores=frame[SCORE].to_numpy(dtype=np.float64),
        probabilities=frame[columns].to_numpy(dtype=np.float64),
        class_names=tuple(str(column).removeprefix(prefix) for column in columns),
    )


def find_files(store: TrackingStore, model_uri: str) -> str:
    """The folder with the model's files: where they are, or a copy when the store is remote.

    Raises:
        RegistryError: the URI is malformed or names nothing, or its files cannot be fetched.
    """
    artifacts: Any = import_mlflow("mlflow.artifacts")
    # MLflow would look a models:/ URI up in the process's tracking URI, whatever store is given.
    is_run = re.fullmatch(r"runs:/+[^/]+/.+", model_uri)
    source = model_uri if is_run else resolve(store, model_uri).source
    attempt = f"find the files of {model_uri}"
    with translated(attempt, into=RegistryError), quiet_warnings():
        return str(artifacts.download_artifacts(artifact_uri=source, tracking_uri=store.uri))


def resolve(store: TrackingStore, model_uri: str) -> RegisteredVersion:
    """The version that ``models:/NAME/STAGE``, ``/VERSION``, ``/latest`` or ``@ALIAS`` names now.

    Raises:
        RegistryError: the URI is malformed or names nothing; the message says what there is.
    """
    match = _MODELS_URI.fullmatch(model_uri)
    if match is None:
        raise RegistryError(f"expected {EXPECTED_URI}, received '{model_uri}'")
    name, which, alias = match["name"], match["which"], match["alias"]
    versions = list_versions(store, name)
    if not versions:
        raise unknown_model(store, name)
    if alias is not None:
        return _aliased(versions, alias)
    if which.isdigit():
        return find_version(store, name, int(which))
    if which.lower() == "latest":
        return versions[-1]
    stage = canonical_stage(which)
    staged = [version for version in versions if version.stage == stage]
    if not staged:
        there = ", ".join(f"{version.version} ({version.stage})" for version in versions)
        raise RegistryError(
            f"no version of '{name}' is in {stage}; its versions: {there}. Move one with "
            f"'finesweep promote {name} VERSION {stage}'"
        )
    return staged[-1]


def _aliased(versions: list[RegisteredVersion], alias: str) -> RegisteredVersion:
    for version in versions:
        if alias in version.aliases:
            return version
    there = ", ".join(sorted({each for version in versions for each in version.aliases})) or "none"
    raise RegistryError(f"the model '{versions[0].name}' has no alias '{alias}'; it has {there}")
