"""Homes of Prefect with a database: its tables are made once in a run of the tests, which takes six seconds, and copied."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

TEMPLATE = "NOISEFLOW_TESTS_PREFECT"
"""Names the folder of that database, which xdist's processes share; see conftest.py."""


def prefect_home(home: Path) -> str:
    """The path of the folder, made as a home of Prefect's whose database has its tables."""
    template = Path(os.environ[TEMPLATE])
    with (template / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (template / "made").exists():
            for left in template.glob("prefect.db*"):  # of a try that was killed
                left.unlink()
            kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
            done = subprocess.run(
                [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
                env=kept | {"PREFECT_HOME": str(template), "DO_NOT_TRACK": "1"},
                check=False,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            (template / "made").touch()
    home.mkdir(parents=True)
    shutil.copy(template / "prefect.db", home)
    return str(home)
