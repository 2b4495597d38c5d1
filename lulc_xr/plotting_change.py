"""Change between years to look at: a matrix of areas, or ribbons from class to class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.core.require import require
from lulc_xr.plotting import Axes, new_figure

Kind = Literal["matrix", "sankey"]

_KINDS = ("matrix", "sankey")
_AXES = ("period", "from_class", "to_class")
_UNITS = ((1e8, 1e6, "km²"), (1e5, 1e4, "ha"), (0.0, 1.0, "m²"))
_INK, _QUIET, _KEPT_CELL = "#303030", "#707070", "#eeeeee"
_BAR, _GAP, _GAPS, _BEND = 0.035, 0.025, 0.4, 0.5
_TEXT, _LINE = 8.5, 12.0
_LEAN = 40


def plot_transitions(
    changes: xr.Dataset,
    *,
    kind: Kind = "sankey",
    period: str | None = None,
    zone: Any = None,
    kept: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """From which class to which an area changed: ribbons, or a matrix of areas.

    Parameters
    ----------
    changes : xr.Dataset
        As :func:`lulc_xr.transitions` gives it; a lazy one is computed.
    kind : {"sankey", "matrix"}
        Ribbons between the bars of the classes, as wide as the area, in the colour of the class
        that they come from, those that keep their class light. Or a table of areas, with the
        class in the earlier year down and that in the later year across.
    period : str, optional
        Such as "2006-2018". By default a matrix shows the first, ribbons all that follow each
        other from year to year.
    zone : optional
        Label of one zone, or a mapping of dimension to label for a grid cell. By default the sum
        over all zones.
    kept : bool
        ``"sankey"``: whether to show also what keeps its class. Where little changes, ribbons are
        wider without.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure (``result.figure``, unknown to pyplot) by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    CubeError
        If these are no transitions, there is no such period or zone, or nothing to show.
    """
    if kind not in _KINDS:
        raise CubeError(name_unknown("kind of plot", kind, _KINDS))
    legend, area, years = _chosen(changes, period=period, zone=zone, first=kind == "matrix")
    if kind == "sankey" and not kept:
        area = area * (1 - np.eye(len(legend)))
    if not area.sum() > 0:
        raise CubeError(
            "nothing to show: no area that "
            + ("changed its class. Pass kept=True." if not kept else "is mapped in both years.")
        )
    words = str(changes.attrs.get("task", "class")).replace("_", " ").capitalize()
    title = f"{words} {years[0]} to {years[-1]}"
    if kind == "matrix":
        return _draw_matrix(ax, area, legend, years, title=title)
    return _draw_sankey(ax, area, legend, years, title=title, kept=kept)


def _chosen(
    changes: xr.Dataset, *, period: str | None, zone: Any, first: bool
) -> tuple[Legend, NDArray[np.float64], list[int]]:
    """Legend, areas (period, from, to) in square metres, and years from one to the next."""
    if "transition_area" not in changes or "class_id" not in changes.coords:
        raise CubeError(
            f"no transition_area with its legend among {sorted(map(str, changes))}. Give what "
            "lulc_xr.transitions gives."
        )
    area = changes["transition_area"]
    places = [str(dim) for dim in area.dims if dim not in _AXES]
    if zone is not None:
        labels = zone if isinstance(zone, Mapping) else dict.fromkeys(places[:1], zone)
        try:
            area = area.sel(labels)
        except KeyError:
            labels = {}
        if not labels:
            raise CubeError(
                f"no zone {zone!r} along {', '.join(places) or 'any dimension'}. Choose a label "
                "of it, or pass zone=None for the sum."
            )
    area = area.sum([dim for dim in area.dims if dim not in _AXES])
    names = [str(one) for one in area["period"].values]
    if period is not None and period not in names:
        raise CubeError(name_unknown("period", period, names))
    start = names.index(period) if period is not None else 0
    stop = start + 1
    begins, ends = area["from_year"].values, area["to_year"].values
    while period is None and not first and stop < len(names) and begins[stop] == ends[stop - 1]:
        stop += 1
    values = area.isel(period=slice(start, stop)).transpose(*_AXES).values.astype(np.float64)
    years = [int(begins[start]), *map(int, ends[start:stop])]
    return Legend.from_flags(changes["class_id"].attrs), values, years


def _draw_matrix(
    ax: Axes | None,
    areas: NDArray[np.float64],
    legend: Legend,
    years: Sequence[int],
    *,
    title: str,
) -> Axes:
    there = np.flatnonzero(areas[0].sum(axis=0) + areas[0].sum(axis=1))
    area = areas[0][np.ix_(there, there)]
    scale, unit = _unit(area.sum())
    count = len(there)
    if ax is None:
        side = 2.2 + 0.6 * (count + 1)
        ax = new_figure(width=side + 1, height=side).subplots()
    _draw_cells(ax, area, scale)
    for place, total in enumerate(area.sum(axis=1)):
        _write(ax, count - 0.3, place, _number(total / scale), weight="bold")
    for place, total in enumerate(area.sum(axis=0)):
        _write(ax, place, count - 0.2, _number(total / scale), weight="bold", ha="center")
    _write(ax, count - 0.3, -0.72, f"{years[0]}, {unit}", color=_QUIET)
    _write(ax, -0.9, count - 0.2, f"{years[-1]}, {unit}", color=_QUIET, ha="right")
    _write(ax, -0.9, -0.72, f"{years[0]} ↓  {years[-1]} →", color=_QUIET, ha="right")
    for place, n in enumerate(there):
        name = legend.names[n].replace("_", " ")
        _write(ax, -0.9, place, name, ha="right")
        lean = {"rotation": _LEAN, "rotation_mode": "anchor", "va": "bottom"}
        _write(ax, place, -0.9, name, **lean)
        for x, y in ((-0.7, place), (place, -0.7)):
            ax.plot(x, y, "s", color=legend.colors[n], markersize=8, clip_on=False)
    longest = max(len(legend.names[n]) for n in there)
    rise = np.sin(np.deg2rad(_LEAN)) * 0.5 * _TEXT * longest
    ax.set_title(title, color=_INK, pad=30 + rise)
    return ax


def _draw_cells(ax: Axes, area: NDArray[np.float64], scale: float) -> None:
    """Areas of change in colours, and those that keep their class in grey."""
    diagonal = np.eye(len(area), dtype=bool)
    most = area[~diagonal].max(initial=0) or 1.0
    # Square roots, so that small changes are seen beside large ones.
    depth = np.sqrt(area / most).clip(0, 1)
    image = require("matplotlib", extra="viz").colormaps["YlOrRd"](0.75 * depth)
    image[area == 0] = 1
    image[diagonal] = require("matplotlib.colors", extra="viz").to_rgba(_KEPT_CELL)
    ax.imshow(image, aspect="equal")
    for (row, column), value in np.ndenumerate(area):
        dark = not diagonal[row, column] and depth[row, column] > 0.8
        color = "white" if dark else _INK if value else _QUIET
        told = _number(value / scale) if value else "·"
        _write(ax, column, row, told, color=color, ha="center")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_xticks(np.arange(len(area) - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(len(area) - 1) + 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="minor", length=0)


def _draw_sankey(
    ax: Axes | None,
    areas: NDArray[np.float64],
    legend: Legend,
    years: Sequence[int],
    *,
    title: str,
    kept: bool,
) -> Axes:
    """Bars of the classes in each year, and ribbons between them."""
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
    scale, unit = _unit(sizes.sum(axis=1).max())
    for year, side in ((0, -1), (len(years) - 1, 1)):
        sign = "" if kept else "−" if side < 0 else "+"
        told = [
            f"{name.replace('_', ' ')}  {sign}{_number(size / scale)} {unit}"
            for name, size in zip(legend.names, sizes[year], strict=True)
        ]
        middles = tops[year] + sizes[year] / full / 2
        shown = np.flatnonzero(sizes[year])
        _draw_names(ax, legend, told, middles=middles, shown=shown, x=year, side=side)
    for year, name in enumerate(years):
        ax.annotate(
            str(name), (year, 0), (0, 6), textcoords="offset points", ha="center",
            fontsize=_TEXT + 1, weight="bold", color=_INK,
        )  # fmt: skip
    ax.set_title(title if kept else f"{title}, changes only", color=_INK, pad=26)
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
    for n, y in zip(shown, _apart(middles[shown], _LINE / tall), strict=True):
        near, far = x + side * (_BAR / 2 + 0.01), x + side * (_BAR / 2 + 0.07)
        ax.plot([near, far], [middles[n], y], color=legend.colors[n], lw=0.8, clip_on=False)
        _write(ax, far + side * 0.015, y, told[n], ha="right" if side < 0 else "left")


def _apart(places: NDArray[np.float64], least: float) -> NDArray[np.float64]:
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


def _unit(area: float) -> tuple[float, str]:
    return next((scale, name) for least, scale, name in _UNITS if area >= least)


def _number(value: float) -> str:
    """Three digits, and thousands apart."""
    if value >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}" if value >= 0.01 else "<0.01"


def _write(ax: Axes, x: float, y: float, text: str, **style: Any) -> None:
    given = {"va": "center", "ha": "left", "fontsize": _TEXT, "color": _INK, "clip_on": False}
    ax.text(x, y, text, **(given | style))
