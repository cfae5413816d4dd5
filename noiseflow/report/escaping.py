"""The report's templates, in which everything printed is escaped: names and texts are the user's, not mark-up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from noiseflow.report.terms import term

FOLDER = Path(__file__).parent / "templates"
JOINER = "\N{WORD JOINER}"
ADDRESS = re.compile(
    r"(?<![\w/.:])(https?://[A-Za-z0-9-]+\.[A-Za-z0-9.-]*[A-Za-z0-9](?:/(?:[\w./~%?=&+-]*[\w/])?)?)(?![\w@:])", re.ASCII
)
"""An address in a text that becomes a link: http(s), of plain characters, no user, no port."""
LONG_TABLE, FIRST_ROWS = 15, 10
"""Rows beyond which a table is long for a phone, and those that such a table shows at first; a tick shows all."""
LOOK_ALIKE = str.maketrans("`*~", "\N{MODIFIER LETTER GRAVE ACCENT}\N{ASTERISK OPERATOR}\N{TILDE OPERATOR}")


def escape_markdown(text: str) -> str:
    """Markdown that shows just this text, with no mark-up, link or tag, anywhere but at the start of a line."""
    return re.sub(r"[\\`*_\[\]<>|~$]|&(?=[#\w])", r"\\\g<0>", _unlinked(" ".join(text.split())))


def inert(text: str) -> str:
    """Text that reads the same whether it is shown as it is or as markdown, as one of Prefect's pages does and the other not.

    Backticks, asterisks and tildes become signs that look like them; invisible word joiners keep the rest from being mark-up.
    """
    line = _unlinked(" ".join(text.split()).translate(LOOK_ALIKE))
    line = re.sub(r"[<\]\\]|&(?=[#\w])", rf"\g<0>{JOINER}", line)
    line = re.sub(r"(?<!\w)_|_(?!\w)", f"{JOINER}_{JOINER}", line)
    return line if re.match(r"[^\W\d]", line) else f"{JOINER}{line}"


def _unlinked(line: str) -> str:
    """The line with joiners where an address would become a link even though its characters are escaped."""
    return re.sub(r"(?<=\w):(?=//)|(?<=[wW]{3})(?=\.)|@", rf"\g<0>{JOINER}", line)


class _SafeMarkdown(str):
    """Markdown of our own making, not to be escaped."""

    __slots__ = ()


def _block(text: str) -> _SafeMarkdown:
    """Text for a <pre> within a block of HTML that markdown must not end early: escaped, and without a blank line."""
    return _SafeMarkdown(re.sub(r"\n(?=[ \t]*(\n|$))", "&#10;", str(escape(text.rstrip("\n")))))


def _linked(text: str) -> Markup:
    """The text as HTML, its addresses as links."""
    link = Markup('<a href="{0}" rel="noopener noreferrer nofollow">{0}</a>')
    return Markup("").join(link.format(part) if at % 2 else escape(part) for at, part in enumerate(ADDRESS.split(text)))


def _linked_markdown(text: str) -> _SafeMarkdown:
    """The text as markdown, its addresses as links."""
    parts = enumerate(ADDRESS.split(" ".join(text.split())))
    return _SafeMarkdown("".join(f"<{part}>" if at % 2 else _inner_markdown(part) for at, part in parts))


def _inner_markdown(part: str) -> str:
    """Escaped markdown that keeps a space at its ends."""
    before, after = (" " if end else "" for end in (part[:1].isspace(), part[-1:].isspace()))
    return f"{before}{escape_markdown(part)}{after}" if part.strip() else before


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
_MARKDOWN.filters |= {"block": _block, "own": _SafeMarkdown, "linked": _linked_markdown}

_HTML = jinja2.Environment(autoescape=True, **_COMMON)
_HTML.globals |= {"LONG_TABLE": LONG_TABLE, "FIRST_ROWS": FIRST_ROWS}
_HTML.globals |= {"term": term, "raw": lambda name: Markup((FOLDER / name).read_text(encoding="utf-8"))}  # noqa: S704 - our own
_HTML.filters |= {"linked": _linked}
HTML_PAGE = _HTML.get_template("report.html.jinja")
MARKDOWN_PAGE = _MARKDOWN.get_template("report.md.jinja")
