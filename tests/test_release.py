"""What is said of a version in several places is the same, and no file says where packages come from."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import noiseflow

ROOT = Path(__file__).parent.parent


def test_version_is_the_same_in_every_place():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == noiseflow.__version__
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert next(heading for heading in headings if heading != "Unreleased") == noiseflow.__version__


def test_locks_name_packages_versions_and_hashes_only():
    locks = sorted((ROOT / "requirements").glob("*.lock"))
    assert [lock.stem for lock in locks] == ["bench", "dev", "docs", "installer", "run"]
    line = re.compile(r"[a-z0-9._-]+==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    for lock in locks:
        assert not [text for text in lock.read_text().splitlines() if not line.fullmatch(text)]


def test_locks_hold_what_pyproject_asks_for():
    content = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras, groups = content["project"]["optional-dependencies"], content["dependency-groups"]
    asked = {
        "run": [*content["project"]["dependencies"], *extras["prefect"], *groups["build"]],
        "dev": [*extras["ray"], *groups["dev"]],
        "bench": groups["bench"],
        "docs": groups["docs"],
    }
    for name, requirements in asked.items():
        locked = set(re.findall(r"^(\S+?)==", (ROOT / "requirements" / f"{name}.lock").read_text(), re.MULTILINE))
        names = {re.split(r"[\[<>=!~ ]", requirement)[0].lower() for requirement in requirements}
        assert names - {"keras-noiseflow"} <= locked


def test_no_message_names_the_project_that_has_our_name_on_the_index():
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout of git's")
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    told = re.compile(r"pip install '?\"?noiseflow[\[ '\"`.]|(?<!keras-)noiseflow\[(ray|gpu|prefect)\]")
    own = Path(__file__).relative_to(ROOT).as_posix()
    for name in files.split("\0"):
        path = ROOT / name
        if name and name != own and path.suffix in (".py", ".md", ".yaml", ".yml", ".jinja", ".toml") and path.exists():
            assert not told.search(path.read_text()), name


def test_pre_commit_runs_the_checks_of_make_check():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    recipe = (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    commands = [" ".join(hook["entry"].replace(" --force-exclude", "").split()) for hook in hooks]
    assert commands == re.findall(r"@(\.venv/bin/[^|\n]+?)\s*(?:\|\||$)", recipe, re.MULTILINE)
