"""docs/command.md: every command and its options, from the commands themselves.

`python -m noiseflow.cli.command_docs` prints it, or writes it to the path that is given.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator

import typer
from typer.core import TyperGroup
from typer.main import get_command

from noiseflow.base.generated_page import write_page
from noiseflow.cli import app

HEAD = """\
# The command

Every command of `noiseflow` and its options, as `--help` shows them.
`python -m noiseflow.cli.command_docs docs/command.md` writes this page. The exit status
is 0 where all went well, 1 where something failed, and 2 where the input is not valid.
"""


def document() -> str:
    """The page, as Markdown."""
    command = get_command(app)
    return "\n".join([HEAD, *_lines(typer.Context(command, info_name="noiseflow"))]).strip() + "\n"


def _lines(context: typer.Context) -> Iterator[str]:
    """The sections of a command and of its subcommands."""
    command = context.command
    yield f"## {context.command_path}\n"
    yield f"{textwrap.fill(command.help or '', 88)}\n"
    yield f"```console\n$ {context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    yield from _table(context)
    if isinstance(command, TyperGroup):
        for name in command.list_commands(context):
            if inner := command.get_command(context, name):
                yield from _lines(typer.Context(inner, info_name=name, parent=context))


def _table(context: typer.Context) -> Iterator[str]:
    """The arguments and options of a command, a row each; `--help` is an option of all."""
    records = [parameter.get_help_record(context) for parameter in context.command.params]
    rows = [f"| `{_cell(names)}` | {_cell(what)} |" for names, what in filter(None, records)]
    if rows:
        yield "\n".join(["| argument or option | what it says |", "|---|---|", *rows, ""])


def _cell(text: str) -> str:
    """Text that does not end the cell of a Markdown table."""
    return " ".join(text.split()).replace("|", r"\|")


if __name__ == "__main__":
    write_page(document(), sys.argv[1:])
