"""How the command was called, in lines that say what to type next."""

import sys

import pytest

from noiseflow.base.program import command, program


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder `bin` below this one with the command in it, which the shell does not search."""
    path = tmp_path / "bin" / "noiseflow"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin")
    return path


@pytest.mark.parametrize("form", [str, lambda path: "bin/noiseflow"])
def test_a_command_that_the_shell_does_not_find_is_named_by_its_path(form, installed, monkeypatch):
    monkeypatch.setattr(sys, "argv", [form(installed), "run"])
    assert program() == "bin/noiseflow"


def test_a_command_elsewhere_is_named_by_its_whole_path(installed, tmp_path, monkeypatch):
    (tmp_path / "a b").mkdir()
    monkeypatch.chdir(tmp_path / "a b")
    monkeypatch.setattr(sys, "argv", [str(installed)])
    assert program() == str(installed)


def test_a_command_that_the_shell_finds_is_named_by_its_name(installed, monkeypatch):
    monkeypatch.setenv("PATH", str(installed.parent))
    monkeypatch.setattr(sys, "argv", [str(installed)])
    assert program() == "noiseflow"


def test_modules_are_named_as_they_are_called(installed, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(installed.with_name("python")))
    monkeypatch.setattr(sys, "argv", ["/x/flows/__main__.py"])
    assert program() == "bin/python -m flows"


def test_a_command_of_this_folder_is_named_so_that_the_shell_finds_it(installed, monkeypatch):
    monkeypatch.chdir(installed.parent)
    monkeypatch.setattr(sys, "argv", ["./noiseflow"])
    assert program() == "./noiseflow"


def test_beside_a_flow_the_command_is_the_librarys(installed, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(installed.with_name("python")))
    monkeypatch.setattr(sys, "argv", ["/x/flows/__main__.py"])
    assert command() == "bin/python -m noiseflow"


def test_within_another_program_it_is_called_by_its_name(monkeypatch):
    for called in ("/x/pytest/__main__.py", "noiseflow"):  # the second is no file here
        monkeypatch.setattr(sys, "argv", [called])
        assert program() == "noiseflow"
