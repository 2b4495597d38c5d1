"""Tables of scores for a terminal."""

from __future__ import annotations

import math

import pandas as pd
from rich.markup import escape
from rich.table import Table

from lulc_xr.analysis.accuracy import Accuracy

_NOTHING = "–"


def format_accuracy(accuracy: Accuracy, *, title: str | None = None) -> Table:
    """Scores of one class map, overall and per class.

    Parameters
    ----------
    accuracy : Accuracy
        What :func:`lulc_xr.accuracy` gave.
    title : str, optional
        Line above the table.

    Returns
    -------
    rich.table.Table
        To be printed with :func:`rich.print` or a console.
    """
    table = Table(title=title and escape(title), caption=escape(accuracy.statement))
    table.add_column("class")
    for heading in ("user's", "producer's", "F1", "labelled pixels"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, row in zip(accuracy.legend.names, _rows(accuracy), strict=True):
        table.add_row(escape(name), *row)
    table.add_section()
    table.add_row("macro F1", "", "", _share(accuracy.macro_f1), "")
    table.add_row("weighted F1", "", "", _share(accuracy.weighted_f1), "")
    total = f"{accuracy.total:g}"
    table.add_row("overall accuracy", "", "", _share(accuracy.overall), total, style="bold")
    return table


def format_comparison(comparison: pd.DataFrame, *, title: str | None = None) -> Table:
    """Scores of several models over seeds, with their differences.

    Parameters
    ----------
    comparison : pandas.DataFrame
        What :func:`lulc_xr.analysis.comparison.compare` gave.
    title : str, optional
        Line above the table.

    Returns
    -------
    rich.table.Table
        Mean ± half interval; differences whose interval leaves out zero carry a star.
    """
    models = list(dict.fromkeys(map(str, comparison.columns.get_level_values(0))))
    # A difference is named '<model> - <first>' by `compare`.
    differences = {f"{name} - {models[0]}" for name in models}
    table = Table(title=title and escape(title), caption=_caption(comparison, differences, models))
    table.add_column("score")
    for name in models:
        table.add_column(escape(name.replace(" - ", " − ")), justify="right", no_wrap=True)
    for score, row in comparison.iterrows():
        cells = [
            _cell(float(row[name, "mean"]), float(row[name, "interval"]), name in differences)
            for name in models
        ]
        overall = not str(score).startswith("F1 ")
        table.add_row(escape(str(score)), *cells, style="bold" if overall else None)
        if score == "macro F1":
            table.add_section()
    return table


def _caption(comparison: pd.DataFrame, differences: set[str], models: list[str]) -> str:
    level, seeds = comparison.attrs.get("level"), comparison.attrs.get("seeds")
    text = "Mean ± half width of the t interval"
    if level is not None and seeds is not None:
        text = f"Mean of {seeds} seeds ± half width of the {100 * level:g} % t interval"
    if differences & set(models):
        text += "; * the interval of the difference leaves out zero"
    if not comparison.attrs.get("weighted", True):
        text += "; unweighted agreement, no sampling design known"
    return text + "."


def _cell(mean: float, half_width: float, difference: bool) -> str:
    if math.isnan(mean):
        return _NOTHING
    spread = f" ± {half_width:.3f}" if not math.isnan(half_width) else ""
    if not difference:
        return f"{mean:.3f}{spread}"
    clear = "*" if abs(mean) > half_width else " "
    return f"{mean:+.3f}{spread}{clear}"


def _rows(accuracy: Accuracy) -> list[list[str]]:
    scores = zip(
        accuracy.users_accuracy,
        accuracy.producers_accuracy,
        accuracy.f1,
        accuracy.support,
        strict=True,
    )
    return [[_share(u), _share(p), _share(f), f"{n:g}"] for u, p, f, n in scores]


def _share(value: float) -> str:
    return _NOTHING if math.isnan(value) else f"{value:.3f}"
