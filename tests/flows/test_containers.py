"""What deployments/ has for containers: which doors are open, and what a run may choose."""

import json
import re
import subprocess

import pytest
import yaml

from flows.declared import FOLDER

COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def test_only_the_server_is_reached_from_this_machine_and_from_no_other():
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {"server": ["127.0.0.1:${PORT:-4200}:4200"]}


def test_secrets_are_files_that_git_and_the_image_leave_out():
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    for secret in COMPOSE["secrets"].values():
        assert secret["file"].startswith("./secrets/")
    assert "deployments/secrets/" in (FOLDER.parent / ".gitignore").read_text().splitlines()
    assert (FOLDER.parent / ".dockerignore").read_text().splitlines()[-2] == "deployments/secrets"  # later lines win
    for service in SERVICES.values():
        values = [str(value) for value in service.get("environment", {}).values()]
        assert not [value for value in values if re.search("password|secret", value) and not value.startswith("/run/")]


def test_services_wait_for_what_they_need():
    waits = {name: set(service.get("depends_on", ())) for name, service in SERVICES.items()}
    assert waits == {"postgres": set(), "server": {"postgres"}, "deploy": {"server"}, "worker": {"deploy"}}


@pytest.mark.parametrize(
    ("pool", "chosen"),
    [
        ("docker", {"name", "stream_output", "mem_limit"}),
        ("kubernetes", {"name", "stream_output", "cpu", "memory"}),
    ],
)
def test_a_run_chooses_neither_command_nor_environment_of_its_container(pool, chosen):
    template = json.loads((FOLDER / f"{pool}-pool.json").read_text())
    assert set(template["variables"]["properties"]) == chosen
    assert template["variables"]["additionalProperties"] is False
    text = json.dumps(template["job_configuration"])
    assert set(re.findall(r"{{ (\w+) }}", text)) == chosen
    assert not {"command", "env"} & set(template["job_configuration"])
    assert not template["job_configuration"].get("privileged")


@pytest.mark.parametrize("server", [True, False])
def test_entry_gives_secrets_of_files_to_its_command(server, tmp_path):
    script = (FOLDER / "entry.sh").read_text().replace("/run/secrets", str(tmp_path))
    (tmp_path / "prefect_secret").write_text("admin:one\n")
    if server:
        (tmp_path / "postgres_password").write_text("p@ss/word\n")
    shown = subprocess.run(
        ["sh", "-c", script, "entry", "env"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    told = dict(line.split("=", 1) for line in shown.stdout.splitlines())
    assert told["PREFECT_API_AUTH_STRING"] == "admin:one"
    assert told.get("PREFECT_SERVER_API_AUTH_STRING") == ("admin:one" if server else None)
    address = told.get("PREFECT_SERVER_DATABASE_CONNECTION_URL")
    assert address == ("postgresql+asyncpg://prefect:p%40ss%2Fword@postgres:5432/prefect" if server else None)
