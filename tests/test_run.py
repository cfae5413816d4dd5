"""`run_study`: the whole job in plain Python, in this process and its workers."""

import io
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

import noiseflow.progress_line
import noiseflow.report.findings
import noiseflow.report.page
import noiseflow.results
import noiseflow.run
import noiseflow.stored
from noiseflow import run_study
from noiseflow.base.faults import InvalidInputError
from noiseflow.cli import app
from noiseflow.run import DriftError, IncompleteRunError
from noiseflow.stored import judged_lines, next_wave, report_study, stored_run
from noiseflow.study.loading import load_claims
from noiseflow.study.loading import validate as load_study
from noiseflow.trials.workers import worker_processes
from tests.conftest import SMALL

ROOT = Path(__file__).parent.parent
SHOWN = ("summary.parquet", "report.md", "index.html", "answer.json")
NOT_COMPARED = ["train_seconds", "finished_at"]


@pytest.fixture(scope="module", autouse=True)
def _workers():
    with worker_processes(1):  # each would compile the same programs
        yield


@pytest.fixture(autouse=True)
def _plain_reports(monkeypatch):
    """Reports without pictures: to draw them takes longer than to train."""
    monkeypatch.setattr(noiseflow.report.page, "draw_pictures", lambda *_: [])


def rows(results, study="small"):
    frame = pd.read_parquet(results / study / "trials").drop(columns=NOT_COMPARED)
    return frame.sort_values("trial_id").reset_index(drop=True)


def test_run_trains_what_is_missing_and_says_what_it_came_to(tmp_path, monkeypatch):
    seen = {}
    first = run_study(SMALL, tmp_path, n_seeds=2, progress=lambda batch, done: seen.update({batch.label: done}))
    assert (first.trained, first.reused) == (4, 0)
    assert {label: done.epochs_done for label, done in seen.items()} == {
        "circles/mlp/baseline 0-1": 6,
        "circles/mlp/noisy 0-1": 6,
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(SMALL.model_dump(mode="json", exclude_defaults=True)))
    terminal = Console(file=io.StringIO(), force_terminal=True, width=80, _environ={})
    monkeypatch.setattr(noiseflow.progress_line, "Console", lambda **_: terminal)
    second = run_study(tmp_path / "study.yaml", tmp_path, progress=True)
    assert re.search(r"trained \d of 2", terminal.file.getvalue())
    assert (second.trained, second.reused) == (4, 4)
    assert list(second.summary["n_seeds"]) == [4, 4]
    assert [row["variant"] for row in second.table] == ["baseline", "noisy"]
    assert second.answer in Path(second.report).with_name("report.md").read_text()
    assert len(rows(tmp_path)) == 8
    assert repr(second) == f"StudyRun('small': 4 trials trained, 4 reused; {second.report}; {second.answer})"


@pytest.mark.slow
def test_rows_that_are_not_stored_are_made_again_for_the_report(tmp_path):
    """A run that is killed while it trains leaves trials, and no rows."""
    run_study(SMALL, tmp_path, n_seeds=2)
    folder = tmp_path / "small"
    rows, page = pd.read_parquet(folder / "datasets"), (folder / "report" / "report.md").read_text()
    shutil.rmtree(folder / "datasets")
    study = SMALL.model_copy(update={"n_seeds": 2})
    report_study(study, str(tmp_path))
    assert (folder / "report" / "report.md").read_text().splitlines()[:20] == page.splitlines()[:20]
    assert not (folder / "datasets").exists()
    assert run_study(study, tmp_path).trained == 0
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "datasets"), rows)


def test_plan_of_a_trained_study_does_not_look_into_its_data_again(tmp_path, monkeypatch, capsys):
    run_study(SMALL, tmp_path, n_seeds=2)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(SMALL.model_dump(mode="json", exclude_defaults=True)))
    looked = []
    monkeypatch.setattr(noiseflow.run, "data_faults", lambda *given: looked.append(given) or [])
    for seeds in ("2", "3"):
        with pytest.raises(SystemExit) as ended:
            app(["plan", str(tmp_path / "study.yaml"), "--seeds", seeds, "--results", str(tmp_path)])
        assert ended.value.code == 0
        assert ("nothing to train" in capsys.readouterr().out) == (seeds == "2")
    assert len(looked) == 1  # of the third seed


