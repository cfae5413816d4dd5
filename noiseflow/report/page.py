"""The page: what goes where in the markdown and in the HTML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from noiseflow.report.advice import advise
from noiseflow.report.alarm import alarm
from noiseflow.report.answer import headline
from noiseflow.report.campaign_sections import campaign_sections
from noiseflow.report.escaping import HTML_PAGE, MARKDOWN_PAGE
from noiseflow.report.evidence import Evidence
from noiseflow.report.limits import limits
from noiseflow.report.pictures import data_address, draw_pictures
from noiseflow.report.sections import details, sections
from noiseflow.report.tables import TEST_SET, Plain, difference_table, published_table, score_table, summary_table
from noiseflow.spec import Study

ARTIFACT_LIMIT = 950_000  # bytes; Prefect's pages become slow from 1 MB
LEGEND = (
    "Scores are those of the last epoch; intervals are 95 % t intervals over seeds. Differences are variant minus "
    "baseline on the same seeds; p is of the two-sided sign-flip test, adjusted after Holm for all comparisons of the "
    "study. d_z is the mean difference over its standard deviation; P(better) is the share of seeds on which the "
    "variant wins, ties counting half."
)
TEST_SET_LEGEND = (
    f" {TEST_SET}: the 95 % interval that the few test rows leave for a network of that score, however many seeds there "
    "are."
)
POOLED_LEGEND = (
    "Scores are those of the last epoch, with t intervals that are not valid under repeated looks. Differences are variant "
    "minus baseline on the same seeds; their interval and p are those of a confidence sequence (the t mixture: Lai, 1976; "
    "Wang and Ramdas, 2024), valid however often one looks, with .05 shared among all comparisons of the study. d_z is the "
    "mean difference over its standard deviation; P(better) is the share of seeds on which the variant wins, ties counting "
    "half."
)


@dataclass(frozen=True)
class Report:
    """The report as text and pictures.

    markdown: its pictures are relative links. html: self-contained. pictures: file name -> PNG. headline: plain text.
    alarm: what a campaign found to have changed, plain text, empty where nothing did. answer: its rows as plain values.
    """

    markdown: str
    html: str
    pictures: Mapping[str, bytes]
    headline: str
    alarm: str
    answer: list[dict[str, Plain]]

    def artifact(self) -> str:
        """The markdown with its pictures inside, for a Prefect artifact; beyond ARTIFACT_LIMIT they are only named."""
        room = ARTIFACT_LIMIT - len(self.markdown.encode())
        text = self.markdown
        for name, png in self.pictures.items():
            address = data_address(png)
            room -= len(address)
            inside = (
                rf"\1({address})"
                if room >= 0
                else f"(Picture {name} is too large for this page; see the report's folder.)"
            )
            text = re.sub(rf"^(!\[.*\])\({re.escape(name)}\)$", inside, text, flags=re.MULTILINE)
        return text


def render(evidence: Evidence) -> Report:
    """The report of a study; it renders from whatever is there, and says what is missing."""
    pictures, scores = draw_pictures(evidence), score_table(evidence)
    small = TEST_SET in scores.header
    page: dict[str, Any] = {
        "study": evidence.study,
        "headline": headline(evidence),
        "alarm": alarm(evidence),
        "advice": advise(evidence),
        "differences": difference_table(evidence),
        "scores": scores,
        "sections": sections(evidence),
        "details": [*campaign_sections(evidence), *details(evidence)],
        "legend": (POOLED_LEGEND if evidence.pools_campaigns else LEGEND) + (TEST_SET_LEGEND if small else ""),
        "published": published_table(evidence),
        "sources": sorted({run.source for run in evidence.study.published}),
        "pictures": pictures,
        "limits": limits(evidence),
        "manifest": {key: value for key, value in evidence.manifest.items() if key != "command"},
        "command": evidence.manifest.get("command", ""),
        "yaml": _study_yaml(evidence.study),
    }
    markdown, html = MARKDOWN_PAGE.render(page), HTML_PAGE.render(page)
    drawn = {picture.name: picture.png for picture in pictures}
    return Report(markdown, html, drawn, page["headline"], page["alarm"], summary_table(evidence.answer))


def _study_yaml(study: Study) -> str:
    """The study as YAML, defaults written out, so that it means the same in a later release."""
    content = study.model_dump(mode="json", exclude_none=True)
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110))
