"""The `noiseflow` command, within this process; once as it is installed."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from math import nan
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml

import noiseflow.terminal
from noiseflow import __version__
from noiseflow.cli import app
from noiseflow.results import StudyRun
from noiseflow.study.loading import FOLDER, claim_names, load_claims, names


@pytest.fixture
def noiseflow(tmp_path, monkeypatch, capsys):
    """Runs the command in tmp_path; it may set variables, which are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", os.environ.copy())

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            app(arguments)
        written = capsys.readouterr()
        return SimpleNamespace(exit_code=ended.value.code, stdout=written.out, stderr=written.err)

    return run


def test_command_in_its_own_process_refuses_with_status_2_and_one_message(tmp_path):
    command = [sys.executable, "-m", "noiseflow", "run", "nonsense"]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Shipped are circles, controls" in done.stderr
    assert "Traceback" not in done.stderr


def study_file(folder, **changes):
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load((FOLDER / "smoke.yaml").read_text()) | changes))
    return str(path)


NOISY = {"name": "noisy", "injections": [{"place": "input", "stddev": 0.1}]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "Shipped are circles, controls"),
        (["smoke", "--seeds", "0"], "n_seeds must be at least 1; received 0"),
        (["smoke", "--epochs", "0"], "training.epochs must be at least 1; received 0"),
        (["smoke", "--until", "decided", "--seeds", "30"], "Use --max-seeds instead"),
        (
            ["smoke", "--until", "decided", "--budget", "20m5"],
            "budget must be a whole number and one unit, s, m or h, such as",
        ),
        (["smoke", "--max-seeds", "50"], "Add --until decided"),
        (["smoke", "--results", "file"], "results must be a folder"),
        (["smoke", "--results", "/proc/results"], "results must be writable"),
    ],
)
def test_run_refuses_bad_arguments_with_status_2_and_writes_nothing(noiseflow, tmp_path, arguments, says):
    (tmp_path / "file").write_text("")
    done = noiseflow("run", *arguments)
    assert done.exit_code == 2
    assert says in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"colour": "red"}, "colour is not a key that is known here; received 'red'"),
        ({"variants": [{"name": "baseline"}, NOISY, NOISY]}, "'noisy' is there twice"),
        ({"variants": [NOISY]}, "must hold one named 'baseline'"),
    ],
)
def test_run_refuses_a_faulty_study_file(noiseflow, tmp_path, changes, says):
    done = noiseflow("run", study_file(tmp_path, **changes))
    assert done.exit_code == 2
    assert says in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize("arguments", [["--seeds", "0"], ["--campaign", "2026-13-01"]])
def test_wrong_argument_of_a_shipped_study_is_refused_without_a_look_at_its_networks(noiseflow, monkeypatch, arguments):
    def look(*_):
        raise AssertionError

    monkeypatch.setattr("noiseflow.trials.declared._faults_within", look)
    assert noiseflow("run", "recipes", *arguments).exit_code == 2


def test_run_names_faults_of_study_and_arguments_together(noiseflow, tmp_path):
    (tmp_path / "file").write_text("")
    path = study_file(tmp_path, colour="red", variants=[{"name": "baseline"}, NOISY | {"injections": [{"stddev": -7}]}])
    done = noiseflow("run", path, "--seeds", "0", "--results", "file")
    assert done.exit_code == 2
    for fault in ("colour", "variants[1].injections[0].stddev", "injections[0].place is missing", "n_seeds", "results"):
        assert fault in done.stderr


