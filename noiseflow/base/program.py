"""How the running command was called, for lines that say what to type next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

NAME = "noiseflow"


def program() -> str:
    """`noiseflow` where the shell finds it by that name, else the typed path: `.venv/bin/noiseflow`.

    Within another program, such as a notebook, it is `noiseflow` too, and so it is where no file has the name that was typed.
    """
    typed = Path(sys.argv[0])
    if typed.name == "__main__.py" and typed.parent.name in ("noiseflow", "flows"):
        return f"{shlex.quote(_shown(Path(sys.executable)))} -m {typed.parent.name}"
    return shlex.quote(_shown(typed)) if typed.name == NAME and os.path.isfile(typed) else NAME  # noqa: PTH113 - Path raises where it may not look


def command() -> str:
    """What runs the command's other parts: `noiseflow`, or its equivalent beside a flow that was run as a module."""
    return program().replace(" -m flows", " -m noiseflow")


def _shown(path: Path) -> str:
    """The name of a program that the shell finds by it; else its path, relative where it lies below this folder."""
    found = shutil.which(path.name)
    if found is not None and Path(found).absolute() == path.absolute():
        return path.name
    absolute = os.path.abspath(path)  # noqa: PTH100 - resolving would follow .venv's links
    below = os.path.relpath(absolute)
    return absolute if below.startswith("..") else below if os.sep in below else f"./{below}"
