"""The deployment `nightly` on a real server: when it is scheduled, and two small nights of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from noiseflow import run_study
from noiseflow.campaigns.rounds import campaign_of
from noiseflow.study.loading import validate
from tests.slow.conftest import Up
from tests.slow.operations import circles

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
ZONE = ZoneInfo("Europe/Berlin")
NIGHTS = ["2026-01-05", "2026-01-06"]
N_SEEDS = 4
STUDY = circles("baseline", "after_activation")
CELLS = 2
REPLAYED = 2


@pytest.fixture(scope="module")
def nightly(up: Up) -> dict[str, Any]:
    """The deployment."""
    (found,) = up.post("deployments/filter", deployments={"name": {"any_": ["nightly"]}})
    return found


def run_of(up: Up, nightly: dict[str, Any], moment: datetime, **parameters: Any) -> dict[str, Any]:
    """A run that was scheduled for this moment, once it has ended; its worker is late."""
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": moment.astimezone(UTC).isoformat()}}
    told = {"study": STUDY, "n_seeds": N_SEEDS, "epochs": 60, "results": str(up.results), **parameters}
    made = up.post(f"deployments/{nightly['id']}/create_flow_run", state=state, parameters=told)
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        (run,) = up.post("flow_runs/filter", flow_runs={"id": {"any_": [made["id"]]}})
        if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            return run
        time.sleep(1)
    raise AssertionError(f"the run has not ended: {run['state']}\n{(up.state / 'worker.log').read_text()[-3000:]}")


@pytest.fixture(scope="module")
def nights(up: Up, nightly: dict[str, Any]) -> list[dict[str, Any]]:
    """Two nights, scheduled for half past midnight, when it is another day in UTC."""
    moments = [datetime.fromisoformat(night).replace(hour=0, minute=30, tzinfo=ZONE) for night in NIGHTS]
    return [run_of(up, nightly, moment) for moment in moments]


def read(up: Up, name: str) -> pd.DataFrame:
    return pd.read_parquet(up.results / "circles" / name)


def test_nightly_is_scheduled_at_its_local_time_across_a_daylight_saving_change(up, nightly):
    first, last = (datetime(2027, 3, day, tzinfo=UTC).isoformat() for day in (27, 30))
    up.post(f"deployments/{nightly['id']}/schedule", start_time=first, end_time=last, min_runs=3)
    filters = {"deployment_id": {"any_": [nightly["id"]]}, "state": {"type": {"any_": ["SCHEDULED"]}}}
    filters["expected_start_time"] = {"after_": first, "before_": last}
    runs = up.post("flow_runs/filter", flow_runs=filters)
    moments = sorted(datetime.fromisoformat(run["expected_start_time"]) for run in runs)
    assert [moment.astimezone(ZONE).strftime("%d %H:%M") for moment in moments] == ["27 04:30", "28 04:30", "29 04:30"]
    assert [moment.astimezone(UTC).strftime("%d %H:%M") for moment in moments] == ["27 03:30", "28 02:30", "29 02:30"]


def test_nightly_runs_one_at_a_time_and_drops_what_is_late(nightly):
    assert nightly["global_concurrency_limit"]["limit"] == 1
    assert nightly["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert nightly["parameters"]["campaign"] == nightly["schedules"][0]["schedule"]["timezone"] == "Europe/Berlin"


def test_nights_end_with_the_headline_as_their_message(nights):
    assert [run["state_type"] for run in nights] == ["COMPLETED"] * 2
    assert all(run["state"]["message"].startswith("On fresh data, ") for run in nights)


@pytest.mark.usefixtures("nights")
def test_nights_are_campaigns_of_their_local_date_with_seeds_of_their_own(up):
    trials = read(up, "trials")
    assert len(trials) == trials["trial_id"].nunique() == len(NIGHTS) * N_SEEDS * CELLS
    assert trials.groupby("campaign").size().to_dict() == dict.fromkeys(NIGHTS, N_SEEDS * CELLS)
    assert all(campaign_of(seed) == campaign for seed, campaign in zip(trials["seed"], trials["campaign"], strict=True))
    assert (trials["data_seed"] == trials["seed"] + 1).all()


@pytest.mark.usefixtures("nights")
def test_nights_are_pooled(up):
    summary = read(up, "runs/epochs-60/summary.parquet")
    assert set(summary["n_seeds"]) == {len(NIGHTS) * N_SEEDS}
    history = read(up, "runs/epochs-60/history.parquet")
    assert sorted(set(history["campaign"])) == NIGHTS
    latest = history[history["campaign"] == NIGHTS[-1]].set_index("variant")
    differences = summary.set_index("variant")["difference_mean"].dropna()
    pd.testing.assert_series_equal(latest["pooled_mean"], differences, check_names=False, check_like=True)


@pytest.mark.usefixtures("nights")
def test_nights_train_trials_of_the_first_again_and_they_come_out_equal(up):
    replays, trials = read(up, "replays"), read(up, "trials")
    assert replays.groupby("campaign").size().to_dict() == dict.fromkeys(NIGHTS[1:], REPLAYED * CELLS)
    told = ["train_seconds", "finished_at", "campaign", "device"]
    merged = replays.drop(columns=told).merge(trials.drop(columns=told))
    assert len(merged) == len(replays)  # every column that must be equal is
    assert read(up, "runs/epochs-60/replays_compared.parquet")["equal"].all()


@pytest.mark.usefixtures("nights")
def test_a_night_run_twice_adds_nothing(up):
    again = run_study(validate(STUDY), str(up.results), n_seeds=N_SEEDS, epochs=60, campaign=NIGHTS[-1])
    assert (again.trained, again.reused) == (0, len(NIGHTS) * N_SEEDS * CELLS)
    assert len(read(up, "curves")["trial_id"].unique()) == len(NIGHTS) * N_SEEDS * CELLS
    report = Path(again.report).with_name("report.md").read_text()
    assert "0 trained in this run, 16 reused" in report
    assert "This pools 2 campaigns, from 2026-01-05 to 2026-01-06." in report
