"""The page of an assessment: one HTML document that needs nothing else, in the order of reading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from lulc_xr.analysis.conclusions_map import verdict
from lulc_xr.analysis.findings import (
    ALLOCATION,
    OVERALL,
    QUANTITY,
    Estimate,
    Findings,
)
from lulc_xr.analysis.page_charts import calibration_section, coverage_section
from lulc_xr.analysis.page_classes import class_section, matrix_section
from lulc_xr.analysis.page_map import map_section
from lulc_xr.analysis.page_method import method_section
from lulc_xr.analysis.page_regions import (
    applicability_section,
    region_section,
    sets_section,
    subset_section,
    transfer_section,
)
from lulc_xr.analysis.page_style import ASSESSMENT_STYLE, STYLE
from lulc_xr.analysis.page_svg import draw_interval
from lulc_xr.analysis.page_words import Conclusion, number, percent, spoken

HEADLINE = (
    OVERALL, "balanced accuracy", "macro F1", "weighted F1", QUANTITY, ALLOCATION, "kappa",
)  # fmt: skip
"""Overall scores in the order of the page; those that were not computed are left out."""


def draw_page(found: Findings, conclusions: Sequence[Conclusion]) -> str:
    """The page: verdict, scores, classes, regions, calibration, maps, method.

    Parameters
    ----------
    found : Findings
        What an assessment has found.
    conclusions : sequence of Conclusion
        What follows from it.

    Returns
    -------
    str
        HTML with style, charts and pictures inside; it has no script, and no link leads out of it.
    """
    title = escape(f"How good is {found.facts.get('map', 'the map')}?")
    sections = [
        _head(found, title),
        _verdict(found, conclusions),
        _headline(found),
        matrix_section(found),
        class_section(found),
        region_section(found),
        subset_section(found),
        calibration_section(found),
        coverage_section(found),
        sets_section(found),
        applicability_section(found),
        map_section(found),
        transfer_section(found),
        method_section(found),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}{ASSESSMENT_STYLE}</style></head>"
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def _head(found: Findings, title: str) -> str:
    overall, macro = found.estimate(OVERALL), found.estimate("macro F1")
    cards = [
        ("overall accuracy", percent(overall.value), _ends(overall)),
        ("macro F1", percent(macro.value), _ends(macro)),
        ("points judged", number(found.total), f"of {number(found.points['given'])} given"),
        ("classes", str(int((found.labelled > 0).sum())), f"of {len(found.legend)} in the legend"),
    ]
    if found.blocks is not None:
        cards.append(("blocks", number(found.blocks[0]), f"of {number(found.blocks[1])} m"))
    drawn = "".join(f"<div><span>{k}</span><b>{v}</b><span>{w}</span></div>" for k, v, w in cards)
    compared = escape(found.facts.get("reference", "the reference"))
    design = f"Design: {escape(found.design)}." if found.design else "No sampling design is known."
    return (
        f'<header><h1>{title}</h1><p>Compared with <b class="name">{compared}</b>. {design}</p>'
        f'<div class="cards">{drawn}</div></header>'
    )


def _verdict(found: Findings, conclusions: Sequence[Conclusion]) -> str:
    lists = "".join(
        f'<div class="{kind}"><h3>{heading}</h3><ul>'
        + "".join(f"<li>{escape(c.text)}</li>" for c in conclusions if c.allowed == allowed)
        + "</ul></div>"
        for allowed, kind, heading in (
            (True, "may", "What may be concluded"),
            (False, "maynot", "What may not be concluded"),
        )
    )
    return (
        f'<section aria-labelledby="verdict"><h2 id="verdict">Verdict</h2>'
        f'<p class="verdict">{escape(verdict(found))}</p><div class="both">{lists}</div></section>'
    )


def _headline(found: Findings) -> str:
    rows = []
    for name in HEADLINE:
        estimate = found.estimate(name)
        if not estimate.known:
            continue
        low, high = (-1.0, 1.0) if name == "kappa" else (0.0, 1.0)
        value = f"{estimate.value:.3f}" if name == "kappa" else percent(estimate.value)
        around = _ends(estimate) if name != "kappa" else _plain_ends(estimate)
        drawn = draw_interval(estimate.value, (estimate.low, estimate.high), low=low, high=high)
        rows.append(
            f'<tr><th scope="row">{escape(spoken(name))}</th><td><b>{value}</b></td>'
            f'<td class="dim">{around}</td><td>{drawn}</td></tr>'
        )
    level = percent(found.level, digits=0)
    caveat = (
        '<p class="dim">Kappa was asked for. It corrects for an agreement by chance that no map is '
        "made by, and adds nothing to overall accuracy and the scores per class (Pontius and "
        "Millones 2011).</p>"
        if found.estimate("kappa").known
        else ""
    )
    return (
        '<section aria-labelledby="headline"><h2 id="headline">Overall scores</h2>'
        '<div class="wide" tabindex="0" role="region" aria-label="Overall scores"><table>'
        f'<thead><tr><th scope="col">score</th><th scope="col">estimate</th>'
        f'<th scope="col">{level} interval</th><th class="scale" scope="col"><span>0 %</span>'
        f"<span>100 %</span></th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f"{caveat}</section>"
    )


def _ends(estimate: Estimate) -> str:
    if math.isnan(estimate.width):
        return ""
    return f"{100 * estimate.low:.1f} to {percent(estimate.high)}"


def _plain_ends(estimate: Estimate) -> str:
    return "" if math.isnan(estimate.width) else f"{estimate.low:.3f} to {estimate.high:.3f}"
