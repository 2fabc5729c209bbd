"""What killed processes leave of sweeps and trainings: found, repaired, and found no more."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import optuna
import psutil
import pytest
from doctor_bench import DoctorBench
from optuna.trial import TrialState
from sweep_bench import RecordingObserver

from finesweep.errors import InterruptedSweep
from finesweep.sweeps import SweepResult
from finesweep.sweeps.deliveries import OUTBOX_FILE
from finesweep.sweeps.doctor import Finding, examine, situation
from finesweep.sweeps.doctor.workers import MODULE
from finesweep.sweeps.stopping import StopRequest
from finesweep.sweeps.study import SWEEP_RUN_ID
from finesweep.tracking import Outbox, SweepRun
from finesweep.tracking.entries import Tags

DIES = """
from sweep_bench import RecordingObserver
def die(number, tick):
    if (number, tick) == (1, 6):
        os.kill(os.getpid(), signal.SIGKILL)
bench.run(bench.config(trials=3, keep_checkpoints=1), RecordingObserver(on_tick=die))
"""

DIES_AT = """
import optuna
from finesweep.sweeps import ending, trial_runs
from finesweep.tracking import SweepRun
original = {where}
def die(self, *args, **kwargs):
    result = original(self, *args, **kwargs) if {after} else None
    if {condition}:
        os.kill(os.getpid(), signal.SIGKILL)
    return result if {after} else original(self, *args, **kwargs)
{where} = die
bench.run(bench.config(trials=3, keep_checkpoints=1))
"""

TRAINS = """
from finesweep.sweeps.engines.local import LocalEngine
from finesweep.sweeps.single import run_single
from sweep_bench import SCRIPTED, RecordingObserver
engine = LocalEngine(bench.setup, trainer=SCRIPTED, logs=bench.folder / "logs")
def tell(number, tick):
    print("ticked", tick, flush=True)
run_single(
    bench.config().experiment,
    data=bench.data,
    store=bench.store,
    engine=engine,
    observer=RecordingObserver(on_tick=tell),
    workdir=bench.root / "work" / f"train-{bench.name}",
)
"""


def states(result: SweepResult) -> list[str]:
    return [trial.state for trial in result.trials]


def statuses(bench: DoctorBench) -> list[str]:
    """Of the sweep's runs, its own last."""
    run_id = bench.study().user_attrs[SWEEP_RUN_ID]
    run = bench.mlflow_run(run_id)
    sweep_run = SweepRun(bench.store, run_id, run.info.experiment_id, name=bench.name)
    return [child.status for child in sweep_run.trial_runs()] + [run.info.status]


