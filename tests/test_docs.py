"""The pages: what they name is there, and their lines are short enough to read beside code."""

import json
import re
import runpy
from pathlib import Path

import pytest

from noiseflow.controls import CONTROLS
from noiseflow.noise import KINDS

ROOT = Path(__file__).parent.parent
PAGES = [path for pattern in ("*.md", "docs/**/*.md") for path in sorted(ROOT.glob(pattern))]
KNOWN = {
    known
    for folder in ("noiseflow", "flows", "tasks", "tests", "benchmarks", "docs", "deployments", ".")
    for pattern in (("*",) if folder == "." else ("**/*.py", "**/*.yaml"))
    for path in ROOT.joinpath(folder).glob(pattern)
    for known in (path.name, str(path.relative_to(ROOT)))
}
"""Names of the repository's files, with and without their folder."""
THEIRS = {"pandas", "TTestPower", "ks_2samp"}
LONGEST = 88
MADE = ROOT / "docs/study-file.md"
"""Made from the records: a test of its own holds it to them."""


def name(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_a_page_names_are_there(page):
    named = set(
        re.findall(r"`((?:tests|noiseflow|flows|tasks|deployments|benchmarks|docs)/[\w./-]+\.\w+)`", page.read_text())
    )
    assert not [path for path in sorted(named) if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_a_page_names_without_their_first_folder_are_there(page):
    """`step.py` is a file of the repository, `engine/step.py` one of the library."""
    named = set(re.findall(r"`([\w./-]+\.(?:py|yaml))`", page.read_text()))
    assert not sorted(path for path in named if not (path in KNOWN or (ROOT / "noiseflow" / path).exists()))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_that_a_page_links_to_are_there(page):
    linked = {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if "://" not in link}
    assert not [path for path in sorted(linked) if path and not (page.parent / path).exists()]


def test_functions_that_the_method_cites_are_there():
    """Under "Source"; those of other packages are cited by a path with dots, or are in THEIRS."""
    cited = re.findall(r"\*\*Source\.\*\*(.*?)\n\n", (ROOT / "docs/method.md").read_text(), re.DOTALL)
    names = {name for source in cited for name in re.findall(r"`([A-Za-z_]\w*)`", source)} - THEIRS
    code = "\n".join(path.read_text() for path in (ROOT / "noiseflow").rglob("*.py"))
    assert len(names) > 20
    assert not sorted(name for name in names if not re.search(rf"^ *(def|class) {name}\b", code, re.MULTILINE))


def test_pages_name_each_kind_of_noise_and_each_control():
    (number,) = re.findall(r"Noise can be of\s(\d+)\skinds", (ROOT / "README.md").read_text())
    assert int(number) == len(KINDS)
    page = (ROOT / "docs/noise.md").read_text()
    assert not [kind.name for kind in KINDS if not re.search(rf"kind: {kind.name}\b", page) and kind.name != "gaussian"]
    assert not [control.name for control in CONTROLS if f"`{control.name}`" not in page.partition("## Rivals")[2]]


@pytest.mark.parametrize("page", [page for page in PAGES if page != MADE], ids=name)
def test_lines_are_short(page):
    in_code, long = False, []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        in_code ^= line.strip().startswith("```")
        whole = line.startswith(("|", "<", "!", "[")) or " " not in line.strip().lstrip("-*").strip()
        if len(line) > LONGEST and not in_code and not whole:
            long.append(number)
    assert not long


def test_notebook_is_a_page_of_the_site():
    """Cells and what they show, without the JSON around them."""
    hooks = runpy.run_path(str(ROOT / "docs/hooks.py"))
    notebook = json.loads((ROOT / "docs/notebook.ipynb").read_text())
    page = hooks["as_markdown"](notebook)
    assert all("".join(cell["source"]) in page for cell in notebook["cells"])
    assert page.count("<table") >= 4
    assert '"cell_type"' not in page
    assert 'href="file:' not in page
    png = {
        "cell_type": "code",
        "source": ["draw()"],
        "outputs": [{"data": {"image/png": "AAAA", "text/plain": ["<F>"]}}],
    }
    assert 'src="data:image/png;base64,AAAA"' in hooks["as_markdown"]({"cells": [png]})
    text = {"cell_type": "code", "source": ["1"], "outputs": [{"output_type": "stream", "text": ["one\n", "two\n"]}]}
    assert "```text\none\ntwo\n```" in hooks["as_markdown"]({"cells": [text]})


def test_every_page_is_in_the_sites_list():
    settings = (ROOT / "mkdocs.yml").read_text()
    listed = {line.split()[-1] for line in settings.partition("nav:")[2].splitlines() if line.strip()}
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert pages - listed == set()


def test_site_opens_from_the_disk_and_dead_links_fail():
    settings = (ROOT / "mkdocs.yml").read_text()
    assert "use_directory_urls: false" in settings
    assert "links: {not_found: warn, unrecognized_links: warn, anchors: warn}" in settings
