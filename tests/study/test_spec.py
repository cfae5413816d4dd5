from typing import get_args

import pytest
import yaml

from noiseflow.base.faults import InvalidInputError
from noiseflow.study import ShippedStudy, Study
from noiseflow.study.faults import results_faults
from noiseflow.study.loading import FOLDER, load, names, validate


def content(**changes):
    return yaml.safe_load((FOLDER / "smoke.yaml").read_text()) | changes


def faults(study):
    with pytest.raises(InvalidInputError) as caught:
        validate(study)
    return caught.value.faults


def variant(stddev=0.1, name="noisy", place="input"):
    return {"name": name, "injections": [{"place": place, "stddev": stddev}]}


def test_shipped_studies_are_the_choices_of_the_run_form():
    assert sorted(get_args(ShippedStudy)) == names()


@pytest.mark.parametrize("name", names())
def test_shipped_studies_are_valid_and_named_as_their_file(name):
    study = load(name)
    assert study.name == name
    assert study.purpose


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"colour": "red"}, "colour", "is not a key"),
        ({"variants": [{"name": "baseline"}, variant(-1)]}, "variants[1].injections[0].stddev", "at least 0"),
        ({"variants": [{"name": "baseline"}, variant(float("inf"))]}, "variants[1].injections[0].stddev", "finite"),
        ({"variants": [{"name": "baseline"}, variant("abc")]}, "variants[1].injections[0].stddev", "must be a number"),
        ({"variants": [{"name": "baseline"}, variant(float("nan"))]}, "variants[1].injections[0].stddev", "finite"),
        ({"variants": [{"name": "baseline"}, variant(place="above")]}, "variants[1].injections[0].place", "must match"),
        ({"variants": [variant()]}, "variants", "'baseline'"),
        ({"variants": [{"name": "baseline"}, variant(), variant(0.2)]}, "variants", "is there twice"),
        (
            {"variants": [{"name": "baseline"}, variant(), variant(name="same")]},
            "variants[2]",
            "must differ from 'noisy'",
        ),
        (
            {"variants": [{"name": "baseline"}, variant(1), variant("1.0", name="same")]},
            "variants[2]",
            "in more than its name",
        ),
        (
            {"architectures": [{"kind": "mlp"}, {"kind": "mlp", "label": "b"}]},
            "architectures[1]",
            "in more than its name",
        ),
        ({"variants": [variant(name="baseline")]}, "variants[0]", "no injections"),
        ({"n_seeds": 0}, "n_seeds", "at least 1"),
        ({"training": {"epochs": 0}}, "training.epochs", "at least 1"),
        ({"training": {"learning_rate": "fast"}}, "training.learning_rate", "must be a number"),
        ({"datasets": [{"kind": "squares"}]}, "datasets[0].kind", "'circles'"),
        ({"datasets": [{"kind": "circles", "n_train": 99}]}, "datasets[0]", "n_train must leave 2 rows"),
        ({"datasets": []}, "datasets", "at least 1"),
        ({"name": "No Such Name"}, "name", "must match"),
        (
            {"published": [{"variant": "x", "train_score": 1, "test_score": 1, "source": "s"}]},
            "published[0].variant",
            "one of",
        ),
    ],
)
def test_study_refuses_and_says_where_what_and_how_to_mend(changes, path, says):
    found = [fault for fault in faults(content(**changes)) if fault.startswith(f"{path} ")]
    assert found
    assert any(says in fault and "(study " in fault for fault in found)


def test_study_names_every_fault_at_once():
    found = faults(
        content(n_seeds=0, colour="red", training={"epochs": 0}, variants=[variant(-2), variant(name="x y")])
    )
    starts = ["n_seeds ", "colour ", "training.epochs ", "variants[0].injections[0].stddev ", "variants must hold one"]
    assert all(any(fault.startswith(start) for fault in found) for start in starts)


@pytest.mark.parametrize("study", [None, [], "text", 3, {}, {"variants": 3}, {"variants": [3]}, {"training": []}])
def test_study_of_the_wrong_shape_is_refused_without_a_traceback(study):
    assert faults(study)


def test_study_is_the_same_after_a_trip_through_json():
    study = load("tutorial")
    assert Study.model_validate_json(study.model_dump_json()) == study


def test_load_takes_changes_and_refuses_faulty_ones():
    assert load("smoke", n_seeds=3, epochs=7).training.epochs == 7
    with pytest.raises(InvalidInputError, match="n_seeds must be at least 1; received 0") as caught:
        load("smoke", n_seeds=0, epochs=-1)
    assert len(caught.value.faults) == 2


def test_load_unknown_name_lists_the_shipped_ones():
    with pytest.raises(InvalidInputError, match=r"'nonsense' is not known\. Shipped are circles, controls"):
        load("nonsense")


def test_load_refuses_what_is_not_yaml(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("name: [")
    with pytest.raises(InvalidInputError, match="is not YAML"):
        load(str(path))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInputError, match=r"cannot be read|is not YAML"):
        load(str(path))
    with pytest.raises(InvalidInputError, match="there is no study file"):
        load(str(tmp_path / "absent.yaml"))


def test_results_faults_for_a_file_and_for_a_place_without_rights(tmp_path):
    (tmp_path / "file").write_text("")
    assert "must be a folder" in results_faults(str(tmp_path / "file"))[0]
    assert "must be a folder" in results_faults(str(tmp_path / "file" / "below"))[0]
    assert "must be writable" in results_faults("/proc/results")[0]
    assert results_faults(str(tmp_path / "new" / "folder")) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]
