"""A sample of the rows of a file, drawn while it is read, so that the file may be larger than the memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

LONGEST_ROW = 2**22
"""Most bytes of a row of text; one without an end would fill the memory."""
STREAM = 0x73616D70  # apart from all else that a data seed draws
_AT_ONCE = 2**16  # rows


class RowTooLongError(ValueError):
    """A row of text does not end."""


def drawn_rows(n_rows: int, n: int, seed: int) -> NDArray[np.int64]:
    """Positions of n of n_rows rows, ascending; of all where there are no more."""
    if n >= n_rows:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng([seed, STREAM]).choice(n_rows, n, replace=False))


def drawn_text(file: BinaryIO, n: int, seed: int, n_head: int) -> tuple[bytes, int]:
    """The first n_head lines of a text file, then n of its rows in the order of the file; and how many rows there are.

    Each row gets a random number, and those with the n smallest are kept. Lines within quotes belong to one row.

    Raises:
        RowTooLongError: a row is longer than LONGEST_ROW.
    """
    rng, n_rows = np.random.default_rng([seed, STREAM]), 0
    head = list(islice(_lines(file), n_head))
    rows = _rows(file)
    kept: list[bytes] = []
    numbers = np.empty(0)
    while block := list(islice(rows, _AT_ONCE)):
        n_rows += len(block)
        kept += block
        numbers = np.concatenate([numbers, rng.random(len(block))])
        if len(kept) > n:
            smallest = np.sort(np.argpartition(numbers, n)[:n])
            kept, numbers = [kept[i] for i in smallest], numbers[smallest]
    return b"".join([*head, *kept]), n_rows


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST_ROW + 1):
        if len(line) > LONGEST_ROW:
            raise RowTooLongError
        yield line if line.endswith(b"\n") else line + b"\n"


def _rows(file: BinaryIO) -> Iterator[bytes]:
    """The rows that are not blank."""
    lines: list[bytes] = []
    n_quotes = n_bytes = 0
    for line in _lines(file):
        lines.append(line)
        n_quotes, n_bytes = n_quotes + line.count(b'"'), n_bytes + len(line)
        if n_quotes % 2 == 0:
            row = b"".join(lines)
            lines, n_quotes, n_bytes = [], 0, 0
            if not row.isspace():
                yield row
        elif n_bytes > LONGEST_ROW:
            raise RowTooLongError
    if lines:
        yield b"".join(lines)
