"""Pieces of charts: on scale, well-formed, and silent where there is nothing to show."""

import math
import re
from xml.etree import ElementTree as ET

import pytest

from lulc_xr.analysis.page_svg import draw_interval, round_ticks

SCALE = {"low": 0.5, "high": 0.9}
UNKNOWN = (math.nan, math.nan)


def dot(svg):
    return float(re.search(r'<circle cx="([\d.]+)"', svg).group(1))


def test_a_dot_lies_where_its_value_is():
    low, middle, high = (dot(draw_interval(v, UNKNOWN, **SCALE)) for v in (0.5, 0.7, 0.9))
    assert middle == pytest.approx((low + high) / 2)
    assert low < high


def test_an_interval_stays_on_the_scale_and_is_told():
    svg = draw_interval(0.88, (0.38, 1.38), reference=0.6, **SCALE)
    ends = [float(v) for v in re.search(r'x1="([\d.]+)" x2="([\d.]+)".*?opacity', svg).groups()]
    root = ET.fromstring(svg)
    assert all(0 <= end <= float(root.get("width")) for end in ends)
    assert 'class="ref"' in svg
    assert root.get("aria-label") == "0.880, interval 0.380 to 1.380"


def test_nothing_known_is_nothing_drawn():
    assert draw_interval(math.nan, UNKNOWN, **SCALE) == ""


def test_round_ticks_hold_the_range():
    for low, high in ((0.61, 0.89), (0.5, 0.5), (0.0, 1.0), (0.9012, 0.9031)):
        ticks = round_ticks(low, high)
        assert ticks[0] <= low + 1e-12
        assert ticks[-1] >= high - 1e-12
        assert 2 <= len(ticks) <= 8
