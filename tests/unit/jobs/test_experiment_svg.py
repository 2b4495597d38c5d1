"""Charts of a report: on scale, well-formed, and silent where there is nothing to show."""

import math
from xml.etree import ElementTree as ET

from lulc_xr.jobs.experiment_svg import draw_curves

COLORS = {"a <b>": "#0072b2", "c": "#d55e00"}


def test_nothing_known_is_nothing_drawn():
    unknown = {"c": [(math.nan, math.nan)]}
    assert draw_curves(unknown, budgets=["5"], colors=COLORS, label="macro F1") == ""


def test_curves_are_well_formed_and_skip_budgets_without_a_score():
    curves = {"a <b>": [(0.5, 0.02), (math.nan, math.nan), (0.7, math.nan)], "c": [(0.6, 0.1)] * 3}
    svg = draw_curves(curves, budgets=["5", "20", "all"], colors=COLORS, label="macro F1")
    root = ET.fromstring(svg)
    assert [e.get("fill") for e in root.iter("circle")].count("#0072b2") == 2
    assert [e.get("fill") for e in root.iter("circle")].count("#d55e00") == 3
    assert {"5", "20", "all"} <= {e.text for e in root.iter("text")}


def test_ticks_hold_all_values():
    svg = draw_curves(
        {"c": [(0.61, 0.02), (0.89, 0.04)]}, budgets=["5", "9"], colors=COLORS, label="F1"
    )
    ticks = [float(e.text) for e in ET.fromstring(svg).iter("text") if "." in (e.text or "")]
    assert min(ticks) <= 0.59
    assert max(ticks) >= 0.93
