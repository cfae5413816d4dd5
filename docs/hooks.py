# ruff: noqa: INP001 - a script that mkdocs.yml names
"""What `make docs` does beside mkdocs: the notebook becomes a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

NOTEBOOK, PAGE = "notebook.ipynb", "notebook.md"
HEAD = f"The file itself: [{NOTEBOOK}]({NOTEBOOK})."


def on_files(files: Any, config: Any) -> Any:
    """The files of the site, with the notebook's page among them; mkdocs calls it."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - the tests have no mkdocs

    notebook = json.loads(Path(config["docs_dir"], NOTEBOOK).read_text(encoding="utf-8"))
    files.append(File.generated(config, PAGE, content=as_markdown(notebook)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page with links to the notebook changed to links to its page; mkdocs calls this."""
    return markdown if page.file.src_uri == PAGE else markdown.replace(f"({NOTEBOOK})", f"({PAGE})")


def as_markdown(notebook: Mapping[str, Any]) -> str:
    """The cells of a notebook, and what those of code show."""
    parts = [part for cell in notebook["cells"] for part in _cell(cell)]
    return "\n\n".join([*parts, HEAD]) + "\n"


def _cell(cell: Mapping[str, Any]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "code":
        yield f"```python\n{source}\n```"
        yield from map(_output, cell["outputs"])
    else:
        yield source


def _output(output: Mapping[str, Any]) -> str:
    """An output: a picture, a table as HTML, or text."""
    data = output.get("data", {"text/plain": output.get("text", "")})
    if "image/png" in data:
        return f'<img alt="What the cell draws" src="data:image/png;base64,{_text(data["image/png"])}">'
    if "text/html" in data:
        plain = re.sub(r"<table[^>]*>", "<table>", _text(data["text/html"]))  # the site has a style for tables
        plain = re.sub(r'<a href="file:[^>]*>(.*?)</a>', r"\1", plain)  # of the machine that executed it
        return f"<div>\n{plain}\n</div>"
    return f"```text\n{_text(data['text/plain'])}\n```"


def _text(lines: str | list[str]) -> str:
    return "".join(lines).strip()
