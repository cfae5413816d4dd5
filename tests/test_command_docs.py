"""docs/command.md is what the command says, and has every command."""

from pathlib import Path

from noiseflow.cli import app
from noiseflow.cli.command_docs import document
from noiseflow.cli.results import stored

PAGE = Path(__file__).parent.parent / "docs/command.md"


def test_page_is_current():
    """If not: `python -m noiseflow.cli.command_docs docs/command.md`."""
    assert PAGE.read_text(encoding="utf-8") == document()


def test_page_has_a_section_for_each_command():
    heads = {line for line in document().splitlines() if line.startswith("## ")}
    for typed, commands in (("noiseflow", app), ("noiseflow results", stored)):
        for command in commands.registered_commands:
            assert f"## {typed} {command.name or command.callback.__name__}" in heads


def test_a_row_holds_values_and_default_and_does_not_end_early():
    assert r"| `--device <auto\|cpu\|gpu>` | Where they are trained. [default: auto] |" in document()
