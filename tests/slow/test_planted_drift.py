"""A shift that is planted in the stored results of real nights shows in the report, and only there."""

import pandas as pd
import pytest

from noiseflow.campaigns.rounds import campaign_round
from noiseflow.store import Store, footer
from noiseflow.stored import report_study
from noiseflow.study.loading import validate
from noiseflow.trials.manifest import software
from noiseflow.trials.plan import make_plan, study_hash
from noiseflow.trials.training import train_trials
from tests.slow.operations import circles

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
N_NIGHTS, N_SEEDS, N_EPOCHS, SHIFTED = 8, 12, 60, 4
NIGHTS = [str(day.date()) for day in pd.date_range("2026-01-01", periods=N_NIGHTS)]
STUDY = validate(circles("baseline", "after_activation"), n_seeds=N_SEEDS, epochs=N_EPOCHS)
MARKS = footer(study_hash(STUDY), software())


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """The tables of nights that were trained."""
    store = Store(tmp_path_factory.mktemp("nights"), STUDY.name)
    plan = make_plan(STUDY, "vectorized", [campaign_round(night, N_SEEDS) for night in NIGHTS], NIGHTS[-1])
    for batch in plan.batches([], N_NIGHTS * N_SEEDS):
        store.publish(vars(train_trials(batch, study=STUDY.name, progress=lambda progress: None)), MARKS)
    return plan, {table: store.read(table) for table in ("trials", "curves", "predictions")}


@pytest.mark.parametrize("planted", [False, True])
def test_planted_shift_shows_in_the_report(planted, nights, tmp_path):
    """Five points less on one cell, in the last four nights; the report is that of the last."""
    _, tables = nights
    trials = tables["trials"].copy()
    late = (trials["variant"] == "after_activation") & (trials["campaign"] >= NIGHTS[-SHIFTED])
    assert late.sum() == SHIFTED * N_SEEDS
    trials.loc[late, "eval_score"] -= 0.05 * planted
    store = Store(tmp_path, STUDY.name)
    store.publish({**tables, "trials": trials}, MARKS)
    report_study(STUDY, str(tmp_path), campaign=NIGHTS[-1])
    folder = tmp_path / STUDY.name / "runs" / f"epochs-{N_EPOCHS}"
    page, drift = (folder / "report" / "report.md").read_text(), pd.read_parquet(folder / "drift.parquet")
    assert set(drift.loc[drift["flagged"], "variant"]) == ({"after_activation"} if planted else set())
    assert (
        f"**⚠ Drift on {NIGHTS[-1]}: the new seeds do not score as the earlier ones did for ‘after" in page
    ) is planted
    assert f"This pools {N_NIGHTS} campaigns, from {NIGHTS[0]} to {NIGHTS[-1]}." in page
    assert "history.png" in page
    assert set(pd.read_parquet(folder / "summary.parquet")["n_seeds"]) == {N_NIGHTS * N_SEEDS}
