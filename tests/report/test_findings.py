"""Which questions a study raises, and that each is answered on the page."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from sketch_study import make_evidence, make_study

from noiseflow.campaigns.repeated_looks import compare_at_every_look
from noiseflow.report import render
from noiseflow.report.findings import find
from noiseflow.statistics.looks import Due
from noiseflow.statistics.summary import summarize
from noiseflow.trials.plan import make_plan

pytestmark = pytest.mark.usefixtures("coarse_pictures")
GRID = {"strengths": [0.1, 0.3]}
NOISE = {"name": "noise", "injections": [{"place": "input"}], **GRID}
DECAY = {"name": "decay", "controls": [{"kind": "l2"}], **GRID}
SIZES = [
    {"kind": "moons", "label": f"{n} rows", "n_train": n, "n_samples": n + 20, "n_eval": 100} for n in (20, 40, 80)
]


def study_of(**changes):
    return make_study(design="resample", published=[], variants=[{"name": "baseline"}, NOISE, DECAY], **changes)


def trials_of(study, gains=None):
    """Trials of a plan: a score of .7 with noise, plus what `gains` gives for (family, strength, n_train)."""
    rng = np.random.default_rng(7)
    rows = []
    for trial in make_plan(study, "vectorized").trials:
        cell = trial.cell
        gain = gains(cell.family, cell.variant.strength, cell.dataset.n_train or 0) if gains else 0.0
        score = 0.7 + gain + rng.normal(0, 0.01)
        sizes = {"n_train": cell.dataset.n_train or 70, "n_test": 30}
        names = {**cell.names, "trial_id": trial.id, "data_seed": trial.data_seed, "seed": trial.seed, **sizes}
        scores = {"train_score": 0.9, "test_score": score, "eval_score": score if cell.dataset.n_eval else None}
        rows.append(names | scores | {"status": "completed", "score_name": cell.dataset.score_name})
    return pd.DataFrame(rows)


def helpful(family, strength, n_train):
    """Noise of .3 helps, the less the more rows there are."""
    return 2.0 / n_train if (family, strength) == ("noise", 0.3) else 0.0


@pytest.fixture(scope="module")
def grid():
    """A study of two families on three sizes, its findings, and its page."""
    study = study_of(datasets=SIZES, n_seeds=12)
    trials = trials_of(study, helpful)
    found = find(study, trials)
    page = render(make_evidence(study, trials, findings=found, curves=pd.DataFrame(columns=["trial_id"]), ceilings={}))
    return study, found, page


@pytest.mark.slow
def test_find_chooses_a_strength_for_each_family_and_dataset(grid):
    _, found, _ = grid
    assert len(found.summary) == 15  # three datasets with a baseline and two families of two strengths
    noise = found.choices[found.choices["family"] == "noise"].set_index("dataset")
    assert list(noise["strength"]) == [0.3, 0.3, 0.3]
    assert noise.loc["20 rows", "difference_mean"] == pytest.approx(0.1, abs=0.01)
    assert noise.loc["20 rows", "verdict"] == "better"
    assert set(found.choices["score_name"]) == {"accuracy"}


@pytest.mark.slow
def test_find_holds_the_first_family_against_the_others(grid):
    _, found, _ = grid
    assert set(found.rivals["rival"]) == {"baseline", "decay"}
    against = found.rivals[(found.rivals["dataset"] == "20 rows") & (found.rivals["rival"] == "decay")].iloc[0]
    assert against["difference_mean"] == pytest.approx(0.1, abs=0.01)


@pytest.mark.slow
def test_find_sees_the_gain_shrink_as_rows_grow(grid):
    _, found, _ = grid
    trend = found.trend.set_index("family")
    # gains .1, .05, .025 at 20, 40, 80 rows: the slope on log2 of the rows is (.025 - .1) / 2
    assert trend.loc["noise", "slope_mean"] == pytest.approx(-0.0375, abs=0.004)
    assert trend.loc["noise", "seen"]
    assert not trend.loc["decay", "seen"]


@pytest.mark.slow
def test_page_of_a_grid_answers_by_family_and_draws_no_line_for_each_strength(grid):
    _, _, page = grid
    assert re.match(r"On fresh data, ‘noise’ on 20 rows raises accuracy by \d+\.\d points", page.headline)
    for title in (
        "The strength that was chosen",
        "Against the rivals",
        "Does the difference shrink as rows grow?",
        "Beside the score",
    ):
        assert f"## {title}" in page.markdown
        assert f">{title}</h2>" in page.html
    assert {row["variant"] for row in page.answer} == {"baseline", "noise", "decay"}


@pytest.mark.slow
def test_frames_are_those_with_rows(grid):
    _, found, _ = grid
    assert set(found.frames) == {"summary", "choices", "rivals", "trend"}


def test_find_of_a_half_trained_study_compares_what_is_there():
    study = study_of(n_seeds=6)
    trials = trials_of(study)
    found = find(study, trials[trials["family"] != "noise"])
    assert set(found.summary["variant"]) == {"baseline", "decay 0.1", "decay 0.3"}
    assert found.rivals.empty
    assert list(found.choices["family"]) == ["decay"]


@pytest.mark.slow
def test_find_marks_splits_of_finite_rows_as_approximate():
    plain = [{"name": "baseline"}, {"name": "noise", "injections": [{"place": "input", "stddev": 0.1}]}]
    study = make_study(design="resample", published=[], variants=plain, datasets=[{"kind": "wine"}])
    trials = trials_of(study)
    summary = find(study, trials).summary
    assert summary["approximate"].all()
    differences = trials.pivot_table(index="seed", columns="variant", values="test_score")
    d = (differences["noise"] - differences["baseline"]).to_numpy()
    half = 2.200985160082949 * d.std(ddof=1) * np.sqrt(1 / 12 + 30 / 70)  # Student's quantile at 11 degrees of freedom
    assert summary["difference_ci_high"].iloc[1] == pytest.approx(d.mean() + half)
    assert "corrected resampled t test" in render(make_evidence(study, trials, findings=find(study, trials))).markdown


@pytest.mark.slow
def test_find_separates_data_from_initialisation_where_they_are_crossed():
    content = study_of(n_seeds=4).model_dump()
    study = make_study(**{**content, "design": "crossed", "n_data_seeds": 5})
    trials = trials_of(study)
    found = find(study, trials)
    assert set(found.components["variant"]) == {"baseline", "noise 0.1", "noise 0.3", "decay 0.1", "decay 0.3"}
    assert (found.components["n_data_seeds"] == 5).all()
    assert "## Where the variance comes from" in render(make_evidence(study, trials, findings=found)).markdown


@pytest.mark.slow
def test_find_ranks_variants_over_six_datasets():
    kinds = [{"kind": "moons", "label": f"moons {i}", "noise": 0.1 * i, "n_eval": 100} for i in range(1, 7)]
    study = study_of(datasets=kinds)
    found = find(study, trials_of(study, lambda family, strength, n: 0.1 * (family == "noise")))
    assert found.ranks is not None
    assert found.ranks.ranks.set_index("family").loc["noise", "mean_rank"] == 1.0


def test_find_without_trials_has_an_empty_summary():
    study = study_of()
    found = find(study, trials_of(study).head(0))
    assert found.summary.empty
    assert set(found.frames) == {"summary"}


@pytest.mark.slow
def test_study_on_the_page_is_the_study(grid):
    study, _, page = grid
    text = page.markdown.split("<pre>")[-1].split("</pre>")[0]
    assert type(study).model_validate(yaml.safe_load(text.replace("&#39;", "'").replace("&#10;", "\n"))) == study


def campaign_of(trials, day, offset):
    """The trials as of a later campaign: fresh seeds, and circumstances of their own."""
    fresh = {"seed": trials["seed"] + offset, "data_seed": trials["data_seed"] + offset}
    ids = [f"{trial_id}-{offset}" for trial_id in trials["trial_id"]]
    return trials.assign(**fresh, trial_id=ids, campaign=day, train_seconds=1.5)


def campaigns():
    plain = [{"name": "baseline"}, {"name": "noise", "injections": [{"place": "input", "stddev": 0.1}]}]
    study = make_study(design="resample", published=[], variants=plain, datasets=[{"kind": "circles", "n_eval": 100}])
    nights = [campaign_of(trials_of(study), day, 100 * k) for k, day in enumerate(("2026-11-22", "2026-11-23"), 1)]
    return study, pd.concat(nights, ignore_index=True)


def test_find_of_campaigns_says_what_holds_at_every_look():
    study, trials = campaigns()
    found = find(study, trials, trials.head(2).assign(campaign="2026-11-23", test_score=0.1))
    assert set(found.frames) == {"summary", "history", "drift", "replays_compared"}
    pd.testing.assert_frame_equal(found.summary, summarize(trials, study.margin, compare=compare_at_every_look))
    assert list(found.history["n_pooled"]) == [12, 24]
    assert set(found.drift["campaign"]) == {"2026-11-23"}
    assert len(found.drift) == 4  # two cells, two tests
    assert list(found.replays["equal"]) == [False, False]


def test_find_of_the_first_campaign_has_neither_drift_nor_replays():
    study, trials = campaigns()
    first = trials[trials["campaign"] == "2026-11-22"]
    assert set(find(study, first).frames) == {"summary", "history"}
    assert set(find(study, first, pd.DataFrame()).frames) == {"summary", "history"}


def test_find_of_campaigns_that_are_looked_at_once_is_as_without_them():
    study, trials = campaigns()
    found = find(study, trials, repeated_looks=False)
    assert set(found.frames) == {"summary"}
    pd.testing.assert_frame_equal(found.summary, find(study, trials.drop(columns="campaign")).summary)


@pytest.mark.slow
def test_trends_and_ranks_allow_for_looks():
    study = study_of(datasets=SIZES, n_seeds=12)
    trials = trials_of(study, helpful)
    dues = {(size["label"], "mlp", "noise 0.3"): Due(0.005) for size in SIZES}
    once, again = (find(study, trials, dues=due).trend.set_index("family") for due in (None, dues))
    for family in ("noise", "decay"):
        assert again.loc[family, "p_adjusted"] == pytest.approx(min(1.0, 10 * once.loc[family, "p_adjusted"]))
    assert again.loc["noise", "seen"] == (again.loc["noise", "p_adjusted"] < 0.05)
