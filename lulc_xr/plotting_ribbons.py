"""Ribbons from class to class between the bars of years, and numbers beside them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.legend import Legend
from lulc_xr.core.require import require
from lulc_xr.plotting import Axes, new_figure

INK, TEXT = "#303030", 8.5
"""Colour of words, and their size in points."""

_UNITS = ((1e8, 1e6, "km²"), (1e5, 1e4, "ha"), (0.0, 1.0, "m²"))
_BAR, _GAP, _GAPS, _BEND, _LINE = 0.035, 0.025, 0.4, 0.5, 12.0


def draw_sankey(
    ax: Axes | None,
    areas: NDArray[np.float64],
    legend: Legend,
    years: Sequence[int],
    *,
    title: str,
    kept: bool,
) -> Axes:
    """Bars of the classes in each year, and ribbons between them.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
        Where to draw; None for a new figure.
    areas : ndarray of float64
        (period, class before, class after), in square metres.
    legend : Legend
        The classes.
    years : sequence of int
        Of the bars: one more than periods.
    title : str
        Line above.
    kept : bool
        Whether `areas` hold what keeps its class.
    """
    out, into = areas.sum(axis=2), areas.sum(axis=1)
    # Each year's bars hold what comes in and what goes out, of which the larger is drawn.
    sizes = np.zeros((len(years), len(legend)))
    sizes[:-1], sizes[1:] = out, np.maximum(sizes[1:], into)
    sizes[1:-1] = np.maximum(out[1:], into[:-1])
    there = np.flatnonzero(sizes.sum(axis=0))
    if ax is None:
        height = 1.6 + 0.42 * max(len(there), 5)
        ax = new_figure(width=4.6 + 2.1 * (len(years) - 1), height=height).subplots()
    gap = min(_GAP, _GAPS / len(there))
    full = sizes.sum(axis=1).max() / (1 - gap * (len(there) - 1))
    tops = np.zeros_like(sizes)
    tops[:, there[1:]] = np.cumsum(sizes[:, there] / full + gap, axis=1)[:, :-1]
    for period, flows in enumerate(areas):
        _draw_ribbons(ax, flows / full, legend, tops=tops[period : period + 2], left=period)
    rectangle = require("matplotlib.patches", extra="viz").Rectangle
    for year, n in np.ndindex(sizes.shape):
        if sizes[year, n]:
            corner = (year - _BAR / 2, tops[year, n])
            bar = rectangle(corner, _BAR, sizes[year, n] / full, color=legend.colors[n], lw=0)
            ax.add_patch(bar)
    ax.set_xlim(-_BAR, len(years) - 1 + _BAR)
    ax.set_ylim(1.0, 0.0)
    ax.axis("off")
    scale, unit = unit_of(sizes.sum(axis=1).max())
    for year, side in ((0, -1), (len(years) - 1, 1)):
        sign = "" if kept else "−" if side < 0 else "+"
        told = [
            f"{name.replace('_', ' ')}  {sign}{number_of(size / scale)} {unit}"
            for name, size in zip(legend.names, sizes[year], strict=True)
        ]
        middles = tops[year] + sizes[year] / full / 2
        shown = np.flatnonzero(sizes[year])
        _draw_names(ax, legend, told, middles=middles, shown=shown, x=year, side=side)
    for year, name in enumerate(years):
        ax.annotate(
            str(name), (year, 0), (0, 6), textcoords="offset points", ha="center",
            fontsize=TEXT + 1, weight="bold", color=INK,
        )  # fmt: skip
    ax.set_title(title if kept else f"{title}, changes only", color=INK, pad=26)
    return ax


def _draw_ribbons(
    ax: Axes, flows: NDArray[np.float64], legend: Legend, *, tops: NDArray[np.float64], left: int
) -> None:
    """Ribbons of one period, from each class downwards in the order of the classes."""
    path, patch = (
        require("matplotlib.path", extra="viz").Path,
        require("matplotlib.patches", extra="viz"),
    )
    starts, ends = tops[0].copy(), tops[1].copy()
    x0, x1 = left + _BAR / 2, left + 1 - _BAR / 2
    a, b = x0 + _BEND * (x1 - x0), x1 - _BEND * (x1 - x0)
    codes = [path.MOVETO, *[path.CURVE4] * 3, path.LINETO, *[path.CURVE4] * 3, path.CLOSEPOLY]
    for n, m in np.ndindex(flows.shape):
        wide = flows[n, m]
        if not wide:
            continue
        y0, y1 = starts[n], ends[m]
        starts[n], ends[m] = y0 + wide, y1 + wide
        low0, low1 = y0 + wide, y1 + wide
        outline = [
            (x0, y0), (a, y0), (b, y1), (x1, y1),
            (x1, low1), (b, low1), (a, low0), (x0, low0), (x0, y0),
        ]  # fmt: skip
        same = n == m
        ax.add_patch(
            patch.PathPatch(
                path(outline, codes),
                facecolor=legend.colors[n],
                # A line of its own keeps the thinnest ribbon in sight.
                edgecolor=legend.colors[n],
                linewidth=0 if same else 0.4,
                alpha=0.22 if same else 0.7,
                zorder=1 if same else 2,
            )
        )


def _draw_names(
    ax: Axes,
    legend: Legend,
    told: Sequence[str],
    *,
    middles: NDArray[np.float64],
    shown: NDArray[np.intp],
    x: float,
    side: int,
) -> None:
    """Names and areas beside the bars of a year, moved apart where they would overlap."""
    tall = ax.get_position().height * ax.figure.get_figheight() * 72
    for n, y in zip(shown, apart(middles[shown], _LINE / tall), strict=True):
        near, far = x + side * (_BAR / 2 + 0.01), x + side * (_BAR / 2 + 0.07)
        ax.plot([near, far], [middles[n], y], color=legend.colors[n], lw=0.8, clip_on=False)
        write(ax, far + side * 0.015, y, told[n], ha="right" if side < 0 else "left")


def apart(places: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Ascending places at least so far from each other, each group around its own middle."""
    groups = [([float(y)], float(y)) for y in places]
    moved = True
    while moved:
        moved = False
        for k, ((a, middle), (b, other)) in enumerate(pairwise(groups)):
            if other - middle < least * (len(a) + len(b)) / 2 - 1e-12:
                together = a + b
                groups[k : k + 2] = [(together, float(np.mean(together)))]
                moved = True
                break
    made: list[float] = []
    for own, middle in groups:
        for n in range(len(own)):
            wanted = middle + least * (n - (len(own) - 1) / 2)
            made.append(max(wanted, made[-1] + least if made else 0.0))
    return np.array(made)


def unit_of(area: float) -> tuple[float, str]:
    """Square metres of the unit that suits an area, and its name."""
    return next((scale, name) for least, scale, name in _UNITS if area >= least)


def number_of(value: float) -> str:
    """Three digits, and thousands apart."""
    if value >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}" if value >= 0.01 else "<0.01"


def write(ax: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Small words at a place of the axes, which may lie outside."""
    given = {"va": "center", "ha": "left", "fontsize": TEXT, "color": INK, "clip_on": False}
    ax.text(x, y, text, **(given | style))
