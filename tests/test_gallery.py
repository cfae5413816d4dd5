"""docs/gallery.md: its calls run in order, on what the study `tutorial` leaves on the disk. The trials are made up."""

import re
import runpy
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from noiseflow.datasets import generate
from noiseflow.store import SCHEMAS, Store, footer
from noiseflow.stored import summarize
from noiseflow.trials.declared import declare
from noiseflow.trials.plan import make_plan

PAGE = Path(__file__).parent.parent / "docs/gallery.md"
N_SEEDS = 6


def made_tables(plan):
    """Tables of a plan's trials as a run leaves them: each network draws a circle of its own radius."""
    dataset = plan.study.datasets[0]
    data, rng = generate(dataset, dataset.data_seed), np.random.default_rng(0)
    trials, curves, predictions = [], [], []
    for trial in plan.trials:
        score = round(70 * rng.normal(0.79, 0.02)) / 70
        scores = {"train_score": 1.0, "test_score": score, "eval_score": score, "train_loss": 0.1, "test_loss": 0.9}
        named = {**trial.cell.names, "trial_id": trial.id, "data_seed": trial.data_seed, "seed": trial.seed}
        trials.append({**named, **scores, "status": "completed", "score_name": "accuracy", "engine": "vectorized"})
        curves += [{"trial_id": trial.id, "epoch": epoch, **scores} for epoch in (1, 10)]
        for part, X in (("test", data.X_test), ("grid", data.grid)):
            told = 1 / (1 + np.exp(8 * (np.linalg.norm(X, axis=1) - rng.normal(0.9, 0.1))))
            frame = {"trial_id": trial.id, "part": part, "row": range(len(X)), "output": 0, "prediction": told}
            predictions.append(pd.DataFrame(frame))
    rows = pd.DataFrame(trials).assign(study="tutorial", epochs=4000, finished_at=datetime.now(UTC), n_test=70)
    frames = {"trials": rows, "curves": pd.DataFrame(curves), "predictions": pd.concat(predictions, ignore_index=True)}
    return {name: frame.reindex(columns=SCHEMAS[name].names) for name, frame in frames.items()}


@pytest.fixture
def after_the_tutorial(tmp_path, monkeypatch):
    """A folder with results/tutorial, as the page's first call expects it."""
    monkeypatch.chdir(tmp_path)
    plan = make_plan(declare("tutorial", "results", n_seeds=N_SEEDS), "vectorized")
    store, marks = Store("results", "tutorial"), footer("0" * 16, {})
    store.publish(made_tables(plan), marks)
    summarize(plan, store, marks)


@pytest.mark.usefixtures("after_the_tutorial")
def test_calls_run_in_order_and_each_section_draws(tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    calls = [re.sub(r"(?m)^(?=plots\.plot_)", f"figure_{at} = ", block) for at, block in enumerate(blocks)]
    script = tmp_path / "calls.py"
    script.write_text("\n".join(calls), encoding="utf-8")
    names = runpy.run_path(str(script))
    assert len(blocks) == 1 + page.count("\n## ")
    assert all(isinstance(names[f"figure_{at}"], Figure) for at in range(1, len(blocks)))
