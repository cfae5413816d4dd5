"""What lies in the results: frames with names, the list, two side by side, deletion. The trials are made up."""

import io
import json
import shutil
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

import noiseflow
from noiseflow.base.faults import InvalidInputError
from noiseflow.cli import app
from noiseflow.cli.results import _stored_completed
from noiseflow.datasets import to_frame
from noiseflow.results import (
    changed_verdicts,
    compare_stored,
    delete_study,
    exported,
    older_than,
    stored_studies,
    stored_study,
)
from noiseflow.store import SCHEMAS, Store, footer
from noiseflow.study.loading import validate
from noiseflow.trials.plan import dataset_key, make_plan
from tests.conftest import SMALL


def stored_rows(plan):
    """Tables of a plan's trials that no network was trained for."""
    rows = pd.DataFrame([{**trial.cell.names, "trial_id": trial.id, "data_seed": trial.data_seed, "seed": trial.seed,
                          "epochs": trial.cell.training.epochs, "engine": "vectorized", "status": "completed",
                          "finished_at": datetime.now(UTC)}
                         for trial in plan.trials])  # fmt: skip
    trials = rows.drop(columns="family").assign(study="small")
    curves = pd.DataFrame({"trial_id": rows["trial_id"], "epoch": 1})
    predictions = pd.DataFrame({"trial_id": rows["trial_id"], "part": "test", "row": 0})
    tables = {"trials": trials, "curves": curves, "predictions": predictions}
    return {name: frame.reindex(columns=SCHEMAS[name].names) for name, frame in tables.items()}


def found(cell, gain):
    """What the summary says of a cell, whose gain is that of the variant."""
    numbers = {"score_name": "accuracy", "n_seeds": 4, "score_mean": 0.8}
    if cell.variant.name == "baseline":
        return numbers
    ends = {"difference_ci_low": -0.004, "difference_ci_high": 0.05}
    return {**numbers, **ends, "verdict": "better", "difference_mean": gain, "p_adjusted": gain / 50}


@pytest.fixture
def results(tmp_path):
    """A folder of results with the study `small`, as declared and with other epochs, and summaries of both."""
    store = Store(tmp_path, "small")
    for epochs, folder, gain in ((None, "", 0.03), (3, "runs/epochs-3", 0.01)):
        plan = make_plan(validate(SMALL, epochs=epochs), "vectorized")
        store.publish(stored_rows(plan), footer("0" * 16, {}))
        summary = pd.DataFrame([{**cell.names, **found(cell, gain)} for cell in plan.cells])
        store.write_findings({"summary": summary}, {}, folder)
    (tmp_path / "not a study").mkdir()
    return tmp_path


def test_loaded_frames_have_names(results):
    found = noiseflow.load(results / "small")
    assert len(found.trials) == 16
    for frame in (found.curves, found.predictions):
        assert {"dataset", "architecture", "variant", "data_seed", "seed"} <= set(frame.columns)
        assert set(frame["variant"]) == {"baseline", "noisy"}
    assert repr(found) == f"StoredStudy('small': 16 trials; {results / 'small'})"
    assert found.datasets.empty
    with pytest.raises(InvalidInputError, match="holds no trials"):
        noiseflow.load(results / "other")


def test_loaded_datasets_are_the_rows_that_were_written(results):
    study = validate(SMALL)
    dataset = study.datasets[0]
    rows = to_frame(dataset, [dataset.data_seed])
    Store(results, "small").write_dataset(dataset_key(dataset, [dataset.data_seed]), rows, footer("0" * 16, {}))
    found = noiseflow.load(results / "small").datasets
    assert found["split"].value_counts().to_dict() == rows["split"].value_counts().to_dict()
    assert found["X"].map(len).unique().tolist() == [2]