def test_run_names_every_fault_at_once_and_writes_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError) as refused:
        run_study(SMALL, tmp_path / "file", n_seeds=0, epochs=0)
    assert [fault.split()[0] for fault in refused.value.faults] == ["n_seeds", "training.epochs", "results"]
    layer = {"name": "noisy", "injections": [{"place": "after:nowhere", "stddev": 0.1}]}
    study = SMALL.model_dump(mode="json") | {"variants": [{"name": "baseline"}, layer]}
    with pytest.raises(InvalidInputError, match="'after:nowhere'"):
        run_study(noiseflow.study.loading.validate(study), tmp_path / "results")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_run_with_other_settings_keeps_its_summary_and_report_beside_those_of_the_study(tmp_path):
    run_study(SMALL, tmp_path, n_seeds=2)
    before = {path: path.read_bytes() for path in (tmp_path / "small").rglob("*") if path.name in SHOWN}
    quick = run_study(SMALL, tmp_path, n_seeds=2, epochs=3)
    assert Path(quick.report) == tmp_path / "small" / "runs" / "epochs-3" / "report" / "index.html"
    assert len(pd.read_parquet(tmp_path / "small" / "runs" / "epochs-3" / "summary.parquet")) == 2
    assert report_study(load_study(SMALL, epochs=3, n_seeds=2), str(tmp_path)) == quick.report
    assert "epochs-3" in Path(quick.report).read_text()
    assert {path: path.read_bytes() for path in before} == before
    assert run_study(SMALL, tmp_path, n_seeds=2, epochs=6).report == str(tmp_path / "small" / "report" / "index.html")


def test_run_with_nothing_to_train_answers_from_what_is_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(noiseflow.stored, "software", lambda: {"git commit": "of the test"})
    first = run_study(SMALL, tmp_path, n_seeds=2)
    monkeypatch.setattr(noiseflow.run, "check_in_worker", None)  # to look at networks takes TensorFlow, and seconds
    again = run_study(SMALL, tmp_path, n_seeds=2)
    assert (again.trained, again.reused) == (0, 4)
    assert (again.answer, again.table, again.report) == (first.answer, first.table, first.report)
    assert list(again.summary["variant"]) == list(first.summary["variant"])
    monkeypatch.setattr(noiseflow.stored, "software", lambda: {"git commit": "another"})  # other code may say otherwise
    assert stored_run(load_study(SMALL, n_seeds=2), str(tmp_path)) is None
    monkeypatch.setattr(noiseflow.stored, "software", lambda: {"git commit": "of the test"})
    assert stored_run(load_study(SMALL, n_seeds=3), str(tmp_path)) is None


@pytest.mark.slow
def test_report_names_the_options_of_the_trials_that_are_there(tmp_path):
    run_study(SMALL, tmp_path, n_seeds=2, epochs=3)
    with pytest.raises(LookupError, match=r"4 trials of 3 epochs: add --epochs 3"):
        report_study(SMALL, str(tmp_path))


def test_run_with_a_failing_batch_finishes_the_others_and_names_it(tmp_path, monkeypatch):
    train_in_worker = noiseflow.run.train_in_worker

    def failing(batch, **arguments):
        if batch.cell.variant.name == "noisy":
            raise OSError("no more memory")
        return train_in_worker(batch, **arguments)

    monkeypatch.setattr(noiseflow.run, "train_in_worker", failing)
    with pytest.raises(IncompleteRunError, match=r"circles/mlp/noisy 0-3: OSError: no more memory") as ended:
        run_study(SMALL, tmp_path)
    assert ended.value.run.trained == 4
    assert ended.value.run.answer.startswith("Incomplete: 4 of 8 planned trials are missing.")
    monkeypatch.setattr(noiseflow.run, "train_in_worker", lambda *_, **__: failing)
    with pytest.raises(IncompleteRunError, match="every batch failed") as ended:
        run_study(SMALL, tmp_path / "other")
    assert ended.value.run is None


@pytest.mark.slow
def test_campaign_that_drifts_fails_where_it_is_to(tmp_path, monkeypatch):
    first = run_study(SMALL, tmp_path, campaign="2026-01-01")
    second = run_study(SMALL, tmp_path, campaign="2026-01-02", fail_on_drift=True)
    assert (first.trained, second.trained, second.reused, second.alarm) == (8, 8, 8, "")
    assert len(pd.read_parquet(tmp_path / "small" / "replays")) == 4
    monkeypatch.setattr(noiseflow.report.page, "alarm", lambda _: "Something drifts.")
    with pytest.raises(DriftError, match=r"^Something drifts\. ") as ended:
        run_study(SMALL, tmp_path, campaign="2026-01-02", fail_on_drift=True)
    assert ended.value.run.alarm == "Something drifts."
    assert run_study(SMALL, tmp_path, campaign="2026-01-02").alarm == "Something drifts."


