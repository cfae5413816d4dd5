"""A run of a study whose names are paths: everything that it writes lies in its results folder."""

import pytest

from noiseflow.store import Store
from noiseflow.stored import summarize, write_report
from noiseflow.study.loading import validate
from noiseflow.trials.plan import make_plan
from noiseflow.trials.training import train_trials
from tests.test_security import NASTY_NAMES, SMOKE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.usefixtures("coarse_pictures")
def test_study_of_nasty_names_writes_into_its_folder_only(tmp_path, monkeypatch):
    """A whole run through its own steps: rows, summary, report and pictures."""
    work = tmp_path / "deep" / "work"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    injection = {"place": "input", "stddev": 0.1}
    content = SMOKE | {
        "n_seeds": 2,
        "training": {"epochs": 2, "batch_size": 10},
        "datasets": [
            {"kind": "circles", "n_samples": 60, "n_train": 20, "data_seed": 1 + at, "label": n}
            for at, n in enumerate(NASTY_NAMES[:3])
        ],
        "architectures": [{"kind": "mlp", "units": [4], "label": "../../net"}],
        "variants": [{"name": "baseline"}, {"name": "../../../noisy", "injections": [injection]}],
    }
    study = validate(content)
    plan, store = make_plan(study, "vectorized"), Store("results", study.name)
    for batch in plan.batches((), 10):
        store.publish(
            vars(train_trials(batch, study=study.name, device="cpu", progress=lambda _: None)), {"software": "{}"}
        )
    write_report(plan, summarize(plan, store, {}), store, trained=12, reused=0)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(list((work / "results" / study.name / "report").glob("*.png"))) > 2
    assert all(path.is_relative_to(work / "results" / study.name) for path in written)
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
