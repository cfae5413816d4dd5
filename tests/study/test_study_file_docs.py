"""docs/study-file.md is what the schema says, and its examples work."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from noiseflow.study import Study
from noiseflow.study.loading import load, validate
from noiseflow.study.schema_docs import PARTS, document, keys_of

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("study-file.md", "extending.md")


def blocks(page):
    """The YAML of a page, block by block."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


def test_page_is_current():
    """If not: `python -m noiseflow.study.schema_docs docs/study-file.md`."""
    assert (DOCS / "study-file.md").read_text(encoding="utf-8") == document()


@pytest.mark.parametrize("part", PARTS)
def test_every_key_has_a_row_and_an_example_of_its_type(part):
    fields = PARTS[part].model_fields
    assert [key.name for key in keys_of(part)] == list(fields)
    for key in keys_of(part):
        name, field = key.name, fields[key.name]
        example = yaml.safe_load(key.example.strip("`"))[name]
        assert example is not None
        annotated = TypeAdapter(field.rebuild_annotation())
        annotated.validate_python(example)


def test_rows_hold_type_limits_and_default():
    """Read off the schema by hand."""
    rows = {f"{part}.{key.name}": key for part in PARTS for key in keys_of(part)}
    assert (rows["Training.batch_size"].type, rows["Training.batch_size"].default) == (
        "whole number, at least 1",
        "`32`",
    )
    assert rows["Dataset.factor"].type == "number, at least 0, below 1"
    assert rows["Dataset.factor"].default == "`0.8` for circles"
    assert (
        rows["Architecture.units"].type == "list of whole numbers, each at least 1 and at most 65,536; 1 to 32 entries"
    )
    assert rows["Study.name"].default == "**required**"
    assert rows["Study.datasets"].type == "list of [Dataset](#dataset); 1 to 100 entries"
    assert rows["Injection.schedule"].type == "one of `constant`, `linear`, `cosine`, `step`"


def test_tables_of_the_page_have_equally_many_cells_in_each_row():
    lines = (DOCS / "study-file.md").read_text(encoding="utf-8").splitlines()
    tables = re.findall(r"(?:^\|.*\n)+", "\n".join(lines) + "\n", re.MULTILINE)
    assert len(tables) > len(PARTS)
    for table in tables:
        widths = {len(re.split(r"(?<!\\)\|", row)) for row in table.strip().splitlines()}
        assert len(widths) == 1, table


def test_example_studies_of_the_pages_are_valid():
    studies = [block for page in PAGES for block in blocks(page) if "name" in block]
    assert {study["name"] for study in studies} == {"smallest", "noise-or-decay"}
    assert all(isinstance(validate(study), Study) for study in studies)


def test_study_of_the_example_package_is_valid():
    study = load(str(DOCS / "examples" / "noiseflow-example" / "study.yaml"))
    assert study.datasets[0].entry_point == "example-spirals"
    assert study.architectures[0].entry_point == "example-residual"


def test_fragments_of_the_pages_fit_into_the_smallest_study():
    smallest = next(block for block in blocks("study-file.md") if block.get("name") == "smallest")
    fragments = [block for page in PAGES for block in blocks(page) if "name" not in block]
    assert fragments
    for fragment in fragments:
        assert validate(smallest | fragment)
