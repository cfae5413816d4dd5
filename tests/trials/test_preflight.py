"""What is found wrong with a study's parts before anything is trained; its data are stand-ins."""

import pytest
from preflight_studies import DATA, noisy, only, stand_in_for_data, study

from noiseflow import datasets
from noiseflow.trials import preflight

TABLE = {"kind": "table", "path": "my.csv", "target": "y", "task": "classification"}


@pytest.fixture(autouse=True)
def _data(monkeypatch):
    stand_in_for_data(monkeypatch)


def test_sound_study_has_no_faults():
    sound = study(
        ["circles", "wine", "diabetes", "digits", "waves"],
        [
            {"kind": "mlp", "units": [4]},
            {"kind": "cnn", "filters": [2], "datasets": ["digits"]},
            {"kind": "lstm", "units": [2], "datasets": ["waves"]},
        ],
        [
            noisy("before", place="before_activation"),
            {**noisy("pool", place="after:pool"), "architectures": ["cnn"]},
            {"name": "stop", "controls": [{"kind": "early_stopping", "patience": 5}]},
        ],
    )
    assert preflight.faults(sound) == []


def test_place_that_the_model_lacks_is_named_with_its_layers_once():
    """Two datasets, two strengths: one fault."""
    found = preflight.faults(
        study(
            ["circles", "moons"],
            [{"kind": "mlp", "units": [4]}],
            [{"name": "a", "injections": [{"place": "after:foo"}], "strengths": [0.1, 0.2]}],
            design="resample",
        )
    )
    assert only(found) == (
        "variants[1].injections[0].place must be a place of the model; received 'after:foo' (architecture 'mlp'): "
        "the model has no layer 'foo'; its layers are hidden_1, output. Choose one of them."
    )


def test_place_is_a_fault_once_for_each_network_whatever_its_layers_on_other_data():
    found = preflight.faults(study(["circles", "digits"], variants=[noisy("a", place="after:foo")]))
    assert "its layers are hidden_1, output" in only(found)


def test_place_is_looked_for_in_the_architectures_that_the_variant_is_for():
    parts = {"datasets": ["digits"], "architectures": ["mlp", {"kind": "cnn", "filters": [2]}]}
    everywhere, there = (
        noisy("pool", place="after:pool"),
        {**noisy("pool", place="after:pool"), "architectures": ["cnn"]},
    )
    assert "(architecture 'mlp')" in only(preflight.faults(study(**parts, variants=[everywhere])))
    assert preflight.faults(study(**parts, variants=[there])) == []


@pytest.mark.parametrize(("kind", "axes"), [("cnn", "(height, width, channels)"), ("lstm", "(steps, features)")])
def test_recipe_on_rows_of_another_form_is_a_fault(kind, axes):
    fault = only(preflight.faults(study(["wine"], [kind])))
    assert fault.startswith("architectures[0] must be for data of its form")
    assert axes in fault
    assert "received (13,) (dataset 'wine')" in fault


def test_cnn_whose_pool_leaves_nothing_is_a_fault(monkeypatch):
    monkeypatch.setitem(DATA, "digits", ((1, 8, 1), 10, 200))
    fault = only(preflight.faults(study(["digits"], [{"kind": "cnn", "filters": [2]}])))
    assert fault.startswith("architectures[0] must be a network that can be built for its data")


def test_label_noise_of_the_other_task_is_a_fault():
    both = [noisy("flip", place="labels", kind="flip", rate=0.1), noisy("add", place="labels")]
    found = preflight.faults(study(["wine", "diabetes"], variants=both))
    assert len(found) == 2
    assert "variants[1].injections[0].kind must go with what is learnt, gaussian with regression" in found[0]
    assert "(dataset 'diabetes')" in found[0]
    assert "variants[2].injections[0].kind must go with what is learnt, flip with classification" in found[1]


