"""Numbers of trained studies are those that pandas, scikit-learn and scipy compute from the file alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks.recomputed import deviations
from noiseflow.run import run_study
from noiseflow.study.draft import draft_study
from noiseflow.study.loading import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
N = 150


@pytest.fixture
def table(tmp_path):
    """Numbers and categories with gaps, one of which a split may leave out, and three targets."""
    rng = np.random.default_rng(3)
    size, age, kind = (
        rng.normal(size=N),
        rng.normal(40, 9, N).round(),
        rng.choice(["a", "b", "c"], N, p=[0.5, 0.4, 0.1]),
    )
    sure = size + 0.1 * (age - 40) + (kind == "a")
    price = 100 * sure + rng.normal(size=N) * 50
    frame = pd.DataFrame({"size": size, "age": age, "kind": kind, "rare": ["x"] * (N - 2) + ["w", "v"]})
    frame.loc[::7, "age"], frame.loc[::9, "kind"] = np.nan, None
    return (
        frame,
        {"price": price, "dear": np.where(price > 50, "yes", "no"), "step": np.digitize(price, [-50, 150])},
        tmp_path,
    )


@pytest.mark.parametrize(
    ("target", "score"),
    [
        ("dear", "auc"),
        pytest.param("step", "accuracy", marks=pytest.mark.evidence),
        pytest.param("price", "rmse", marks=pytest.mark.evidence),
    ],
)
def test_numbers_are_those_that_other_libraries_compute(table, target, score):
    frame, targets, folder = table
    frame.assign(**{target: targets[target]}).to_csv(folder / "a.csv", index=False)
    declared = yaml.safe_load(draft_study(str(folder / "a.csv"), target))
    declared["datasets"][0]["score"] = score
    declared |= {"training": {"epochs": 30, "batch_size": 32}, "variants": declared["variants"][:3:2], "margin": 0.01}
    (folder / "a.yaml").write_text(yaml.safe_dump(declared))
    run_study(load(str(folder / "a.yaml")), folder / "results", n_seeds=4)
    found = deviations(folder / "a.csv", folder / "a.yaml", folder / "results" / "a")
    assert set(found) == {"features and targets", "scores", "means", "differences", "intervals", "p values"}
    scale = 100 if score == "rmse" else 1  # in units of the target
    assert {what: deviation for what, deviation in found.items() if not deviation < 1e-4 * scale} == {}
