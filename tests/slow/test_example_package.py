"""The example package of docs/extending.md is installed, found by its entry points, and trains."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "noiseflow-example"
TRAIN = """
import json, sys
from noiseflow import datasets, fit_seeds
from noiseflow.study import loading as studies
from noiseflow.architectures.builder import Builder
from noiseflow.trials import preflight

study = studies.load(sys.argv[1], n_seeds=2, epochs=3)
faults = preflight.faults(study)
engines = None if faults else preflight.choose_engines(study, "auto")
scores = {}
for dataset, network, _, variant in [] if faults else study.parts():
    data = datasets.generate(dataset, dataset.data_seed)
    training = network.training or study.training
    build = Builder(network, training, data.X_train.shape[1:], data.n_classes, dataset.score_name)
    fit = fit_seeds(
        build, data.X_train, data.y_train, seeds=range(2), epochs=training.epochs, batch_size=training.batch_size,
        noise=variant.injections, evaluations=data.parts,
        engine=engines.engine_of(dataset, network, variant),
    )
    assert fit.engine == "vectorized"
    scores[variant.name] = fit.history["test_score"][:, -1].tolist()
print(json.dumps({"faults": faults, "scores": scores, "reasons": engines.reasons if engines else []}))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Variables under which the example, and noiseflow itself, are found."""
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(EXAMPLE, folder / "source")  # pip leaves traces where it builds
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*install, "--target", folder / "site", folder / "source"], check=True, capture_output=True)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder / "site"), str(ROOT)])}


def run(code, environment, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_example_package_trains_its_study(environment):
    done = run(TRAIN, environment, EXAMPLE / "study.yaml")
    assert done["faults"] == done["reasons"] == []
    assert list(done["scores"]) == ["baseline", "after the first layer", "after the joint"]
    scores = np.array(list(done["scores"].values()))
    assert scores.shape == (3, 2)
    assert ((scores > 0) & (scores < 1)).all()
    assert len({tuple(row) for row in scores}) == 3  # the noise does something


@pytest.mark.slow
def test_example_package_that_is_not_installed_is_named():
    bare = os.environ | {"PYTHONPATH": str(ROOT)}
    faults = run(TRAIN, bare, EXAMPLE / "study.yaml")["faults"]
    assert len(faults) == 2
    assert any("'example-spirals'" in fault and "noiseflow.datasets" in fault for fault in faults)
    assert any("'example-residual'" in fault and "noiseflow.models" in fault for fault in faults)
