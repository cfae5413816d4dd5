"""What the tasks publish as artifacts, without a server."""

from sketch_study import make_evidence, make_study, make_trials

from noiseflow.report.tables import summary_table
from tasks.reporting import narrowed


def test_summary_has_seeds_and_divergences_only_where_they_differ_or_are_there():
    study = make_study()
    alike = narrowed(summary_table(make_evidence(study).summary))
    assert {"variant", "verdict", "points", "p (adj.)", "strength"} < set(alike[0])
    assert not {"seeds", "diverged"} & set(alike[0])
    rows = summary_table(make_evidence(study, make_trials(study, spoil=[(1, 0)])).summary)
    assert list(narrowed(rows)[0])[-2:] == ["strength", "diverged"]
    assert list(narrowed([rows[0], rows[1] | {"seeds": 99}])[0])[-2:] == ["seeds", "diverged"]
    assert narrowed([]) == []
