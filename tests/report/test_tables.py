"""The tables show the summary, rounded and with nothing that JSON does not know."""

import json

from sketch_study import make_evidence, make_study

from noiseflow.report.tables import summary_table


def test_summary_table_has_plain_values_only():
    study = make_study(names=("baseline", "a", "b"), n_seeds=1)
    rows = summary_table(make_evidence(study).answer)
    assert {type(value) for row in rows for value in row.values()} <= {str, int, float, type(None)}
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_summary_table_of_repeated_looks_names_its_p():
    summary = make_evidence().summary
    assert "p (adjusted)" in summary_table(summary)[0]
    assert "p (always valid)" in summary_table(summary.assign(fixed_ci_low=0.0))[0]


def test_summary_table_gives_differences_in_points():
    summary = make_evidence().summary
    row = summary_table(summary)[2]
    assert row["difference (points)"] == round(100 * summary.loc[2, "difference_mean"], 2)
    assert row["strength"] == 0.02


def test_summary_table_keeps_the_sign_of_an_end_beside_zero():
    summary = make_evidence().summary
    summary.loc[2, ["difference_ci_low", "difference_ci_high"]] = (0.00004, 0.03)
    assert summary_table(summary)[2]["low"] == 0.004
