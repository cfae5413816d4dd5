"""The report says what the summary says, whatever is missing, and shows outside text as text."""

import json
import re
from html import unescape
from html.parser import HTMLParser

import pytest
import yaml
from markdown_it import MarkdownIt
from sketch_study import HOSTILE, make_curves, make_data, make_evidence, make_study, make_trials

from noiseflow.report import Report, render
from noiseflow.report.escaping import JOINER, escape_markdown, inert
from noiseflow.study import Study

pytestmark = pytest.mark.usefixtures("coarse_pictures")


class Page(HTMLParser):
    """Tags, links and text of a page, without its links to its own sections."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.text, self.hidden = [], [], "", False
        self.sections, self.ids = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "a" and dict(attrs)["href"].startswith("#"):
            self.sections.append(dict(attrs)["href"][1:])
            return
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.hidden = tag in {"script", "style"}
        self.links += [value for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data):
        self.text += "" if self.hidden else data

    def handle_endtag(self, _tag):
        self.hidden = False


@pytest.fixture(scope="module")
def report():
    return render(make_evidence())


@pytest.fixture(scope="module")
def hostile():
    """A study whose every name is hostile, and its report."""
    study = make_study(
        names=("baseline", *HOSTILE),
        n_seeds=3,
        purpose="1. </pre>\n\n- [p](javascript:alert(2))\n\n   \n# <script>alert(3)</script>\n```",
        datasets=[{"kind": "circles", "label": "d|<i>"}],
    )
    trials = make_trials(study, [0.76, *(0.77 for _ in HOSTILE)])
    manifest = {
        "git <b>|</b>": "[m](javascript:alert(4))\n\n# x",
        "command": "noiseflow run '</pre><script>x</script>'",
    }
    return study, render(make_evidence(study, trials, curves=make_curves(trials).head(0), manifest=manifest))


def rendered(markdown):
    return Page(MarkdownIt("commonmark", {"linkify": False}).enable(["table", "strikethrough"]).render(markdown))


def squeezed(text):
    return " ".join(text.replace(JOINER, "").split())


def test_render_shows_hostile_names_as_text_in_markdown(hostile):
    study, report = hostile
    page = rendered(report.markdown)
    tables = {"table", "thead", "tbody", "tr", "th", "td"}
    assert set(page.tags) <= {"h1", "h2", "h3", "p", "strong", "img", "pre", "details", "summary", "ul", "li"} | tables
    assert page.tags.count("ul") == 1  # what limits it
    assert page.tags.count("pre") == 3  # what to do, the command, the study
    assert page.tags.count("h1") == 1
    assert set(page.links) == set(report.pictures)
    for variant in study.variants:
        assert squeezed(variant.name) in squeezed(page.text)
    assert "[m](javascript:alert(4)) # x" in page.text
    for address in ("://", "www.", "a@b"):  # one of Prefect's pages looks for them in the text that is shown
        assert address not in page.text.split("The study as YAML")[0].replace("http://127.0.0.1", "")


def test_render_keeps_hostile_names_inside_their_table_cells(hostile):
    study, report = hostile
    html = MarkdownIt("commonmark").enable("table").render(report.markdown)
    first = html[html.index("<tbody>") : html.index("</tbody>")]
    cells = [unescape(re.sub("<[^>]+>", "", row)) for row in re.findall(r"<tr>\s*<td[^>]*>(.*?)</td>", first)]
    assert sorted(map(squeezed, cells)) == sorted(
        variant.name for variant in study.variants if variant.name != "baseline"
    )
    assert {row.count("<td") for row in first.split("</tr>")[:-1]} == {html[: html.index("</thead>")].count("</th>")}


def test_render_shows_hostile_names_as_text_in_html(hostile):
    study, report = hostile
    page = Page(report.html)
    assert not {"i", "b"} & set(page.tags)
    assert page.tags.count("script") == 1  # that of the tables
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert len(page.links) == len(report.pictures)
    assert page.tags.count("source") == len(report.pictures)  # the narrow forms
    for variant in study.variants:
        assert squeezed(variant.name) in squeezed(page.text)


def test_page_leads_to_each_of_its_sections(report):
    page = Page(report.html)
    assert {"limits", "advice", "summary", "pictures", "made"} <= set(page.sections)
    assert set(page.sections) <= set(page.ids)
    assert page.tags.count("h2") == len(page.sections)


def test_learning_curves_can_be_hovered_where_there_are_any_and_the_file_stays_small(report):
    page = Page(report.html)
    assert page.tags.count("script") == 2  # that of the tables, and the library of the lines
    (live,) = re.findall(r'data-live="([^"]+)"', report.html)
    told = json.loads(unescape(live))
    assert told["lines"]
    assert all(len(line["x"]) == len(line["mean"]) == len(line["low"]) <= 250 for line in told["lines"])
    assert len(report.html) < 3_000_000
    assert not re.search(r'(src|href)="https?:', report.html)


def test_sources_of_published_runs_are_linked():
    run = {"variant": "after", "train_score": 0.967, "test_score": 0.814}
    address = "https://example.org/a-b_c/?x=1&y=2"
    study = make_study(
        n_seeds=3, published=[run | {"source": f"A tutorial <b>, {address}."}], purpose="As example.org has it?"
    )
    report = render(make_evidence(study, curves=make_curves(make_trials(study)).head(0)))
    for page in (Page(report.html), rendered(report.markdown)):
        assert [link for link in page.links if link.startswith("http")] in ([address], [address.replace("&", "&amp;")])
        assert f"The published runs are from A tutorial <b>, {address}." in squeezed(page.text)


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1) file:///etc ftp://a.test data:text/html,x",
        "https://user@evil.test https://a.test:80/ https://localhost/x",
        *(name for name in HOSTILE if "https" not in name),
    ],
)
def test_only_plain_web_addresses_become_links(text):
    study = make_study(names=("baseline",), n_seeds=2, published=[], purpose=text)
    report = render(make_evidence(study, curves=make_curves(make_trials(study)).head(0)))
    for page in (Page(report.html), rendered(report.markdown)):
        assert "a" not in page.tags
        assert "".join(text.split()) in "".join(squeezed(page.text).split())


@pytest.mark.parametrize(
    "quoted", ['https://a.test/"onclick="x', "https://a.test/'><script>", "https://a.test/><img src=x>"]
)
def test_an_address_ends_where_mark_up_could_begin(quoted):
    study = make_study(names=("baseline",), n_seeds=2, published=[], purpose=f"see {quoted}")
    report = render(make_evidence(study, curves=make_curves(make_trials(study)).head(0)))
    for page in (Page(report.html), rendered(report.markdown)):
        assert [link for link in page.links if link.startswith("http")] == ["https://a.test/"]
        assert "see " + quoted in squeezed(page.text)
        assert page.tags.count("script") <= 1


@pytest.mark.parametrize("name", HOSTILE)
def test_escape_markdown_shows_the_text_itself(name):
    page = rendered(f"see {escape_markdown(name)}")
    assert page.tags == ["p"]
    assert squeezed(page.text) == f"see {name}"


@pytest.mark.parametrize("name", HOSTILE)
def test_inert_text_reads_the_same_as_markdown_and_as_it_is(name):
    page = rendered(inert(name))
    assert page.tags == ["p"]
    assert page.text.strip() == inert(name)
    assert inert("before_activation: 3 % (n = 30)") == "before_activation: 3 % (n = 30)"


def test_render_gives_a_study_file_that_repeats_the_study(report):
    page = Page(report.html)
    text = page.text[page.text.index("The study as YAML") :].removeprefix("The study as YAML")
    assert Study.model_validate(yaml.safe_load(text)) == make_study()


def test_render_of_trials_all_diverged_says_so():
    study = make_study()
    trials = make_trials(study, spoil={(i, seed) for i in range(3) for seed in range(12)})
    report = render(make_evidence(study, trials, data=make_data(study).head(0)))
    assert "36 trials diverged" in report.html
    assert "nan" not in Page(report.html).text.lower()


def test_render_of_nothing_says_so():
    study = make_study()
    none = make_trials(study).head(0)
    report = render(make_evidence(study, none, data=make_data(study).head(0), ceilings={}, manifest={}))
    assert report.headline.startswith("No trial of this study has been trained yet")
    assert "36 of 36 planned trials are missing." in report.markdown
    assert not report.pictures


@pytest.mark.slow
def test_render_tells_several_datasets_apart():
    study = make_study(n_seeds=3, datasets=[{"kind": "circles"}, {"kind": "circles", "label": "more", "data_seed": 2}])
    report = render(make_evidence(study, data=make_data(study).head(0)))
    assert {"learning-curves-1.png", "learning-curves-2.png", "differences.png"} <= set(report.pictures)
    assert "Learning curves on more/mlp" in report.markdown


def test_artifact_holds_its_pictures_and_stays_under_a_megabyte(report):
    artifact = report.artifact()
    assert sum(map(len, report.pictures.values())) < 600_000
    assert len(artifact.encode()) < 1_000_000
    assert artifact.count("](data:image/png;base64,") == len(report.pictures) >= 4
    assert not re.search(r"style=|class=|<svg", artifact)


def test_artifact_names_pictures_that_do_not_fit():
    report = Report("![a](a.png)\n\n![b](b.png)\n", "", {"a.png": b"x" * 600_000, "b.png": b"x" * 600_000}, "", "", [])
    assert len(report.artifact()) < 1_000_000
    assert "Picture b.png is too large" in report.artifact()


@pytest.mark.slow
def test_render_twice_gives_the_same_report(report):
    assert render(make_evidence()) == report
