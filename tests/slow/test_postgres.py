"""`make up POSTGRES=1`: a Postgres for Prefect's server alone, where Debian's is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flows import postgres
from tests.slow.conftest import services_up
from tests.slow.operations import ended_run, start_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")), reason="apt-get install postgresql"),
]


def test_run_completes_on_a_postgres_that_nobody_else_reaches(tmp_path_factory):
    with services_up(tmp_path_factory.mktemp("postgres"), "--postgres") as up:
        folder = postgres._folder(up.state)
        run = ended_run(up, start_run(up, "tutorial", study="smoke", n_seeds=4))
        assert run["state_type"] == "COMPLETED"
        assert not Path(up.environment["PREFECT_HOME"], "prefect.db").exists()
        assert folder.stat().st_mode & 0o077 == 0
        assert "listen_addresses= " in (folder / "postmaster.opts").read_text().replace('"', "").replace("'", "")
    assert not (folder / "postmaster.pid").exists()
    assert (folder / "PG_VERSION").exists()  # what it holds stays
    shutil.rmtree(folder)  # of root it lies outside pytest's folder
