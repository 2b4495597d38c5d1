"""Charts of a report of an experiment as SVG inside the page: curves over budgets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from lulc_xr.analysis.page_svg import COLORS, round_ticks

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 14, 44
_WIDTH, _TALL = 640, 320


def color_of(number: int) -> str:
    """Colour of the method of this number (0-based)."""
    return COLORS[number % len(COLORS)]


def draw_curves(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    *,
    budgets: Sequence[str],
    colors: Mapping[str, str],
    label: str,
) -> str:
    """Scores over budgets of labels, one line per method with a band of its interval.

    Parameters
    ----------
    curves : mapping of str to sequence of (mean, half width)
        By method, one pair per budget; NaN where there is none.
    budgets : sequence of str
        Labels per class, ascending; they stand evenly, as they often double.
    colors : mapping of str to str
        Colour of each method.
    label : str
        What is on the upright axis.
    """
    values = [
        end
        for pairs in curves.values()
        for mean, spread in pairs
        if not math.isnan(mean)
        for end in (mean - _zero(spread), mean + _zero(spread))
    ]
    if not values:
        return ""
    ticks = round_ticks(min(values), max(values))
    low, high = ticks[0], ticks[-1]
    inner, tall = _WIDTH - _LEFT - _RIGHT, _TALL - _TOP - _BOTTOM

    def x(number: int) -> float:
        return _LEFT + inner * (number + 0.5) / len(budgets)

    def y(value: float) -> float:
        return _TOP + tall * (high - value) / (high - low)

    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(t):.1f}" y2="{y(t):.1f}"/>'
        f'<text class="tick" x="{_LEFT - 8}" y="{y(t) + 4:.1f}" text-anchor="end">{t:.2f}</text>'
        for t in ticks
    ]
    parts += [
        f'<text class="tick" x="{x(n):.1f}" y="{_TALL - _BOTTOM + 20}" text-anchor="middle">'
        f"{escape(budget)}</text>"
        for n, budget in enumerate(budgets)
    ]
    parts.append(
        f'<text class="tick" x="{_LEFT + inner / 2}" y="{_TALL - 6}" text-anchor="middle">'
        "labels per class</text>"
        f'<text class="tick" transform="translate(12 {_TOP + tall / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(label)}</text>'
    )
    for name, pairs in curves.items():
        parts.append(_curve(pairs, x=x, y=y, color=colors[name]))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_TALL}" class="curves" role="img" '
        f'aria-label="{escape(label)} over budgets of labels">{"".join(parts)}</svg>'
    )


def _curve(pairs: Sequence[tuple[float, float]], *, x, y, color: str) -> str:  # type: ignore[no-untyped-def]
    known = [(n, m, _zero(s)) for n, (m, s) in enumerate(pairs) if not math.isnan(m)]
    upper = [f"{x(n):.1f},{y(m + s):.1f}" for n, m, s in known]
    lower = [f"{x(n):.1f},{y(m - s):.1f}" for n, m, s in reversed(known)]
    line = " ".join(f"{x(n):.1f},{y(m):.1f}" for n, m, _ in known)
    dots = "".join(
        f'<circle cx="{x(n):.1f}" cy="{y(m):.1f}" r="4" fill="{color}"/>' for n, m, _ in known
    )
    return (
        f'<polygon points="{" ".join(upper + lower)}" fill="{color}" opacity="0.13"/>'
        f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2.2"/>{dots}'
    )


def _zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
