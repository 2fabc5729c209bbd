"""Optuna studies as sources: other sweeps, of this database or another, and anybody's studies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from finesweep.config import SweepConfig
from finesweep.config.space import HYPERPARAMETERS
from finesweep.config.warm_start import EarlierStorage, EarlierSweep
from finesweep.errors import StudyError
from finesweep.sweeps.record import RUN_ID, drawn_of
from finesweep.sweeps.storage import database_file, is_study_database, parse_url, shown_url
from finesweep.sweeps.study import CONFIG, load_studies, load_study
from finesweep.sweeps.warm_start.found import FAILED, NOT_ENDED, PRUNED, Findings, FoundTrial
from finesweep.sweeps.warm_start.names import is_metric
from finesweep.sweeps.warm_start.remarks import about_data
from finesweep.sweeps.warm_start.report import SourceReport
from finesweep.training.drawing import MIRRORED

_UNUSABLE = {
    TrialState.PRUNED: PRUNED,
    TrialState.FAIL: FAILED,
    TrialState.RUNNING: NOT_ENDED,
    TrialState.WAITING: NOT_ENDED,
}


def read_sweep(
    source: EarlierSweep, config: SweepConfig, *, study_url: str, digest: str
) -> Findings:
    """The trials of another study of this sweep's database.

    Raises:
        StudyError: there is no such study, or it cannot be learned from.
    """
    if not is_study_database(study_url):
        raise StudyError(_no_sweep(source, f"there is no study database {shown_url(study_url)}"))
    try:
        study = load_study(study_url, source.name)
    except StudyError as exc:
        if isinstance(exc.__cause__, KeyError):
            raise StudyError(_no_sweep(source, str(exc))) from exc
        raise
    return _findings(study, config, digest=digest, source=f"'{source.name}'")


def _no_sweep(source: EarlierSweep, why: str) -> str:
    return f"{why} (a KerasTuner project is written as a path: ./{source.name})"


def read_storage(
    source: EarlierStorage, config: SweepConfig, *, study_url: str, digest: str
) -> list[Findings | SourceReport]:
    """The trials of the studies of an Optuna storage; this sweep's own study is passed over.

    Where the source names no study, those that cannot be learned from are reported with the reason.

    Raises:
        StudyError: there is no such storage or study, or none in it can be learned from.
    """
    if not is_study_database(source.url):
        raise StudyError(f"expected a database of Optuna's studies, found none in {_where(source)}")
    if source.study is not None:
        study = load_study(source.url, source.study)
        return [_findings(study, config, digest=digest, source=_label(study, source))]
    is_ours = _is_same(source.url, study_url)
    read: list[Findings | SourceReport] = []
    for study in load_studies(source.url):
        if is_ours and study.study_name == config.name:
            continue
        label = _label(study, source)
        try:
            read.append(_findings(study, config, digest=digest, source=label))
        except StudyError as exc:
            read.append(SourceReport(source=label, refused=str(exc)))
    if not any(isinstance(one, Findings) for one in read):
        refusals = "; ".join(str(one) for one in read) or "it has none"
        raise StudyError(f"expected a study to learn from in {_where(source)}: {refusals}")
    return read


def _findings(study: optuna.Study, config: SweepConfig, *, digest: str, source: str) -> Findings:
    experiment = _experiment_of(study)
    _require_same_objective(study, experiment, config)
    hypermodel = _hypermodel_of(study)
    # What its code uses of the experiment's values it has put on record itself, trial by trial.
    held = {} if hypermodel else experiment
    fixed = {name: held[name] for name in HYPERPARAMETERS if name in held}
    trials = tuple(_found(trial, fixed) for trial in study.get_trials(deepcopy=False))
    data = experiment.get("data")
    noted = data.get("digest") if isinstance(data, Mapping) else None
    notes = about_data([noted], here=digest) + _about_metric(study, experiment, config)
    notes += _about_model(experiment, config) + _about_hypermodel(hypermodel, config)
    return Findings(source=source, trials=trials, notes=notes)


def _experiment_of(study: optuna.Study) -> Mapping[str, Any]:
    """The experiment of a sweep, as whatever version of finesweep wrote it; empty for others."""
    experiment = _config_of(study).get("experiment")
    return experiment if isinstance(experiment, Mapping) else {}


def _config_of(study: optuna.Study) -> Mapping[str, Any]:
    """A sweep's configuration; empty for others."""
    config = study.user_attrs.get(CONFIG)
    return config if isinstance(config, Mapping) else {}


