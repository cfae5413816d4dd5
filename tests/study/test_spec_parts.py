"""Parts of a study: which settings go together, what a variant with strengths stands for, what a design plans."""

import pytest
import yaml
from pydantic import ValidationError

from noiseflow.base.faults import InvalidInputError
from noiseflow.study import Architecture, Control, Dataset, Injection, Study, Variant
from noiseflow.study.loading import FOLDER, confined, load, validate

BASELINE = {"name": "baseline"}
INPUT = {"place": "input"}


def study(**changes):
    return yaml.safe_load((FOLDER / "smoke.yaml").read_text()) | changes


def noisy(injection=None, control=None, **more):
    parts = {"injections": [injection] if injection else [], "controls": [control] if control else []}
    return {"variants": [BASELINE, {"name": "noisy", **parts, **more}]}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (noisy(INPUT | {"kind": "dropout", "stddev": 0.1}), "must have a rate and no stddev"),
        (noisy(INPUT | {"rate": 0.1}), "must have a stddev and no rate"),
        (noisy(INPUT), "must give the gaussian part its stddev, or the variant its strengths"),
        (noisy(INPUT | {"kind": "flip", "rate": 0.1}), "must be at the place labels"),
        (noisy({"place": "labels", "kind": "dropout", "rate": 0.1}), "must be gaussian or flip"),
        (noisy({"place": "weights", "kind": "dropout", "rate": 0.1}), "must be gaussian, at the place weights"),
        (noisy({"place": "weights", "stddev": 0.1, "relative": True}), "must not be relative"),
        (noisy(INPUT | {"stddev": 0.1, "final": 0.5}), "must follow a schedule"),
        (noisy(INPUT | {"stddev": 0.1, "decay": 0.5}), "must be at the place gradients"),
        (noisy(INPUT | {"kind": "dropout", "rate": 1.0}), "rate must be less than 1"),
        (noisy(INPUT, strengths=[0.1, -2.0]), "stddev must be at least 0"),
        (noisy(INPUT, strengths=[0.1, 0.1]), "no strength twice"),
        (noisy(strengths=[0.1, 0.2]), "must have an injection or a control"),
        (noisy(INPUT, strengths=[0.1, 0.2]), "design must be resample or crossed where strengths are chosen"),
        (noisy(control={"kind": "l2"}), "must give the l2 part its factor"),
        (noisy(control={"kind": "l2", "patience": 3}), "must be of kind early_stopping to have patience"),
        (noisy(control={"kind": "early_stopping", "patience": 2.5}), "patience must be a whole number"),
        ({"variants": [BASELINE | {"controls": [{"kind": "l2", "factor": 1}]}]}, "no injections and no controls"),
        ({"datasets": [{"kind": "circles", "path": "x.csv"}]}, "of kind circles has no path"),
        ({"datasets": [{"kind": "table", "path": "x.csv"}]}, "must have task, target"),
        ({"datasets": [{"kind": ["table"]}]}, "datasets[0].kind must be"),
        ({"datasets": [{"kind": "wine", "score": "r2"}]}, "must have one of the scores of a classification"),
        ({"datasets": [{"kind": "diabetes", "split": "stratified"}]}, "must be a classification"),
        ({"architectures": [{"kind": "mlp", "filters": [3]}]}, "of kind mlp has no filters"),
        ({"architectures": [{"kind": "mlp", "datasets": ["moons"]}]}, "must name datasets of this study, ['circles']"),
        ({"design": "crossed", "n_data_seeds": 1}, "n_data_seeds must be at least 2"),
        ({"n_data_seeds": 4}, "must be left out unless the design is crossed"),
    ],
)
def test_study_refuses_parts_that_do_not_go_together(changes, says):
    with pytest.raises(InvalidInputError) as caught:
        validate(study(**changes))
    assert any(says in fault for fault in caught.value.faults), caught.value.faults


def test_dataset_takes_the_settings_of_its_kind():
    assert (Dataset(kind="circles").n_train, Dataset(kind="circles").test_fraction) == (30, None)
    assert (Dataset(kind="wine").n_train, Dataset(kind="wine").test_fraction) == (None, 0.3)
    assert Architecture(kind="cnn").filters == (32, 32)


