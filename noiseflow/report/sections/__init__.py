"""The sections of the report, one file each: the finding, its table, its pictures and its sentences together.

To add one: a file like the others with a SECTION, an import and its line here, a sentence in `report/terms.py` for each new
head of its table, and its case in tests/report/test_report_sections.py.
"""

from noiseflow.report.section import Section
from noiseflow.report.sections import (
    beside_score,
    boundary,
    calibration,
    campaigns,
    chosen_strengths,
    cross_checks,
    data,
    differences,
    drift,
    ensembles,
    final_scores,
    gap,
    learning_curves,
    looks,
    loss_and_brier,
    one_look,
    published_runs,
    ranks,
    replays,
    rivals,
    robustness,
    seen_rows,
    test_rows,
    training_rows,
    variance,
    what_was_read,
)

SECTIONS: tuple[Section, ...] = (
    differences.SECTION,
    final_scores.SECTION,
    test_rows.SECTION,
    loss_and_brier.SECTION,
    chosen_strengths.SECTION,
    rivals.SECTION,
    robustness.SECTION,
    ensembles.SECTION,
    training_rows.SECTION,
    ranks.SECTION,
    published_runs.SECTION,
    campaigns.SECTION,
    learning_curves.SECTION,
    gap.SECTION,
    boundary.SECTION,
    calibration.SECTION,
    what_was_read.SECTION,
    data.SECTION,
    seen_rows.SECTION,
    drift.SECTION,
    replays.SECTION,
    one_look.SECTION,
    looks.SECTION,
    variance.SECTION,
    beside_score.SECTION,
    cross_checks.SECTION,
)
"""In the order of the page."""