def test_version_and_short_help(noiseflow):
    assert noiseflow("--version").stdout == f"noiseflow {__version__}\n"
    assert "Finds out" in noiseflow("-h").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "circle"], "Did you mean 'circles'?"),
        (["run", "circle.yaml"], "there is no study file 'circle.yaml'. Did you mean 'circles'?"),
        (["run", "nope.yaml"], "`noiseflow studies` says what each is for"),
        (["init", "nope.csv", "--target", "y"], "received 'nope.csv', which does not exist. Fix the path."),
        (["init", "nope.csv"], "received 'nope.csv', which does not exist. Fix the path."),
        (["run", "my.csv"], "Write a study for it first: noiseflow init my.csv"),
        (["results", "list", "--results", "s3://b/r"], "results must be a folder on this machine; received 's3://b/r'"),
        (["results", "delete"], "name a study, or give --older-than DAYS"),
        (["audit", "--before", "75.7", "--after", "80", "--n-test", "70"], "Write 75.7 % as 0.757"),
    ],
)
def test_refusals_say_what_is_meant(noiseflow, arguments, says):
    done = noiseflow(*arguments)
    assert done.exit_code == 2
    assert says in done.stderr


@pytest.mark.parametrize("lacks", ["does not exist", "holds no study"])
@pytest.mark.parametrize("asked", [["list"], ["show", "s"], ["compare", "s", "t"], ["export", "s"], ["delete", "s"]])
def test_without_results_it_is_said_where_they_are_looked_for_and_what_makes_them(noiseflow, tmp_path, asked, lacks):
    if lacks == "holds no study":
        (tmp_path / "results").mkdir()
    done = noiseflow("results", *asked)
    assert done.exit_code == (0 if asked == ["list"] and lacks == "holds no study" else 2)
    told = done.stdout + done.stderr
    assert f"there are no results yet: {tmp_path / 'results'} {lacks}. `noiseflow run STUDY` makes them" in told


def test_a_file_that_is_not_there_may_be_one_beside_it(noiseflow, tmp_path):
    (tmp_path / "houses.csv").write_text("x,y\n")
    (tmp_path / "houses.yaml").write_text("name: houses")
    assert "Did you mean 'houses.csv'?" in noiseflow("init", "house.csv").stderr
    assert "Did you mean './houses.csv'?" in noiseflow("init", "./house.csv").stderr
    assert "Did you mean 'houses.yaml'?" in noiseflow("plan", "house.yaml").stderr
    assert "Did you mean 'houses.yaml'?" in noiseflow("plan", "houses").stderr


def test_misspelt_keys_are_recognised_wherever_they_are(noiseflow, tmp_path):
    noisy = {"name": "noisy", "injections": [{"place": "input", "stdev": 0.1}]}
    done = noiseflow("plan", study_file(tmp_path, desing="resample", variants=[{"name": "baseline"}, noisy]))
    assert (
        "desing is not a key that is known here; received 'resample' (study 'smoke'). Did you mean 'design'?"
        in done.stderr
    )
    assert "Did you mean 'stddev'?" in done.stderr


def test_parts_of_one_kind_are_told_apart_by_a_label(noiseflow, tmp_path):
    done = noiseflow("plan", study_file(tmp_path, datasets=[{"kind": "circles"}, {"kind": "circles", "n_test": 9}]))
    assert "datasets must differ in their labels; 'circles' is there twice" in done.stderr
    assert "Give each a label, such as label: first" in done.stderr
    done = noiseflow("plan", study_file(tmp_path, datasets=[{"kind": "circles", "name": "first"}]))
    assert "datasets[0].name is not a key that is known here" in done.stderr
    assert "Did you mean 'label'?" in done.stderr


