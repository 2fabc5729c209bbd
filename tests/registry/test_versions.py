from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from finesweep.errors import RegistryError
from finesweep.registry import (
    list_versions,
    promote,
    register,
    stage_history,
    version_in_stage,
)
from finesweep.registry.prediction import resolve
from finesweep.tracking import TrackingStore

MakeRun = Callable[[], str]


def test_a_run_becomes_a_version(store: TrackingStore, finished_run: MakeRun) -> None:
    run_id = finished_run()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        version = register(store, run_id, name="headlines", stage="staging")
    assert (version.name, version.version, version.run_id) == ("headlines", 1, run_id)
    assert (version.stage, version.aliases) == ("Staging", ("staging",))
    assert version.source.endswith(f"{run_id}/artifacts/model")
    assert version.tags["finesweep.sweep"] == "lr"
    assert version.tags["finesweep.trial"] == "0"
    assert version.tags["finesweep.metric.val/accuracy"] == "0.9125"


def test_registering_again_changes_nothing(store: TrackingStore, finished_run: MakeRun) -> None:
    run_id = finished_run()
    first = register(store, run_id, name="headlines", stage="Staging")
    assert register(store, run_id, name="headlines") == first
    assert register(store, run_id, name="headlines", stage="Staging") == first
    assert list_versions(store) == [first]
    assert register(store, run_id, name="other").version == 1


def test_promotion_archives_the_one_before(store: TrackingStore, finished_run: MakeRun) -> None:
    for _ in range(2):
        register(store, finished_run(), name="headlines", stage="Staging")
    first, second = list_versions(store, "headlines")
    assert (first.stage, first.aliases) == ("Archived", ())
    assert (second.stage, second.aliases) == ("Staging", ("staging",))
    moved = promote(store, "headlines", 2, "PRODUCTION")
    assert (moved.stage, moved.aliases) == ("Production", ("production",))
    assert resolve(store, "models:/headlines@production").version == 2
    with pytest.raises(RegistryError, match="no version of 'headlines' is in Staging"):
        resolve(store, "models:/headlines/Staging")
    back = promote(store, "headlines", 2, "none")
    assert (back.stage, back.aliases) == ("None", ())


def test_other_aliases_stay(store: TrackingStore, finished_run: MakeRun) -> None:
    register(store, finished_run(), name="headlines", stage="Staging")
    store.client.set_registered_model_alias("headlines", "champion", "1")
    assert promote(store, "headlines", 1, "Archived").aliases == ("champion",)


def test_a_lost_alias_is_put_right(store: TrackingStore, finished_run: MakeRun) -> None:
    register(store, finished_run(), name="headlines", stage="Staging")
    store.client.delete_registered_model_alias("headlines", "staging")
    assert promote(store, "headlines", 1, "Staging").aliases == ("staging",)
    assert len(stage_history(store, "headlines")) == 1


def test_mlflow_itself_agrees(store: TrackingStore, finished_run: MakeRun) -> None:
    register(store, finished_run(), name="headlines", stage="Production")
    assert store.client.get_model_version_by_alias("headlines", "production").version == 1
    assert store.client.get_model_version("headlines", "1").current_stage == "Production"


def test_what_was_in_production_then(store: TrackingStore, finished_run: MakeRun) -> None:
    before = datetime.now(UTC)
    register(store, finished_run(), name="headlines", stage="Production")
    between = datetime.now(UTC)
    register(store, finished_run(), name="headlines", stage="Production")
    after = datetime.now(UTC) + timedelta(seconds=1)
    changes = [(change.version, change.stage) for change in stage_history(store, "headlines")]
    assert changes == [(1, "Production"), (1, "Archived"), (2, "Production")]
    only = stage_history(store, "headlines", stage="production")
    assert [change.version for change in only] == [1, 2]
    assert all(change.by for change in only)
    then = [version_in_stage(store, "headlines", "Production", at=at) for at in (before, between)]
    assert then == [None, 1]
    assert version_in_stage(store, "headlines", "Production", at=after.replace(tzinfo=None)) == 2
    assert version_in_stage(store, "headlines", "Archived", at=after) == 1


def test_a_history_somebody_broke(store: TrackingStore, finished_run: MakeRun) -> None:
    register(store, finished_run(), name="headlines", stage="Staging")
    store.client.set_model_version_tag("headlines", "1", "finesweep.stage.history", '[{"at": 1}]')
    with pytest.raises(RegistryError, match="not the list that finesweep writes"):
        stage_history(store, "headlines")


def test_names_and_versions_that_are_not_there(store: TrackingStore, finished_run: MakeRun) -> None:
    assert list_versions(store) == []
    assert list_versions(store, "it's") == []
    with pytest.raises(RegistryError, match="no model 'headlines' is registered in sqlite:"):
        promote(store, "headlines", 1, "Staging")
    register(store, finished_run(), name="headlines")
    with pytest.raises(RegistryError, match=r"no model 'headline' .* did you mean headlines\?"):
        promote(store, "headline", 1, "Staging")
    with pytest.raises(RegistryError, match="has no version 7; it has 1"):
        promote(store, "headlines", 7, "Staging")
    with pytest.raises(RegistryError, match=r"received 'Produktion'; did you mean Production\?"):
        promote(store, "headlines", 1, "Produktion")
    with pytest.raises(RegistryError, match=r"\(None, Staging, Production, Archived\)"):
        stage_history(store, "headlines", stage="x")
    with pytest.raises(RegistryError, match="no model 'nope'"):
        stage_history(store, "nope")


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "-a", "it's", "a b"])
def test_names_that_are_not_valid(name: str, store: TrackingStore, finished_run: MakeRun) -> None:
    with pytest.raises(RegistryError, match="expected a model name of letters"):
        register(store, finished_run(), name=name)


def test_runs_that_cannot_be_registered(store: TrackingStore) -> None:
    with pytest.raises(RegistryError, match="cannot register the run 'nope': Run with id=nope not"):
        register(store, "nope", name="headlines")
    run = store.client.create_run(store.experiment_id("e"), run_name="t003")
    with pytest.raises(RegistryError, match=r"\(t003, RUNNING\) has no model"):
        register(store, run.info.run_id, name="headlines")
    with pytest.raises(RegistryError, match="expected a stage"):
        register(store, run.info.run_id, name="headlines", stage="Stagging!")
    assert list_versions(store) == []


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("headlines", "expected models:/NAME/STAGE"),
        ("models:/headlines", "expected models:/NAME/STAGE"),
        ("models:/headlines/", "expected models:/NAME/STAGE"),
        ("models:/headline/1", "did you mean headlines?"),
        ("models:/headlines/9", "has no version 9; it has 1"),
        (
            "models:/headlines/Production",
            "its versions: 1 (None). Move one with",
        ),
        ("models:/headlines/Prod", "expected a stage"),
        ("models:/headlines@champion", "has no alias 'champion'; it has none"),
    ],
)
def test_uris_that_name_nothing(
    uri: str, message: str, store: TrackingStore, finished_run: MakeRun
) -> None:
    register(store, finished_run(), name="headlines")
    with pytest.raises(RegistryError) as caught:
        resolve(store, uri)
    assert message in str(caught.value)


def test_latest_is_the_newest(store: TrackingStore, finished_run: MakeRun) -> None:
    for _ in range(2):
        register(store, finished_run(), name="headlines")
    assert resolve(store, "models:/headlines/latest").version == 2
    assert resolve(store, "models:/headlines/None").version == 2
