"""docs/tutorials: a page's blocks are done in order, in an empty folder. `plan` stands in for `run`: nothing is trained."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from noiseflow.cli import app

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")]  # of Keras' save
PAGES = sorted((Path(__file__).parents[2] / "docs/tutorials").glob("*.md"))


def write_study(block):
    """A whole study is a file of its own; a part replaces the end of the file that `init` wrote, from its first key on."""
    keys = yaml.safe_load(block)
    if "name" in keys:
        Path(f"{keys['name']}.yaml").write_text(block, encoding="utf-8")
        return
    (path,) = Path.cwd().glob("*.yaml")
    begin, key, _ = path.read_text(encoding="utf-8").partition(f"\n{next(iter(keys))}:")
    assert key
    path.write_text(f"{begin}\n{block}", encoding="utf-8")


def call(line):
    """What a line of the console prints."""
    command = shlex.split(line.removeprefix("$ "), comments=True)
    assert command.pop(0) == "noiseflow"
    if command[0] == "run":
        command[0] = "plan"
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, command)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_of_a_page_work_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = ""
    text = page.read_text(encoding="utf-8")
    for language, block in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL):
        if language == "python":
            exec(compile(block, page.name, "exec"), {})  # noqa: S102, the page's own lines
        elif language == "yaml":
            write_study(block)
        elif language == "console":
            printed += "".join(call(line) for line in block.splitlines())
    shown = re.findall(r"(?m)^  (rows|target|the network sees)  +(.*)$", text)
    assert [value for _, value in shown if value not in printed] == []
    assert "missing" in printed
