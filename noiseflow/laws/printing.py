"""Checks the laws of noise on this machine and prints what it finds."""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import asdict
from typing import Literal

from rich.console import Console
from rich.text import Text

from noiseflow.laws import LAWS, Figure, trainer

WIDTHS = (35, 10, 10, 10, 6)  # with a blank between them they fit 80 columns
HEADER = ("law", "expected", "measured", "tolerance", "")


def print_laws(engine: Literal["auto", "vectorized", "reference"], device: str, *, as_json: bool = False) -> int:
    """Checks every law and prints its figures as it finishes; the exit status, 0 if all hold."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # its advice on retracing is for other programs
    console = Console(highlight=False, quiet=as_json)
    began = time.monotonic()
    checked: list[Figure] = []
    console.print(_line(HEADER, "bold"))
    try:
        train = trainer(engine, device)
        for law in LAWS:
            with console.status(law.name):
                found = law.figures(train)
            for record in found:
                console.print(_record_line(record))
            checked += found
    except Exception as error:  # noqa: BLE001 - whatever it was, the user gets a line and the exit status 1
        Console(stderr=True).print(f"noiseflow: the check failed. {error}", markup=False, highlight=False)
        return 1
    if as_json:
        sys.stdout.write(
            json.dumps([{**asdict(record), "holds": bool(record.holds)} for record in checked], indent=1, default=float)
            + "\n"
        )
    broken = [record for record in checked if not record.holds]
    seconds = time.monotonic() - began
    console.print(f"\nengine {engine}: {len(checked) - len(broken)} of {len(checked)} hold, in {seconds:.0f} s")
    for record in broken:
        console.print(f"\nFAILS  {record.name}\n  {record.statement}\n  {record.reference}", markup=False)
    return 1 if broken else 0


def _record_line(record: Figure) -> Text:
    figures = (f"{figure:.4g}" for figure in (record.expected, record.measured, record.tolerance))
    line = _line((record.name, *figures, ""))
    return line.append("holds" if record.holds else "FAILS", "green" if record.holds else "bold red")


def _line(cells: tuple[str, ...], style: str = "") -> Text:
    name, *figures, last = (
        f"{cell:<{width}}" if i == 0 else f"{cell:>{width}}"
        for i, (cell, width) in enumerate(zip(cells, WIDTHS, strict=True))
    )
    return Text(" ".join([name, *figures, last.strip()]), style)
