"""The report of an experiment: one HTML page that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from lulc_xr.analysis.page_svg import draw_interval
from lulc_xr.analysis.sweeps import summarise
from lulc_xr.jobs.experiment import ALL, Experiment
from lulc_xr.jobs.experiment_style import STYLE
from lulc_xr.jobs.experiment_svg import color_of, draw_curves

_NOTHING = "–"
_MACRO, _OVERALL, _F1 = "macro_f1", "overall_accuracy", "f1"
Row = Mapping[Any, Any]
_TITLES = {_MACRO: "macro F1", _OVERALL: "overall accuracy", _F1: "F1"}


def draw_report(experiment: Experiment, table: pd.DataFrame) -> str:
    """The page: means with intervals, differences, curves over budgets, classes and regions.

    Parameters
    ----------
    experiment : Experiment
        What was run.
    table : pandas.DataFrame
        Its table of results.

    Returns
    -------
    str
        HTML with style and charts inside; no link leads out of it.
    """
    parts = [_headline(experiment, table)]
    good = table[table["error"] == ""]
    if experiment.reference in set(good["method"]):
        summary = summarise(table, reference=experiment.reference)
        parts += [
            _of_folds(experiment, table, part, task=task, scheme=scheme.name)
            for task in dict.fromkeys(summary["task"])
            for scheme in experiment.folds
            if len(part := _part(summary, task=task, folds=scheme.name))
        ]
    else:
        parts.append("<p>No run of the method of reference has ended well yet.</p>")
    parts += [_failures(table), _reading(experiment)]
    title = escape(experiment.title)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>"
        f"{''.join(parts)}</main></body></html>\n"
    )


def _headline(experiment: Experiment, table: pd.DataFrame) -> str:
    ended = table.drop_duplicates("run")
    failed = int((ended["error"] != "").sum())
    hours = ended["seconds"].sum() / 3600
    spent = f"{hours:.1f} h" if hours > 1.5 else f"{60 * hours:.0f} min"
    facts = {
        "runs done": f"{len(ended) - failed}",
        "failed": f"{failed}",
        "methods": f"{len(experiment.methods)}",
        "seeds": f"{len(experiment.seeds)}",
        "computing": spent,
    }
    cards = "".join(f"<div><b>{v}</b><span>{k}</span></div>" for k, v in facts.items())
    made = datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC")
    return (
        f"<header><h1>{escape(experiment.title)}</h1>"
        f"<p>Compared with <b>{escape(experiment.reference)}</b>, on the same folds, draws of "
        f"labels and seeds. lulc_xr {escape(version('lulc_xr'))}, {made}.</p>"
        f'<div class="cards">{cards}</div></header>'
    )


def _of_folds(
    experiment: Experiment, table: pd.DataFrame, part: pd.DataFrame, *, task: str, scheme: str
) -> str:
    """All about one task under one way to deal folds."""
    colors = {method.name: color_of(n) for n, method in enumerate(experiment.methods)}
    budgets = [str(budget) for budget in experiment.budgets if str(budget) in set(part["budget"])]
    heading = f"<h2>{escape(_words(task))} <small>folds: {escape(_words(scheme))}</small></h2>"
    sections = [heading]
    overall = _part(part, region="", **{"class": ""})
    if len(budgets) > 1:
        ordered = sorted((b for b in budgets if b != ALL), key=int) + [ALL] * (ALL in budgets)
        sections.append(_curves(overall, ordered, colors))
    for number, budget in enumerate(budgets, 1):
        last = number == len(budgets)
        some = _part(part, budget=budget)
        runs = _part(table[table["error"] == ""], folds=scheme, budget=budget, task=task)
        said = "all labels" if budget == ALL else f"{budget} labels per class"
        sections.append(f"<h3>{said}</h3>")
        sections.append(_overview(experiment, _part(overall, budget=budget), runs, colors))
        sections.append(_folded("Per class", _matrix(experiment, some, by="class"), shown=last))
        sections.append(_folded("Per region", _regions(experiment, some), shown=last))
    return f"<section>{''.join(sections)}</section>"


def _overview(
    experiment: Experiment,
    overall: pd.DataFrame,
    runs: pd.DataFrame,
    colors: Mapping[str, str],
) -> str:
    """One row per method: scores, difference from the reference, an interval drawn."""
    macro, whole = (_rows(_part(overall, score=s), "method") for s in (_MACRO, _OVERALL))
    if not macro:
        return "<p>No seed has all its folds yet.</p>"
    spread = {name: np.nan_to_num(row["interval"]) for name, row in macro.items()}
    low = float(np.nanmin([row["mean"] - spread[name] for name, row in macro.items()]))
    high = float(np.nanmax([row["mean"] + spread[name] for name, row in macro.items()]))
    margin = max(0.005, 0.08 * (high - low))
    low, high = max(0.0, low - margin), min(1.0, high + margin)
    reference = macro[experiment.reference]["mean"] if experiment.reference in macro else math.nan
    once = runs.drop_duplicates("run")
    seconds, labelled = (once.groupby("method")[k].mean() for k in ("seconds", "labelled"))
    rows = []
    for method in experiment.methods:
        name = method.name
        if name not in macro:
            continue
        row = macro[name]
        drawn = draw_interval(
            row["mean"],
            (row["mean"] - row["interval"], row["mean"] + row["interval"]),
            low=low,
            high=high,
            reference=reference,
            color=colors[name],
        )
        own = name == experiment.reference
        gain = '<td class="dim">reference</td><td></td>' if own else _gain(row)
        rows.append(
            f"<tr{' class=own' if own else ''}><th>{_dot(colors[name])}{escape(name)}</th>"
            f"<td>{_value(row)}</td><td>{drawn}</td>{gain}<td>{_value(whole[name])}</td>"
            f'<td class="dim">{int(row["seeds"])}</td>'
            f'<td class="dim">{labelled[name]:.0f}</td>'
            f'<td class="dim">{seconds[name]:.1f} s</td></tr>'
        )
    return (
        '<div class="wide"><table><thead><tr><th>method</th><th>macro F1</th>'
        f'<th class="scale"><span>{low:.3f}</span><span>{high:.3f}</span></th>'
        "<th>difference</th><th>folds better</th><th>overall accuracy</th><th>seeds</th>"
        f"<th>labels</th><th>a run</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _curves(overall: pd.DataFrame, budgets: Sequence[str], colors: Mapping[str, str]) -> str:
    macro = {
        (row["method"], row["budget"]): (row["mean"], row["interval"])
        for row in _part(overall, score=_MACRO).to_dict("records")
    }
    names = [name for name in colors if any(name == key[0] for key in macro)]
    unknown = (math.nan, math.nan)
    curves = {name: [macro.get((name, b), unknown) for b in budgets] for name in names}
    keys = "".join(f"<span>{_dot(colors[name])}{escape(name)}</span>" for name in names)
    drawn = draw_curves(curves, budgets=budgets, colors=colors, label="macro F1")
    return f'<figure>{drawn}<figcaption class="keys">{keys}</figcaption></figure>'


def _matrix(experiment: Experiment, part: pd.DataFrame, *, by: str, score: str = _F1) -> str:
    """Scores of methods (rows) by class or region (columns), coloured by their height."""
    other = "region" if by == "class" else "class"
    some = part[(part["score"] == score) & (part[by] != "") & (part[other] == "")]
    if some.empty:
        return ""
    columns = list(dict.fromkeys(some[by]))
    cells = {(row["method"], row[by]): row for row in some.to_dict("records")}
    head = "".join(f"<th>{escape(_words(name))}</th>" for name in columns)
    rows = []
    for method in experiment.methods:
        found = [
            _heat(cells[method.name, name], own=method.name == experiment.reference)
            if (method.name, name) in cells
            else f"<td>{_NOTHING}</td>"
            for name in columns
        ]
        rows.append(f"<tr><th>{escape(method.name)}</th>{''.join(found)}</tr>")
    return (
        f'<div class="wide"><table class="heat"><thead><tr><th>{_TITLES[score]}</th>{head}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _regions(experiment: Experiment, part: pd.DataFrame) -> str:
    return "".join(
        _matrix(experiment, part, by="region", score=score) for score in (_OVERALL, _MACRO)
    )


def _heat(row: Row, *, own: bool) -> str:
    mean = float(row["mean"])
    if math.isnan(mean):
        return f"<td>{_NOTHING}</td>"
    difference = "" if own else f"<small>{_signed(row)}</small>"
    return f'<td style="--v:{max(0.0, min(1.0, mean)):.3f}">{mean:.3f}{difference}</td>'


def _gain(row: Row) -> str:
    if math.isnan(row["difference"]):
        return f"<td>{_NOTHING}</td><td></td>"
    better = f"{int(row['folds_better'])} of {int(row['folds_compared'])}"
    return f'<td>{_signed(row, wide=True)}</td><td class="dim">{better}</td>'


def _signed(row: Row, *, wide: bool = False) -> str:
    """A difference with its sign; coloured and starred if its interval leaves out zero."""
    mean, spread = float(row["difference"]), float(row["difference_interval"])
    if math.isnan(mean):
        return ""
    clear = not math.isnan(spread) and abs(mean) > spread
    kind = ("gain" if mean > 0 else "loss") if clear else "same"
    around = f" ± {spread:.3f}" if wide and not math.isnan(spread) else ""
    text = f"{mean:+.3f}".replace("-", "−")
    return f'<span class="{kind}">{text}{around}{"*" if clear else ""}</span>'


def _value(row: Row) -> str:
    spread = row["interval"]
    around = "" if math.isnan(spread) else f' <span class="dim">± {spread:.3f}</span>'
    return f"{row['mean']:.3f}{around}"


def _failures(table: pd.DataFrame) -> str:
    failed = table[table["error"] != ""].drop_duplicates("run")
    if failed.empty:
        return ""
    rows = "".join(
        f"<tr><th>{escape(row['method'])}</th><td>{escape(row['budget'])}</td>"
        f"<td>{escape(row['folds'])} {row['fold']}</td><td>{row['seed']}</td>"
        f'<td class="text">{escape(row["error"])}</td></tr>'
        for row in failed.to_dict("records")
    )
    return (
        f"<section><h2>Failed runs</h2><p>They are in no figure above, and neither is the rest of "
        f"their seed. The same command tries them again.</p>"
        '<div class="wide"><table><thead><tr><th>method</th><th>budget</th><th>fold</th>'
        f"<th>seed</th><th>what happened</th></tr></thead><tbody>{rows}</tbody></table></div>"
        "</section>"
    )


def _reading(experiment: Experiment) -> str:
    samples = "".join(
        f"<li><b>{escape(name)}</b>: {escape(path.name)}</li>"
        for name, path in experiment.samples.items()
    )
    return (
        "<section><h2>How to read this</h2><p>Each figure is a mean over seeds ± half the width "
        "of its 95 % t interval. A seed draws labels, initial weights and batches; its test folds "
        "are judged together, each sample once, on labels that no method saw. Differences are "
        "taken seed by seed; <b>*</b>: the interval of the difference leaves out zero. The "
        "intervals speak of other seeds, not of other places: <i>folds better</i> says in how "
        "many of the test folds a method is above the reference. Many comparisons are made here; "
        "one in twenty would carry a star by chance.</p>"
        f"<p>Samples:</p><ul>{samples}</ul></section>"
    )


def _folded(title: str, content: str, *, shown: bool) -> str:
    if not content:
        return ""
    return (
        f"<details{' open' if shown else ''}><summary>{escape(title)}</summary>{content}</details>"
    )


def _rows(frame: pd.DataFrame, name: str) -> dict[str, Row]:
    """Rows by the value of one column."""
    return {str(row[name]): row for row in frame.to_dict("records")}


def _part(frame: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    return frame


def _dot(color: str) -> str:
    return f'<i style="background:{color}"></i>'


def _words(name: str) -> str:
    return name.replace("_", " ")
