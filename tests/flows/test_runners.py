"""Runners: what is refused before anything is done."""

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import flows.__main__
import flows.runners
from flows.runners import runner_faults


@pytest.fixture
def without_ray(monkeypatch):
    """As if the extra `ray` were not installed."""
    monkeypatch.setattr(flows.runners, "find_spec", lambda name: None)


def test_ray_that_is_installed_has_no_fault():
    assert runner_faults("ray") == []


@pytest.mark.usefixtures("without_ray")
def test_ray_that_is_not_installed_is_refused_in_one_sentence():
    assert runner_faults("local") == []
    (fault,) = runner_faults("ray")
    assert "pip install -e '.[ray]'" in fault


@pytest.mark.usefixtures("without_ray")
def test_command_refuses_ray_that_is_not_installed_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(flows.__main__.app, ["smoke", "--runner", "ray"])
    assert done.exit_code == 2
    assert "pip install -e '.[ray]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_resources_that_no_node_has_are_refused(monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 4.0}}])
    flows.runners._require(SimpleNamespace(num_cpus=4, num_gpus=0))
    with pytest.raises(RuntimeError, match=r"no node of the Ray cluster has 4 CPUs and 0\.5 GPUs"):
        flows.runners._require(SimpleNamespace(num_cpus=4, num_gpus=0.5))
