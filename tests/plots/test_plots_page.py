"""Which pictures a report has, in which order, and that they fit into an artifact."""

import io
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from sketch_study import make_evidence, make_grid, make_history, make_predictions, make_study, make_trials

from noiseflow.plots import to_png
from noiseflow.plots.canvas import OKABE_ITO, blank_figure
from noiseflow.report.evidence import compact_predictions
from noiseflow.report.findings import find
from noiseflow.report.page import draw_pictures
from noiseflow.report.picture import fitting
from noiseflow.report.sections import boundary, gap, learning_curves
from noiseflow.report.sections.chosen_strengths import strength_frames, strength_unit
from noiseflow.study import Study, Variant
from noiseflow.trials.workers import one_worker

ROOT = Path(__file__).parents[2]
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


@pytest.mark.slow
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


@pytest.mark.slow
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
        (drawn,) = boundary.SECTION.pictures(full_evidence(study))
        captions[design] = drawn.caption
    assert "first data seed" in captions["resample"]
    assert "first data seed" not in captions["replicate"]


def test_boundary_shows_the_training_rows_of_one_data_seed_whichever_there_are(monkeypatch):
    evidence = full_evidence()
    of_nights = pd.concat([evidence.data.assign(data_seed=seed) for seed in (205_920_001, 205_920_000)])
    drawn = []
    monkeypatch.setattr(boundary, "plot_boundary", lambda shares, grid, points: drawn.append(points) or Figure())
    draw_pictures(replace(evidence, data=of_nights))
    assert list(drawn[0]["data_seed"].unique()) == [205_920_000]
    assert len(drawn[0]) == (evidence.data["split"] == "train").sum()
    assert len(drawn) == 2  # for a desk and for a phone


@pytest.mark.slow
def test_behaviour_of_many_groups_is_drawn_for_four_and_says_so():
    study = make_study(
        datasets=[{"kind": "circles", "label": f"d{i}", "data_seed": i + 1} for i in range(5)], n_seeds=4
    )
    evidence = full_evidence(study)
    gaps = list(gap.SECTION.pictures(evidence))
    assert len(gaps) == 4
    assert "At most 4 of 5 datasets and architectures have this picture" in gaps[0].caption
    clearness = (evidence.summary["difference_mean"] / evidence.summary["difference_ci_high"]).groupby(
        evidence.summary["dataset"]
    )
    assert clearness.max().idxmax() in " ".join(picture.caption for picture in gaps)


@pytest.mark.slow
def test_behaviour_that_has_no_room_is_left_out_the_later_groups_first():
    study = make_study(
        datasets=[{"kind": "circles", "label": f"d{i}", "data_seed": i + 1} for i in range(2)], n_seeds=4
    )
    evidence = full_evidence(study)

    def drawn(room):
        return fitting((section.SECTION.pictures(evidence) for section in (learning_curves, gap)), room)

    whole = drawn(10**7)
    assert [picture.rank for picture in whole] == [0, 1, 0, 1]
    first = [picture for picture in whole if picture.rank == 0]
    kept = drawn(sum(len(picture.png) for picture in first))
    assert [picture.png for picture in kept] == [picture.png for picture in first]
    assert "no picture of learning-curves-2 and gap-2." in kept[-1].caption
    assert kept[:-1] == first[:-1]


@pytest.mark.slow
def test_narrow_forms_drawn_by_another_process_are_the_same():
    evidence = full_evidence()
    with one_worker("noiseflow.plots") as beside:
        drawn = draw_pictures(evidence, partial(beside.run, what="drew", timeout_seconds=60))
    assert any(picture.narrow for picture in drawn)
    assert [picture.narrow for picture in drawn] == [picture.narrow for picture in draw_pictures(evidence)]


def test_colours_of_thin_lines_and_small_dots_stay():
    figure, (axes,) = blank_figure(1)
    for at, colour in enumerate(OKABE_ITO):
        axes.plot([0, 1], [at, at + 0.5], color=colour, linewidth=1.5)
        axes.plot([0.5], [-at], "o", color=colour, markersize=4)
    image = Image.open(io.BytesIO(to_png(figure))).convert("RGB")
    assert image.getpixel((1, 1)) == (255, 255, 255)
    there = {pixel for _, pixel in image.getcolors()}
    for colour in OKABE_ITO:
        wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        assert min(max(abs(a - b) for a, b in zip(wanted, pixel, strict=True)) for pixel in there) < 12


@pytest.mark.slow
def test_strengths_are_drawn_for_families_with_their_unit():
    study = family_study()
    trials = family_trials(study)
    findings = find(study, trials)
    evidence = make_evidence(study, trials, findings=findings)
    strengths, baselines, choices = strength_frames(evidence, findings.summary)
    assert strengths[["family", "unit", "strength"]].to_numpy().tolist() == [
        ["noise", "stddev", 0.01],
        ["noise", "stddev", 0.1],
        ["l2", "L2 factor", 0.001],
        ["l2", "L2 factor", 0.01],
    ]
    assert baselines["n"].to_list() == [study.n_seeds]
    assert list(choices["family"]) == ["noise", "l2"]
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
    drawn = re.findall(r'"([\w-]+)": plots\.', (ROOT / "docs" / "gallery.py").read_text())
    assert sorted(re.findall(r"\]\(images/gallery/([^)]+)\)", page)) == shown == sorted(f"{name}.png" for name in drawn)
    assert all((ROOT / "docs" / "images" / "gallery" / name).stat().st_size < 60_000 for name in shown)