def test_list_and_show_name_trials_and_runs(results):
    (one,) = stored_studies(str(results))
    assert (one.study, one.trials, one.runs) == (
        "small",
        ["8 trials of 3 epochs", "8 trials of 6 epochs"],
        ["epochs-3"],
    )
    assert one.size > 1000
    run = stored_study(str(results), "small/epochs-3")
    assert (run.study, run.trials) == ("small/epochs-3", ["8 trials of 3 epochs"])
    assert 0 < run.size < one.size
    with pytest.raises(InvalidInputError, match=r"There are: epochs-3\."):
        stored_study(str(results), "small/epochs-4")
    with pytest.raises(InvalidInputError, match=r"Did you mean 'small'\? There are: small\."):
        stored_study(str(results), "smal")


def test_two_summaries_stand_side_by_side(results):
    rows = compare_stored(str(results), "small", "small/epochs-3")
    assert [(row["variant"], row["of"]) for row in rows] == [
        ("baseline", "small"),
        ("baseline", "small/epochs-3"),
        ("noisy", "small"),
        ("noisy", "small/epochs-3"),
    ]
    assert [row["difference (points)"] for row in rows] == pytest.approx([None, None, 3.0, 1.0])
    assert rows[3] == pytest.approx(
        {
            "variant": "noisy",
            "of": "small/epochs-3",
            "verdict": "better",
            "seeds": 4,
            "score": 0.8,
            "difference (points)": 1.0,
            "low": -0.4,
            "high": 5.0,
        }
    )
    with pytest.raises(InvalidInputError, match="has no summary"):
        compare_stored(str(results), "small", "small/epochs-9")


def test_two_nights_of_campaigns_are_compared(results):
    nights = [
        {"campaign": date, "dataset": "circles", "architecture": "mlp", "variant": "noisy", "score_name": "accuracy",
         "n_pairs": 4, "difference_mean": gain, "difference_ci_low": 0.0, "difference_ci_high": 0.1}
        for date, gain in (("2026-11-25", 0.02), ("2026-11-26", 0.04))
    ]  # fmt: skip
    Store(results, "small").write_findings({"history": pd.DataFrame(nights)}, {}, "")
    rows = compare_stored(str(results), "small@2026-11-25", "small@2026-11-26")
    assert [row["of"] for row in rows] == ["small@2026-11-25", "small@2026-11-26"]
    assert [row["difference (points)"] for row in rows] == pytest.approx([2.0, 4.0])
    assert [row["verdict"] for row in rows] == [None, None]
    with pytest.raises(InvalidInputError, match=r"no campaign '2026-11-27' in its report. There are: 2026-11-25, 2026"):
        compare_stored(str(results), "small", "small@2026-11-27")


def test_the_command_shows_two_summaries_within_100_columns(results, capsys):
    for options in ([], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            app(["results", "compare", "small", "small/epochs-3", "--results", str(results), *options])
        assert ended.value.code == 0
    text, _, as_json = capsys.readouterr().out.partition("[\n")
    assert text.splitlines()[0].split() == ["difference"]
    assert text.splitlines()[1].split() == ["variant", "of", "verdict", "seeds", "score", "(points)", "low", "high"]
    assert text.splitlines()[5].split() == [
        "noisy",
        "small/epochs-3",
        "better",
        "4",
        "0.800",
        "+1.00",
        "-0.40",
        "+5.00",
    ]
    assert max(map(len, text.splitlines())) <= 100
    assert len(json.loads(f"[{as_json}")) == 4


def test_show_gives_the_answer_of_each_run(results, capsys):
    report = results / "small" / "runs" / "epochs-3" / "report"
    report.mkdir()
    (report / "answer.json").write_text(json.dumps({"answer": "It helps."}))
    for options in ([], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            app(["results", "show", "small", "--results", str(results), *options])
        assert ended.value.code == 0
    text, _, as_json = capsys.readouterr().out.partition("{")
    assert text.splitlines()[-2:] == ["  run with other settings: small/epochs-3", "    It helps."]
    assert json.loads(f"{{{as_json}")["answers_of_runs"] == {"epochs-3": "It helps."}


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("sm", ["small"]), ("small/", ["small/epochs-3"]), ("x", []), ("../", []), ("nothing/", [])],
)
def test_names_in_the_results_are_completed(results, typed, completed):
    assert _stored_completed(SimpleNamespace(params={"results": str(results)}), typed) == completed