def test_early_stopping_without_a_row_to_validate_on_is_a_fault():
    stop = {"name": "stop", "controls": [{"kind": "early_stopping", "patience": 3}]}
    fault = only(preflight.faults(study(["moons"], variants=[stop])))
    assert fault.startswith("variants[1].controls[0].validation_fraction must leave at least 1 row")
    assert "received 0.2 of 4 rows (dataset 'moons')" in fault
    quarter = {"name": "stop", "controls": [{"kind": "early_stopping", "patience": 3, "validation_fraction": 0.25}]}
    assert preflight.faults(study(["moons"], variants=[quarter])) == []


def test_table_of_fewer_rows_than_a_batch_is_a_fault_and_circles_are_not():
    fault = only(preflight.faults(study(["circles", TABLE])))
    assert fault.startswith("datasets[1] must have at least as many training rows as batch_size, 32; received 20")
    assert preflight.faults(study([TABLE], training={"batch_size": 20})) == []


def test_faults_of_data_and_of_networks_and_places_come_together(tmp_path):
    found = preflight.faults(
        study(
            [{"kind": "wine", "label": "faulty"}, "circles"],
            ["mlp", {"kind": "file", "path": str(tmp_path / "none.keras"), "datasets": ["faulty"]}],
            [noisy("a", place="after:foo")],
        )
    )
    assert [fault.split(" ")[0] for fault in found] == [
        "datasets[0].path", "architectures[1].path", "variants[1].injections[0].place",
    ]  # fmt: skip
    assert "must name a file; received" in found[1]


def test_dataset_that_raises_is_a_fault(monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("no rows")

    monkeypatch.setattr(datasets, "generate", broken)
    assert "received ZeroDivisionError: no rows" in only(preflight.faults(study()))


FAULTY = {**TABLE, "label": "faulty"}


def test_noise_and_networks_on_a_faulty_table_are_looked_at_as_far_as_its_declaration_goes():
    found = preflight.faults(
        study(
            [FAULTY],
            [{"kind": "mlp", "units": [4]}, {"kind": "cnn", "filters": [2]}],
            [
                {**noisy("a", place="after:foo"), "architectures": ["mlp"]},
                noisy("labels", place="labels", kind="gaussian"),
                {"name": "mixed", "controls": [{"kind": "early_stopping", "patience": 5}]},
                {**noisy("time", place="input", correlation={"ar1": 0.5}), "architectures": ["mlp"]},
            ],
        )
    )
    assert [fault.split(" ")[0] for fault in found] == [
        "datasets[0].path",
        "architectures[1]",
        "variants[1].injections[0].place",
        "variants[4].injections[0].correlation.ar1",
        "variants[2].injections[0].kind",
    ]
    assert "received rows of a table (dataset 'faulty')" in found[1]
    assert "its layers are hidden_1, output" in found[2]


def test_rows_that_cannot_be_read_bring_no_fault_of_their_own():
    """Early stopping, columns and batches ask for the true rows."""
    parts = {
        "architectures": [{"kind": "mlp", "units": [4]}],
        "variants": [
            {"name": "stop", "controls": [{"kind": "early_stopping", "patience": 5}]},
            noisy("columns", place="input", columns=["mean_area"]),
            noisy("hidden", place="after:hidden_1"),
        ],
        "robustness": {"place": "input", "stddev": [0.1], "columns": ["mean_area"]},
    }
    assert only(preflight.faults(study([FAULTY], **parts))).startswith("datasets[0].path")


def test_label_noise_waits_for_a_table_whose_task_is_in_doubt(monkeypatch):
    monkeypatch.setattr(datasets, "faults", lambda dataset, seeds, where: [f"{where} target: set task: regression."])
    variants = [noisy("labels", place="labels", kind="gaussian")]
    assert only(preflight.faults(study([FAULTY], variants=variants))) == "datasets[0] target: set task: regression."


def test_rows_of_an_unknown_form_say_nothing_of_networks_and_places():
    faulty = [{"kind": "digits", "label": "faulty"}]
    variants = [noisy("a", place="after:flatten"), noisy("labels", place="labels", kind="gaussian")]
    found = preflight.faults(study(faulty, ["mlp", {"kind": "cnn", "filters": [2]}], variants))
    assert only(found).startswith("datasets[0].path")
