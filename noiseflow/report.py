"""The report: what the trials of a study say, in markdown and as one HTML file, with its pictures."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import jinja2
import pandas as pd
import yaml
from markupsafe import escape

from noiseflow import plots, statistics
from noiseflow.spec import BASELINE, Study
from noiseflow.statistics import CELL

ARTIFACT_LIMIT = 950_000  # bytes; Prefect's pages become slow from 1 MB
GROUP = ["dataset", "architecture"]
SCORE_NAMES = {"accuracy": "test accuracy", "r2": "test R²"}
LEGEND = (
    "Scores are those of the last epoch; intervals are 95 % t intervals over seeds. Differences are variant minus "
    "baseline on the same seeds; p is of the two-sided sign-flip test, adjusted after Holm for all comparisons of the "
    "study. d_z is the mean difference over its standard deviation; P(better) is the share of seeds on which the "
    "variant wins, ties counting half."
)
NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Evidence:
    """Everything the report is drawn from.

    summary: `statistics.summarize` of the trials. trials: of the plan, with names. curves: of the plan, with names and
    seed. data: the datasets in long form. ceilings: dataset name -> the Bayes rule's test accuracy on this split.
    manifest: how it was made, in the order to be shown; its `command` repeats the study.
    """

    study: Study
    summary: pd.DataFrame
    trials: pd.DataFrame
    curves: pd.DataFrame
    data: pd.DataFrame
    ceilings: Mapping[str, float]
    manifest: Mapping[str, str]


@dataclass(frozen=True)
class Report:
    """The report as text and pictures.

    markdown: its pictures are relative links. html: self-contained. pictures: file name -> PNG. headline: plain text.
    """

    markdown: str
    html: str
    pictures: Mapping[str, bytes]
    headline: str

    @property
    def files(self) -> dict[str, bytes]:
        """The files of the report's folder: file name -> content."""
        return {"report.md": self.markdown.encode(), "index.html": self.html.encode(), **self.pictures}

    def artifact(self) -> str:
        """The markdown with its pictures inside, for a Prefect artifact; beyond ARTIFACT_LIMIT they are only named."""
        room = ARTIFACT_LIMIT - len(self.markdown.encode())
        text = self.markdown
        for name, png in self.pictures.items():
            link = re.compile(rf"^(!\[.*\])\({re.escape(name)}\)$", re.MULTILINE)
            address = _data_address(png)
            room -= len(address)
            inside = (
                rf"\1({address})"
                if room >= 0
                else f"(Picture {name} is too large for this page; see the report's folder.)"
            )
            text = link.sub(inside, text)
        return text


@dataclass(frozen=True)
class Picture:
    """A picture on the page: file name, PNG, what it shows in place of it, and what to see in it."""

    name: str
    png: bytes
    alt: str
    caption: str

    @property
    def address(self) -> str:
        """The picture as a data: address."""
        return _data_address(self.png)

    @property
    def width(self) -> int:
        """Width on the page in pixels: the PNG has two for each."""
        return int.from_bytes(self.png[16:20]) // 2

    @property
    def height(self) -> int:
        """Height on the page in pixels."""
        return int.from_bytes(self.png[20:24]) // 2