def test_summary_is_exported_as_csv_and_as_a_latex_table(results):
    assert pd.read_csv(io.StringIO(exported(str(results), "small", "csv")))["difference_mean"].tolist()[1] == 0.03
    table = exported(str(results), "small/epochs-3", "latex").splitlines()
    heads = "variant & verdict & seeds & score & difference & low & high & $p$ (adj.)"
    assert table[:3] == [r"\begin{tabular}{llrrrrrr}", r"\toprule", heads + r" \\"]
    assert r"baseline &  & 4 & 0.800 &  &  &  &  \\" in table
    assert r"noisy & better & 4 & 0.800 & 0.010 & $-0.004$ & 0.050 & $< 0.001$ \\" in table
    with pytest.raises(InvalidInputError, match="has no summary"):
        exported(str(results), "small/../small", "csv")


def test_verdicts_that_changed_are_named():
    before = [{"variant": "baseline", "verdict": None}, {"variant": "input", "verdict": "inconclusive"}]
    after = [*before[:1], {"variant": "input", "verdict": "equivalent"}, {"variant": "new", "verdict": "better"}]
    assert changed_verdicts(before, after) == ["‘input’ was inconclusive and is equivalent."]
    assert changed_verdicts([], after) == changed_verdicts(after, after) == []


def test_deletion_takes_what_is_old_enough(results):
    now = datetime.now(UTC)
    assert older_than(str(results), 1, now) == []
    assert older_than(str(results), 1, now + timedelta(days=2)) == ["small"]
    delete_study(str(results), "small")
    assert [path.name for path in results.iterdir()] == ["not a study"]


@pytest.mark.parametrize(
    ("answered", "says", "kept"), [("n", "kept small: nothing", True), ("y", "deleted small", False)]
)
def test_deletion_says_what_became_of_it(results, answered, says, kept):
    done = CliRunner().invoke(app, ["results", "delete", "small", "--results", str(results)], input=answered)
    assert done.exit_code == 0
    assert says in done.stdout
    assert (results / "small").is_dir() == kept


def test_nothing_outside_the_results_can_be_named(results):
    for name in ("..", "../other", "/etc", "not a study", ""):
        with pytest.raises(InvalidInputError):
            delete_study(str(results), name)
    assert (results / "small").is_dir()


def test_what_is_no_study_is_neither_listed_nor_deleted(results, tmp_path_factory):
    """A folder of the user's, even of a study's name, a link to one, and what he keeps in a study's folder."""
    (results / "photos").mkdir()
    (results / "photos" / "one.jpg").write_bytes(b"1")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    Store(elsewhere, "other")
    (results / "linked").symlink_to(elsewhere, target_is_directory=True)
    (results / "small" / "notes.txt").write_text("mine")
    assert [stored.study for stored in stored_studies(str(results))] == ["small"]
    for name in ("photos", "linked"):
        with pytest.raises(InvalidInputError, match="is not in"):
            delete_study(str(results), name)
    with pytest.raises(InvalidInputError, match="also holds notes"):
        delete_study(str(results), "small")
    assert len(list((results / "small" / "trials").iterdir())) == 2


def test_summaries_of_unlike_scores_are_not_put_side_by_side(results):
    shutil.copytree(results / "small", results / "other")
    path = results / "other" / "summary.parquet"
    pd.read_parquet(path).assign(score_name="r2").to_parquet(path)
    with pytest.raises(
        InvalidInputError, match="of one score to stand side by side; received accuracy of small and r2"
    ):
        compare_stored(str(results), "small", "other")
