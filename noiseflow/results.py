"""What lies in the results: what a run came to, a study's frames with names, the studies that are there, and their deletion."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from noiseflow.base.faults import InvalidInputError
from noiseflow.base.program import command
from noiseflow.store import Store, find_store
from noiseflow.study.faults import did_you_mean, is_lacking
from noiseflow.study.result_places import is_remote, is_url
from noiseflow.wording import IN_POINTS, IN_SCORE, score_of

Plain = str | float | int | None
ANSWER = "answer.json"
"""File of the report that holds its answer as plain values."""
CELL = ["dataset", "architecture", "variant"]
PAPER = ["p_adjusted", "effect_size"]
COMPARED = ["verdict", "n_seeds", "score_mean", "difference_mean", "difference_ci_low", "difference_ci_high"]
_HEADS = {
    "variant": "variant",
    "of": "of",
    "verdict": "verdict",
    "n_seeds": "seeds",
    "score_mean": "score",
    "difference_mean": IN_SCORE,
    "difference_ci_low": "low",
    "difference_ci_high": "high",
}
"""Columns that are compared, and their heads as a run prints them."""
_OURS = (
    "trials",
    "curves",
    "predictions",
    "datasets",
    "replays",
    "studies",
    "looks",
    "report",
    "runs",
    "quarantine",
    "_pending",
    "_index",
)
"""Folders that a study has in the results."""
_PARTS = ("trials", "curves", "predictions", "replays")


@dataclass(frozen=True, repr=False)
class StudyRun:
    """What a run came to.

    Attributes:
        study: name of the study.
        summary: a row a cell, in the columns of `summary.parquet`.
        table: the answer's rows as plain values, as the command prints them.
        answer: the answer in a sentence or two.
        alarm: what a campaign found to have changed; empty where nothing did.
        report: path or URL of the report's page.
        trained: trials that this run has trained.
        reused: trials that were stored before.
    """

    study: str
    summary: pd.DataFrame
    table: list[dict[str, Plain]]
    answer: str
    alarm: str
    report: str
    trained: int
    reused: int

    def __repr__(self) -> str:
        counts = f"{self.trained} trials trained, {self.reused} reused"
        return f"StudyRun({self.study!r}: {counts}; {self.report}; {self.answer})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer, its table and the way to the page."""
        frame = pd.DataFrame(self.table).astype(object)
        table = frame.where(frame.notna(), "").to_html(index=False, border=0)
        address = self.report if is_remote(self.report) else Path(self.report).as_uri()
        alarm = f"<p><b>{html.escape(self.alarm)}</b></p>" if self.alarm else ""
        page = f'<p><a href="{html.escape(address)}">{html.escape(self.report)}</a></p>'
        return f"<h4>{html.escape(self.study)}</h4>{alarm}<p>{html.escape(self.answer)}</p>{table}{page}"


@dataclass(frozen=True, repr=False)
class StoredStudy:
    """The frames of a study as they lie in the results.

    Rows of trials, curves and predictions have the names dataset, architecture and variant, data_seed and seed.

    Attributes:
        summary: a row a cell; empty where no run has ended.
        trials, curves, predictions, replays: as they are stored.
        datasets: the rows of the data seeds that the report draws.
    """

    name: str
    location: str
    summary: pd.DataFrame
    trials: pd.DataFrame
    curves: pd.DataFrame
    predictions: pd.DataFrame
    datasets: pd.DataFrame
    replays: pd.DataFrame

    def __repr__(self) -> str:
        return f"StoredStudy({self.name!r}: {len(self.trials):,} trials; {self.location})"


def load(folder: str | Path) -> StoredStudy:
    """The frames of a study, `noiseflow.load("results/tutorial")`; nothing is written.

    Args:
        folder: path or URL of the study's folder in the results.

    Raises:
        InvalidInputError: no study's trials are there.
    """
    place, _, name = str(folder).rstrip("/").rpartition("/")
    store = find_store(place or ".", name) if name else None
    if store is None:
        raise InvalidInputError(
            [f"folder must be a study's in the results; {str(folder)!r} holds no trials. Change it."]
        )
    frames = {part: store.read(part) for part in _PARTS}
    names = frames["trials"][["trial_id", *CELL, "data_seed", "seed"]]
    for part in ("curves", "predictions"):
        frames[part] = names.merge(frames[part], on="trial_id", validate="1:m")
    rows = [store.read_dataset(key) for key in sorted(store.dataset_keys())]
    frames["datasets"] = pd.concat(rows, ignore_index=True) if rows else store.read("datasets")
    summary = store.read_findings("summary")
    return StoredStudy(name, store.location, pd.DataFrame() if summary is None else summary, **frames)