@dataclass(frozen=True)
class Table:
    """Header and rows of texts: `n_names` columns name the row, the first `n_left` are words, the rest numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_names: int
    n_left: int


def render(evidence: Evidence) -> Report:
    """The report of a study; it renders from whatever is there, and says what is missing."""
    pictures = _pictures(evidence)
    page: dict[str, Any] = {
        "study": evidence.study,
        "headline": headline(evidence),
        "summary": _summary_page_table(evidence.summary),
        "legend": LEGEND,
        "published": _published_table(evidence),
        "sources": sorted({run.source for run in evidence.study.published}),
        "pictures": pictures,
        "conclusions": conclusions(evidence),
        "manifest": {key: value for key, value in evidence.manifest.items() if key != "command"},
        "command": evidence.manifest.get("command", ""),
        "yaml": study_yaml(evidence.study),
    }
    markdown = _MARKDOWN.get_template("report.md.jinja").render(page)
    html = _HTML.get_template("report.html.jinja").render(page)
    return Report(markdown, html, {picture.name: picture.png for picture in pictures}, page["headline"])


def summary_table(summary: pd.DataFrame) -> list[dict[str, str | float | int | None]]:
    """The summary as plain rounded values for a Prefect table artifact and the terminal; None where there is none.

    Scores are fractions (or R²), differences percentage points where every score is an accuracy. Dataset and
    architecture stand there only where there are several.
    """
    points = set(summary["score_name"]) <= {"accuracy"}
    scale, unit, digits = (100.0, "points", 2) if points else (1.0, "score", 4)
    names = _telling(summary)
    rows = []
    for row in summary.to_dict("records"):
        plain: dict[str, str | float | int | None] = {name: str(row[name]) for name in [*names, "variant"]}
        plain["strength"] = _plain(row["strength"])
        plain |= {"seeds": int(row["n_seeds"]), "diverged": int(row["n_diverged"])}
        plain |= {name: _plain(row[f"{name}_score_mean"]) for name in ("train", "test")}
        plain["std"] = _plain(row["test_score_std"])
        plain[f"difference ({unit})"] = _plain(row["difference_mean"], scale, digits)
        plain |= {name: _plain(row[f"difference_ci_{name}"], scale, digits) for name in ("low", "high")}
        plain |= {"p (Holm)": _plain(row["p_adjusted"], digits=5), "d_z": _plain(row["effect_size"], digits=2)}
        plain["P(better)"] = _plain(row["prob_better"], digits=3)
        plain["verdict"] = row["verdict"] if isinstance(row["verdict"], str) else None
        rows.append(plain)
    return rows


def headline(evidence: Evidence) -> str:
    """One or two sentences in plain text that answer the study's question, generated from the verdicts."""
    rows = _compared_rows(evidence)
    if evidence.summary.empty:
        return "No trial of this study has been trained yet, so there is nothing to compare."
    if not rows:
        return "This study has a baseline only, so there is nothing to compare."
    better = sorted((r for r in rows if r["verdict"] == "better"), key=lambda r: -r["difference_mean"])
    worse = sorted((r for r in rows if r["verdict"] == "worse"), key=lambda r: r["difference_mean"])
    effects = [_effect(group, verb) for group, verb in ((better, "raises"), (worse, "lowers")) if group]
    others = [_no_effect(rows, evidence.study.margin), _open(rows)]
    first = "; ".join(effects) or f"no variant is shown to change {_score_words(rows[0])}"
    second = "; ".join(text for text in others if text)
    return f"On this split, {first}." + (f" {second[0].upper()}{second[1:]}." if second else "")


def conclusions(evidence: Evidence) -> list[str]:
    """Sentences on what may and may not be concluded, generated from the numbers."""
    return [
        *_on_split(evidence),
        *_on_test_set(evidence),
        *_on_trials(evidence),
        *_on_pairs(evidence),
    ]


def study_yaml(study: Study) -> str:
    """The study as YAML, defaults written out, so that it means the same in a later release."""
    content = study.model_dump(mode="json", exclude_none=True)
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110))


def escape_markdown(text: str) -> str:
    """Markdown that shows just this text, with no mark-up, link or tag, anywhere but at the start of a line."""
    line = " ".join(text.split())
    return re.sub(r"[\\`*_\[\]<>|~$@]|&(?=[#\w])|(?<=\w):(?=//)|(?<=[wW]{3})\.", r"\\\g<0>", line)


class _SafeMarkdown(str):
    """Markdown of our own making, not to be escaped."""

    __slots__ = ()


def _markdown_block(text: str) -> _SafeMarkdown:
    """Text for a <pre> within a block of HTML that markdown must not end early: escaped, and without a blank line."""
    return _SafeMarkdown(re.sub(r"\n(?=[ \t]*(\n|$))", "&#10;", str(escape(text.rstrip("\n")))))


def _finalize_markdown(value: Any) -> str:
    return value if isinstance(value, _SafeMarkdown) else escape_markdown(str(value))


_LOADER = jinja2.PackageLoader("noiseflow", "templates")
_KEEP: dict[str, Any] = {
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
    "undefined": jinja2.StrictUndefined,
}
_HTML = jinja2.Environment(loader=_LOADER, autoescape=True, **_KEEP)
_MARKDOWN = jinja2.Environment(loader=_LOADER, autoescape=False, finalize=_finalize_markdown, **_KEEP)  # noqa: S701 -- finalize escapes
_MARKDOWN.filters["block"] = _markdown_block
_MARKDOWN.filters["own"] = _SafeMarkdown


def _data_address(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode()}"


# Words and numbers


def _plain(value: Any, scale: float = 1.0, digits: int = 4) -> float | None:
    number = float(value) * scale
    return round(number, digits) if isfinite(number) else None