def test_lists_for_programs_are_json(noiseflow):
    assert [one["study"] for one in json.loads(noiseflow("studies", "--json").stdout)] == names()
    planned = json.loads(noiseflow("plan", "smoke", "--json").stdout)
    assert (planned["trials"], planned["missing"], len(planned["cells"])) == (12, 12, 2)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A run of any study that is over at once: its report says that it helps."""
    (tmp_path / "answer.json").write_text('{"answer": "It helps.", "table": [{"variant": "baseline"}]}')
    page = str(tmp_path / "index.html")
    run = StudyRun("s", None, [{"variant": "baseline"}], "It helps.", "", page, 1, 0)
    monkeypatch.setattr("noiseflow.run.run_study", lambda *_, **__: run)
    monkeypatch.setattr("noiseflow.cli.worker_processes", lambda _: nullcontext(SimpleNamespace(start=lambda _: None)))
    return {"answer": "It helps.", "table": [{"variant": "baseline"}], "report": page}


def test_run_for_programs_is_one_document_of_json(noiseflow, trained):
    done = noiseflow("run", "smoke", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == trained
    assert "trained 1 trials" in done.stderr


def test_claims_for_programs_are_one_document_of_json(noiseflow, trained, monkeypatch):
    claims = load_claims("tutorial2018").claims
    first = {"n": 3, "mean": 0.4, "ci_low": nan, "ci_high": nan, "verdict": "undecided", "failed": nan}
    monkeypatch.setattr("noiseflow.stored.judged", lambda *_: pd.DataFrame([first for _ in claims]))
    done = noiseflow("reproduce", "tutorial2018", "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    judged = found.pop("claims")
    assert found == trained
    assert [one["says"] for one in judged] == [claim.says for claim in claims]
    given = {"variant": "baseline", "n": 3, "mean": 0.4, "ci_low": None, "verdict": "undecided", "failed": ""}
    assert judged[0].items() >= given.items()
    assert [one["claims"] for one in json.loads(noiseflow("reproduce", "--json").stdout)] == claim_names()


def test_audit_for_programs_is_json(noiseflow):
    found = json.loads(noiseflow("audit", "--before", ".757", "--after", ".771", "--n-test", "70", "--json").stdout)
    assert found["points"] == pytest.approx(1.4)
    assert (found["least_p"], found["n_test_needed"]) == (1.0, 429)  # one row more; 6 / 0.014


def test_a_long_plan_begins_with_its_totals_and_is_folded(noiseflow):
    lines = noiseflow("plan", "controls").stdout.splitlines()
    assert lines[0].startswith("132 cells")
    assert len(lines) < 40


@pytest.mark.usefixtures("table")
def test_init_without_target_lists_the_columns(noiseflow, tmp_path):
    done = noiseflow("init", "my.csv")
    assert done.exit_code == 0
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["60", "rows,", "3", "columns"],
        [],
        ["column", "read", "as", "missing", "example", "as", "the", "target"],
        ["x", "numbers", "0", "0", "classification,", "7", "classes"],
        ["kind", "category,", "2", "levels", "0", "a", "classification,", "2", "classes"],
        ["bought", "category,", "2", "levels", "0", "False", "classification,", "2", "classes"],
        [],
        ["Name", "the", "column", "that", "is", "to", "be", "predicted:"],
        [],
        ["noiseflow", "init", "my.csv", "--target", "COLUMN"],
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["my.csv"]


def test_init_without_target_lists_the_columns_of_a_table_whose_first_row_lacks_a_value(noiseflow, tmp_path):
    (tmp_path / "my.csv").write_text("x,kind,bought\n1,,yes\n" + "2,b,no\n3,a,yes\n" * 20)
    listed = noiseflow("init", "my.csv").stdout.splitlines()[3:6]
    assert [line.split()[0] for line in listed] == ["x", "kind", "bought"]
    assert listed[1].split()[1:5] == ["category,", "2", "levels", "1"]


def test_init_without_target_names_no_task_of_what_nothing_predicts(noiseflow, tmp_path):
    rows = [f'{i + 1},2026-01-{i % 28 + 1:02d},same,"{i},{i % 10}",row {i}' for i in range(60)]
    (tmp_path / "my.csv").write_text("\n".join(["id,day,constant,price,name", *rows]))
    lines = noiseflow("init", "my.csv").stdout.splitlines()
    listed = {line.split()[0]: line for line in lines[3:8]}
    assert [name for name, line in listed.items() if "regression" in line or "classification" in line] == ["price"]
    assert "dates" in listed["day"]
    assert "one value" in listed["constant"]


def test_init_without_target_folds_a_wide_table(noiseflow, tmp_path):
    (tmp_path / "my.csv").write_text(",".join(f"x{i}" for i in range(300)) + ("\n" + ",".join(["1.5"] * 300)) * 9)
    lines = noiseflow("init", "my.csv").stdout.splitlines()
    assert len(lines) < 50
    assert "… 270 more columns" in lines
    assert lines[-5].startswith("x299")


def test_studies_lists_cells_trials_and_purpose(noiseflow):
    done = noiseflow("studies")
    assert done.exit_code == 0
    lines = {line.split()[0]: line.split()[1:5] for line in done.stdout.splitlines()}
    assert list(lines) == names()
    assert lines["smoke"] == ["2", "cells", "12", "trials"]  # 2 variants, 6 seeds
    assert lines["stddev-grid"] == ["25", "cells", "750", "trials"]  # 3 places with 8 stddevs and a baseline, 30 seeds


def test_report_without_results_says_what_to_do(noiseflow, tmp_path):
    done = noiseflow("report", "smoke")
    assert done.exit_code == 1
    assert done.stderr.endswith("Train it first: noiseflow run smoke\n")
    assert not list(tmp_path.iterdir())
    elsewhere = noiseflow("report", "smoke", "--results", "my results", "--epochs", "5").stderr
    assert elsewhere.endswith("noiseflow run smoke --epochs 5 --results 'my results'\n")


def test_plan_shows_cells_and_what_is_missing_and_writes_nothing(noiseflow, tmp_path):
    done = noiseflow("plan", "smoke")
    assert done.exit_code == 0
    assert "circles/mlp/before_activation       6        6" in done.stdout
    assert "2 cells, 12 trials: 0 done, 12 missing" in done.stdout
    assert "on two cores" in done.stdout
    assert not list(tmp_path.iterdir())


def test_plan_until_decided_says_what_to_expect(noiseflow):
    done = noiseflow("plan", "smoke", "--until", "decided", "--max-seeds", "40")
    assert done.exit_code == 0, done.stderr
    assert "20 trials to the first look, 80 at most; looks at 10, 15, 20, 25, 31, … seeds" in done.stdout
    assert "the next look is at 10 seeds, with 1 of 1 comparisons open" in done.stdout
    assert "2 cells, 20 trials: 0 done, 20 missing" in done.stdout


@pytest.fixture
def table(tmp_path):
    """A table to learn from."""
    lines = [f"{i % 7},{'ab'[i % 2]},{i % 3 > 0}" for i in range(60)]
    path = tmp_path / "my.csv"
    path.write_text("\n".join(["x,kind,bought", *lines]))
    return path


@pytest.mark.usefixtures("table")
def test_init_writes_a_study_that_can_be_planned(noiseflow):
    done = noiseflow("init", "my.csv", "--target", "bought")
    assert done.exit_code == 0, done.stderr
    assert "noiseflow run my.yaml" in done.stdout
    for says in ("42 train and 18 test", "accuracy of a constant guess", "accuracy of gradient boosting", "2 levels"):
        assert says in done.stdout
    planned = noiseflow("plan", "my.yaml")
    assert "6 cells, 180 trials" in planned.stdout
    assert done.stdout.split("What was read")[1].split("\n\n")[0] == planned.stdout.split("What was read")[1].rstrip()


def test_plan_refuses_what_a_run_refuses(noiseflow, tmp_path):
    networks = [{"kind": "mlp"}, {"kind": "cnn", "filters": [4]}]
    path = study_file(tmp_path, datasets=[{"kind": "circles"}], architectures=networks, variants=[{"name": "baseline"}])
    planned, run = noiseflow("plan", path), noiseflow("run", path)
    assert (planned.exit_code, planned.stderr) == (2, run.stderr)
    assert "(height, width, channels)" in planned.stderr


@pytest.mark.usefixtures("table")
def test_init_keeps_a_study_that_is_there_and_names_what_is_wrong(noiseflow, tmp_path):
    assert noiseflow("init", "my.csv", "--target", "bought").exit_code == 0
    before = (tmp_path / "my.yaml").read_bytes()
    again = noiseflow("init", "my.csv", "--target", "bought")
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    assert (tmp_path / "my.yaml").read_bytes() == before
    wrong = noiseflow("init", "my.csv", "--target", "sold", "--output", "other.yaml")
    assert wrong.exit_code == 2
    assert "target must be a column of the table; received 'sold'" in wrong.stderr
    assert not (tmp_path / "other.yaml").exists()


@pytest.mark.usefixtures("table")
def test_faults_of_the_study_and_of_its_files_are_named_together(noiseflow, tmp_path):
    own = {"kind": "table", "target": "sold", "task": "classification"}
    lacking = {"kind": "table", "path": "none.csv", "target": "y", "task": "classification", "label": "lacking"}
    datasets = [{**own, "path": "my.csv"}, lacking, {"kind": "moons", "n_train": -1}]
    networks = [{"kind": "mlp"}, {"kind": "file", "path": "none.keras"}]
    path = study_file(tmp_path, desing="resample", datasets=datasets, architectures=networks)
    for command in ("plan", "run"):
        done = noiseflow(command, path)
        assert done.exit_code == 2
        for says in (
            "Did you mean 'design'?",
            "datasets[2].n_train",
            "datasets[0].target must be a column of the table; received 'sold', the columns are x, kind, bought",
            f"datasets[1].path must name a file; received '{tmp_path}/none.csv', which does not exist",
            f"architectures[1].path must name a file; received '{tmp_path}/none.keras', which does not exist",
        ):
            assert says in done.stderr
        assert len(done.stderr.splitlines()) == 6


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("argument", [[], ["--campaign", "2026-13-01"]], ids=["in-the-study", "in-an-argument"])
def test_faults_of_keys_hide_none_of_data_networks_and_places(noiseflow, tmp_path, argument):
    table = {"kind": "table", "path": "my.csv", "target": "sold", "task": "classification"}
    networks = [{"kind": "mlp"}, {"kind": "cnn", "label": "wide", "filters": [2]}, {"kind": "entry_point"}]
    networks[2]["entry_point"] = "nobody"
    wrong = {"name": "wrong", "injections": [{"place": "input", "stdev": 0.1}]}
    lost = {"name": "lost", "injections": [{"place": "after:hidden_7", "stddev": 0.1}], "architectures": ["mlp"]}
    variants = [{"name": "baseline"}, lost, *([] if argument else [wrong])]
    path = study_file(tmp_path, datasets=[table], architectures=networks, variants=variants)
    planned, done = noiseflow("plan", path, *argument), noiseflow("run", path, *argument)
    assert (planned.exit_code, done.exit_code, planned.stderr) == (2, 2, done.stderr)
    for says in (
        "campaign must be" if argument else "variants[2].injections[0].stdev is not a key",
        "datasets[0].target must be a column of the table; received 'sold'",
        "architectures[1] must be for data of its form",
        "architectures[2] must be an installed entry point of the group",
        "variants[1].injections[0].place must be a place of the model; received 'after:hidden_7'",
    ):
        assert says in done.stderr


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("others", [[{"kind": "moons"}], []], ids=["beside-a-sound-dataset", "without-a-sound-dataset"])
def test_every_fault_of_data_and_model_is_named_with_status_2_and_nothing_written(noiseflow, tmp_path, others):
    injection = {"place": "after:hidden_7", "stddev": 0.1}
    own = {"kind": "table", "path": "my.csv", "target": "sold", "task": "classification"}
    networks = [{"kind": "mlp"}, {"kind": "entry_point", "entry_point": "nobody"}]
    variants = [{"name": "baseline"}, {"name": "noisy", "injections": [injection]}]
    path = study_file(tmp_path, datasets=[own, *others], architectures=networks, variants=variants)
    planned, done = noiseflow("plan", path), noiseflow("run", path)
    assert (planned.exit_code, done.exit_code, planned.stderr) == (2, 2, done.stderr)
    for says in ("'sold'", "received 'after:hidden_7'", "its layers are hidden_1, output", "entry point", "'nobody'"):
        assert says in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml", "my.csv"]
