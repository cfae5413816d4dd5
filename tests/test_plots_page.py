"""Which pictures a report has, in which order, and that they fit into an artifact."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from sketch_study import make_evidence, make_grid, make_history, make_predictions, make_study, make_trials

from noiseflow.report import behaviour, pictures
from noiseflow.report.evidence import compact_predictions
from noiseflow.report.pictures import draw_pictures
from noiseflow.report.strengths import strength_frames, strength_unit
from noiseflow.spec import Study, Variant
from noiseflow.statistics.findings import find

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.usefixtures("coarse_pictures")


def full_evidence(study=None, **changes):
    study = study or make_study()
    trials = make_trials(study)
    told = {"predictions": compact_predictions(make_predictions(study, trials))}
    return make_evidence(study, trials, **{**told, "grids": {d.name: make_grid() for d in study.datasets}, **changes})


def with_history(evidence, history):
    object.__setattr__(evidence.findings, "history", history)
    return evidence


def family_study():
    content = make_study().model_dump(exclude={"published"})
    content["design"] = "resample"
    content["variants"] = [
        {"name": "baseline"},
        {"name": "noise", "injections": [{"place": "input"}], "strengths": [0.01, 0.1]},
        {"name": "l2", "controls": [{"kind": "l2"}], "strengths": [0.001, 0.01]},
    ]
    return Study.model_validate(content)


def family_trials(study):
    rows = []
    for variant in study.variants:
        for at, member in enumerate(variant.members):
            for seed in range(study.n_seeds):
                score = 0.7 + 0.02 * at + 0.001 * ((seed * 7 + at) % 5)
                names = {"dataset": "circles", "architecture": "mlp", "variant": member.name, "family": variant.name}
                told = {"strength": member.strength, "data_seed": seed, "seed": seed, "status": "completed"}
                told |= {"score_name": "accuracy", "train_score": 1.0, "test_score": score, "eval_score": None}
                rows.append({"trial_id": f"{member.name}{seed}"} | names | told)
    return pd.DataFrame(rows)


def test_pictures_stand_in_the_order_of_the_answer():
    drawn = draw_pictures(with_history(full_evidence(), make_history()))
    assert [picture.name for picture in drawn] == [
        "differences.png",
        "final-scores.png",
        "history.png",
        "learning-curves.png",
        "gap.png",
        "boundary.png",
        "calibration.png",
        "data.png",
    ]


def test_pictures_of_drift_say_so_in_their_caption():
    (history,) = [
        picture
        for picture in draw_pictures(with_history(full_evidence(), make_history()))
        if picture.name == "history.png"
    ]
    assert "3 campaigns" in history.caption
    assert "do not fit" in history.caption


def test_pictures_without_predictions_or_history_leave_theirs_out():
    names = {picture.name for picture in draw_pictures(make_evidence())}
    assert not names & {"boundary.png", "calibration.png", "history.png", "strengths.png"}


def test_boundary_caption_says_whose_rows_are_shown_where_each_seed_has_its_own():
    captions = {}
    for design in ("replicate", "resample"):
        study = make_study(design=design)
        drawn = behaviour.draw_behaviour(full_evidence(study), pictures.colours_of(study), 10**6)
        captions[design] = next(picture.caption for picture in drawn if picture.name == "boundary.png")
    assert "first data seed" in captions["resample"]
    assert "first data seed" not in captions["replicate"]


def test_boundary_shows_the_training_rows_of_one_data_seed_whichever_there_are(monkeypatch):
    evidence = full_evidence()
    of_nights = pd.concat([evidence.data.assign(data_seed=seed) for seed in (205_920_001, 205_920_000)])
    drawn = []
    monkeypatch.setattr(behaviour, "plot_boundary", lambda shares, grid, points: drawn.append(points) or Figure())
    behaviour.draw_behaviour(replace(evidence, data=of_nights), pictures.colours_of(evidence.study), 10**7)
    assert list(drawn[0]["data_seed"].unique()) == [205_920_000]
    assert len(drawn[0]) == (evidence.data["split"] == "train").sum()


@pytest.mark.slow
def test_behaviour_of_many_groups_is_drawn_for_four_and_says_so():
    study = make_study(
        datasets=[{"kind": "circles", "label": f"d{i}", "data_seed": i + 1} for i in range(5)], n_seeds=4
    )
    drawn = behaviour.draw_behaviour(full_evidence(study), pictures.colours_of(study), 10**7)
    gaps = [picture for picture in drawn if picture.name.startswith("gap")]
    assert [picture.name for picture in gaps] == ["gap-1.png", "gap-2.png", "gap-3.png", "gap-4.png"]
    assert "Only the first 4 of 5" in gaps[0].caption


@pytest.mark.slow
def test_behaviour_that_has_no_room_is_left_out_the_later_groups_first():
    study = make_study(
        datasets=[{"kind": "circles", "label": f"d{i}", "data_seed": i + 1} for i in range(2)], n_seeds=4
    )
    evidence, colours = full_evidence(study), pictures.colours_of(study)
    whole = behaviour.draw_behaviour(evidence, colours, 10**7)
    first = [picture for picture in whole if not picture.name.endswith("-2.png")]
    room = sum(len(picture.png) for picture in first)
    kept = behaviour.draw_behaviour(evidence, colours, room)
    assert [picture.png for picture in kept] == [picture.png for picture in first]
    assert "no picture of learning-curves-2, gap-2" in kept[-1].caption
    assert kept[:-1] == first[:-1]


def test_strengths_are_drawn_for_families_with_their_unit():
    study = family_study()
    trials = family_trials(study)
    findings = find(study, trials)
    frames = strength_frames(study, findings.summary, findings.choices)
    assert frames.strengths[["family", "unit", "strength"]].to_numpy().tolist() == [
        ["noise", "stddev", 0.01],
        ["noise", "stddev", 0.1],
        ["l2", "L2 factor", 0.001],
        ["l2", "L2 factor", 0.01],
    ]
    assert frames.baselines["n"].to_list() == [study.n_seeds]
    assert frames.left_out == 0
    evidence = make_evidence(study, trials, findings=findings)
    assert [picture.name for picture in draw_pictures(evidence)][2] == "strengths.png"


@pytest.mark.parametrize(
    ("parts", "unit"),
    [
        ({"injections": [{"place": "input", "stddev": 0.1}]}, "stddev"),
        ({"injections": [{"place": "input", "kind": "dropout", "rate": 0.1}]}, "rate"),
        ({"controls": [{"kind": "early_stopping", "patience": 5}]}, "patience (epochs)"),
        (
            {"injections": [{"place": "input", "stddev": 0.1}, {"place": "before_activation", "stddev": 0.1}]},
            "stddev",
        ),
    ],
)
def test_strength_unit_is_that_of_the_parts(parts, unit):
    assert strength_unit(Variant.model_validate({"name": "v", **parts})) == unit


def test_gallery_shows_every_plot_in_small_files():
    page = (ROOT / "docs" / "gallery.md").read_text()
    shown = sorted(path.name for path in (ROOT / "docs" / "images" / "gallery").glob("*.png"))
    assert len(shown) == 11
    assert all(f"images/gallery/{name}" in page for name in shown)
    assert all((ROOT / "docs" / "images" / "gallery" / name).stat().st_size < 60_000 for name in shown)