def _require_same_objective(
    study: optuna.Study, experiment: Mapping[str, Any], config: SweepConfig
) -> None:
    """Refuse a study whose values mean something else than this sweep's."""
    if len(study.directions) > 1:
        raise StudyError(f"it has {len(study.directions)} objectives, this sweep has one")
    wanted = config.experiment
    metric = _metric_of(study, experiment)
    if metric is not None and not is_metric(metric, wanted.metric):
        raise StudyError(f"its metric is {metric}, this sweep's is {wanted.metric}")
    direction = study.direction.name.lower()
    if direction != wanted.direction:
        raise StudyError(f"it is to {direction} its metric, this sweep to {wanted.direction} it")


def _metric_of(study: optuna.Study, experiment: Mapping[str, Any]) -> str | None:
    names = study.metric_names
    noted = experiment.get("metric") or (names[0] if names else None)
    return str(noted) if noted is not None else None


def _about_metric(
    study: optuna.Study, experiment: Mapping[str, Any], config: SweepConfig
) -> tuple[str, ...]:
    if _metric_of(study, experiment) is not None:
        return ()
    return (f"it names no metric, its values are taken for {config.experiment.metric}",)


def _about_model(experiment: Mapping[str, Any], config: SweepConfig) -> tuple[str, ...]:
    model = experiment.get("model")
    checkpoint = model.get("checkpoint") if isinstance(model, Mapping) else None
    if checkpoint in (None, config.experiment.model.checkpoint):
        return ()
    return (f"their checkpoint is {checkpoint}",)


def _hypermodel_of(study: optuna.Study) -> str | None:
    """The name of the code that built a sweep's models, if it was not DistilBERT."""
    name = _config_of(study).get("hypermodel")
    return str(name) if name else None


def _about_hypermodel(theirs: str | None, config: SweepConfig) -> tuple[str, ...]:
    if theirs is None or theirs == config.hypermodel:
        return ()
    return (f"their models were built by {theirs}",)


def _found(trial: FrozenTrial, fixed: Mapping[str, Any]) -> FoundTrial:
    complete = trial.state == TrialState.COMPLETE
    return FoundTrial(
        name=f"t{trial.number:03d}",
        params={**fixed, **_params(trial), **drawn_of(trial)},
        value=trial.value if complete else None,
        run_id=trial.user_attrs.get(RUN_ID),
        unusable=None if complete else _UNUSABLE[trial.state],
    )


def _params(trial: FrozenTrial) -> dict[str, Any]:
    """What the trial drew; a value that was mirrored between its bounds as it was meant."""
    params = dict(trial.params)
    for name, drawn_from in trial.distributions.items():
        if name.endswith(MIRRORED) and isinstance(drawn_from, IntDistribution | FloatDistribution):
            params[name] = drawn_from.low + drawn_from.high - params[name]
    return params


def _label(study: optuna.Study, source: EarlierStorage) -> str:
    return f"'{study.study_name}' of {_where(source)}"


def _where(source: EarlierStorage) -> str:
    return shown_url(source.url)


def _is_same(one: str, other: str) -> bool:
    """Whether two URLs mean one database."""
    files = [database_file(parse_url(url)) for url in (one, other)]
    if files[0] is not None and files[1] is not None:
        return files[0].resolve() == files[1].resolve()
    return parse_url(one) == parse_url(other)
