"""Who takes part: finesweep and the peers, in the order in which they take turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.compare import ours
from benchmarks.compare.outcome import Entrant, Kind, Measured
from benchmarks.compare.peer import Peer
from benchmarks.compare.work import Geometry, Work

# By how much finesweep is to be faster: what its issue on speed asks for.
ASKED: Mapping[Geometry, Mapping[str, float]] = {
    "minilm": {"article": 5.0, "kerashub": 4.0, "trainer": 2.0, "trainers": 1.0},
    "base": {"article": 4.0, "kerashub": 3.0, "trainer": 1.3},
}


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """An entrant, and how it runs the work in a folder of its own; raises ``ContestError``."""

    entrant: Entrant
    run: Callable[[Work, Path], Measured]


@dataclass(frozen=True, kw_only=True)
class Peers:
    """Makes contestants of peers; ``environments`` is the folder of what they are run with."""

    environments: Path
    gpu: bool
    asked: Mapping[str, float]

    def contestant(self, key: str, label: str, peer: Peer) -> Contestant:
        """``key`` begins with what is asked of finesweep against it: ``kerashub-float32``."""
        kind: Kind = "sweep" if peer.search else "training"
        entrant = Entrant(key=key, label=label, kind=kind, asked=self.asked.get(key.split("-")[0]))
        run = partial(peer.run, environments=self.environments, gpu=self.gpu)
        return Contestant(entrant=entrant, run=run)


def all_contestants(work: Work, environments: Path, *, gpu: bool, quick: bool) -> list[Contestant]:
    """Everybody.

    bfloat16 takes part where this machine multiplies it fast; a quick run leaves out float32 there.
    It also leaves out whole sweeps: as short as they would be, imports are what they compare.
    Processes pinned to a core each are for machines without a GPU.
    """
    peers = Peers(environments=environments, gpu=gpu, asked=ASKED[work.geometry])
    trainings = [
        *_our_trainings(work),
        *_trainings(work, peers, quick=quick),
        *([] if gpu or work.workers == 1 else [_side_by_side(work, peers)]),
    ]
    return trainings if quick else [*trainings, _our_sweep(work), *_searches(work, peers)]


def _our_trainings(work: Work) -> list[Contestant]:
    return [
        _own(
            Entrant(
                key="finesweep",
                label=f"finesweep run, {work.workers} workers",
                kind="training",
                ours=True,
            ),
            ours.run_workers,
        ),
        _own(
            Entrant(key="finesweep-train", label="finesweep train, one process", kind="training"),
            ours.run_train,
        ),
    ]


def _our_sweep(work: Work) -> Contestant:
    trials = len(work.sweep_rates)
    return _own(
        Entrant(
            key="finesweep-sweep",
            label=f"finesweep run, {trials} trials, {work.workers} workers",
            kind="sweep",
            ours=True,
        ),
        ours.run_sweep,
    )


def _own(entrant: Entrant, run: Callable[[Work, Path], Measured]) -> Contestant:
    return Contestant(entrant=entrant, run=run)


def _trainings(work: Work, peers: Peers, *, quick: bool) -> list[Contestant]:
    precisions = [work.precision]
    if work.precision == "bfloat16" and not quick:
        precisions.append("float32")
    found = [
        peers.contestant(
            "article", "the article's script", Peer(module="article", environment="article")
        )
    ]
    for precision in precisions:
        keras_hub = Peer(module="kerashub_fit", environment="keras", precision=precision)
        trainer = Peer(module="huggingface_trainer", environment="huggingface", precision=precision)
        found += [
            peers.contestant(f"kerashub-{precision}", f"KerasHub fit, {precision}", keras_hub),
            peers.contestant(f"trainer-{precision}", f"HF Trainer, {precision}", trainer),
        ]
    return found


def _side_by_side(work: Work, peers: Peers) -> Contestant:
    peer = Peer(
        module="huggingface_trainer",
        environment="huggingface",
        precision=work.precision,
        side_by_side=work.workers,
    )
    label = f"{work.workers} HF Trainers, a core each, {work.precision}"
    return peers.contestant(f"trainers-{work.precision}", label, peer)


def _searches(work: Work, peers: Peers) -> list[Contestant]:
    search = partial(Peer, environment="keras", precision=work.precision, search=True)
    loop = peers.contestant("optuna", "Optuna + KerasHub in a loop", search(module="optuna_loop"))
    tuner = search(module="keras_tuner_search")
    return [loop, peers.contestant("keras-tuner", "KerasTuner RandomSearch", tuner)]
