"""Sections of a page: the confusion matrix with intervals, and each class."""

from __future__ import annotations

import math
from html import escape

from lulc_xr.analysis.findings import AREA, F1, PRODUCERS, SHARE, USERS, Estimate, Findings
from lulc_xr.analysis.page_svg import draw_interval
from lulc_xr.analysis.page_words import NOTHING, number, percent, spoken


def matrix_section(found: Findings) -> str:
    """Counts of each pair of classes, with what share of the mapped class they are."""
    names = [escape(spoken(name)) for name in found.legend.names]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = [
        f'<tr><th scope="row">{name}</th>{_cells(found, position)}'
        f'<td class="sum">{_interval(users)}</td>'
        f"<td>{number(int(found.mapped[position]))}</td></tr>"
        for position, (name, (_, users)) in enumerate(
            zip(names, found.per_class(USERS), strict=True)
        )
    ]
    unmapped = found.counts.values[-1]
    if unmapped.any():
        cells = "".join(f'<td class="off">{number(int(n)) if n else ""}</td>' for n in unmapped)
        rows.append(
            f'<tr><th scope="row">not mapped</th>{cells}<td></td>'
            f"<td>{number(int(unmapped.sum()))}</td></tr>"
        )
    producers = "".join(
        f'<td class="sum">{_interval(estimate)}</td>' for _, estimate in found.per_class(PRODUCERS)
    )
    totals = "".join(f"<td>{number(int(n))}</td>" for n in found.labelled)
    return (
        '<section aria-labelledby="matrix"><h2 id="matrix">Confusion matrix</h2>'
        "<p>Rows: what the map says. Columns: what the reference says. Each cell: number of "
        "points, and of what is mapped as the class of its row, the share that the reference "
        f"calls so, with its {percent(found.level, digits=0)} interval. Blue: the same class; "
        "orange: confused.</p>"
        '<div class="wide" tabindex="0" role="region" aria-label="Confusion matrix">'
        f'<table class="matrix"><thead><tr><th scope="col">map \\ reference</th>{head}'
        '<th scope="col">user’s accuracy</th><th scope="col">points</th></tr></thead><tbody>'
        f'{"".join(rows)}<tr class="foot"><th scope="row">producer’s accuracy</th>{producers}'
        f'<td></td><td></td></tr><tr><th scope="row">points</th>{totals}<td></td>'
        f"<td>{number(found.total)}</td></tr></tbody></table></div></section>"
    )


def class_section(found: Findings) -> str:
    """User's and producer's accuracy, F1 and area of each class, with intervals."""
    areas = any(estimate.known for _, estimate in found.per_class(AREA))
    shares = bool(found.design)
    rows = [
        _class_row(found, position, areas=areas, shares=shares)
        for position in range(len(found.legend))
    ]
    more = ('<th scope="col">share of the area</th>' if shares else "") + (
        f'<th scope="col">area{", " + escape(found.unit) if found.unit else ""}</th>'
        if areas
        else ""
    )
    told = (
        "<p>Shares and areas of a class are those of the reference, estimated by the design; the "
        "interval is of the estimate.</p>"
        if shares or areas
        else ""
    )
    return (
        '<section aria-labelledby="classes"><h2 id="classes">Each class</h2>'
        "<p>User’s accuracy: of what is mapped as the class, the share that is it. Producer’s "
        "accuracy: of what is the class, the share that is mapped so. F1: their harmonic "
        f"mean.</p>{told}"
        '<div class="wide" tabindex="0" role="region" aria-label="Each class">'
        '<table class="classes"><thead><tr><th scope="col">class</th>'
        '<th scope="col">user’s accuracy</th>'
        '<th class="scale" scope="col"><span>0 %</span><span>100 %</span></th>'
        '<th scope="col">producer’s accuracy</th>'
        '<th class="scale" scope="col"><span>0 %</span><span>100 %</span></th>'
        f'<th scope="col">F1</th>{more}<th scope="col">points mapped</th>'
        f'<th scope="col">in the reference</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
        "</div></section>"
    )


def _class_row(found: Findings, position: int, *, areas: bool, shares: bool) -> str:
    known = found.legend.classes[position]
    users, producers, f1 = (found.estimate(q, known.name) for q in (USERS, PRODUCERS, F1))
    drawn = [
        draw_interval(e.value, (e.low, e.high), low=0, high=1, color=color)
        for e, color in ((users, "var(--own)"), (producers, "var(--other)"))
    ]
    share, area = found.estimate(SHARE, known.name), found.estimate(AREA, known.name)
    more = (f"<td>{_interval(share)}</td>" if shares else "") + (
        f"<td>{_area(area)}</td>" if areas else ""
    )
    return (
        f'<tr><th scope="row"><i style="background:{known.color}"></i>'
        f"{escape(spoken(known.name))}</th><td>{_interval(users)}</td><td>{drawn[0]}</td><td>{_interval(producers)}</td><td>{drawn[1]}</td><td>{_interval(f1)}</td>{more}<td>{number(int(found.mapped[position]))}</td><td>{number(int(found.labelled[position]))}</td></tr>"
    )


def _cells(found: Findings, row: int) -> str:
    name = found.legend.names[row]
    own = found.cells[found.cells["mapped"] == name]
    shares = {r["reference"]: Estimate.of(r) for r in own.to_dict("records")}
    cells = []
    for column, other in enumerate(found.legend.names):
        count = int(found.counts.values[row, column])
        share = shares.get(other, Estimate(value=math.nan))
        kind = "hit" if row == column else "off"
        if not count and row != column:
            cells.append('<td class="off"><span class="dim">0</span></td>')
            continue
        height = 0.0 if math.isnan(share.value) else share.value
        cells.append(
            f'<td class="{kind}" style="--v:{height:.3f}"><b>{number(count)}</b>'
            f"<small>{_interval(share, small=True)}</small></td>"
        )
    return "".join(cells)


def _interval(estimate: Estimate, *, small: bool = False) -> str:
    if not estimate.known:
        return NOTHING
    if math.isnan(estimate.width):
        return percent(estimate.value)
    around = f"{100 * estimate.low:.0f}–{100 * estimate.high:.0f}"
    if small:
        return f"{percent(estimate.value, digits=0)} ({around})"
    around = f"{100 * estimate.low:.1f}–{100 * estimate.high:.1f}"
    return f'{percent(estimate.value)}<small class="dim">{around}</small>'


def _area(estimate: Estimate) -> str:
    if not estimate.known:
        return NOTHING
    value, low, high = (number(v) for v in (estimate.value, estimate.low, estimate.high))
    return f'{value}<small class="dim">{low}–{high}</small>'
