"""What is left of a faulty study."""

import pytest

from noiseflow.study.sound_parts import sound_parts

SOUND = {"name": "noisy", "injections": [{"place": "input", "stddev": 0.1}]}


def cells(**content):
    return [(d.name, a.name, v.name) for d, a, v, _ in sound_parts(content).parts()]


def test_sound_parts_stay_where_they_are_and_no_cell_has_a_faulty_one():
    content = {
        "datasets": [{"kind": "circels"}, {"kind": "moons"}, {"kind": "moons"}, 3],
        "architectures": [{"kind": "mlp", "unts": [3]}, {"kind": "mlp", "datasets": ["circels", "moons"]}],
        "variants": [{"name": "baseline"}, {"name": "wrong", "injections": [{"place": "inptu"}]}, SOUND, SOUND],
    }
    study = sound_parts(content)
    assert [len(parts) for parts in (study.datasets, study.architectures, study.variants)] == [4, 2, 4]
    assert study.variants[2].name == "noisy"
    assert cells(**content) == [("moons", "mlp", "baseline"), ("moons", "mlp", "noisy")]


def test_network_for_faulty_datasets_alone_has_no_cell():
    assert not cells(
        datasets=[{"kind": "circels"}, {"kind": "moons"}],
        architectures=[{"kind": "mlp", "datasets": ["circels"]}],
        variants=[SOUND],
    )


@pytest.mark.parametrize("content", [{}, {"datasets": None, "variants": "noisy"}, {"architectures": {"kind": "mlp"}}])
def test_study_without_lists_of_parts_has_no_cell(content):
    assert cells(**content) == []


def test_settings_are_those_that_are_sound():
    study = sound_parts({"name": "My study", "n_seeds": 0, "design": "crossed", "training": {"epochs": 7}})
    assert (study.n_seeds, study.design, study.training.epochs) == (30, "crossed", 7)
    assert study.data_seeds(sound_parts({"datasets": [{"kind": "moons", "data_seed": 4}]}).datasets[0]) == [4]


def test_no_table_is_too_small_for_a_training_that_is_faulty():
    assert sound_parts({"training": {"batch_sise": 8}}).training.batch_size == 1
