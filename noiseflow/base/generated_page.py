"""Pages of the docs that are made from the code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def write_page(page: str, arguments: Sequence[str]) -> None:
    """Prints the page, or writes it to the path that is given."""
    if arguments:
        Path(arguments[0]).write_text(page, encoding="utf-8")
    else:
        sys.stdout.write(page)
