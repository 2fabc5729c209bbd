from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from asking_study import HYPERMODEL, draw_for, score, sweep
from keras_tuner.oracles import HyperbandOracle
from optuna.trial import FrozenTrial

from finesweep.config import SweepConfig
from finesweep.sweeps.oracles.brackets import Brackets
from finesweep.sweeps.oracles.continuing import points_needed, remove_ended, take_over_point
from finesweep.sweeps.oracles.rungs import Rung, rung_of
from finesweep.sweeps.progress import describe_end, trials_left
from finesweep.sweeps.samplers import build_sampler
from finesweep.sweeps.space import propose
from finesweep.sweeps.study import enqueue_first, next_number, park

POINT = "resume.safetensors"


def hyperband(**changes: Any) -> SweepConfig:
    """Brackets of 9 → 3 → 1, 5 → 2 and 3 trials."""
    sampler = {"name": "keras_tuner.hyperband", "seed": 3, "max_epochs": 9}
    return sweep("keras_tuner.hyperband", trials=100, sampler=sampler, **changes)


class Search:
    """A study without training."""

    def __init__(self, config: SweepConfig) -> None:
        self.config = config
        self.study = optuna.create_study(direction="maximize")
        enqueue_first(self.study, config)

    @property
    def trials(self) -> list[FrozenTrial]:
        return list(self.study.get_trials(deepcopy=False))

    def left(self) -> int:
        return trials_left(self.trials, self.config)

    def ask(self) -> optuna.Trial:
        number = next_number(self.trials)
        self.study.sampler = build_sampler(self.config, self.trials, number=number)
        trial = self.study.ask()
        propose(trial, space=self.config.study_space, experiment=self.config.experiment)
        if self.config.hypermodel is not None:
            draw_for(trial)
        return trial

    def tell(self, trial: optuna.Trial, *, failed: bool = False) -> None:
        if failed:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(trial, score(trial.params))

    def run(self) -> None:
        while self.left():
            self.tell(self.ask())

    def rung(self, number: int) -> Rung:
        rung = rung_of(self.trials[number])
        assert rung is not None
        return rung


@pytest.fixture(scope="module")
def finished() -> Search:
    search = Search(hyperband())
    search.run()
    return search


@pytest.mark.parametrize("max_epochs", [2, 3, 4, 8, 9, 10, 27, 30, 81, 100])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_the_brackets_are_those_of_kerastuner(max_epochs: int, factor: int) -> None:
    oracle = HyperbandOracle(max_epochs=max_epochs, factor=factor)
    brackets = Brackets(max_epochs=max_epochs, factor=factor, iterations=1)
    assert brackets.count == oracle._get_num_brackets()
    for nth in range(2 * brackets.count):
        halvings = brackets.halvings(nth)
        assert halvings == brackets.count - 1 - nth % brackets.count
        for turn in range(halvings + 1):
            assert brackets.size(nth, turn) == oracle._get_size(halvings, turn)


def test_every_round_is_filled_and_the_sweep_ends(finished: Search) -> None:
    rungs = [finished.rung(trial.number) for trial in finished.trials]
    filled = Counter((rung.bracket, rung.round, rung.epochs) for rung in rungs)
    assert filled == {
        (0, 0, 1): 9,
        (0, 1, 3): 3,
        (0, 2, 9): 1,
        (1, 0, 3): 5,
        (1, 1, 9): 2,
        (2, 0, 9): 3,
    }
    assert finished.left() == 0
    end = describe_end(finished.trials, finished.config)
    assert end == "keras_tuner.hyperband has nothing left to try (23 are done)"


def test_the_best_go_on_with_their_values_and_more_epochs(finished: Search) -> None:
    first = [t for t in finished.trials if finished.rung(t.number).bracket == 0]
    by_round = [[t for t in first if finished.rung(t.number).round == turn] for turn in range(3)]
    best = sorted(by_round[0], key=lambda trial: -(trial.value or 0))[:3]
    assert {finished.rung(t.number).continues for t in by_round[1]} == {t.number for t in best}
    for trial in [*by_round[1], *by_round[2]]:
        rung = finished.rung(trial.number)
        assert rung.continues is not None
        past = finished.trials[rung.continues]
        assert trial.params == {**past.params, "epochs": rung.epochs}
        assert past.params["epochs"] == rung.initial_epoch
        assert type(trial.params["epochs"]) is int


def test_iterations_begin_with_the_first_bracket_again() -> None:
    sampler = {"name": "keras_tuner.hyperband", "max_epochs": 3, "iterations": 2}
    search = Search(sweep("keras_tuner.hyperband", trials=100, sampler=sampler))
    search.run()
    brackets = [search.rung(trial.number).bracket for trial in search.trials]
    assert sorted(set(brackets)) == [0, 1, 2, 3]
    assert Counter(brackets)[0] == Counter(brackets)[2]


def test_trials_that_run_are_waited_for_at_the_end() -> None:
    sampler = {"name": "keras_tuner.hyperband", "max_epochs": 2, "factor": 2}
    search = Search(sweep("keras_tuner.hyperband", trials=100, sampler=sampler))
    opened = []
    while search.left():
        opened.append(search.ask())
    # Two new ones of the first bracket, two of the other: which is promoted is not known yet.
    assert [search.rung(trial.number).bracket for trial in opened] == [0, 0, 1, 1]
    search.tell(opened[0])
    assert not search.left()
    search.tell(opened[1])
    assert search.left()
    promoted = search.ask()
    assert search.rung(promoted.number).round == 1
    for trial in (*opened[2:], promoted):
        search.tell(trial)
    assert not search.left()