# -- what is there ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stored:
    """The stored results of a study, for `noiseflow results list`.

    Attributes:
        trials: of each kind, `150 trials of 4,000 epochs`.
        runs: folders of runs with other settings.
        changed: when a file was written last.
        size: bytes on the disk.
    """

    study: str
    trials: list[str]
    runs: list[str]
    answer: str
    changed: datetime
    size: int


def stored_studies(results: str) -> list[Stored]:
    """The studies in a folder of results, by name.

    Raises:
        InvalidInputError: it is no folder here.
    """
    return [stored_study(results, folder.name) for folder in _folders(results)]


def stored_study(results: str, which: str) -> Stored:
    """The stored results of one study, or of a run of it with other settings: `circles`, `circles/epochs-200`.

    Raises:
        InvalidInputError: nothing does.
    """
    study, _, run = which.partition("/")
    whole = study_folder(results, study)
    folder = whole / "runs" / run if run else whole
    if run and run not in (runs := sorted(path.name for path in whole.glob("runs/*") if path.is_dir())):
        there = ", ".join(runs) or "none"
        raise InvalidInputError([f"{study!r} has no run {run!r} in {results}. There are: {there}."])
    files = [path.stat() for path in folder.rglob("*") if path.is_file()]
    epochs = run.removeprefix("epochs-")
    kinds = [text for n, text in _kinds(results, study) if not run or n == epochs]
    return Stored(
        f"{study}/{run}" if run else study,
        kinds,
        sorted(path.name for path in folder.glob("runs/*") if path.is_dir()),
        str(read_answer(folder / "report").get("answer", "")),
        datetime.fromtimestamp(max((file.st_mtime for file in files), default=0.0), UTC),
        sum(file.st_size for file in files),
    )


def _kinds(results: str, study: str) -> Iterator[tuple[str, str]]:
    """The epochs of each kind of trials, and what is said of them."""
    store = find_store(results, study)
    if store is None:
        return
    trials = store.read("trials")[["epochs", "engine", "campaign"]]
    dated = trials["campaign"].notna()
    for (epochs, engine), rows in trials.groupby(["epochs", "engine"]):
        nights = trials.loc[rows.index][dated.loc[rows.index]]["campaign"].nunique()
        of = f", {nights} campaign{'s' if nights > 1 else ''}" if nights else ""
        by = ", reference" if engine == "reference" else ""
        yield str(epochs), f"{len(rows):,} trials of {epochs:,} epochs{by}{of}"


def study_folder(results: str, study: str) -> Path:
    """The folder of a study in the results.

    Raises:
        InvalidInputError: it is not there, or elsewhere.
    """
    folders = {folder.name: folder for folder in _folders(results)}
    if not folders:
        raise InvalidInputError([no_results(results)])
    if study not in folders:
        meant = did_you_mean(study, folders)
        raise InvalidInputError([f"study {study!r} is not in {results}.{meant} There are: {', '.join(folders)}."])
    return folders[study]


def no_results(results: str) -> str:
    """What is said of a folder that holds no study, or that is not there: where was looked, and what makes results."""
    lacks = "holds no study" if Path(results).exists() else "does not exist"
    makes = f"`{command()} run STUDY` makes them"
    return f"there are no results yet: {Path(results).absolute()} {lacks}. {makes}; --results names another folder."


def _folders(results: str) -> list[Path]:
    if not is_url(results) and is_lacking(results):
        raise InvalidInputError([no_results(results)])
    if is_remote(results) or not Path(results).is_dir():
        raise InvalidInputError([f"results must be a folder on this machine; received {results!r}. Name it: --results"])
    named = [path for path in Path(results).iterdir() if re.fullmatch(r"[a-z0-9-]{1,63}", path.name)]
    return sorted(path for path in named if path.is_dir() and not path.is_symlink() and find_store(results, path.name))


def read_answer(report: Path) -> dict[str, Any]:
    """The answer of a report as plain values; empty where there is none."""
    try:
        return _plain((report / ANSWER).read_bytes())
    except OSError:
        return {}


