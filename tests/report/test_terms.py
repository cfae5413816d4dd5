"""Each head of a table has its sentence, as docs/index.md promises."""

import ast
from pathlib import Path

import pytest

import noiseflow.report.sections
from noiseflow.report.terms import TERMS, term

SECTIONS = Path(noiseflow.report.sections.__file__).parent
FILES = [*sorted(SECTIONS.glob("*.py")), SECTIONS.with_name("tables.py")]


def heads(path):
    """The heads that a section writes: the keys of its dicts of functions from a row."""
    dicts = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Dict)]
    pairs = [pair for one in dicts for pair in zip(one.keys, one.values, strict=True)]
    named = [
        key.value for key, value in pairs if isinstance(value, ast.Lambda | ast.Name) and isinstance(key, ast.Constant)
    ]
    return [
        name for name in named if name == "p" or not name.islower()
    ]  # those in small letters are columns of a frame


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_head_of_a_section_is_explained(path):
    assert not [head for head in heads(path) if not term(head)]


def test_heads_with_a_unit_or_an_interval_are_those_of_their_word():
    assert term("Difference (points)") == TERMS["Difference"]
    assert term("Brier, difference (95 % interval)") == TERMS["Brier"]
    assert term("something else") == ""
