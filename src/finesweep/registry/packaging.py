"""From a checkpoint to a model that plain MLflow loads: code, configuration and the weights."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import finesweep
from finesweep.errors import FinesweepError, Location, RegistryError
from finesweep.registry.columns import LABEL, TEXT, output_columns
from finesweep.tracking.mlflow_access import import_mlflow, quiet_warnings, translated
from finesweep.tracking.provenance import installed_distribution

CHECKPOINT_FOLDER = "artifacts/checkpoint"
_REQUIRED = ("tensorflow", "keras", "tokenizers", "safetensors", "numpy", "pandas", "mlflow")
_MODEL_FILE = Path(__file__).with_name("pyfunc_model.py")


@cache
def warm_up() -> None:
    """Package next to nothing, so that the first real call takes no longer than the others.

    MLflow is imported, and looks once at every package that is installed: seconds, together. What
    goes wrong here is left for the real call to tell.
    """
    with suppress(FinesweepError, OSError), TemporaryDirectory(prefix="finesweep-") as folder:
        checkpoint = Path(folder) / "checkpoint"
        checkpoint.mkdir()
        (checkpoint / "config.json").write_text(json.dumps({"id2label": {"0": "label"}}))
        package(checkpoint, Path(folder) / "model", max_length=1)


def package(checkpoint: Path, into: Path, *, max_length: int) -> Path:
    """Build an MLflow model at ``into`` around ``checkpoint``, which is moved into it.

    The model takes a column ``text`` and cuts each text to ``max_length`` tokens; it gives
    ``label``, ``score`` and one ``probability_<label>`` a class. Loads no TensorFlow; takes a
    twentieth of a second, after ``warm_up``. Returns ``into``.

    Raises:
        RegistryError: ``checkpoint`` is not a ``save_pretrained`` directory with labels, ``into``
            exists, or it cannot be written.
    """
    labels = read_label_names(checkpoint)
    if into.exists():
        raise RegistryError(f"{into} exists already; package the model into a new directory")
    pyfunc: Any = import_mlflow("mlflow.pyfunc")
    with translated(f"package {checkpoint}", into=RegistryError), quiet_warnings():
        # Given as an artifact, MLflow would copy the weights; moved in afterwards, it need not.
        pyfunc.save_model(
            path=str(into),
            python_model=str(_MODEL_FILE),
            signature=_signature(labels),
            pip_requirements=_requirements(),
            model_config={"max_length": max_length},
        )
        target = into / CHECKPOINT_FOLDER
        target.parent.mkdir(parents=True)
        shutil.move(checkpoint, target)
        _name_the_checkpoint(into)
    return into


def read_label_names(checkpoint: Path) -> tuple[str, ...]:
    """The class names in ``config.json``, in the order of the model's outputs.

    Raises:
        RegistryError: there is no such file, or its ``id2label`` is not a complete numbering.
    """
    file = checkpoint / "config.json"
    at = Location(file=str(file), field="id2label")
    try:
        id2label = json.loads(file.read_text(encoding="utf-8"))["id2label"]
        names = tuple(str(id2label[str(number)]) for number in range(len(id2label)))
    except OSError as exc:
        raise RegistryError(
            f"{checkpoint} is not a checkpoint: it has no config.json that can be read; expected "
            "a directory written by save_pretrained"
        ) from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise RegistryError(
            'expected the class names, numbered from "0"; save the checkpoint again with '
            "save_pretrained",
            at=at,
        ) from exc
    if not names:
        raise RegistryError("expected the class names, received none", at=at)
    return names


def _signature(labels: tuple[str, ...]) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    outputs = [
        ColSpec("string" if name == LABEL else "double", name) for name in output_columns(labels)
    ]
    return ModelSignature(inputs=Schema([ColSpec("string", TEXT)]), outputs=Schema(outputs))


def _requirements() -> list[str]:
    """What loads the model, pinned; without it MLflow would load the model to find out."""
    found = [name for package in _REQUIRED if (name := installed_distribution(package))]
    return [f"finesweep=={finesweep.__version__}", *(f"{name}=={version(name)}" for name in found)]


def _name_the_checkpoint(model: Path) -> None:
    """Tell MLflow of the artifact moved in, and forget where this machine keeps our source."""
    from mlflow.models import Model
    from mlflow.pyfunc import FLAVOR_NAME

    description = Model.load(str(model / "MLmodel"))
    flavor = description.flavors[FLAVOR_NAME]
    flavor["artifacts"] = {"checkpoint": {"path": CHECKPOINT_FOLDER, "uri": "checkpoint"}}
    flavor["model_code_path"] = _MODEL_FILE.name
    files = [file for file in model.rglob("*") if file.is_file()]
    description.model_size_bytes = sum(file.stat().st_size for file in files)
    description.save(str(model / "MLmodel"))
