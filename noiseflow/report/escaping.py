"""The report's templates, in which everything printed is escaped: names and texts are the user's, not mark-up."""

from __future__ import annotations

import re
from typing import Any

import jinja2
from markupsafe import escape


def escape_markdown(text: str) -> str:
    """Markdown that shows just this text, with no mark-up, link or tag, anywhere but at the start of a line."""
    line = " ".join(text.split())
    return re.sub(r"[\\`*_\[\]<>|~$@]|&(?=[#\w])|(?<=\w):(?=//)|(?<=[wW]{3})\.", r"\\\g<0>", line)


class _SafeMarkdown(str):
    """Markdown of our own making, not to be escaped."""

    __slots__ = ()


def _block(text: str) -> _SafeMarkdown:
    """Text for a <pre> within a block of HTML that markdown must not end early: escaped, and without a blank line."""
    return _SafeMarkdown(re.sub(r"\n(?=[ \t]*(\n|$))", "&#10;", str(escape(text.rstrip("\n")))))


def _finalize_markdown(value: Any) -> str:
    return value if isinstance(value, _SafeMarkdown) else escape_markdown(str(value))


_COMMON: dict[str, Any] = {
    "loader": jinja2.PackageLoader("noiseflow.report", "templates"),
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
    "undefined": jinja2.StrictUndefined,
}
_MARKDOWN = jinja2.Environment(autoescape=False, finalize=_finalize_markdown, **_COMMON)  # noqa: S701 -- finalize escapes
_MARKDOWN.filters |= {"block": _block, "own": _SafeMarkdown}

HTML_PAGE = jinja2.Environment(autoescape=True, **_COMMON).get_template("report.html.jinja")
MARKDOWN_PAGE = _MARKDOWN.get_template("report.md.jinja")
