"""All sources of a sweep, read and brought into its space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from finesweep.config import SweepConfig
from finesweep.config.warm_start import (
    EarlierExperiment,
    EarlierProject,
    EarlierStorage,
    EarlierSweep,
    source_of,
)
from finesweep.errors import StudyError, TrackingError
from finesweep.sweeps.study import load_study, study_exists
from finesweep.sweeps.warm_start.earlier import EarlierTrial
from finesweep.sweeps.warm_start.experiments import read_experiment
from finesweep.sweeps.warm_start.fitting import MisfitError, fit_trial
from finesweep.sweeps.warm_start.found import Findings, Scalar
from finesweep.sweeps.warm_start.keeping import WarmStart, is_kept, kept_reports, kept_trials
from finesweep.sweeps.warm_start.projects import read_project
from finesweep.sweeps.warm_start.report import SourceReport
from finesweep.sweeps.warm_start.studies import read_storage, read_sweep
from finesweep.sweeps.warm_start.view import LEARNING
from finesweep.tracking import TrackingStore

KNOWN_ALREADY = "were in another source too"

# A longer text is a note or a whole configuration, and never a choice.
_LONGEST_CHOICE = 250


def read_sources(
    config: SweepConfig,
    *,
    study_url: str,
    digest: str,
    tracking: Callable[[], TrackingStore],
) -> WarmStart:
    """What would come into a new study of this sweep; nothing is written.

    ``digest`` is that of the sweep's data; ``tracking`` opens the tracking store, if it is needed.

    Raises:
        StudyError, TrackingError: a source is not there, cannot be read, or was not measured as
            this sweep is; the message names it.
    """
    reader = _Reader(config)
    for text in config.warm_start:
        try:
            for read in _read(text, config, study_url=study_url, digest=digest, tracking=tracking):
                reader.take(read)
        except StudyError as exc:
            raise StudyError(f"warm_start {text!r}: {exc}") from exc
        except TrackingError as exc:
            raise TrackingError(f"warm_start {text!r}: {exc}") from exc
    return WarmStart(trials=tuple(reader.trials), reports=tuple(reader.reports))


def warm_start_of(
    config: SweepConfig,
    *,
    study_url: str,
    digest: str,
    tracking: Callable[[], TrackingStore],
) -> WarmStart:
    """What came into the sweep's study when it began, or would come in if it began now.

    Raises:
        StudyError, TrackingError: as ``read_sources``; or the study's database cannot be used.
    """
    if is_due(config, study_url=study_url):
        return read_sources(config, study_url=study_url, digest=digest, tracking=tracking)
    if not config.warm_start:
        return WarmStart()
    study = load_study(study_url, config.name)
    return WarmStart(trials=kept_trials(study), reports=kept_reports(study.user_attrs))


def is_due(config: SweepConfig, *, study_url: str) -> bool:
    """Whether the sweep's sources are still to be read: it has some, and has not begun."""
    if not config.warm_start:
        return False
    if not study_exists(study_url, config.name):
        return True
    study = load_study(study_url, config.name)
    return not is_kept(study.user_attrs) and not study.get_trials(deepcopy=False)


def _read(
    text: str,
    config: SweepConfig,
    *,
    study_url: str,
    digest: str,
    tracking: Callable[[], TrackingStore],
) -> Iterable[Findings | SourceReport]:
    match source_of(text):
        case EarlierSweep() as sweep:
            return [read_sweep(sweep, config, study_url=study_url, digest=digest)]
        case EarlierExperiment() as experiment:
            return [read_experiment(experiment, config, store=tracking(), digest=digest)]
        case EarlierProject() as project:
            return [read_project(project, config)]
        case EarlierStorage() as storage:
            return read_storage(storage, config, study_url=study_url, digest=digest)
        case None:
            raise ValueError(f"the configuration has let {text!r} pass, which names no source")


class _Reader:
    """Takes source after source; a training that stands in two of them comes in once."""

    def __init__(self, config: SweepConfig) -> None:
        self._config = config
        self._run_ids: set[str] = set()
        self.trials: list[EarlierTrial] = []
        self.reports: list[SourceReport] = []

    def take(self, read: Findings | SourceReport) -> None:
        """Bring in what fits, and report on it."""
        if isinstance(read, SourceReport):
            self.reports.append(read)
            return
        dropped: Counter[str] = Counter()
        before = len(self.trials)
        for trial in read.trials:
            if trial.run_id in self._run_ids:
                dropped[KNOWN_ALREADY] += 1
                continue
            try:
                values = fit_trial(trial, self._config)
            except MisfitError as exc:
                dropped[str(exc)] += 1
                continue
            assert trial.value is not None, "what fits has a value"
            if trial.run_id is not None:
                self._run_ids.add(trial.run_id)
            self.trials.append(
                EarlierTrial(
                    name=f"{trial.name} of {read.source}",
                    values=values,
                    value=trial.value,
                    others=_others(trial.params, known=values),
                )
            )
        came_in = len(self.trials) - before
        self.reports.append(
            SourceReport(
                source=read.source,
                found=len(read.trials),
                came_in=came_in,
                dropped=dict(dropped.most_common()),
                notes=(*(read.notes if came_in else ()), *self._about_the_sampler(came_in)),
            )
        )

    def _about_the_sampler(self, came_in: int) -> tuple[str, ...]:
        name = self._config.sampler.name
        if not came_in or name in LEARNING:
            return ()
        return (f"the sampler {name} does not learn from them",)


def _others(params: Mapping[str, Any], *, known: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The other values of a trial that a study can keep."""
    return {
        name: value
        for name, value in params.items()
        if name not in known
        and (value is None or isinstance(value, bool | int | float | str))
        and len(str(value)) <= _LONGEST_CHOICE
    }
