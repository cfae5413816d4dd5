"""Noise and rows that do not go together: columns that a table lacks, axes that rows lack; and what identifies a trial."""

import numpy as np
import pandas as pd
import pytest

from noiseflow.datasets import generate
from noiseflow.study import Study
from noiseflow.trials import preflight
from noiseflow.trials.plan import make_plan


@pytest.fixture
def table(tmp_path):
    """60 rows with two numeric columns and a category of three."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"age": rng.normal(size=60), "income": rng.normal(size=60), "city": rng.choice(list("abc"), 60)}
    )
    path = tmp_path / "t.csv"
    frame.assign(y=(frame["age"] > 0).astype(int)).to_csv(path, index=False)
    return str(path)


def study(path=None, *injections, drop=(), **changes):
    data = {"kind": "table", "path": path, "target": "y", "task": "classification", "drop": list(drop)} if path else {}
    variants = [{"name": "baseline"}, *({"name": f"v{i}", "injections": [made]} for i, made in enumerate(injections))]
    content = {"name": "s", "n_seeds": 1, "datasets": [data or {"kind": "circles"}], "variants": variants}
    return Study.model_validate({**content, "architectures": [{"kind": "mlp", "units": [4]}], **changes})


def ids(made, numbers=slice(None)):
    return [trial.id for trial in make_plan(made, "vectorized").trials[1:]][numbers]


def test_columns_that_the_table_lacks_are_named_with_those_that_it_has(table):
    made = study(table, {"place": "input", "stddev": 0.1, "columns": ["age", "height"]})
    (fault,) = preflight.faults(made)
    assert fault.startswith("variants[1].injections[0].columns must be columns that the rows have, age, income, city")
    assert "received height" in fault


def test_noise_and_test_noise_on_an_axis_that_rows_lack_are_refused_together():
    made = study(
        None,
        {"place": "input", "stddev": 0.1, "correlation": {"ar1": 0.5}},
        {"place": "recurrent_state", "stddev": 0.1},
        robustness={"place": "input", "kind": "time_warp", "stddev": [0.1]},
    )
    found = preflight.faults(made)
    assert [fault.partition(" ")[0] for fault in found] == [
        "variants[1].injections[0].correlation.ar1",
        "variants[2].injections[0].place",
        "robustness[0].kind",
    ]


def test_table_without_numeric_columns_takes_no_noise_by_default(table):
    made = study(table, {"place": "input", "stddev": 0.1}, drop=["age", "income"])
    (fault,) = preflight.faults(made)
    assert "must be all or some names where no column is numeric" in fault


def test_only_trials_whose_noise_leaves_columns_out_have_another_identity(table):
    """A table of numbers has the trials that it had; of one with categories noise on all columns is the old one."""
    noise = {"place": "input", "stddev": 0.1}
    numeric = study(table, noise, drop=["city"])
    (cell,) = make_plan(numeric, "vectorized").cells[1:]
    assert cell.settings["injections"] == [{"place": "input", "stddev": 0.1, "kind": "gaussian"}]
    assert ids(numeric) == ids(study(table, noise | {"columns": "all"}, drop=["city"]))
    mixed, old = (make_plan(study(table, made), "vectorized").cells[1] for made in (noise, noise | {"columns": "all"}))
    assert old.settings["injections"] == [{"place": "input", "stddev": 0.1, "kind": "gaussian"}]
    assert mixed.settings["injections"][0]["columns"] == {"0": 1.0, "1": 1.0}


def test_rivals_that_do_not_go_with_the_data_or_the_network_are_refused():
    rivals = [{"kind": "label_smoothing", "smoothing": 0.1}], [{"kind": "best_epoch"}]
    variants = [{"name": "baseline"}, {"name": "smooth", "controls": rivals[0]}]
    variants += [{"name": "best", "controls": rivals[1], "strengths": [0.01, 0.2]}]
    made = study(design="resample", variants=variants, datasets=[{"kind": "friedman1", "n_train": 50, "n_eval": 100}])
    found = preflight.faults(made)
    assert [fault.partition(" ")[0] for fault in found] == [
        "variants[1].controls[0].kind",
        "variants[2].controls[0].validation_fraction",
    ]
    assert "received 0.01 of 50 rows" in found[1]


def test_test_noise_is_part_of_a_trial_only_where_there_is_some():
    plain, noisy = study(), study(robustness={"place": "input", "stddev": [0.1]})
    assert "robustness" not in make_plan(plain, "vectorized").cells[0].settings
    assert make_plan(plain, "vectorized").trials[0].id != make_plan(noisy, "vectorized").trials[0].id


@pytest.mark.parametrize("kind", [{"kind": "circles"}, {"kind": "diabetes"}])
def test_wrong_labels_are_as_many_as_asked_for_the_same_each_time_and_not_in_the_test(kind):
    clean = study(datasets=[kind]).datasets[0]
    wrong = study(datasets=[kind | {"corrupt": {"labels": 0.2}}]).datasets[0]
    before, after = generate(clean, 1), generate(wrong, 1)
    changed = before.y_train != after.y_train
    assert 0.9 * 0.2 <= changed.mean() <= 0.21
    np.testing.assert_array_equal(before.y_test, after.y_test)
    np.testing.assert_array_equal(after.y_train, generate(wrong, 1).y_train)
    assert (changed != (generate(clean, 2).y_train != generate(wrong, 2).y_train)).any()


@pytest.mark.parametrize(
    ("robustness", "text"),
    [
        ({"place": "labels", "stddev": [0.1]}, "Input should be 'input' or 'weights'"),
        ({"place": "weights", "kind": "mask", "rate": [0.1]}, "must be gaussian, at the place weights"),
        ({"place": "input", "rate": [0.1]}, "must have strengths under stddev"),
        ({"place": "input", "stddev": [0.1, 0.1]}, "must have no stddev twice"),
    ],
)
def test_test_noise_that_is_none_is_refused(robustness, text):
    with pytest.raises(ValueError, match=text):
        study(robustness=robustness)
