# ruff: noqa: INP001 - a script beside the notebook that it executes
"""Executes docs/notebook.ipynb again, in an empty folder, and keeps its outputs: `python docs/notebook.py`."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("notebook.ipynb")
FOLDER = "/home/you"
"""What outputs call the folder that the notebook was executed in."""

_OF_TENSORFLOW = re.compile(r"WARNING: All log messages before absl.*\n([IWE]0000 .*\n)*").fullmatch
"""What TensorFlow prints while it is loaded, whatever its settings say: lines with times and process ids."""


def executed() -> nbformat.NotebookNode:
    """The notebook with the outputs of a new execution, without what differs from one to the next."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with TemporaryDirectory() as place:
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": place}}).execute()
        text = nbformat.writes(notebook).replace(place, FOLDER)
    notebook = nbformat.reads(text, as_version=4)
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _OF_TENSORFLOW(output.get("text", ""))]
    return notebook


if __name__ == "__main__":
    nbformat.write(executed(), NOTEBOOK)
