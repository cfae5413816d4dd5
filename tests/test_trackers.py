"""Trials as trackers see them; what is refused. The trackers' own readers: tests/slow/test_tracker_readers.py."""

import sys

import pandas as pd
import pytest

import noiseflow
from noiseflow.base.faults import InvalidInputError
from noiseflow.store import SCHEMAS, Store, footer
from noiseflow.study.loading import validate
from noiseflow.trackers import track, trial_runs
from noiseflow.trials.plan import make_plan
from tests.conftest import SMALL
from tests.test_results import stored_rows


def store_trials(place):
    """Eight trials of the study `small` with numbers that say which is which; the last one has diverged."""
    tables = stored_rows(make_plan(validate(SMALL), "vectorized"))
    n = len(tables["trials"])
    tables["trials"] = tables["trials"].assign(
        test_loss=[0.1 * i for i in range(n - 1)] + [float("inf")],
        status=["completed"] * (n - 1) + ["diverged"],
        train_seconds=2.0,
    )
    ids = tables["trials"]["trial_id"]
    curves = [pd.DataFrame({"trial_id": ids, "epoch": e, "test_loss": [i + e for i in range(n)]}) for e in (1, 5)]
    tables["curves"] = pd.concat(curves).reindex(columns=SCHEMAS["curves"].names)
    Store(place, "small").publish(tables, footer("0" * 16, {}))
    return tables["trials"]


def test_trials_become_runs_with_params_metrics_and_curves(tmp_path):
    trials = store_trials(tmp_path).set_index("trial_id")
    runs = trial_runs(noiseflow.load(tmp_path / "small"))
    assert {run.id for run in runs} == set(trials.index)
    for run in runs:
        own = trials.loc[run.id]
        assert run.params["seed"] == own["seed"]
        assert run.params["variant"] == own["variant"]
        assert run.metrics == {"test_loss": own["test_loss"], "train_seconds": 2.0}  # what is not known is left out
        first = list(trials.index).index(run.id)
        assert run.curves.to_dict("list") == {"epoch": [1, 5], "curves/test_loss": [first + 1, first + 5]}
        assert (run.ended - run.began).total_seconds() == 2


@pytest.mark.parametrize("tracker", ["mlflow", "wandb"])
def test_missing_package_is_named_with_the_extra(tmp_path, monkeypatch, tracker):
    store_trials(tmp_path)
    monkeypatch.setitem(sys.modules, tracker, None)
    with pytest.raises(InvalidInputError, match=rf"{tracker}, which is not installed\. Install it: .*\[{tracker}\]"):
        track(str(tmp_path), "small", tracker, str(tmp_path))


def test_runs_with_other_settings_are_exported_with_their_study(tmp_path):
    with pytest.raises(InvalidInputError, match="Name the study"):
        track(str(tmp_path), "small/epochs-3", "mlflow", "sqlite:///mlflow.db")