@pytest.mark.slow
def test_steps_of_the_docs_are_what_run_study_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "extending.md").read_text().partition("## A scheduler of your own")[2]
    found = {}
    exec(page.partition("```python\n")[2].partition("```")[0], found)  # noqa: S102 - our own page
    assert pickle.loads(pickle.dumps((found["job"].batches[0], found["job"].context)))  # noqa: S301 - our own
    whole = run_study("smoke", "whole", n_seeds=2)
    assert (found["report"].headline, found["job"].n_trained()) == (whole.answer, whole.trained)
    pd.testing.assert_frame_equal(rows(tmp_path / "results", "smoke"), rows(tmp_path / "whole", "smoke"))


def fields(results, folder=""):
    summary = pd.read_parquet(results / "small" / folder / "summary.parquet").set_index("variant")
    return summary.loc[
        "noisy", ["n_seeds", "difference_ci_low", "difference_ci_high", "p_adjusted", "verdict"]
    ].tolist()


@pytest.mark.slow
def test_study_that_grows_after_a_look_is_judged_by_both_and_a_replay_as_before(tmp_path):
    first = run_study(SMALL, tmp_path, n_seeds=8)
    alone = fields(tmp_path)
    assert "looked at" not in first.answer
    assert len(list((tmp_path / "small" / "looks").iterdir())) == 1
    grown = run_study(SMALL, tmp_path, n_seeds=10)
    assert grown.answer.endswith("The study was looked at 2 times; intervals, p and verdicts allow for it.")
    assert "There were looks at 8 and 10 seeds" in Path(grown.report).with_name("report.md").read_text()
    by_both = fields(tmp_path)
    once = run_study(SMALL, tmp_path / "once", n_seeds=10)
    assert "looked at" not in once.answer
    low, high = fields(tmp_path / "once")[1:3]
    assert by_both[1] < low < high < by_both[2]
    run_study(SMALL, tmp_path, n_seeds=8)
    assert fields(tmp_path) == alone
    report_study(SMALL.model_copy(update={"n_seeds": 10}), str(tmp_path), output=str(tmp_path / "elsewhere"))
    assert fields(tmp_path / "elsewhere") == by_both
    assert len(list((tmp_path / "small" / "looks").iterdir())) == 2
    assert not (tmp_path / "elsewhere" / "small" / "looks").exists()


@pytest.mark.slow
def test_run_until_decided_goes_on_where_it_stopped_and_can_be_drawn_again(tmp_path):
    first = run_study(SMALL, tmp_path, until="decided", max_seeds=10)
    assert first.answer.endswith(
        "until each variant was decided, or the budget or the largest number of seeds was reached: ‘noisy’ open after 10 seeds."
    )
    second = run_study(SMALL, tmp_path, until="decided", max_seeds=15, budget="1h")
    assert (second.trained, second.reused) == (10, 20)
    assert list(second.summary["n_seeds"]) == [15, 15]
    assert "--until decided" in Path(second.report).with_name("report.md").read_text()
    plan, store, line = next_wave(SMALL, str(tmp_path), "auto", 40)
    assert len(plan.trials) - len(store.trial_ids()) == 10  # five more seeds of two cells
    assert line == "the next look is at 20 seeds, with 1 of 1 comparisons open"
    before = fields(tmp_path)
    report_study(SMALL, str(tmp_path), until_decided=True)
    assert fields(tmp_path) == before
    third = run_study(SMALL, tmp_path, until="decided", max_seeds=15)
    assert (third.trained, third.reused, third.answer) == (0, 30, second.answer)
    assert fields(tmp_path) == before
    assert len(list((tmp_path / "small" / "looks").iterdir())) == 2


@pytest.mark.slow
def test_run_until_decided_begins_no_wave_that_its_budget_does_not_allow(tmp_path):
    done = run_study(SMALL, tmp_path, until="decided", budget="1s")
    assert done.trained == 20
    with pytest.raises(InvalidInputError, match="Use --max-seeds instead"):
        run_study(SMALL, tmp_path, until="decided", n_seeds=4)


