"""Campaigns: their seeds, names and faults, and what a plan pools of them."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from noiseflow.campaigns.rounds import Round, campaign_faults, campaign_name, campaign_of, campaign_round, pooled_rounds
from noiseflow.store import Store
from noiseflow.study.loading import load, validate
from noiseflow.trials.plan import make_plan
from noiseflow.trials.pooled_plan import pooled_plan, replays
from tests.store.test_store import batch


def test_campaign_round_counts_from_ten_thousand_times_the_day():
    assert campaign_round("1970-01-02", 3).seeds == (10_000, 10_001, 10_002)
    assert campaign_round("2026-11-23", 30).seeds == tuple(range(207_800_000, 207_800_030))  # day 20,780
    assert campaign_round("3145-11-30", 10_000).seeds[-1] < 2**32


def test_campaign_of_is_the_day_that_a_seed_belongs_to():
    assert campaign_of(207_800_029) == "2026-11-23"
    assert campaign_of(207_809_999) == "2026-11-23"
    assert campaign_of(207_810_000) == "2026-11-24"
    assert campaign_of(9_999) is None


def test_pooled_rounds_are_by_date_and_leave_a_studys_own_seeds_out():
    own = campaign_round("2026-11-24", 2)
    assert pooled_rounds(own, [0, 1, 207_820_005, 207_800_001, 207_800_000, 207_810_007]) == [
        Round("2026-11-23", (207_800_000, 207_800_001)),
        Round("2026-11-24", (207_810_000, 207_810_001, 207_810_007)),
        Round("2026-11-25", (207_820_005,)),
    ]


@pytest.mark.parametrize(
    ("campaign", "hour", "name"),
    [
        ("2026-11-23", 0, "2026-11-23"),
        ("20261123", 0, "2026-11-23"),
        ("Europe/Berlin", 3, "2026-11-23"),
        ("Europe/Berlin", 23, "2026-11-24"),
        ("America/New_York", 3, "2026-11-22"),
    ],
)
def test_campaign_name_is_the_local_date_of_the_scheduled_time(campaign, hour, name):
    assert campaign_name(campaign, datetime(2026, 11, 23, hour, 30, tzinfo=UTC)) == name


@pytest.mark.parametrize(
    "campaign", ["2026-13-01", "yesterday", "", "1970-01-01", "1969-12-31", "Europe/Nowhere", "../x"]
)
def test_campaign_faults_name_what_is_no_date(campaign):
    (fault,) = campaign_faults(load("circles"), campaign)
    assert repr(campaign) in fault
    assert "2026-11-23" in fault


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (load("stddev-grid"), "variants of one strength"),
        (load("depth"), "fresh rows for each seed"),
        (validate(load("tutorial").model_dump() | {"design": "crossed"}), "design resample or replicate"),
    ],
)
def test_campaign_faults_name_what_a_confidence_sequence_cannot_take(study, message):
    assert any(message in fault for fault in campaign_faults(study, "2026-11-23"))


def test_tutorial_and_circles_may_have_campaigns():
    assert not campaign_faults(load("tutorial"), "Europe/Berlin")
    assert not campaign_faults(load("circles"), "2026-11-23")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, "circles")


def publish(store, trials):
    tables = batch([trial.id for trial in trials])
    tables["trials"]["seed"] = [trial.seed for trial in trials]
    store.publish(tables, {})


def test_pooled_plan_has_own_seeds_and_those_of_campaigns_trained_alike(store):
    study = load("circles", n_seeds=2)
    publish(store, pooled_plan(study, "vectorized", "2026-11-22", store).trials)
    publish(store, pooled_plan(load("circles", n_seeds=2, epochs=7), "vectorized", "2026-11-23", store).trials)
    publish(store, make_plan(study, "vectorized").trials)
    plan = pooled_plan(study, "vectorized", "2026-11-24", store)
    assert [part.campaign for part in plan.rounds] == ["2026-11-22", "2026-11-24"]
    assert len(plan.trials) == 5 * 4
    assert {trial.seed for trial in plan.trials} == {207_790_000, 207_790_001, 207_810_000, 207_810_001}
    assert all(trial.data_seed == trial.seed + 1 for trial in plan.trials)
    (both,) = [plan.data_seeds(dataset) for dataset in study.datasets]
    assert both == [[207_790_001, 207_790_002], [207_810_001, 207_810_002]]


def test_pooled_plan_completes_a_campaign_of_which_a_batch_failed(store):
    study = load("circles", n_seeds=2)
    first = pooled_plan(study, "vectorized", "2026-11-22", store)
    publish(store, first.trials[:8])
    plan = pooled_plan(study, "vectorized", "2026-11-23", store)
    batches = plan.batches(store.trial_ids(), 100)
    assert sum(len(part.trials) for part in batches) == 2 + 10
    assert [part.label for part in batches][-1] == "circles/mlp/input_and_hidden 2026-11-22, 2026-11-23, 4 seeds"


def test_replays_are_the_first_campaigns_first_trials_once_a_campaign(store):
    study = load("circles", n_seeds=3)
    first = pooled_plan(study, "vectorized", "2026-11-22", store)
    publish(store, first.trials)
    assert replays(pooled_plan(study, "vectorized", "2026-11-22", store), store) == []
    assert replays(make_plan(study, "vectorized"), store) == []
    plan = pooled_plan(study, "vectorized", "2026-11-23", store)
    batches = replays(plan, store)
    assert [part.seeds for part in batches] == [[207_790_000, 207_790_001]] * 5
    again = batch([trial.id for part in batches for trial in part.trials])["trials"].assign(campaign="2026-11-23")
    assert store.publish_replays(again, {}) == 10
    assert store.publish_replays(again, {}) == 0
    assert replays(plan, store) == []
    assert store.publish_replays(again.assign(campaign="2026-11-24"), {}) == 10
    assert len(pd.read_parquet(Path(store.location) / "replays")) == 20


def test_latest_keeps_whole_campaigns_and_one_at_least(store):
    study = load("circles", n_seeds=2)
    for night in ("2026-11-21", "2026-11-22"):
        publish(store, pooled_plan(study, "vectorized", night, store).trials)
    plan = pooled_plan(study, "vectorized", "2026-11-23", store)
    assert [part.campaign for part in plan.latest(5).rounds] == ["2026-11-22", "2026-11-23"]
    assert [part.campaign for part in plan.latest(1).rounds] == ["2026-11-23"]
    assert plan.latest(6) == plan
    assert len(plan.latest(5).trials) == 5 * 4
