"""Every section of the report is whole, and folds where a study has more than anyone reads."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_trials import crossed, made_trials, resampled, under_noise
from sketch_study import make_data, make_evidence, make_grid, make_history, make_predictions, make_study, make_trials

from noiseflow.datasets.facts import ColumnRead, WhatWasRead
from noiseflow.plots import to_png
from noiseflow.report import render, summary_table
from noiseflow.report.escaping import LONG_TABLE
from noiseflow.report.evidence import compact_predictions
from noiseflow.report.findings import Findings, find
from noiseflow.report.limits import limits
from noiseflow.report.picture import Picture
from noiseflow.report.predicted import Predicted
from noiseflow.report.section import Section, parts_of
from noiseflow.report.sections import SECTIONS, differences, what_was_read
from noiseflow.report.selection import MOST_ROWS, clearest, drawn_cells, groups_of
from noiseflow.report.terms import TERMS
from noiseflow.statistics.looks import Due
from noiseflow.statistics.ranks import mean_ranks
from noiseflow.statistics.summary import learning_bands
from noiseflow.study import BASELINE, Dataset, Study
from noiseflow.wording import NOTHING, fraction
from tests.plots.test_plots_page import family_study, family_trials

pytestmark = pytest.mark.usefixtures("coarse_pictures")
ALL = pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
rng = np.random.default_rng(8)


READ = WhatWasRead(
    dataset="circles",
    rows="30 train and 70 test",
    target="2 classes, 0: 50, 1: 50",
    split="at random",
    shape=(2,),
    columns=(ColumnRead("when", "dropped", 3, 9, why="holds dates."), ColumnRead("job", "category", 0, 4, 4)),
    score="accuracy",
    scores={"constant guess": 0.99, "logistic regression": 0.5},
)


def plain():
    study = make_study(n_seeds=20)
    trials = make_trials(study)
    told = {"predictions": compact_predictions(make_predictions(study, trials)), "read": [READ]}
    return make_evidence(study, trials, **told, grids={d.name: make_grid() for d in study.datasets})


def sequences():
    rows = {name: rng.normal(size=(3, 12, 2)) for name in ("without noise", "input")}
    images = {name: values[..., None] for name, values in rows.items()}
    return make_evidence(make_study(), make_trials(make_study()), seen={"waves": rows, "digits": images})


def noisy_at_test():
    study = make_study(n_seeds=8)
    trials = under_noise(make_trials(study))
    return make_evidence(study, trials, findings=find(study, trials))


def families():
    study = family_study()
    trials = family_trials(study)
    return make_evidence(study, trials, findings=find(study, trials))


def campaigns():
    evidence = plain()
    summary = evidence.summary.assign(fixed_ci_low=0.0, fixed_ci_high=0.01)
    history = make_history().assign(seconds_per_trial=0.4)
    drift = {"campaign": "2026-01-07", "dataset": "circles", "architecture": "mlp", "variant": "after", "test": "t"}
    drift |= {"n_new": 3, "n_old": 9, "mean_new": 0.7, "mean_old": 0.8, "p_adjusted": 0.01, "flagged": True}
    replay = {"campaign": "2026-01-07", "dataset": "circles", "architecture": "mlp", "variant": "after", "seed": 1}
    replay |= {"equal": False, "differing": "test_loss", "largest_difference": 0.1}
    replay |= {"score_before": 0.7, "score_after": 0.8}
    found = Findings(summary, history=history, drift=pd.DataFrame([drift]), replays=pd.DataFrame([replay]))
    return make_evidence(evidence.study, evidence.trials, findings=found)


def growing():
    study = make_study(
        names=("baseline", "noise"),
        design="resample",
        published=[],
        datasets=[{"kind": "circles", "label": f"n{n}", "n_train": n, "n_samples": n + 70} for n in (30, 60, 120)],
    )
    parts = [
        made_trials(
            {name: resampled(rng.normal(0.7 + gain, 0.01, 12)) for name, gain in (("baseline", 0), ("noise", 1 / n))},
            dataset=f"n{n}",
            architecture="mlp",
        )
        for n in (30, 60, 120)
    ]
    trials = pd.concat(parts, ignore_index=True).assign(trial_id=[f"t{k}" for k in range(72)])
    return make_evidence(study, trials, findings=find(study, trials), curves=pd.DataFrame())


def ranked():
    cells = {name: resampled(rng.normal(0.7, 0.01, 4)) for name in ("baseline", "input", "after")}
    trials = pd.concat([made_trials(cells, dataset=f"d{k}", architecture="mlp") for k in range(6)], ignore_index=True)
    study = make_study(datasets=[{"kind": "circles", "label": f"d{k}", "data_seed": k} for k in range(6)])
    trials = trials.assign(trial_id=[f"t{k}" for k in range(len(trials))])
    summary = find(study, trials).summary
    return make_evidence(
        study,
        trials,
        findings=Findings(summary, ranks=mean_ranks(trials)),
        curves=pd.DataFrame(),
        data=make_data(study),
    )


def crossed_seeds():
    study = make_study(names=("baseline", "noise"), design="crossed", n_data_seeds=3, n_seeds=4, published=[])
    cells = {name: crossed(rng.normal(0.7, 0.02, (3, 4))) for name in ("baseline", "noise")}
    trials = made_trials(cells, dataset="circles", architecture="mlp").assign(trial_id=[f"t{k}" for k in range(24)])
    return make_evidence(study, trials, findings=find(study, trials), curves=pd.DataFrame())


def fresh_rows():
    """One split with fresh rows to be scored on, predictions on its test rows, losses and Brier scores."""
    study = make_study(n_seeds=8, datasets=[{"kind": "circles", "n_eval": 1000}])
    trials = make_trials(study)
    fresh = {"eval_score": trials["test_score"], "eval_loss": 1 - trials["test_score"], "brier": 0.2, "n_test": 70}
    trials = trials.assign(**fresh, test_loss=0.5)
    predictions, data = make_predictions(study, trials), make_data(study)
    truth = {"circles": (data.loc[data["split"] == "test", "y"].to_numpy(), 2)}
    predicted = Predicted(lambda ids: predictions[predictions["part"] == "test"], truth)
    return make_evidence(study, trials, findings=find(study, trials, predicted=predicted))


def grown():
    """A study of 12 seeds that was looked at before, with 10."""
    study = make_study()
    trials = make_trials(study)
    found = find(study, trials, dues={("circles", "mlp", name): Due(0.0045) for name in ("input", "after")})
    levels = {10: (1, 0.05), 12: (2, 0.0045)}
    rows = [
        {"look": look, "dataset": "circles", "architecture": "mlp", "variant": name, "n_seeds": n, "level": level}
        for n, (look, level) in levels.items()
        for name in ("input", "after")
    ]
    looks = pd.DataFrame(rows).assign(verdict=["inconclusive", "better", None, "better"])
    return make_evidence(study, trials, findings=replace(found, looks=looks))


@pytest.fixture(scope="module")
def evidences():
    """Evidence that has something to say in every section, between them."""
    return [
        make()
        for make in (
            plain,
            sequences,
            noisy_at_test,
            families,
            campaigns,
            growing,
            ranked,
            crossed_seeds,
            fresh_rows,
            grown,
        )
    ]


@pytest.mark.slow
@ALL
def test_section_is_whole(section, evidences):
    """It has a finding; its table has a text in each place and a note; its pictures say what they show."""
    assert isinstance(section, Section)
    assert section.table or section.pictures
    told = [evidence for evidence in evidences if len(section.finding(evidence))]
    assert told, "no evidence above has anything to say in this section: add a case"
    if section.table:
        (part,) = parts_of(section, told[0])
        assert part.title == section.title
        assert {len(row) for row in part.table.rows} == {len(part.table.header)}
        assert all(isinstance(text, str) and text for row in part.table.rows for text in row)
        assert part.table.n_names <= part.table.n_left <= len(part.table.header)
        assert part.note.endswith(".")
        assert section.table.file
    if section.pictures:
        drawn = [part for evidence in told for part in section.pictures(evidence) if isinstance(part, Picture)]
        assert drawn
        for picture in drawn:
            assert to_png(picture.draw()).startswith(b"\x89PNG")
            assert picture.name.endswith(".png")
            assert picture.alt
            assert picture.caption.endswith(".")


@ALL
def test_section_of_nothing_is_silent(section):
    study = make_study()
    evidence = make_evidence(study, make_trials(study).head(0), data=make_data(study).head(0), ceilings={})
    assert not parts_of(section, evidence)
    assert not list(section.pictures(evidence) if section.pictures else [])
    assert not (section.limits(evidence) if section.limits else [])


@pytest.fixture(scope="module")
def wide():
    """A study of 300 variants on two datasets, of which number 7 is far better and number 8 far worse."""
    names = ["baseline", *(f"noise {k}" for k in range(1, 300))]
    datasets = [{"kind": "circles", "label": label, "data_seed": seed} for label, seed in (("dull", 1), ("clear", 2))]
    study = make_study(
        names=names,
        n_seeds=4,
        published=[],
        datasets=datasets,
        variants=[
            {"name": name, "injections": [{"place": "input", "stddev": 0.001 * k}] if k else []}
            for k, name in enumerate(names)
        ],
    )
    trials = make_trials(study, np.full(300, 0.77), std=0.01)
    for name, shift in (("noise 7", 0.15), ("noise 8", -0.15)):
        trials.loc[(trials["variant"] == name) & (trials["dataset"] == "clear"), "test_score"] += shift
    return make_evidence(study, trials, curves=pd.DataFrame())


@pytest.mark.slow
def test_clearest_keeps_the_largest_differences_in_their_order_with_their_baseline(wide):
    shown = clearest(wide.summary, 9)
    assert len(shown) == 9
    assert shown.index.is_monotonic_increasing
    assert {"noise 7", "noise 8"} <= set(shown.loc[shown["dataset"] == "clear", "variant"])
    compared = shown[shown["variant"] != BASELINE]
    assert set(compared["dataset"]) == set(shown.loc[shown["variant"] == BASELINE, "dataset"])
    assert clearest(wide.summary, 10_000).equals(wide.summary)


@pytest.mark.slow
def test_render_of_many_cells_folds_and_shows_the_answer(wide):
    report = render(wide)
    artifact = report.artifact()
    assert len(artifact.encode()) < 1_000_000
    assert artifact.count("](data:image/png;base64,") == len(report.pictures)
    assert {"differences.png", "final-scores-2.png", "gap-2.png"} <= set(report.pictures)
    assert "These are 40 of 598 rows: those with the clearest differences" in report.markdown
    assert f"Drawn are {MOST_ROWS} of 598 comparisons: those with the clearest differences" in report.markdown
    assert "characters: too many for this page" in report.markdown
    assert "The study as YAML</summary>" in report.html
    assert report.markdown.count("| noise 7 |") >= 2
    assert len(summary_table(wide.summary)) == 500


@pytest.mark.slow
def test_drawn_cells_are_few_and_the_clearest(wide):
    cells = drawn_cells(wide.findings)
    assert len(cells) == 18
    assert {("clear", "mlp", name) for name in ("baseline", "noise 7", "noise 8")} <= cells


def test_what_was_read_is_shown_beside_the_baseline_and_plain_models(evidences):
    evidence = evidences[0]
    (score,) = evidence.summary.query("variant == 'baseline' and dataset == 'circles'")["score_mean"]
    (part,) = parts_of(what_was_read.SECTION, evidence)
    rows = {row[0]: row[1:] for row in part.table.rows}
    assert rows["when"] == ["dropped", "holds dates.", "3", "9", NOTHING]
    assert rows["accuracy of a constant guess"][0] == ".990"
    assert rows["accuracy of the baseline (mlp)"][0] == fraction(score)
    told = f"On circles the baseline (mlp) scores {fraction(score)}, no better than a constant guess (.990)"
    assert any(text.startswith(told) for text in limits(evidence))
    ahead = replace(READ, scores={"constant guess": score - 0.01, "gradient boosting": 0.999})
    texts = limits(replace(evidence, read=[ahead]))
    assert any("the .999 of scikit-learn's gradient boosting on the same splits" in text for text in texts)


def rows_of(title, evidence):
    (section,) = (section for section in SECTIONS if section.title == title)
    (part,) = parts_of(section, evidence)
    return [dict(zip(part.table.header, row, strict=True)) for row in part.table.rows]


def best_last():
    """A study whose declared order is not that of the gains, with a published run of each."""
    runs = [
        {"variant": name, "source": "a run", "train_score": 0.967, "test_score": 0.757}
        for name in ("input", "after", "baseline")
    ]
    study = make_study(n_seeds=20, published=runs)
    trials = make_trials(study, (0.74, 0.70, 0.80))
    return make_evidence(study, trials, predictions=compact_predictions(make_predictions(study, trials)))


def test_tables_and_pictures_have_one_order_baseline_first_and_then_the_best():
    evidence = best_last()
    order = ["baseline", "after", "input"]
    for title in ("Scores", "Published single runs", "Or just average?", "Beside the score"):
        assert [*dict.fromkeys(row["Variant"] for row in rows_of(title, evidence))] == order, title
    for title in ("Against the baseline", "Cross-checks"):
        assert [row["Variant"] for row in rows_of(title, evidence)] == order[1:], title
    assert [group.variants(9) for group in groups_of(evidence.shown)] == [order]
    bands = evidence.best_first(learning_bands(evidence.curves))
    assert [*dict.fromkeys(bands["variant"])] == order


def test_families_have_the_place_of_the_strength_that_they_chose():
    evidence = families()
    gains = evidence.answer.set_index("variant")["difference_mean"].drop(BASELINE).sort_values(ascending=False)
    shown = evidence.best_first(evidence.summary)
    assert [*dict.fromkeys(shown["family"])] == [BASELINE, *gains.index]
    assert [*evidence.best_first(evidence.findings.choices)["family"]] == [*gains.index]


def test_published_scores_are_written_as_all_others():
    (row, *_) = rows_of("Published single runs", best_last())
    assert (row["Published train"], row["Published test"]) == (".967", ".757")


def test_average_of_one_baseline_network_is_compared_with_nothing():
    rows = rows_of("Or just average?", best_last())
    assert rows[0]["Difference (95 % interval)"] == NOTHING
    assert all(row["Difference (95 % interval)"] != NOTHING for row in rows[1:])


def test_strengths_of_several_injections_are_all_shown():
    study = make_study()
    content = study.model_dump(mode="json")
    content["variants"][2]["injections"].append({"place": "before_activation", "stddev": 0.1})
    rows = rows_of("Scores", make_evidence(Study.model_validate(content), make_trials(study)))
    assert {row["Variant"]: row["Strength"] for row in rows} == {
        "baseline": NOTHING,
        "input": "0.01",
        "after": "0.02, 0.1",
    }


def test_note_of_scores_says_which_rows_differences_are_of():
    evidence = fresh_rows()
    evidence.summary["score_mean"] -= 0.01
    notes = " ".join(
        part.note for section in SECTIONS for part in parts_of(section, evidence) if part.title == "Scores"
    )
    assert "of the fresh rows (1,000). The columns Test are of the test rows (70)" in notes


def test_note_does_not_promise_a_p_that_too_few_pairs_cannot_have():
    study = make_study(n_seeds=4)
    (part,) = parts_of(differences.SECTION, make_evidence(study, make_trials(study)))
    assert (
        "is at most .05 where such an interval leaves 0 out; not so for ‘input’ and ‘after’: there the pairs"
        in part.note
    )
    (part,) = parts_of(differences.SECTION, make_evidence(make_study(n_seeds=12)))
    assert "is at most .05 where such an interval leaves 0 out. They come from" in part.note


def test_note_names_the_test_that_was_used(evidences):
    evidence = evidences[0]
    assert (
        "They come from jointly flipped signs (Westfall and Young, 1993)."
        in parts_of(differences.SECTION, evidence)[0].note
    )
    table = Dataset(kind="wine")
    finite = evidence.study.model_copy(update={"design": "resample", "datasets": (table,)})
    (part,) = parts_of(differences.SECTION, replace(evidence, study=finite))
    assert "Student's, of the corrected resampled t test." in part.note


def test_no_head_of_the_page_is_called_points_gain_or_band():
    names = [head for head in TERMS if not head.islower()]
    assert not [head for head in names if re.search(r"\b(gain|points|band)\b|^95 %(?! interval)", head, re.IGNORECASE)]


def test_each_long_table_of_the_page_can_be_shown_whole_and_no_short_one():
    names = ("baseline", *(f"v{i}" for i in range(LONG_TABLE + 1)))
    study = make_study(names=names, n_seeds=3, published=[])
    trials = make_trials(study, means=[0.77 + 0.001 * i for i in range(len(names))])
    html = render(make_evidence(study, trials)).html
    tables = html.split('<table class="numbers">')[1:]
    long = sum(table.partition("</table>")[0].count("<tr>") - 1 > LONG_TABLE for table in tables)
    boxes = re.findall(r'<input type="checkbox" class="all-rows" id="([\w-]+)">', html)
    assert len(boxes) == len(set(boxes)) == long > 1
    assert all(html.count(f'for="{box}"') == 2 for box in boxes)
    assert 'class="all-rows" id' not in render(make_evidence()).html