def test_a_failed_trial_leaves_its_place_empty_and_nothing_waits_for_it() -> None:
    search = Search(hyperband())
    count = 0
    while search.left():
        search.tell(search.ask(), failed=count in (0, 4))
        count += 1
        assert count < 40
    rounds = Counter(
        (rung.bracket, rung.round) for trial in search.trials if (rung := rung_of(trial))
    )
    assert rounds[0, 0] == 9
    assert rounds[0, 1] == 1  # of seven that completed, the six worst are not promoted
    assert not points_needed(search.trials, search.config)


def test_a_parked_trial_keeps_its_place() -> None:
    search = Search(hyperband())
    trial = search.ask()
    rung = search.rung(0)
    park(search.study, 0)
    assert search.left()
    again = search.ask()
    assert again.number == 0
    assert again.params == trial.params
    assert search.rung(0) == rung
    search.tell(again)
    search.ask()
    assert (search.rung(1).bracket, search.rung(1).round) == (0, 0)


def test_a_trial_whose_asker_died_before_it_had_values_gets_those_noted() -> None:
    search = Search(hyperband())
    search.study.sampler = build_sampler(search.config, [], number=0)
    first = search.study.ask()
    # Optuna draws when it is first asked for a value; nothing of it is on record yet.
    assert first.relative_params
    park(search.study, 0)
    assert dict(search.ask().params) == dict(search.rung(0).values) == first.relative_params


def test_enqueued_trials_take_places_of_the_first_round() -> None:
    search = Search(hyperband(enqueue=[{"learning_rate": 1e-4, "max_length": 64}]))
    search.run()
    first = search.trials[0]
    assert first.params["learning_rate"] == 1e-4
    assert search.rung(0).values["max_length"] == 64
    assert (search.rung(0).bracket, search.rung(0).round, first.params["epochs"]) == (0, 0, 1)
    # It is the best there is, and goes all the way.
    assert [rung.continues for t in search.trials if (rung := rung_of(t)) and rung.round].count(0)
    assert len(search.trials) == 23


def test_resume_points_are_kept_as_long_as_somebody_may_go_on(tmp_path: Path) -> None:
    search = Search(hyperband())
    most = 0
    while search.left():
        trial = search.ask()
        folder = tmp_path / f"trial-{trial.number:03d}"
        folder.mkdir()
        (folder / "attempt-1").mkdir()
        take_over_point(search.trials[trial.number], resume_point=folder / POINT)
        rung = search.rung(trial.number)
        if rung.continues is not None:
            # That of the trial before was there, and came along.
            assert (folder / POINT).read_text() == str(rung.continues)
        (folder / POINT).unlink(missing_ok=True)
        (folder / POINT).write_text(str(trial.number))
        search.tell(trial)
        remove_ended(search.trials, search.config, workdir=tmp_path, keep=POINT)
        kept = {int(path.name[6:]) for path in tmp_path.iterdir()}
        assert kept == points_needed(search.trials, search.config)
        assert all(
            [entry.name for entry in path.iterdir()] == [POINT] for path in tmp_path.iterdir()
        )
        most = max(most, len(kept))
    assert most == 3
    assert most <= Brackets.of(search.config).most_kept
    assert not list(tmp_path.iterdir())


def test_a_point_that_is_there_is_not_replaced(tmp_path: Path, finished: Search) -> None:
    promoted = next(t for t in finished.trials if finished.rung(t.number).continues is not None)
    past = finished.rung(promoted.number).continues
    for number, text in ((past, "old"), (promoted.number, "own")):
        folder = tmp_path / f"trial-{number:03d}"
        folder.mkdir()
        (folder / POINT).write_text(text)
    take_over_point(promoted, resume_point=folder / POINT)
    assert (folder / POINT).read_text() == "own"


def test_a_promoted_trial_has_what_the_hypermodel_of_the_other_drew() -> None:
    """Also a name whose distribution changed since, which the oracle no longer proposes."""
    search = Search(hyperband(hypermodel=HYPERMODEL))
    first = search.ask()
    first.suggest_int("later", 1, 10**6)
    search.tell(first)
    search.run()
    promoted = [
        (trial, search.trials[rung.continues])
        for trial in search.trials
        if (rung := rung_of(trial)) and rung.continues is not None
    ]
    assert len(promoted) == 3 + 1 + 2
    for trial, past in promoted:
        drawn = {name: past.params[name] for name in trial.params if name != "epochs"}
        assert {**drawn, "epochs": trial.params["epochs"]} == trial.params


def test_a_space_that_is_the_hypermodels_alone_is_searched() -> None:
    """Nothing is known of it when the first trial begins, nor when a second is open beside it."""
    search = Search(hyperband(hypermodel=HYPERMODEL, space={}))
    assert search.left()
    opened = [search.ask(), search.ask()]
    for trial in opened:
        search.tell(trial)
    search.run()
    assert len(search.trials) == 23
    assert {trial.params["kind"] for trial in search.trials} == {"mean", "convolution"}
