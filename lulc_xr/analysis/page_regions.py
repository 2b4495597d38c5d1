"""Sections of a page: regions, subsets of the points, conformal sets, applicability, transfer."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from html import escape
from typing import Any

from lulc_xr.analysis.findings import Estimate, Findings
from lulc_xr.analysis.page_svg import draw_interval
from lulc_xr.analysis.page_words import NOTHING, number, percent, spoken

Row = Mapping[Hashable, Any]


def region_section(found: Findings) -> str:
    """Overall accuracy of each region of the points."""
    if found.regions.empty:
        return ""
    extra = {"macro F1": lambda row: _share(row["macro_f1"])}
    rows = found.regions.to_dict("records")
    return _section(
        "regions",
        "Each region",
        "Overall accuracy of the points of each region, by the same design as the whole.",
        _table([(spoken(row["region"]), row) for row in rows], first="region", extra=extra),
    )


def subset_section(found: Findings) -> str:
    """All points and those that pass a filter, with and without tolerance, side by side."""
    if len(found.subsets) < 2:
        return ""
    rows = [
        (
            f"points that {row['points']}" if row["points"] != "all" else "all points",
            {**row, "tolerance": f"{int(row['tolerance'])} px"},
        )
        for row in found.subsets.to_dict("records")
    ]
    return _section(
        "subsets",
        "Filters and tolerance, side by side",
        "A filter changes the points, not the map; its figure is for comparison with reports that "
        "filter. Tolerance of 1 pixel: right where the class is that of one of the nine pixels "
        "around the point.",
        _table(rows, first="points", extra={"tolerance": lambda row: str(row["tolerance"])}),
    )


def sets_section(found: Findings) -> str:
    """How often conformal sets hold the true class, over all, by class and by region."""
    if found.sets.empty:
        return ""
    rows = [
        (
            "all points" if row["group"] == "all" else f"{row['group']}: {spoken(row['name'])}",
            row,
        )
        for row in found.sets.to_dict("records")
    ]
    promised = found.sets["promised"].iloc[0]
    told = (
        f"Share of the points whose set holds their true class; {percent(promised)} was promised "
        "(dashed). The promise is for points like those that the sets were fitted to."
        if not math.isnan(promised)
        else "Share of the points whose set holds their true class."
    )
    extra = {"mean size": lambda row: f"{row['size']:.2f}"}
    return _section(
        "sets", "Conformal sets", told,
        _table(rows, first="points", heading="held", extra=extra, reference=float(promised)),
    )  # fmt: skip


def applicability_section(found: Findings) -> str:
    """Accuracy inside and outside the area of applicability."""
    if found.applicability.empty:
        return ""
    rows = [(f"points {row['place']}", row) for row in found.applicability.to_dict("records")]
    extra = {"share of the points": lambda row: percent(row["share"])}
    return _section(
        "applicability",
        "Area of applicability",
        "Outside, the features of a place are further from all training samples than those are "
        "from each other over folds (Meyer and Pebesma 2021).",
        _table(rows, first="points", extra=extra),
    )


def transfer_section(found: Findings) -> str:
    """Models that did not see a region, judged there; no figure of it is mixed with others."""
    if found.transfer.empty:
        return ""
    extra = {"macro F1": lambda row: _share(row["macro_f1"])}
    rows = [(spoken(row["region"]), row) for row in found.transfer.to_dict("records")]
    table = _table(rows, first="region held out", extra=extra)
    return (
        '<section class="apart" aria-labelledby="transfer"><h2 id="transfer">Transfer to places '
        "without samples</h2><p><b>This is another question than all above.</b> Each row judges a "
        "model that was trained without the region, at the points of the region. It says what to "
        "expect where nothing was sampled, not how good this map is; no figure of this section is "
        f"part of any other.</p>{table}</section>"
    )


def _section(name: str, title: str, told: str, table: str) -> str:
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(title)}</h2>'
        f"<p>{escape(told)}</p>{table}</section>"
    )


def _table(
    rows: Iterable[tuple[str, Row]],
    *,
    first: str,
    heading: str = "overall accuracy",
    extra: Mapping[str, Any],
    reference: float = math.nan,
) -> str:
    """Estimates in rows, with their intervals on one scale, and further columns."""
    named = list(rows)
    values = [v for _, row in named for v in (row["low"], row["high"], row["estimate"])]
    known = [float(v) for v in [*values, reference] if not math.isnan(v)]
    low = math.floor(10 * max(0.0, min(known, default=0.0) - 1e-9)) / 10
    high = min(1.0, math.ceil(10 * max(known, default=1.0)) / 10)
    low, high = (low, high) if low < high else (max(0.0, high - 0.1), high)
    body = []
    for name, row in named:
        e = Estimate.of(row)
        drawn = draw_interval(e.value, (e.low, e.high), low=low, high=high, reference=reference)
        around = "" if math.isnan(e.width) else f"{100 * e.low:.1f} to {percent(e.high)}"
        more = "".join(f"<td>{tell(row)}</td>" for tell in extra.values())
        body.append(
            f'<tr><th scope="row">{escape(name)}</th><td>{number(e.samples)}</td>'
            f"<td><b>{percent(e.value)}</b></td>"
            f'<td class="dim">{around}</td><td>{drawn}</td>{more}</tr>'
        )
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in extra)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(first)}: '
        f'{escape(heading)}"><table><thead><tr><th scope="col">{escape(first)}</th>'
        f'<th scope="col">points</th><th scope="col">{escape(heading)}</th>'
        '<th scope="col">interval</th><th class="scale" scope="col">'
        f"<span>{percent(low, digits=0)}</span><span>{percent(high, digits=0)}</span></th>{head}"
        f"</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _share(value: float) -> str:
    return NOTHING if math.isnan(value) else percent(value)
