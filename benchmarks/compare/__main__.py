"""``python -m benchmarks.compare``: finesweep and its peers in turn; see benchmarks/README.md."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from benchmarks.compare.chart import draw
from benchmarks.compare.contestants import Contestant, all_contestants
from benchmarks.compare.environments import versions_of_peers
from benchmarks.compare.history import Result, compare_with_last, keep
from benchmarks.compare.machine import MachineKind, our_versions, this_machine
from benchmarks.compare.options import Options, read_options
from benchmarks.compare.outcome import ContestError, Failed, rows
from benchmarks.compare.process import ROOT, run_together
from benchmarks.compare.report import print_tables
from benchmarks.compare.roofline import Roofline, flops_a_text, measure_peaks
from benchmarks.compare.turns import Turns, take_turns
from benchmarks.compare.work import Work, checkpoint_of, digest, require_rows

WORKSHOP = ROOT / ".bench"
ENVIRONMENTS = WORKSHOP / "env"
RUNS = WORKSHOP / "runs"
HISTORY = ROOT / "benchmarks" / "history"


def main() -> None:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    options = read_options()
    try:
        machine = this_machine()
        WORKSHOP.mkdir(exist_ok=True)
        with FileLock(WORKSHOP / "lock", timeout=0):
            shutil.rmtree(RUNS, ignore_errors=True)
            _run(options, machine, _prepare(options, machine))
    except Timeout:
        sys.exit("error: another benchmark is running here; two at once would slow each other down")
    except ContestError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped before anything was measured")


def _prepare(options: Options, machine: MachineKind) -> Work:
    from finesweep.sweeps.disk import weights_of
    from finesweep.sweeps.machine import choose_workers
    from finesweep.training.precision import cpu_precision

    require_rows(options.data, needed=options.rows + options.validation_rows)
    checkpoint = checkpoint_of(options.geometry, WORKSHOP / "checkpoints")
    return Work(
        geometry=options.geometry,
        checkpoint=checkpoint,
        data=options.data.resolve(),
        rows=options.rows,
        validation_rows=options.validation_rows,
        # What --workers auto comes to.
        workers=choose_workers(parameters=weights_of(checkpoint)).workers,
        precision=_gpu_precision() if machine.gpus else cpu_precision(),
        sweep_rates=options.sweep_rates,
    )


def _gpu_precision() -> str:
    """What ``auto`` comes to on the GPUs; found by TensorFlow, in a process of its own."""
    ask = "from finesweep.training.precision import resolve_precision as of; print(of('auto'))"
    folder = RUNS / "precision"
    finished = run_together(
        [[sys.executable, "-c", ask]],
        folder=folder,
        variables={"PYTHONPATH": str(ROOT / "src")},
    )
    return finished.outputs[0].strip()


def _run(options: Options, machine: MachineKind, work: Work) -> None:
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    console.print(machine.description)
    if not machine.gpus:
        console.print("No GPU here: these are figures of the processor alone.")
    gpu = bool(machine.gpus)
    everybody = all_contestants(work, ENVIRONMENTS, gpu=gpu, quick=options.quick)
    chosen = _chosen(everybody, options.only)
    turns = take_turns(
        chosen,
        work,
        measure_peaks=partial(measure_peaks, gpu=gpu),
        rounds=options.rounds,
        folder=RUNS,
        console=console,
    )
    roofline = _roofline(turns, work, own=_own_key(everybody))
    result = Result(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine,
        settings=_settings(options, work, rounds=len(turns.rounds)),
        versions={"finesweep": our_versions(), **versions_of_peers(ENVIRONMENTS)},
        rows=tuple(rows([contestant.entrant for contestant in chosen], turns.rounds)),
        roofline=None if isinstance(roofline, Failed) else asdict(roofline),
    )
    # Rounds that are not whole are no result to compare with.
    folder = HISTORY if options.keep and not turns.stopped else WORKSHOP / "results"
    _tell(result, roofline, folder=folder, console=console)
    if turns.stopped:
        sys.exit("stopped; this is what was measured until then")


def _chosen(everybody: Sequence[Contestant], only: Sequence[str]) -> Sequence[Contestant]:
    keys = [contestant.entrant.key for contestant in everybody]
    if unknown := sorted(set(only) - set(keys)):
        raise ContestError(f"expected {', '.join(keys)} in --only, received {', '.join(unknown)}")
    return [found for found in everybody if not only or found.entrant.key in only]


def _own_key(everybody: Sequence[Contestant]) -> str:
    """Whose training is held against the machine's peak."""
    entrants = [contestant.entrant for contestant in everybody]
    return next(found.key for found in entrants if found.ours and found.kind == "training")


def _roofline(turns: Turns, work: Work, *, own: str) -> Roofline | Failed:
    beside = turns.beside_peaks(own)
    if not beside:
        return next(peaks for peaks in turns.peaks if isinstance(peaks, Failed))
    peaks, rates = zip(*beside, strict=True)
    return Roofline(
        peaks=peaks, rates=rates, precision=work.precision, flops_a_text=flops_a_text(work)
    )


def _settings(options: Options, work: Work, *, rounds: int) -> dict[str, object]:
    return {
        "geometry": work.geometry,
        "rows": work.rows,
        "validation_rows": work.validation_rows,
        "batch_size": work.batch_size,
        "max_length": work.max_length,
        "epochs": work.epochs,
        "learning_rate": work.learning_rate,
        "sweep_rates": list(work.sweep_rates),
        "workers": work.workers,
        "precision": work.precision,
        "rounds": rounds,
        "quick": options.quick,
        "data_sha256": digest(work.data),
    }


def _tell(result: Result, roofline: Roofline | Failed, *, folder: Path, console: Console) -> None:
    print_tables(result.rows, console=console)
    if isinstance(roofline, Failed):
        console.print(f"roofline: failed: {roofline.reason}", markup=False)
    else:
        for line in roofline.lines():
            console.print(line)
    # Before this result is kept: it is not to be compared with itself.
    comparison = compare_with_last(result, HISTORY)
    if comparison is None:
        console.print("No result of this machine kind and geometry is in the history yet.")
    else:
        for line in comparison.lines():
            console.print(line)
    file = keep(result, folder)
    chart = file.with_suffix(".png")
    draw(result, chart)
    for written in (file, chart):
        console.print(str(_shortest(written)), soft_wrap=True)


def _shortest(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


if __name__ == "__main__":
    main()
