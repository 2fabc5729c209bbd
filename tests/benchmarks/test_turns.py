"""Everybody takes a turn, and Control-C costs no more than the turn it came in."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.compare.contestants import Contestant
from benchmarks.compare.outcome import ContestError, Entrant, Failed, Measured, rows
from benchmarks.compare.roofline import Peaks
from benchmarks.compare.turns import Turns, take_turns
from benchmarks.compare.work import Work

DONE = Measured(examples=100, seconds=10.0, training_rate=50.0, validation_accuracy=0.8)
OURS = Entrant(key="ours", label="ours", kind="training", ours=True)
PEER = Entrant(key="peer", label="a peer", kind="training")
WORK = Work(
    geometry="minilm",
    checkpoint=Path(),
    data=Path(),
    rows=100,
    validation_rows=10,
    workers=2,
    precision="float32",
    sweep_rates=(1e-5,),
)
PEAKS = {"all cores": {"float32": 1e11}}


def peaks(_: Path) -> Peaks:
    return PEAKS


def turns(
    tmp_path: Path, peer: Callable[[int], Measured], *, rounds: int = 3
) -> tuple[Turns, list[str], str]:
    """Two contestants; ``peer`` is told which of its turns it is."""
    folders: list[str] = []

    def run(_: Work, folder: Path) -> Measured:
        folders.append(str(folder.relative_to(tmp_path)))
        return peer(len(folders) // 2) if folder.name == "peer" else DONE

    said = io.StringIO()
    taken = take_turns(
        [Contestant(entrant=OURS, run=run), Contestant(entrant=PEER, run=run)],
        WORK,
        measure_peaks=peaks,
        rounds=rounds,
        folder=tmp_path,
        console=Console(file=said, width=100),
    )
    return taken, folders, said.getvalue()


def test_everybody_takes_turns_in_folders_of_their_own(tmp_path: Path) -> None:
    taken, folders, said = turns(tmp_path, lambda _: DONE, rounds=2)
    assert folders == ["round-1/ours", "round-1/peer", "round-2/ours", "round-2/peer"]
    assert taken == Turns(peaks=[PEAKS] * 2, rounds=[{"ours": DONE, "peer": DONE}] * 2)
    assert said.splitlines()[-1] == "round 2 of 2, a peer: 50.0 examples/s, 10 s in all"


def test_one_that_fails_has_an_outcome_and_the_others_go_on(tmp_path: Path) -> None:
    def fails_once(turn: int) -> Measured:
        if turn == 1:
            raise ContestError("no module named torch")
        return DONE

    taken, _, said = turns(tmp_path, fails_once, rounds=2)
    assert [found["peer"] for found in taken.rounds] == [
        Failed(reason="no module named torch"),
        DONE,
    ]
    assert "round 1 of 2, a peer: failed: no module named torch" in said


def test_what_was_measured_before_control_c_is_told(tmp_path: Path) -> None:
    def stopped_in_the_second(turn: int) -> Measured:
        if turn == 2:
            raise KeyboardInterrupt
        return DONE

    taken, _, _ = turns(tmp_path, stopped_in_the_second)
    assert taken.rounds == [{"ours": DONE, "peer": DONE}, {"ours": DONE}]
    assert taken.stopped
    assert taken.beside_peaks("peer") == [(PEAKS, 50.0), (PEAKS, None)]
    ours, peer = rows([OURS, PEER], taken.rounds)
    assert (len(ours.rates), len(peer.rates), peer.ratio) == (2, 1, 1.0)


def test_one_that_had_no_turn_has_no_row(tmp_path: Path) -> None:
    def stopped(_: int) -> Measured:
        raise KeyboardInterrupt

    taken, _, _ = turns(tmp_path, stopped)
    assert [row.key for row in rows([OURS, PEER], taken.rounds)] == ["ours"]


def test_a_round_whose_peaks_fail_is_measured_all_the_same(tmp_path: Path) -> None:
    def peaks_of_the_second_alone(folder: Path) -> Peaks:
        if folder.parent.name == "round-1":
            raise ContestError("out of memory")
        return PEAKS

    taken = take_turns(
        [Contestant(entrant=OURS, run=lambda _, __: DONE)],
        WORK,
        measure_peaks=peaks_of_the_second_alone,
        rounds=2,
        folder=tmp_path,
        console=Console(file=io.StringIO()),
    )
    assert taken.peaks == [Failed(reason="out of memory"), PEAKS]
    assert taken.rounds == [{"ours": DONE}] * 2
    assert taken.beside_peaks("ours") == [(PEAKS, 50.0)]


def test_nothing_measured_is_no_result(tmp_path: Path) -> None:
    def stopped(_: Work, __: Path) -> Measured:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_turns(
            [Contestant(entrant=OURS, run=stopped)],
            WORK,
            measure_peaks=peaks,
            rounds=1,
            folder=tmp_path,
            console=Console(file=io.StringIO()),
        )