def _signed(value: float, decimals: int) -> str:
    return f"{value:+.{decimals}f}".replace("-", MINUS) if isfinite(value) else NOTHING


def _fraction(value: float) -> str:
    """`.769`; a dash where there is none."""
    if not isfinite(value):
        return NOTHING
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.3f}").replace("-", MINUS)


def _p_words(p: float) -> str:
    if p < 0.001:
        return "p < .001"
    digits = 4 if f"{p:.3f}" == "0.050" else 3
    return f"p = {p:.{digits}f}".replace("0.", ".", 1)


def _amount(row: Mapping[Any, Any], value: float) -> str:
    """`3.4 points`, or `.034 of R²`."""
    return f"{100 * abs(value):.1f} points" if row["score_name"] == "accuracy" else f"{_fraction(abs(value))} of R²"


def _margin_words(row: Mapping[Any, Any], margin: float) -> str:
    if row["score_name"] != "accuracy":
        return f"± {margin:g} of R²"
    return f"± {100 * margin:g} point{'' if margin == 0.01 else 's'}"


def _score_words(row: Mapping[Any, Any]) -> str:
    return SCORE_NAMES.get(str(row["score_name"]), str(row["score_name"]))


def _interval_words(row: Mapping[Any, Any], name: str, *, absolute: bool = False) -> str:
    """`2.8 to 4.0`, in points for an accuracy."""
    low, high = float(row[f"{name}_low"]), float(row[f"{name}_high"])
    if absolute and high <= 0:
        low, high = -high, -low
    if row["score_name"] == "accuracy":
        return f"{100 * low:.1f} to {100 * high:.1f}".replace("-", MINUS)
    return f"{_fraction(low)} to {_fraction(high)}"


def _listed(names: Iterable[str], most: int = 6, last: str = "and") -> str:
    shown = list(names)
    if len(shown) > most:
        shown = [*shown[: most - 1], f"{len(shown) - most + 1} more"]
    return "".join(shown) if len(shown) < 2 else f"{', '.join(shown[:-1])} {last} {shown[-1]}"