def tags(bench: DoctorBench, run_id: str | None) -> dict[str, str]:
    return dict(bench.mlflow_run(run_id).data.tags)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file; of the two databases the name alone, since SQLite tidies them for any reader."""
    return {
        str(path.relative_to(folder)): b"" if path.parent == folder else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal", ".lock"))
    } | {wal.name: wal.read_bytes() for wal in folder.glob("*/*/*-wal")}


def kinds(findings: list[Finding]) -> set[str]:
    return {finding.kind for finding in findings}


def killed(bench: DoctorBench, code: str) -> None:
    process = bench.start_elsewhere(code)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors


def test_a_killed_coordinator_is_found_and_repaired_and_its_sweep_goes_on(
    bench: DoctorBench,
) -> None:
    killed(bench, DIES)
    before = contents(bench.root)
    found = bench.wrong()
    assert {"sweeps", "runs", "leftovers"} <= kinds(found)
    assert any("t001 as running" in finding.what for finding in found)
    assert all(finding.repairable and finding.sweep in (bench.name, None) for finding in found)
    assert contents(bench.root) == before
    assert statuses(bench)[1:] == ["RUNNING", "RUNNING"]

    repaired = [finding for finding in examine(bench.place, repair=True) if finding.repaired]
    assert {finding.what for finding in repaired} == {finding.what for finding in found}
    assert statuses(bench) == ["FINISHED", "KILLED", "KILLED"]
    assert bench.wrong() == []
    assert bench.wrong(repair=True) == []
    assert (bench.workdir / "trial-001" / "resume.safetensors").exists()

    observer = RecordingObserver()
    result = bench.run(bench.config(trials=3, keep_checkpoints=1), observer)
    assert states(result) == ["completed"] * 3
    assert [tick for number, tick, _ in observer.ticks if number == 1] == [5, 6, 7, 8]
    assert bench.wrong() == []
    assert statuses(bench) == ["FINISHED"] * 4


MOMENTS = {
    "after a trial's run is made": ("SweepRun.start_trial", True, "args[0] == 1"),
    "before the study is told": ("optuna.Study.tell", False, "args[0] == 1"),
    "before the sweep's run is noted": (
        "optuna.Study.set_user_attr", False, "args[0] == 'run_id'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("moment", MOMENTS)
def test_whenever_a_coordinator_is_killed_no_run_is_left_running(
    moment: str, bench: DoctorBench
) -> None:
    where, after, condition = MOMENTS[moment]
    killed(bench, DIES_AT.format(where=where, after=after, condition=condition))
    assert "RUNNING" in all_statuses(bench)
    assert bench.wrong()
    assert bench.wrong(repair=True) == []
    assert "RUNNING" not in all_statuses(bench)
    assert bench.wrong(repair=True) == []
    result = bench.run(bench.config(trials=3, keep_checkpoints=1))
    assert states(result) == ["completed"] * 3
    assert bench.wrong() == []


def all_statuses(bench: DoctorBench) -> list[str]:
    experiments = [one.experiment_id for one in bench.store.client.search_experiments()]
    return [run.info.status for run in bench.store.client.search_runs(experiments)]


def test_a_sweep_that_is_being_run_is_left_alone(bench: DoctorBench) -> None:
    seen: list[Finding] = []

    def look(number: int, tick: int) -> None:
        if (number, tick) == (1, 3):
            seen.extend(examine(bench.place, repair=True))

    observer = RecordingObserver(on_tick=look)
    result = bench.run(bench.config(trials=2), observer)
    assert states(result) == ["completed"] * 2
    assert len(observer.ticks) == 16
    (about,) = [finding for finding in seen if finding.sweep == bench.name]
    assert "is being run by process" in about.what
    assert about.level == "ok"
    assert not any(finding.repaired for finding in seen)


def test_what_waits_in_an_outbox_is_delivered(bench: DoctorBench) -> None:
    result = bench.run(bench.config(trials=1))
    run_id = result.trials[0].run_id
    assert run_id is not None
    with Outbox.open(bench.workdir / OUTBOX_FILE) as outbox:
        outbox.put(run_id, Tags(values={"late": "yes"}))
    (found,) = bench.wrong()
    assert found.what.startswith("records that wait in ")
    assert "late" not in tags(bench, run_id)
    assert bench.wrong(repair=True) == []
    assert tags(bench, run_id)["late"] == "yes"


def test_what_the_store_refuses_is_told_and_is_no_problem(bench: DoctorBench) -> None:
    bench.run(bench.config(trials=1))
    with Outbox.open(bench.workdir / OUTBOX_FILE) as outbox:
        outbox.put("0" * 32, Tags(values={"late": "yes"}))
    (found,) = bench.wrong(repair=True)
    assert found.level == "warning"
    assert "refused: 1; the first" in found.what
    assert bench.wrong() == [found]


def test_a_damaged_outbox_is_told_by_its_own_name(bench: DoctorBench) -> None:
    bench.run(bench.config(trials=1))
    file = bench.workdir / OUTBOX_FILE
    file.write_bytes(b"no database at all" * 100)
    (found,) = bench.wrong()
    assert f"the outbox {file} is damaged" in found.what
    assert found.level == "problem"
    assert bench.wrong(repair=True)[0].what == found.what


def test_runs_that_do_not_agree_with_the_study(bench: DoctorBench) -> None:
    result = bench.run(bench.config(trials=3))
    own, changed, deleted = (trial.run_id for trial in result.trials)
    experiment = bench.mlflow_run(result.run_id).info.experiment_id
    sweep_run = SweepRun(bench.store, result.run_id, experiment, name=bench.name)
    with Outbox.open(bench.folder / "elsewhere.db") as outbox:
        double = sweep_run.start_trial(0, result.trials[0].hyperparameters, outbox=outbox)
        foreign = sweep_run.start_trial(77, result.trials[0].hyperparameters, outbox=outbox)
    bench.store.client.set_terminated(changed, status="FAILED")
    bench.store.client.delete_run(deleted)
    found = {finding.subject: finding for finding in bench.wrong("runs")}
    assert set(found) == {double.run_id, foreign.run_id, changed, deleted}
    assert "its run is FAILED, expected FINISHED" in found[str(changed)].what
    assert "mlflow runs restore --run-id" in (found[str(deleted)].advice or "")
    left = bench.wrong("runs", repair=True)
    # What somebody made or deleted is his.
    assert {finding.subject for finding in left} == {foreign.run_id, deleted}
    assert {finding.level for finding in left} == {"warning"}
    assert bench.mlflow_run(changed).info.status == "FINISHED"
    assert bench.mlflow_run(own).info.status == "FINISHED"
    assert bench.mlflow_run(double.run_id).info.lifecycle_stage == "deleted"


def test_a_training_is_left_alone_as_long_as_it_lives(bench: DoctorBench) -> None:
    bench.script(t0="hang at 5")
    process = bench.start_elsewhere(TRAINS)
    assert process.stdout is not None
    while "ticked 4" not in process.stdout.readline():
        assert process.poll() is None
    assert bench.wrong() == []
    assert bench.wrong(repair=True) == []
    assert all_statuses(bench) == ["RUNNING"]
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate(timeout=30)
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    found = bench.wrong()
    assert any("its process is gone" in finding.what for finding in found)
    assert bench.wrong(repair=True) == []
    (run,) = bench.store.client.search_runs([bench.store.experiment_id(bench.name)])
    assert run.info.status == "KILLED"
    assert run.data.tags["finesweep.ending"] == "preempted"
    assert run.data.tags["finesweep.reason"].startswith("preempted: ")
    # What the training had said is on record, and its files are gone.
    points = bench.store.client.get_metric_history(run.info.run_id, "val/accuracy")
    assert [point.step for point in points] == [1, 2, 3, 4]
    assert list((bench.root / "work").glob("train-*/*")) == []


def test_a_worker_without_its_sweep_is_ended(bench: DoctorBench) -> None:
    # A real worker ends by itself with its coordinator: this one only goes by its name.
    orphan = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)", "-m", MODULE, "5", "1"],
        process_group=0,
    )
    try:
        (found,) = bench.wrong("workers")
        assert found.what == f"process {orphan.pid} is a worker whose sweep is gone"
        assert orphan.poll() is None
        assert bench.wrong("workers", repair=True) == []
        orphan.wait(timeout=10)
    finally:
        orphan.kill()


@pytest.fixture
def parked(bench: DoctorBench) -> DoctorBench:
    """A sweep of two completed trials and a parked one, that keeps one model."""
    stop = StopRequest()

    def ask(number: int, tick: int) -> None:
        if (number, tick) == (2, 5):
            stop.ask("interrupted", "stopped by the user")

    with pytest.raises(InterruptedSweep):
        bench.run(
            bench.config(trials=3, keep_checkpoints=1), RecordingObserver(on_tick=ask), stop=stop
        )
    assert bench.wrong() == []
    return bench


def make(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "file").write_text("content")
    return path


def test_leftovers_are_removed_and_resume_points_never(parked: DoctorBench) -> None:
    work, workdir = parked.root / "work", parked.workdir
    resume = workdir / "trial-002" / "resume.safetensors"
    assert resume.exists()
    left = [
        make(workdir / "trial-000"),
        make(workdir / "trial-002" / "attempt-12345678"),
        make(workdir / "selected"),
        make(workdir / "models" / "nobodys"),
        make(work / "forgotten" / "trial-000"),
        make(work / "train-x" / "0123456789ab"),
    ]
    (workdir / "trial-002" / ".resume.safetensors.77.partial").write_text("half")
    (parked.root / "optuna.db.gone.holder").write_text("{}")
    unknown = make(work / "unknown" / "trial-004") / "resume.safetensors"
    unknown.write_text("a point")
    logs = make(work / "train-x" / "logs")
    found = parked.wrong("leftovers")
    assert len(found) == len(left) + 3
    (still,) = parked.wrong(repair=True)
    assert still.subject == str(work / "unknown")
    assert "another study database may have it" in (still.advice or "")
    assert not any(path.exists() for path in left)
    assert not (parked.root / "optuna.db.gone.holder").exists()
    assert [path.name for path in resume.parent.iterdir()] == [resume.name]
    assert unknown.exists()
    assert logs.exists()
    observer = RecordingObserver()
    assert states(parked.run(parked.config(trials=3, keep_checkpoints=1), observer)) == (
        ["completed"] * 3
    )
    assert [tick for number, tick, _ in observer.ticks if number == 2] == [6, 7, 8]


def test_models_that_are_not_kept_are_removed(parked: DoctorBench) -> None:
    trials = parked.study().trials
    kept = parked.study().user_attrs["kept"]
    (dropped,) = [trial for trial in trials[:2] if str(trial.number) not in kept]
    folder = parked.root / "artifacts" / parked.name / dropped.user_attrs["run_id"] / "artifacts"
    model = make(folder / "model")
    half = make(folder / ".model.going")
    found = {finding.subject: finding for finding in parked.wrong("leftovers")}
    assert set(found) == {str(model), str(half)}
    assert parked.wrong(repair=True) == []
    assert not model.exists()
    assert not half.exists()
    (number,) = kept
    of_kept = trials[int(number)].user_attrs["run_id"]
    assert (folder.parents[1] / of_kept / "artifacts" / "model").is_dir()


def test_a_registered_model_is_kept_whatever_the_study_says(parked: DoctorBench) -> None:
    study = parked.study()
    (number,) = study.user_attrs["kept"]
    run_id = study.trials[int(number)].user_attrs["run_id"]
    parked.store.client.create_registered_model("wanted")
    parked.store.client.create_model_version(
        "wanted", source=f"runs:/{run_id}/model", run_id=run_id
    )
    study.set_user_attr("kept", {})
    assert parked.wrong(repair=True) == []
    assert (parked.root / "artifacts" / parked.name / run_id / "artifacts" / "model").is_dir()


def test_models_of_an_earlier_finesweep_are_not_taken_for_leftovers(parked: DoctorBench) -> None:
    study = parked.study()
    study._storage.set_study_user_attr(study._study_id, "kept", None)
    assert parked.wrong(repair=True) == []


def test_a_sweep_on_a_server_that_another_machine_may_run_is_left_alone(
    bench: DoctorBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(bench, DIES)
    # There is no server here: only its lock, which stands on the machine that runs the sweep.
    (bench.root / f"optuna.db.{bench.name}.holder").unlink()
    monkeypatch.setattr(situation, "database_file", lambda _: None)
    (found,) = bench.wrong("sweeps", repair=True)
    assert "another machine may be running it" in found.what
    assert bench.study().trials[1].state == TrialState.RUNNING


def test_a_store_that_is_away_is_waited_for(
    bench: DoctorBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(bench, DIES)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        left = bench.wrong(repair=True)
        assert {"stores", "sweeps"} <= kinds(left)
        assert not any(finding.repairable for finding in left)
    assert bench.study().trials[1].state == TrialState.RUNNING
    assert bench.wrong(repair=True) == []


def test_a_study_of_something_else_is_left_alone(bench: DoctorBench) -> None:
    bench.root.mkdir(exist_ok=True)
    study = optuna.create_study(storage=bench.study_url, study_name="theirs")
    study.ask()
    found = [finding for finding in examine(bench.place, repair=True) if finding.kind == "sweeps"]
    assert [(one.level, one.subject) for one in found] == [("ok", "theirs")]
    assert len(study.trials) == 1
