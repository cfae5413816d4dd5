"""The report: what the trials of a study say, in markdown and as one HTML file, with its pictures."""

from noiseflow.report.evidence import Evidence
from noiseflow.report.page import Report, render
from noiseflow.report.tables import summary_table

__all__ = ["Evidence", "Report", "render", "summary_table"]
