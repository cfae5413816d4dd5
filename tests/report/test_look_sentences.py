"""What the looks at a study mean, in sentences."""

from dataclasses import replace

import pandas as pd
from sketch_study import make_evidence, make_study, make_trials

from noiseflow.report.look_sentences import looked, on_looks
from noiseflow.report.page import render

NAMES = ("input", "after")


def evidence_of(looks, *, until_decided, **changes):
    """Evidence after looks: (number, seeds, level) each."""
    study = make_study()
    evidence = make_evidence(study, make_trials(study), until_decided=until_decided, **changes)
    rows = [(k, "circles", "mlp", name, n, level, "inconclusive") for k, n, level in looks for name in NAMES]
    columns = ["look", "dataset", "architecture", "variant", "n_seeds", "level", "verdict"]
    return replace(evidence, findings=replace(evidence.findings, looks=pd.DataFrame(rows, columns=columns)))


def test_only_look_needs_no_sentence():
    assert looked(make_evidence()) == ""
    assert on_looks(make_evidence()) == []


def test_study_that_grew_says_how_often_it_was_looked_at():
    evidence = evidence_of([(1, 10, 0.05), (2, 12, 0.0045)], until_decided=False)
    assert looked(evidence) == "The study was looked at 2 times; intervals, p and verdicts allow for it."
    (limit,) = on_looks(evidence)
    assert limit.startswith("There were looks at 10 and 12 seeds;")
    assert "spent 5 %; all later ones may spend 4.5 % more at most" in limit
    assert looked(evidence) in render(evidence).headline


def test_run_until_decided_says_what_it_took_and_what_was_saved():
    evidence = evidence_of([(1, 10, 0.005), (2, 15, 0.0045)], until_decided=True)
    summary = evidence.summary.assign(n_seeds=[45, 45, 10], verdict=[None, "equivalent", "better"])
    evidence = replace(evidence, findings=replace(evidence.findings, summary=summary))
    # 100 of 3 · 45 trials
    assert looked(evidence) == (
        "Seeds were added until each variant was decided: ‘after’ better after 10 seeds and ‘input’ equivalent after 45 "
        "seeds; 26 % of the trials not needed."
    )
    (limit,) = on_looks(evidence)
    assert limit.endswith("a false claim has a chance of 5 % at most.")


def test_variants_that_stay_open_are_named_and_nothing_is_saved():
    evidence = evidence_of([(1, 10, 0.005)], until_decided=True)
    summary = evidence.summary.assign(n_seeds=10, verdict=[None, "inconclusive", "inconclusive"])
    evidence = replace(evidence, findings=replace(evidence.findings, summary=summary))
    assert looked(evidence).endswith("‘input’ and ‘after’ open after 10 seeds.")


def test_variant_that_seeds_cannot_decide_says_so():
    evidence = evidence_of([(1, 10, 0.005)], until_decided=True)
    summary = evidence.summary.assign(n_seeds=10, verdict=[None, "inconclusive", "better"], rows_share=[0, 0.95, 0.95])
    evidence = replace(evidence, findings=replace(evidence.findings, summary=summary))
    assert "‘input’ open after 10 seeds (more test rows would decide it, more seeds hardly)" in looked(evidence)
