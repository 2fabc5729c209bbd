"""``keras_tuner.Tuner`` with an Optuna study for an oracle, and MLflow for a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
from keras.callbacks import History
from keras_tuner.src.engine.tuner_utils import SaveBestEpoch, TunerCallback
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from finesweep.errors import StudyError
from finesweep.keras_tuner.files import write_json
from finesweep.keras_tuner.oracle import Conduct, StudyOracle
from finesweep.keras_tuner.project_study import project_folder, refuse_if_searched

# What the constructors of KerasTuner's tuners take and this one has no use for.
_ELSEWHERE = {
    "oracle": "this tuner has its own: choose how it proposes with sampler=…",
    **dict.fromkeys(
        ("max_epochs", "factor", "hyperband_iterations"),
        "it is Hyperband's: pass epochs=… to search(), and pruner='hyperband' here",
    ),
    **dict.fromkeys(
        ("num_initial_points", "alpha", "beta"),
        "it is BayesianOptimization's: pass sampler=optuna.samplers.TPESampler(…) with its options",
    ),
}


class Tuner(keras_tuner.Tuner):
    """Searches as KerasTuner's tuners do, in whose place it stands; an Optuna study proposes.

    All that ``keras_tuner.RandomSearch`` takes means the same here. Beyond that:

    Args:
        sampler: how values are proposed: ``"tpe"``, ``"random"``, ``"qmc"``, ``"cmaes"``,
            ``"grid"`` (every combination once), or a sampler of Optuna's.
        pruner: which trials are stopped early, by their objective after each epoch: None for none,
            ``"median"``, ``"percentile"``, ``"asha"``, ``"hyperband"``, or a pruner of Optuna's.
            A pruned trial is COMPLETED, with its best epoch so far, to KerasTuner.
        storage: the URL of the study's database; ``optuna.db`` in the project's folder by default.
        experiment: the name of MLflow's experiment; the project's name by default.

    Mistakes raise what KerasTuner raises for them (``ValueError``, ``TypeError``,
    ``keras_tuner.errors``); ``StudyError`` is raised for a study that cannot be made or continued.
    """

    def __init__(
        self,
        hypermodel: keras_tuner.HyperModel | Callable[..., Any] | None = None,
        objective: str | keras_tuner.Objective | list[Any] | None = None,
        max_trials: int | None = 10,
        seed: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        *,
        sampler: str | BaseSampler = "tpe",
        pruner: str | BasePruner | None = None,
        storage: str | None = None,
        experiment: str | None = None,
        **options: Any,
    ) -> None:
        _refuse(options)
        if hypermodel is None and type(self).run_trial is Tuner.run_trial:
            raise ValueError(
                "expected a hypermodel, received None; leave it out only in a subclass whose "
                "run_trial() defines the search space"
            )
        self.seed = seed
        self._execution = 0
        oracle = StudyOracle(
            Conduct(
                sampler=sampler,
                pruner=pruner,
                storage=storage,
                experiment=experiment,
                overwrite=bool(options.get("overwrite", False)),
                settings={
                    "max_trials": str(max_trials),
                    "executions_per_trial": options.get("executions_per_trial", 1),
                },
            ),
            objective=objective,
            max_trials=max_trials,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        if options.get("overwrite"):
            # KerasTuner removes the folder at once, also under a search that is running.
            folder = project_folder(options.get("directory"), options.get("project_name"))
            refuse_if_searched(folder, storage=storage)
        super().__init__(oracle, hypermodel, **options)

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Search; the arguments are those of ``run_trial``, and so of ``fit``.

        Started again in the same project it goes on: trials that ended are kept, one that was
        running is tried again.

        Raises:
            StudyError: another process searches in the project, or its study cannot be used.
        """
        with self.oracle.searching():
            # KerasTuner first writes it after a trial, and takes a project without it for new.
            self.save()
            super().search(*fit_args, **fit_kwargs)

    def run_trial(self, trial: Any, *fit_args: Any, **fit_kwargs: Any) -> Any:
        """Build and fit a trial's model, ``executions_per_trial`` times; see KerasTuner.

        A trial that was pruned is not executed again.
        """
        callbacks = fit_kwargs.pop("callbacks", None) or []
        best_epoch = SaveBestEpoch(
            objective=self.oracle.objective, filepath=self._get_checkpoint_fname(trial.trial_id)
        )
        results: list[Any] = []
        for execution in range(self.executions_per_trial):
            self._execution = execution
            own = self._deepcopy_callbacks(callbacks)
            self._configure_tensorboard_dir(own, trial, execution)
            own += [TunerCallback(self, trial), best_epoch]
            result = self._build_and_fit_model(trial, *fit_args, callbacks=own, **fit_kwargs)
            results.append(result)
            if isinstance(result, History) and _has_all_epochs(result):
                self.oracle.ran_to_its_end(trial.trial_id)
            if self.oracle.is_pruned(trial.trial_id):
                break
        self._execution = 0
        return results

    def on_epoch_end(
        self, trial: Any, model: Any, epoch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Put an epoch's metrics on record, and stop the training if the pruner wants that.

        A training loop of your own may call it too, and look at ``model.stop_training`` after.
        """
        super().on_epoch_end(trial, model, epoch, logs=logs)
        wants_to_stop = self.oracle.epoch(
            trial.trial_id, epoch=epoch, execution=self._execution, metrics=logs or {}
        )
        if wants_to_stop and model is not None:
            model.stop_training = True

    def save(self) -> None:
        """Write the state of the tuner and its oracle, each in one step."""
        self.oracle.save()
        write_json(Path(self._get_tuner_fname()), self.get_state())

    def _configure_tensorboard_dir(
        self, callbacks: list[Any], trial: Any, execution: int = 0
    ) -> None:
        # KerasTuner imports the tensorboard package whether or not anything is to be logged there.
        if any(type(callback).__name__ == "TensorBoard" for callback in callbacks):
            super()._configure_tensorboard_dir(callbacks, trial, execution)


def _refuse(options: Mapping[str, Any]) -> None:
    """Say what to do instead of an option that another tuner has."""
    for name in options:
        if name in _ELSEWHERE:
            raise ValueError(f"Tuner has no option '{name}'; {_ELSEWHERE[name]}")
    _refuse_chief()


def _refuse_chief() -> None:
    """KerasTuner's way to share a search among processes would part a trial from its study."""
    from keras_tuner.src.distribute.utils import has_chief_oracle

    if has_chief_oracle():
        raise StudyError(
            "expected a search in one process, found KERASTUNER_ORACLE_IP set; unset it, or search "
            "with several workers by a sweep file with 'hypermodel:' and 'finesweep run --workers'"
        )


def _has_all_epochs(history: History) -> bool:
    """Whether a training came to its last epoch."""
    return bool(history.epoch) and history.epoch[-1] + 1 >= history.params.get("epochs", 0)