@pytest.mark.slow
def test_variant_that_is_decided_stops_and_the_others_go_on(tmp_path, monkeypatch):
    """Its trials, its baseline's and what the page says."""
    content = SMALL.model_dump(mode="json")
    other = {"name": "other", "injections": [{"place": "input", "stddev": 0.5}]}
    study = load_study(content | {"variants": [*content["variants"], other]})
    summarize = noiseflow.report.findings.summarize

    def deciding(*arguments, **options):
        summary = summarize(*arguments, **options)
        return summary.assign(verdict=summary["verdict"].where(summary["variant"] != "other", "equivalent"))

    monkeypatch.setattr(noiseflow.report.findings, "summarize", deciding)
    done = run_study(study, tmp_path, until="decided", max_seeds=15)
    assert list(done.summary.set_index("variant")["n_seeds"]) == [15, 15, 10]
    assert (
        "‘other’ equivalent after 10 seeds and ‘noisy’ open after 15 seeds; 11 % of the trials not needed."
        in done.answer
    )


WITHOUT_PREFECT = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("prefect", "ray", "flows", "tasks"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
import pkgutil, importlib, noiseflow
for module in pkgutil.walk_packages(noiseflow.__path__, "noiseflow."):
    if module.name != "noiseflow.__main__":
        importlib.import_module(module.name)
"""


@pytest.mark.slow
def test_every_module_of_the_library_loads_without_prefect():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PREFECT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_run_of_another_study_of_that_name_is_refused_and_nothing_replaced(tmp_path):
    first = run_study(SMALL, tmp_path, n_seeds=1)
    page = Path(first.report).read_bytes()
    other = load_study(SMALL.model_dump() | {"datasets": [{"kind": "moons", "n_samples": 40, "n_train": 20}]})
    with pytest.raises(InvalidInputError, match="name must not be the name of a study of other data"):
        run_study(other, tmp_path, n_seeds=1)
    assert Path(first.report).read_bytes() == page
    assert len(rows(tmp_path)) == 2


@pytest.mark.parametrize("epochs", [None, 5])
def test_claims_are_said_not_to_be_about_a_run_of_other_settings(epochs, monkeypatch):
    row = {"says": "It helps", "source": "", "quantity": "score", "published": None, "n": 2, "mean": 0.7}
    row |= {"ci_low": 0.6, "ci_high": 0.8, "verdict": "refuted", "note": "", "failed": ""}
    monkeypatch.setattr(noiseflow.stored, "judged", lambda *_: pd.DataFrame([row]))
    first, *_ = judged_lines(load_claims("tutorial2018", epochs=epochs), "results")
    assert ("not about this run, which has other settings (epochs-5)" in first) == (epochs is not None)


def test_answer_records_what_its_run_was_asked_for(tmp_path):
    run_study(SMALL, tmp_path, n_seeds=2)
    store = noiseflow.stored.find_store(str(tmp_path), "small")
    asked = noiseflow.results.last_asked(store)
    assert asked.pop("settings")
    assert asked == {"n_seeds": 2, "campaign": None, "until_decided": False}


def test_report_that_replaces_one_of_more_seeds_says_so(tmp_path, caplog):
    run_study(SMALL, tmp_path, n_seeds=3)
    assert "is replaced" not in caplog.text
    run_study(SMALL, tmp_path, n_seeds=2)
    assert "small: the report of 3 seeds is replaced by one of 2 seeds." in caplog.text
    assert "noiseflow report with --seeds 3 draws it again" in caplog.text
    report_study(SMALL.model_copy(update={"n_seeds": 3}), str(tmp_path))
    caplog.clear()
    report_study(SMALL.model_copy(update={"n_seeds": 2}), str(tmp_path), output=str(tmp_path / "elsewhere"))
    assert caplog.text == ""
    report_study(SMALL.model_copy(update={"n_seeds": 2}), str(tmp_path))
    assert "small: the report of 3 seeds is replaced by one of 2 seeds." in caplog.text
    caplog.clear()
    run_study(SMALL.model_copy(update={"purpose": "another text"}), tmp_path, n_seeds=2)
    assert caplog.text == ""
    run_study(SMALL.model_copy(update={"margin": 0.02}), tmp_path, n_seeds=2)
    assert "small: the report there is of other settings, and is replaced." in caplog.text


def test_report_draws_what_is_there_unless_it_is_told_otherwise(tmp_path, monkeypatch):
    run_study(SMALL, tmp_path, n_seeds=3)
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(yaml.safe_dump(SMALL.model_dump(mode="json", exclude_none=True)))
    for options, n in ([], 3), (["--seeds", "2"], 2), ([], 2):
        shown = CliRunner().invoke(app, ["report", "small.yaml", "--results", str(tmp_path), *options])
        assert shown.exit_code == 0, shown.output
        assert ("as in the report that is there" in shown.stderr) is (not options and n != SMALL.n_seeds)
        assert set(pd.read_parquet(tmp_path / "small" / "summary.parquet")["n_seeds"]) == {n}
