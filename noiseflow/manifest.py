"""What a result was made with: versions of the packages and the commit of the code."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("noiseflow", "tensorflow", "keras", "numpy", "scikit-learn", "scipy", "prefect")


@cache
def software() -> dict[str, str]:
    """Versions of Python and of the packages that matter, and the git commit, `unknown` outside a checkout."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "git commit": _git_commit(),
    }


def _git_commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
