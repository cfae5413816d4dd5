"""Every file of a room that defines an entry has its line in the room's tuple."""

import pkgutil
from importlib import import_module

import pytest

from noiseflow import architectures, controls, datasets, laws, noise, scores
from noiseflow.laws import Law
from noiseflow.report import cautions, sections
from noiseflow.report.cautions.caution import Caution
from noiseflow.report.section import Section

ROOMS = {
    "noise": (noise, noise.KINDS, noise.Kind),
    "controls": (controls, controls.CONTROLS, controls.ControlKind),
    "scores": (scores, scores.SCORES, scores.Score),
    "datasets": (datasets, datasets.DATASETS, datasets.DatasetKind),
    "architectures": (architectures, architectures.ARCHITECTURES, architectures.ArchitectureKind),
    "laws": (laws, laws.LAWS, Law),
    "sections": (sections, sections.SECTIONS, Section),
    "cautions": (cautions, cautions.CAUTIONS, Caution),
}
ALL = pytest.mark.parametrize(("room", "entries", "base"), ROOMS.values(), ids=ROOMS)


def files_without_a_line(room, entries, base):
    """Names of the room's modules that define an entry that is not in the tuple.

    An entry is an instance of the room's base in a module, or a subclass of it that has a name.
    """
    missing = []
    for name in sorted(module.name for module in pkgutil.iter_modules(room.__path__)):
        module = import_module(f"{room.__name__}.{name}")
        for value in vars(module).values():
            if isinstance(value, base):
                is_there = any(value is entry for entry in entries)
            elif isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__:
                is_there = "name" not in vars(value) or value in map(type, entries)
            else:
                continue
            missing += [] if is_there else [name]
    return missing


@ALL
def test_every_file_of_an_entry_has_its_line(room, entries, base):
    assert not files_without_a_line(room, entries, base)


@ALL
def test_forgotten_line_is_noticed(room, entries, base):
    for i in range(len(entries)):
        assert len(files_without_a_line(room, entries[:i] + entries[i + 1 :], base)) == 1


@ALL
def test_entries_differ_in_their_names(room, entries, base):
    del room
    names = [entry.title if base in (Section, Caution) else entry.name for entry in entries]
    assert len(set(names)) == len(names)
    if base not in (Law, Section, Caution):
        assert [type(entry).__module__.rpartition(".")[2] for entry in entries] == names
