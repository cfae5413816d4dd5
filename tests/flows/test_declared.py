"""The work pools and automations that deployments/ declares."""

import asyncio
import re
from typing import Any, ClassVar

import pytest
import yaml
from prefect.workers.process import ProcessJobConfiguration

from flows.declared import FOLDER, automations, make_variables, notifies, pools, variables
from flows.server_access import environment

HEARTBEAT, RETRIES = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "PREFECT_CLIENT_MAX_RETRIES"


@pytest.mark.parametrize("pool", pools(), ids=lambda pool: pool["name"])
def test_a_run_picks_no_command_environment_or_folder_of_its_process(pool):
    template = pool["base_job_template"]
    assert set(template["variables"]["properties"]) == {"name", "stream_output"}
    assert template["variables"]["additionalProperties"] is False  # so the server refuses others
    assert all(variable["description"] for variable in template["variables"]["properties"].values())
    asked = {"command": "id", "env": {"A": "1"}, "env.B": "1", "working_dir": "/etc", "data_folder": "/"}
    nobody: Any = object()  # else a server is started, to look references up that are not there
    found = asyncio.run(ProcessJobConfiguration.from_template_and_values(template, asked, client=nobody))
    assert (found.command, found.env, found.working_dir) == (None, {}, None)


def test_pools_are_those_that_the_deployments_name():
    deployments = yaml.safe_load((FOLDER.parent / "prefect.yaml").read_text())["deployments"]
    assert {deployment["work_pool"]["name"] for deployment in deployments} == {pool["name"] for pool in pools()}
    assert all(deployment["concurrency_limit"]["limit"] >= 1 for deployment in deployments)
    assert all(deployment["description"] and deployment["tags"] for deployment in deployments)


def test_dead_runs_are_told_from_those_that_miss_the_server(tmp_path, monkeypatch):
    """Three heartbeats may be lost; and the client waits 2, 4, 8 … seconds for a server that is away."""
    (marks,) = (automation for automation in automations() if "dead runs" in automation["name"])
    for name in (HEARTBEAT, RETRIES):
        monkeypatch.delenv(name, raising=False)
    told = environment(4567, tmp_path)
    within = marks["trigger"]["within"]
    assert within >= 3 * int(told[HEARTBEAT])
    assert within > sum(2**n for n in range(1, int(told[RETRIES]) + 1))
    assert not notifies(marks)


def test_automations_that_notify():
    assert [automation["name"] for automation in automations() if notifies(automation)] == [
        "noiseflow tells of runs that failed",
        "noiseflow tells of drift",
        "noiseflow tells of verdicts that changed",
        "noiseflow tells of a missing night",
        "noiseflow tells that nights have stopped",
    ]


def test_prefect_yaml_names_the_declared_variables_and_no_zone_or_study_of_the_nightly_itself():
    text = (FOLDER.parent / "prefect.yaml").read_text()
    assert set(re.findall(r"\{\{ prefect\.variables\.(\w+) \}\}", text)) == set(variables())
    (nightly,) = (each for each in yaml.safe_load(text)["deployments"] if each["name"] == "nightly")
    assert not [value for value in variables().values() if value in str(nightly)]


def test_variable_that_is_there_keeps_its_value():
    class Server:
        values: ClassVar[dict[str, Any]] = {"noiseflow_nightly_zone": "America/New_York"}

        def read_variable_by_name(self, name: str) -> Any:
            return self.values.get(name)

        def create_variable(self, variable: Any) -> None:
            self.values[variable.name] = variable.value

    server: Any = Server()
    make_variables(server)
    assert server.values == variables() | {"noiseflow_nightly_zone": "America/New_York"}