def _number(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


# The headline


def _compared_rows(evidence: Evidence) -> list[dict[Any, Any]]:
    """Rows of the summary that are compared to a baseline, with their pairs and a label that tells them apart."""
    rows = evidence.summary[evidence.summary["variant"] != BASELINE]
    merged = rows.merge(statistics.pair_counts(evidence.trials), on=CELL, how="left")
    labels = _labels(evidence.summary)
    return [row | {"label": labels[_key(row)]} for row in merged.to_dict("records")]


def _labels(summary: pd.DataFrame) -> dict[tuple[Any, ...], str]:
    """What each cell is called: its variant, and its dataset and architecture where there are several."""
    telling = _telling(summary)
    labels = {}
    for cell in summary[CELL].to_dict("records"):
        place = "/".join(cell[name] for name in telling)
        labels[_key(cell)] = f"{cell['variant']} on {place}" if place else cell["variant"]
    return labels


def _telling(summary: pd.DataFrame) -> list[str]:
    """Which of dataset and architecture tell cells apart."""
    return [name for name in GROUP if len(summary[name].unique()) > 1]


def _key(cell: Mapping[Any, Any]) -> tuple[Any, ...]:
    return tuple(cell[name] for name in CELL)


def _effect(rows: Sequence[Mapping[Any, Any]], verb: str) -> str:
    first, *others = rows
    interval = _interval_words(first, "difference_ci", absolute=True)
    seeds, p = _number(int(first["n_pairs"]), "seed"), _p_words(first["p_adjusted"])
    text = (
        f"{first['label']} {verb} {_score_words(first)} by {_amount(first, first['difference_mean'])} "
        f"(95 % interval {interval}, {seeds}, {p} after Holm)"
    )
    if others:
        also = _listed(f"{row['label']} ({_amount(row, row['difference_mean'])})" for row in others)
        text += f", and so {'does' if len(others) == 1 else 'do'} {also}"
    return text


def _no_effect(rows: Sequence[Mapping[Any, Any]], margin: float) -> str:
    equivalent = [row for row in rows if row["verdict"] == "equivalent"]
    if not equivalent:
        return ""
    names = _listed(str(row["label"]) for row in equivalent)
    return f"no difference worth having (within {_margin_words(equivalent[0], margin)}) for {names}"


def _open(rows: Sequence[Mapping[Any, Any]]) -> str:
    undecided = [row for row in rows if row["verdict"] == "inconclusive"]
    if not undecided:
        return ""
    few = [row for row in undecided if row["n_pairs"] < row["least_n"]]
    texts = []
    if few:
        n, least = int(few[0]["n_pairs"]), int(few[0]["least_n"])
        names = _listed(str(row["label"]) for row in few)
        texts.append(f"one cannot conclude on {names}: {_number(n, 'pair')} of trials cannot decide it, {least} could")
    if len(few) < len(undecided):
        names = _listed((str(row["label"]) for row in undecided if row not in few), last="or")
        texts.append(f"it stays open whether {names} makes a difference")
    return "; ".join(texts)


# What may be concluded


def _on_split(evidence: Evidence) -> list[str]:
    sizes = _split_sizes(evidence.data)
    rows = _listed(f"{name}: {train:,} rows to train and {test:,} to test" for name, (train, test) in sizes.items())
    what = f" ({rows})" if sizes else ""
    return [
        f"The data is one fixed split{what}; the seeds vary the initial weights and the noise.",
        "So the conclusions hold for that split only: other rows from the same source may give another answer.",
    ]


def _on_test_set(evidence: Evidence) -> list[str]:
    sizes = _split_sizes(evidence.data)
    texts = []
    baselines = evidence.summary[(evidence.summary["variant"] == BASELINE)].to_dict("records")
    for row in baselines:
        n = sizes.get(str(row["dataset"]), (0, 0))[1]
        score = float(row["test_score_mean"])
        if row["score_name"] != "accuracy" or not n or not isfinite(score):
            continue
        low, high = statistics.score_interval(round(score * n), n)
        error = statistics.score_standard_error(score, n)
        texts.append(
            f"A test set of {n:,} rows measures the baseline's accuracy of {_fraction(score)} on {row['dataset']} with "
            f"a standard error of {100 * error:.1f} points (95 % interval {_fraction(low)} to {_fraction(high)}): the "
            "scores say that little about new rows, while the differences compare all variants on the same ones."
        )
    return texts


def _on_trials(evidence: Evidence) -> list[str]:
    study, summary = evidence.study, evidence.summary
    planned = len(study.datasets) * len(study.architectures) * len(study.variants) * study.n_seeds
    missing = planned - len(evidence.trials)
    texts = [f"{missing:,} of {planned:,} planned trials are missing."] if missing > 0 else []
    diverged = summary[summary["n_diverged"] > 0]
    if diverged.empty:
        return [*texts, f"None of the {len(evidence.trials):,} trials diverged."] if len(evidence.trials) else texts
    labels = _labels(summary)
    shares = [f"{labels[_key(row)]} ({row['n_diverged']} of {row['n_seeds']})" for row in diverged.to_dict("records")]
    n = int(summary["n_diverged"].sum())
    return [
        *texts,
        f"{_number(n, 'trial')} diverged and {'is' if n == 1 else 'are'} left out of every mean: {_listed(shares)}.",
    ]


def _on_pairs(evidence: Evidence) -> list[str]:
    rows = _compared_rows(evidence)
    few = [row for row in rows if row["n_pairs"] < row["least_n"]]
    broken = [row for row in rows if row["survivors_only"] and row not in few]
    texts = []
    if few:
        names = _listed(str(row["label"]) for row in few)
        texts.append(
            f"Cannot conclude: with {_number(len(rows), 'comparison')} the test can reach an adjusted p below .05 only "
            f"from {int(few[0]['least_n'])} pairs of trials on; {names} {'has' if len(few) == 1 else 'have'} fewer."
        )
    if broken:
        texts.append(
            f"Cannot conclude on {_listed(str(row['label']) for row in broken)}: more than 5 % of the pairs diverged, "
            "and what is left is a selection of survivors."
        )
    return texts


def _split_sizes(data: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Train and test rows of each dataset, of its first data seed."""
    sizes = {}
    for name, rows in data.groupby("dataset", sort=False):
        splits = rows.loc[rows["data_seed"] == rows["data_seed"].iloc[0], "split"]
        sizes[str(name)] = (int((splits == "train").sum()), int((splits == "test").sum()))
    return sizes


# Tables


def _summary_page_table(summary: pd.DataFrame) -> Table:
    points = set(summary["score_name"]) <= {"accuracy"}
    names = [*_telling(summary), "variant"]
    header = [*(name.capitalize() for name in names), "Verdict", "Strength", "Seeds", "Train", "Test, mean ± std"]
    header += ["95 % interval", f"Difference{' (points)' if points else ''}", "95 % interval", "p (Holm)", "d_z"]
    rows = [[str(row[name]) for name in names] + _values(row) for row in summary.to_dict("records")]
    return Table([*header, "P(better)"], rows, n_names=len(names), n_left=len(names) + 1)


def _values(row: Mapping[Any, Any]) -> list[str]:
    scale, decimals = (100.0, 1) if row["score_name"] == "accuracy" else (1.0, 3)
    seeds = f"{row['n_seeds']} ({row['n_diverged']} diverged)" if row["n_diverged"] else str(row["n_seeds"])
    p = float(row["p_adjusted"])
    return [
        row["verdict"] if isinstance(row["verdict"], str) else NOTHING,
        f"{row['strength']:g}" if isfinite(row["strength"]) else NOTHING,
        seeds,
        _fraction(row["train_score_mean"]),
        _mean_std(row["test_score_mean"], row["test_score_std"]),
        f"{_fraction(row['ci_low'])} to {_fraction(row['ci_high'])}" if isfinite(row["ci_low"]) else NOTHING,
        _signed(scale * row["difference_mean"], decimals),
        _interval_words(row, "difference_ci") if isfinite(row["difference_ci_low"]) else NOTHING,
        _p_words(p).removeprefix("p ").removeprefix("= ") if isfinite(p) else NOTHING,
        _signed(row["effect_size"], 2),
        f"{100 * row['prob_better']:.0f} %" if isfinite(row["prob_better"]) else NOTHING,
    ]


def _mean_std(mean: float, std: float) -> str:
    return f"{_fraction(mean)} ± {_fraction(std)}" if isfinite(std) else _fraction(mean)


def _published_table(evidence: Evidence) -> Table | None:
    runs = _published(evidence)
    if runs.empty:
        return None
    labels = _labels(evidence.summary)
    rows = [
        [
            labels[_key(run)],
            f"{run['train_score']:.3f}",
            f"{run['score']:.3f}",
            f"{run['percentile']:.0f}" if isfinite(run["percentile"]) else NOTHING,
            _mean_std(run["mean"], run["std"]),
            str(run["n"]),
        ]
        for run in runs.to_dict("records")
    ]
    header = ["Variant", "Published train", "Published test", "Percentile", "Here, mean ± std", "Seeds"]
    return Table(header, rows, n_names=1, n_left=1)


def _published(evidence: Evidence) -> pd.DataFrame:
    """Published runs beside the cells of their variant: CELL, train_score, score, percentile, n and the cell's mean."""
    finished = _finished(evidence.trials)
    rows = []
    for cell in _score_rows(evidence.summary).to_dict("records"):
        same = finished[(finished[CELL] == pd.Series({k: cell[k] for k in CELL})).all(axis="columns")]
        for run in evidence.study.published:
            if run.variant == cell["variant"]:
                percentile = statistics.percentile_of_published(same["test_score"], run.test_score)
                mine = {"train_score": run.train_score, "score": run.test_score, "percentile": percentile}
                rows.append(cell | mine)
    return pd.DataFrame(rows, columns=[*CELL, "train_score", "score", "percentile", "n", "mean", "std"])


# Pictures


def _pictures(evidence: Evidence) -> list[Picture]:
    colours = plots.variant_colours([variant.name for variant in evidence.study.variants])
    return [
        *_data_pictures(evidence),
        *_curve_pictures(evidence, colours),
        *_score_pictures(evidence, colours),
        *_difference_pictures(evidence, colours),
    ]


def _data_pictures(evidence: Evidence) -> list[Picture]:
    figure = plots.plot_data(evidence.data) if len(evidence.data) else None
    if figure is None:
        return []
    caption = (
        "The data: colour and shape tell the class; filled marks are rows to train on, hollow ones rows to test on."
    )
    return [Picture("data.png", plots.to_png(figure), "Scatter plot of the data by class and split", caption)]


def _curve_pictures(evidence: Evidence, colours: Mapping[str, str]) -> list[Picture]:
    finished = _finished(evidence.trials)
    keys = ["trial_id"] if "trial_id" in evidence.curves else [*CELL, "seed"]
    curves = evidence.curves.merge(finished[keys].drop_duplicates(), on=keys)
    if curves.empty:
        return []
    pictures = []
    bands = statistics.learning_bands(curves)
    for suffix, group, rows in _groups(evidence.summary):
        mine = _of(bands, group)
        if mine.empty:
            continue
        figure = plots.plot_learning_curves(mine, colours, _score_words(rows.iloc[0].to_dict()).removeprefix("test "))
        caption = (
            f"Learning curves{_where(group, suffix)}: solid lines are the mean over seeds on the test rows, dashed "
            "ones on the training rows; bands hold the middle 80 % of the seeds. The dotted line repeats the "
            "baseline's test score. See how far train and test part, and whether noise keeps them together."
        )
        alt = f"Train and test score over the epochs, a panel a variant{_where(group, suffix)}"
        pictures.append(Picture(f"learning-curves{suffix}.png", plots.to_png(figure), alt, caption))
    return pictures


def _score_pictures(evidence: Evidence, colours: Mapping[str, str]) -> list[Picture]:
    finished = _finished(evidence.trials).rename(columns={"test_score": "score"})
    published = _published(evidence)
    pictures = []
    for suffix, group, rows in _groups(evidence.summary):
        score = _score_words(rows.iloc[0].to_dict())
        ceiling = evidence.ceilings.get(group["dataset"])
        unit = " (fraction of rows)" if score == "test accuracy" else ""
        figure = plots.plot_final_scores(
            _of(finished, group),
            _score_rows(rows),
            _of(published, group),
            colours,
            ceiling=ceiling,
            score_label=f"{score} at the last epoch{unit}",
        )
        caption = (
            f"Final {score} of each seed{_where(group, suffix)}: a dot a seed, stacked where scores tie; below them a "
            "box with median, quartiles and range."
        )
        if len(_of(published, group)):
            caption += " Diamonds are published single runs; the percentile tells how many seeds score below them."
        if ceiling is not None:
            caption += f" The dashed line is the Bayes rule, the best there can be: {_fraction(ceiling)} on these rows."
        alt = f"Final {score} of every seed by variant{_where(group, suffix)}"
        pictures.append(Picture(f"final-scores{suffix}.png", plots.to_png(figure), alt, caption))
    return pictures


def _difference_pictures(evidence: Evidence, colours: Mapping[str, str]) -> list[Picture]:
    labels = _labels(evidence.summary)
    pictures = []
    kinds = list(dict.fromkeys(evidence.summary["score_name"]))
    for at, kind in enumerate(kinds, start=1):
        rows = evidence.summary[evidence.summary["score_name"] == kind]
        names = [labels[_key(row)] for row in rows.to_dict("records")]
        scale, unit = (100.0, "percentage points of accuracy") if kind == "accuracy" else (1.0, "R²")
        figure = plots.plot_differences(rows, evidence.study.margin, colours, names=names, scale=scale, unit=unit)
        if figure is None:
            continue
        caption = (
            "Difference to the baseline on the same seeds, with its 95 % interval. Right of the zero line noise helps, "
            "left of it noise hurts; an interval inside the grey band is a difference not worth having. Each interval "
            "stands for its own comparison; the verdicts at the right allow for all of them."
        )
        name = "differences.png" if len(kinds) == 1 else f"differences-{at}.png"
        alt = "Paired differences to the baseline with 95 % intervals and verdicts"
        pictures.append(Picture(name, plots.to_png(figure), alt, caption))
    return pictures


def _finished(trials: pd.DataFrame) -> pd.DataFrame:
    return trials[trials["status"] == "completed"]


def _score_rows(summary: pd.DataFrame) -> pd.DataFrame:
    """CELL, n, mean and std of each cell's finished trials."""
    rows = summary[[*CELL, "test_score_mean", "test_score_std"]].assign(n=summary["n_seeds"] - summary["n_diverged"])
    return rows.rename(columns={"test_score_mean": "mean", "test_score_std": "std"})


def _groups(summary: pd.DataFrame) -> list[tuple[str, dict[str, str], pd.DataFrame]]:
    """For each dataset and architecture: a suffix for file names (empty if there is one), its names, its rows."""
    groups = [(dict(zip(GROUP, map(str, key), strict=True)), rows) for key, rows in summary.groupby(GROUP, sort=False)]
    return [(f"-{i}" if len(groups) > 1 else "", group, rows) for i, (group, rows) in enumerate(groups, start=1)]


def _of(frame: pd.DataFrame, group: Mapping[str, str]) -> pd.DataFrame:
    return frame[(frame["dataset"] == group["dataset"]) & (frame["architecture"] == group["architecture"])]


def _where(group: Mapping[str, str], suffix: str) -> str:
    return f" on {group['dataset']}/{group['architecture']}" if suffix else ""
