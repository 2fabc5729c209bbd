"""``python -m benchmarks.compare``: finesweep and its peers in turn; see benchmarks/README.md."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from benchmarks.compare.chart import draw
from benchmarks.compare.contestants import Contestant, all_contestants
from benchmarks.compare.environments import versions_of_peers
from benchmarks.compare.history import Result, compare_with_last, keep
from benchmarks.compare.machine import MachineKind, our_versions, this_machine
from benchmarks.compare.options import Options, read_options
from benchmarks.compare.outcome import ContestError, Failed, Measured, Outcome, Row, rows
from benchmarks.compare.process import ROOT, run_together
from benchmarks.compare.report import print_tables
from benchmarks.compare.roofline import Roofline, measure
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
        sys.exit("stopped; nothing was kept")


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
    roofline = _roofline(work, gpu=gpu)
    rounds = [
        _round(chosen, work, number=number, total=options.rounds, console=console)
        for number in range(1, options.rounds + 1)
    ]
    result = Result(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine,
        settings=_settings(options, work),
        versions={"finesweep": our_versions(), **versions_of_peers(ENVIRONMENTS)},
        rows=tuple(rows([contestant.entrant for contestant in chosen], rounds)),
        roofline=None if isinstance(roofline, Failed) else asdict(roofline),
    )
    _tell(result, roofline, options=options, console=console)


def _chosen(everybody: Sequence[Contestant], only: Sequence[str]) -> Sequence[Contestant]:
    keys = [contestant.entrant.key for contestant in everybody]
    if unknown := sorted(set(only) - set(keys)):
        raise ContestError(f"expected {', '.join(keys)} in --only, received {', '.join(unknown)}")
    return [found for found in everybody if not only or found.entrant.key in only]


def _roofline(work: Work, *, gpu: bool) -> Roofline | Failed:
    try:
        return measure(work, RUNS / "peak", gpu=gpu)
    except ContestError as error:
        return Failed(reason=str(error))


def _round(
    chosen: Sequence[Contestant], work: Work, *, number: int, total: int, console: Console
) -> dict[str, Outcome]:
    """Everybody once; what fails is an outcome too."""
    outcomes: dict[str, Outcome] = {}
    for contestant in chosen:
        entrant = contestant.entrant
        # Another one each round: MLflow's client keeps a database open that is at the same place.
        folder = RUNS / f"round-{number}" / entrant.key
        try:
            outcome: Outcome = contestant.run(work, folder)
        except ContestError as error:
            outcome = Failed(reason=str(error))
        outcomes[entrant.key] = outcome
        console.print(
            f"round {number} of {total}, {entrant.label}: {_in_words(outcome)}",
            markup=False,
            soft_wrap=True,
        )
    return outcomes


def _in_words(outcome: Outcome) -> str:
    if isinstance(outcome, Failed):
        return f"failed: {outcome.reason}"
    return f"{_rate(outcome):.1f} examples/s, {outcome.seconds:.0f} s in all"


def _rate(outcome: Measured) -> float:
    return outcome.overall_rate if outcome.training_rate is None else outcome.training_rate


def _settings(options: Options, work: Work) -> dict[str, object]:
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
        "rounds": options.rounds,
        "quick": options.quick,
        "data_sha256": digest(work.data),
    }


def _tell(
    result: Result, roofline: Roofline | Failed, *, options: Options, console: Console
) -> None:
    print_tables(result.rows, rounds=options.rounds, console=console)
    if isinstance(roofline, Failed):
        console.print(f"roofline: failed: {roofline.reason}", markup=False)
    else:
        for line in roofline.lines(_own_rate(result.rows)):
            console.print(line)
    # Before this result is kept: it is not to be compared with itself.
    comparison = compare_with_last(result, HISTORY)
    if comparison is None:
        console.print("No result of this machine kind and geometry is in the history yet.")
    else:
        for line in comparison.lines():
            console.print(line)
    file = keep(result, HISTORY if options.keep else WORKSHOP / "results")
    chart = file.with_suffix(".png")
    draw(result, chart)
    for written in (file, chart):
        console.print(str(_shortest(written)), soft_wrap=True)


def _own_rate(found: Sequence[Row]) -> float | None:
    return next((row.rate for row in found if row.ours and row.kind == "training"), None)


def _shortest(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


if __name__ == "__main__":
    main()