def report_document(page: str) -> dict[str, Any]:
    """What `--json` prints of a report: its answer as plain values, and the page as `report`.

    Args:
        page: path or URL of the report's page.
    """
    if not is_remote(page):
        return {**read_answer(Path(page).parent), "report": page}
    place, _, name = page.removesuffix("/report/index.html").rpartition("/")
    return {**_plain(Store(place, name, read_only=True).read_page(ANSWER) or b""), "report": page}


def _plain(content: bytes) -> dict[str, Any]:
    try:
        read = json.loads(content)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


# -- two of them, and none ----------------------------------------------------------------------------------------------


def compare_stored(results: str, first: str, second: str) -> list[dict[str, Plain]]:
    """Two summaries as rows of one table: of each cell the row of the first, then the row of the second.

    The heads and units are as in the table that a run prints; `of` says which summary a row is from.

    Args:
        first, second: a study, a run of it with other settings, or a night of its campaigns alone: `circles`,
            `circles/epochs-200`, `circles@2026-11-25`. Of a night the differences are stored, with its own interval each.

    Raises:
        InvalidInputError: one of them is not there, or they are of unlike scores.
    """
    names = (first, second) if first != second else (first, f"{second} again")
    frames = [_compared(results, which).assign(of=name) for name, which in zip(names, (first, second), strict=True)]
    scores = [" and ".join(sorted(frame["score_name"].dropna().unique())) for frame in frames]
    if scores[0] != scores[1]:
        received = f"received {scores[0]} of {names[0]} and {scores[1]} of {names[1]}"
        raise InvalidInputError([f"two summaries must be of one score to stand side by side; {received}. Take others."])
    both = pd.concat(frames, ignore_index=True)
    both = both.iloc[both.groupby(CELL, sort=False).ngroup().argsort(kind="stable")]
    several = [name for name in ("dataset", "architecture") if len(both[name].unique()) > 1]
    in_points = all(score_of({"score_name": name}).in_points for name in both["score_name"].unique())
    heads = _HEADS | {"difference_mean": IN_POINTS if in_points else IN_SCORE}
    shown = both.reindex(columns=[*several, *heads])
    differences = ["difference_mean", "difference_ci_low", "difference_ci_high"]
    shown[differences] = shown[differences].astype(float) * (100 if in_points else 1)
    shown["n_seeds"] = shown["n_seeds"].astype("Int64")
    plain = shown.rename(columns=heads).astype(object)
    rows: list[dict[str, Plain]] = plain.where(plain.notna(), None).to_dict("records")  # type: ignore[assignment]
    return rows


def _compared(results: str, which: str) -> pd.DataFrame:
    """The summary of a study or run; of a night of its campaigns, what its own pairs say."""
    study, _, night = which.partition("@")
    if not night:
        return stored_summary(results, study)
    nights = _findings(results, study, "history") if _is_found(results, study, "history") else pd.DataFrame()
    dates = [str(date) for date in nights["campaign"].unique()] if len(nights) else []
    if night not in dates:
        there = ", ".join(dates) or "none"
        raise InvalidInputError([f"{study!r} has no campaign {night!r} in its report. There are: {there}."])
    return nights[nights["campaign"] == night].rename(columns={"n_pairs": "n_seeds"})


def stored_summary(results: str, which: str) -> pd.DataFrame:
    """The summary of a study, or of a run of it with other settings: `circles`, `circles/epochs-200`.

    Raises:
        InvalidInputError: there is none.
    """
    if not _is_found(results, which, "summary"):
        path = _findings_path(results, which, "summary")
        raise InvalidInputError([f"{which!r} has no summary: {path} is not there. Run it, or name another."])
    return _findings(results, which, "summary")


def _findings(results: str, which: str, name: str) -> pd.DataFrame:
    return pd.read_parquet(_findings_path(results, which, name))


def _is_found(results: str, which: str, name: str) -> bool:
    """Whether there are findings of this name of a study, or of a run of it with other settings."""
    return which.count("/") < 2 and _findings_path(results, which, name).is_file()


def _findings_path(results: str, which: str, name: str) -> Path:
    study, _, run = which.partition("/")
    folder = study_folder(results, study)
    return (folder / "runs" / run if run else folder) / f"{name}.parquet"


