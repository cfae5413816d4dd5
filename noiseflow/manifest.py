"""What a result was made with: versions of the packages and the commit of the code."""

from __future__ import annotations

import platform
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("noiseflow", "tensorflow", "keras", "numpy", "scikit-learn", "scipy", "prefect")


@cache
def software() -> dict[str, str]:
    """Versions of Python and of the packages that matter, the git commit, `unknown` outside a checkout, and the processor."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "git commit": _git_commit(),
        "processor": _processor(),
    }


def _processor() -> str:
    """The processor's model, on which the last bits of a sum may depend."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git_commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
