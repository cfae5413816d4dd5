"""The page: what goes where in the markdown and in the HTML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from noiseflow.report.advice import advise
from noiseflow.report.alarm import alarm
from noiseflow.report.escaping import HTML_PAGE, MARKDOWN_PAGE
from noiseflow.report.evidence import Evidence
from noiseflow.report.headline import headline
from noiseflow.report.limits import limits
from noiseflow.report.look_sentences import looked
from noiseflow.report.picture import Picture, Renderer, data_address, fitting, render_here
from noiseflow.report.section import FOLDED, WHOLE, PageTable, parts_of
from noiseflow.report.sections import SECTIONS, published_runs
from noiseflow.report.tables import Plain, summary_table
from noiseflow.study import Study

ARTIFACT_LIMIT = 950_000  # bytes; Prefect's pages become slow from 1 MB
TEXT_LIMIT = 250_000  # bytes of markdown, so that pictures have room beside it
YAML_LIMIT = 50_000  # characters of a study that markdown shows
FOLDS = (
    (WHOLE, FOLDED),
    (FOLDED, FOLDED),
    (15, 15),
    (5, 5),
)  # tables of more rows than the first are folded to the second


@dataclass(frozen=True)
class Report:
    """The report as text and pictures.

    Attributes:
        markdown: its pictures are relative links.
        html: self-contained.
        pictures: file name -> PNG, the most needed first.
        alarm: what a campaign found to have changed, plain text, empty where nothing did.
        answer: its rows as plain values.
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


def render(evidence: Evidence, renderer: Renderer = render_here) -> Report:
    """The report of a study; it shows what is there and says what is missing.

    Long tables are folded, harder where the page would be too long for an artifact.

    Args:
        renderer: as for `fitting`.
    """
    pictures = draw_pictures(evidence, renderer)
    page: dict[str, Any] = {
        "study": evidence.study,
        "headline": " ".join(filter(None, [headline(evidence), looked(evidence)])),
        "alarm": alarm(evidence),
        "sources": published_runs.sources(evidence),
        "advice": advise(evidence),
        "pictures": pictures,
        "limits": limits(evidence),
        "manifest": {key: value for key, value in evidence.manifest.items() if key != "command"},
        "command": evidence.manifest.get("command", ""),
        "saved": _file_to_save(evidence),
        "yaml": _study_yaml(evidence.study),
        "yaml_limit": YAML_LIMIT,
    }
    for whole, folded in FOLDS:
        page["parts"] = _parts(evidence, whole, folded)
        markdown = MARKDOWN_PAGE.render(page)
        if len(markdown.encode()) <= TEXT_LIMIT:
            break
    html = HTML_PAGE.render(page)
    drawn = {picture.name: picture.png for picture in sorted(pictures, key=lambda picture: picture.rank)}
    return Report(markdown, html, drawn, page["headline"], page["alarm"], summary_table(evidence.answer))


def draw_pictures(evidence: Evidence, renderer: Renderer = render_here) -> list[Picture]:
    """Every picture that there is something to draw for and room, in the order of the page."""
    sections = (section.pictures(evidence) for section in SECTIONS if section.pictures)
    return fitting(sections, renderer=renderer)


def _parts(evidence: Evidence, whole: int, folded: int) -> dict[str, list[PageTable]]:
    """The tables by their place."""
    parts: dict[str, list[PageTable]] = {"summary": [], "answer": [], "details": []}
    for section in SECTIONS:
        if section.table:
            parts[section.table.place] += parts_of(section, evidence, whole, folded)
    return parts


def _file_to_save(evidence: Evidence) -> str:
    """The file that the command names, which the study has to be saved to first; empty for one that ships."""
    name = f"{evidence.study.name}.yaml"
    return name if f" {name} " in evidence.manifest.get("command", "") else ""


def _study_yaml(study: Study) -> str:
    """The study as YAML, defaults written out, so that it means the same in a later release."""
    content = study.model_dump(mode="json", exclude_none=True)
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110))