@pytest.mark.parametrize(
    ("dataset", "task", "score", "finite"),
    [
        ({"kind": "moons"}, "classification", "accuracy", False),
        ({"kind": "friedman1", "score": "rmse"}, "regression", "-rmse", False),
        ({"kind": "breast_cancer", "score": "log_loss"}, "classification", "-log_loss", True),
        ({"kind": "table", "path": "a.csv", "target": "y", "task": "regression"}, "regression", "r2", True),
        ({"kind": "entry_point", "entry_point": "x", "task": "regression"}, "regression", "r2", False),
    ],
)
def test_dataset_knows_its_task_its_score_and_whether_its_rows_end(dataset, task, score, finite):
    made = Dataset.model_validate(dataset)
    assert (made.of_task, made.score_name, made.is_finite) == (task, score, finite)


def test_gradient_noise_decays_as_published_unless_told():
    assert Injection(place="gradients", stddev=0.1).decay == 0.55
    assert Injection(place="gradients", stddev=0.1, decay=0).decay == 0


def test_early_stopping_holds_a_fifth_back_unless_told():
    assert Control(kind="early_stopping", patience=3).validation_fraction == 0.2


def test_variant_with_strengths_stands_for_a_family():
    parts = {"injections": [Injection(place="input")], "controls": [Control(kind="l2")]}
    family = Variant(name="both", strengths=(0.3, 0.1), **parts)
    assert [member.name for member in family.members] == ["both 0.1", "both 0.3"]
    assert [(m.injections[0].stddev, m.controls[0].factor, m.strength) for m in family.members] == [
        (0.1, 0.1, 0.1),
        (0.3, 0.3, 0.3),
    ]


def test_part_of_one_kind_cannot_be_made_another():
    with pytest.raises(ValidationError):
        Injection(place="input", kind="gaussian", rate=0.5)


@pytest.mark.parametrize(
    ("design", "pairs"),
    [
        ("replicate", [(7, 0), (7, 1)]),
        ("resample", [(7, 0), (8, 1)]),
        ("crossed", [(7, 0), (7, 1), (8, 0), (8, 1), (9, 0), (9, 1)]),
    ],
)
def test_design_pairs_data_seeds_with_seeds(design, pairs):
    crossed = {"n_data_seeds": 3} if design == "crossed" else {}
    made = validate(study(design=design, n_seeds=2, datasets=[{"kind": "circles", "data_seed": 7}], **crossed))
    assert made.pairs(made.datasets[0]) == pairs


def test_parts_pair_architectures_and_variants_with_those_that_they_are_for():
    made: Study = load("recipes")
    names = {(d.name, a.name, m.name) for d, a, _, m in made.parts()}
    assert ("digits", "cnn", "after pooling") in names
    assert {a for d, a, _ in names if d == "digits"} == {"cnn"}
    assert {d for d, _, m in names if m == "between LSTM and relu"} == {"waves"}
    assert {d for d, _, m in names if m == "baseline"} == {"digits", "waves", "diabetes", "friedman1"}


def test_load_changes_the_epochs_of_architectures_too():
    made = load("recipes", epochs=3)
    assert {architecture.training.epochs for architecture in made.architectures} == {3}


def test_load_takes_paths_relative_to_the_study_file(tmp_path):
    dataset = {"kind": "table", "path": "data/my.csv", "target": "y", "task": "regression"}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(study(datasets=[dataset])))
    assert load(str(tmp_path / "mine.yaml")).datasets[0].path == str(tmp_path / "data" / "my.csv")


def test_confined_study_reads_only_under_the_folder_of_the_worker(tmp_path, monkeypatch):
    (tmp_path / "link.csv").symlink_to("/etc/passwd")

    def inline(path):
        return study(datasets=[{"kind": "table", "path": path, "target": "y", "task": "regression"}])

    monkeypatch.delenv("NOISEFLOW_DATA", raising=False)
    with pytest.raises(InvalidInputError, match="NOISEFLOW_DATA"):
        confined(inline(str(tmp_path / "my.csv")))
    monkeypatch.setenv("NOISEFLOW_DATA", str(tmp_path))
    assert confined(inline("my.csv")).datasets[0].path == str(tmp_path / "my.csv")
    for path in ("../my.csv", "/etc/passwd", "link.csv", "a/../../my.csv"):
        with pytest.raises(InvalidInputError, match="NOISEFLOW_DATA"):
            confined(inline(path))


def test_dataset_may_have_epochs_of_its_own_unless_all_are_changed():
    made = load("controls")
    architecture = made.architectures[0]
    assert [made.training_of(dataset, architecture).epochs for dataset in made.datasets] == [4000, 2000, 1000, 500]
    quick = load("controls", epochs=5)
    assert {quick.training_of(dataset, architecture).epochs for dataset in quick.datasets} == {5}