def exported(results: str, which: str, form: Literal["csv", "latex"]) -> str:
    """The summary as CSV with all columns, or as a LaTeX table (booktabs) of those that a paper shows.

    Args:
        which: as for `stored_summary`.
    """
    summary = stored_summary(results, which)
    if form == "csv":
        return summary.to_csv(index=False)
    several = [name for name in ("dataset", "architecture") if len(summary[name].unique()) > 1]
    columns = [*several, "variant", *(name for name in COMPARED if name in summary), *PAPER]
    shown = [name for name in columns if name in summary]
    aligned = "".join("r" if pd.api.types.is_numeric_dtype(summary[name].dtype) else "l" for name in shown)
    heads = _HEADS | {"difference_mean": "difference", "p_adjusted": "$p$ (adj.)", "effect_size": "$d_z$"}
    texts = pd.DataFrame({heads.get(name, name): [_latex(value, name) for value in summary[name]] for name in shown})
    return texts.to_latex(index=False, escape=False, column_format=aligned)


_LATEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
}
"""Letters that LaTeX would obey, or print as others."""


def _latex(value: Any, name: str) -> str:
    """A cell of a LaTeX table: numbers with three decimals, and in math mode where there is a sign; nothing for none."""
    if pd.isna(value):
        return ""
    if not isinstance(value, float):
        return "".join(_LATEX.get(letter, letter) for letter in str(value))
    if name == "p_adjusted" and value < 0.001:
        return "$< 0.001$"
    text = f"{round(value, 3) + 0.0:.3f}"  # no minus before a zero
    return f"${text}$" if value < 0 and text[0] == "-" else text


def older_than(results: str, days: float, now: datetime) -> list[str]:
    """The studies with no file written for so many days."""
    return [stored.study for stored in stored_studies(results) if now - stored.changed > timedelta(days=days)]


def delete_study(results: str, study: str) -> None:
    """Deletes the folder of a study with all that runs wrote there.

    Raises:
        InvalidInputError: it is no study's folder, or something else is there too; nothing is deleted.
    """
    folder = study_folder(results, study)
    foreign = [path.name for path in folder.iterdir() if path.name not in _OURS and path.suffix != ".parquet"]
    if foreign:
        raise InvalidInputError(
            [f"{folder} also holds {', '.join(sorted(foreign))}. Move that, then delete the study."]
        )
    shutil.rmtree(folder)


def answer_json(study: str, report: Any, key: str, asked: Mapping[str, Plain]) -> bytes:
    """The JSON that `read_answer` reads.

    Args:
        report: the report, which has headline, alarm and answer.
        key: identifies all that the report was made from.
        asked: the seeds, and the campaign or None, and whether it went on until decided.
    """
    content: Mapping[str, Any] = {
        "study": study,
        "answer": report.headline,
        "alarm": report.alarm,
        "table": report.answer,
        "key": key,
        "asked": asked,
    }
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


def stored_answer(store: Store, folder: str = "") -> list[dict[str, Plain]]:
    """The table of the report that is stored; no rows where there is none."""
    content = store.read_page(ANSWER, folder)
    rows: list[dict[str, Plain]] = json.loads(content)["table"] if content else []
    return rows


def last_asked(store: Store | None, folder: str = "") -> dict[str, Any]:
    """What the run of the stored report was asked for; empty where nothing is recorded."""
    content = store.read_page(ANSWER, folder) if store else None
    return json.loads(content).get("asked", {}) if content else {}


def changed_verdicts(before: list[dict[str, Plain]], after: list[dict[str, Plain]]) -> list[str]:
    """A sentence on each row with a changed verdict: `‘input’ was open and is better`."""

    def verdicts(rows: list[dict[str, Plain]]) -> dict[str, Plain]:
        return {"/".join(str(row[name]) for name in CELL if name in row): row["verdict"] for row in rows}

    old = verdicts(before)
    return [
        f"\N{LEFT SINGLE QUOTATION MARK}{name}\N{RIGHT SINGLE QUOTATION MARK} was {old[name]} and is {verdict}."
        for name, verdict in verdicts(after).items()
        if old.get(name) and verdict != old[name]
    ]


def run_of(store: Store, folder: str, key: str, n_trials: int) -> StudyRun | None:
    """The run of the stored report, if that was made from what this key identifies; else None."""
    content = store.read_page(ANSWER, folder)
    answer = json.loads(content) if content else {}
    summary = store.read_findings("summary", folder)
    if not key or answer.get("key") != key or summary is None or store.read_page("index.html", folder) is None:
        return None
    named = {name: answer[name] for name in ("study", "table", "answer", "alarm")}
    return StudyRun(**named, summary=summary, report=store.page(folder), trained=0, reused=n_trials)
