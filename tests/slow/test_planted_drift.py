"""A shift that is planted in thirty stored nights shows in the report, and only there."""

import pandas as pd
import pytest

from benchmarks.nights import FIRST_NIGHT, publish_nights
from flows.again import render_again
from noiseflow.store import Store
from noiseflow.studies import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
N_NIGHTS = 30


@pytest.mark.parametrize("planted", [False, True])
def test_planted_shift_shows_in_the_report(planted, tmp_path):
    """Three points on one cell, from the 21st night on; the report is that of the 30th."""
    study = load("circles")
    shift = ("after_activation", 20, -0.03) if planted else None
    publish_nights(Store(tmp_path, study.name), study, N_NIGHTS, shift=shift)
    last = str(pd.date_range(FIRST_NIGHT, periods=N_NIGHTS)[-1].date())
    render_again(study, str(tmp_path), campaign=last)
    folder = tmp_path / "circles"
    page = (folder / "report" / "report.md").read_text()
    drift = pd.read_parquet(folder / "drift.parquet")
    assert set(drift.loc[drift["flagged"], "variant"]) == ({"after_activation"} if planted else set())
    assert ("**⚠ Drift on 2026-01-30: the new seeds do not score as the earlier ones did for ‘after" in page) is planted
    assert f"This pools {N_NIGHTS} campaigns, from {FIRST_NIGHT} to {last}." in page
    assert "history.png" in page
    summary = pd.read_parquet(folder / "summary.parquet").set_index("variant")
    assert set(summary["n_seeds"]) == {900}
    assert summary.loc["before_activation", "difference_mean"] == pytest.approx(0.014, abs=0.003)
