"""Change between years to look at: a matrix of areas, or ribbons from class to class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.core.require import require
from lulc_xr.plotting import Axes, new_figure
from lulc_xr.plotting_ribbons import INK, TEXT, draw_sankey, number_of, unit_of, write

Kind = Literal["matrix", "sankey"]

_KINDS = ("matrix", "sankey")
_AXES = ("period", "from_class", "to_class")
_QUIET, _KEPT_CELL = "#707070", "#eeeeee"
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
    return draw_sankey(ax, area, legend, years, title=title, kept=kept)


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
    scale, unit = unit_of(area.sum())
    count = len(there)
    if ax is None:
        side = 2.2 + 0.6 * (count + 1)
        ax = new_figure(width=side + 1, height=side).subplots()
    _draw_cells(ax, area, scale)
    for place, total in enumerate(area.sum(axis=1)):
        write(ax, count - 0.3, place, number_of(total / scale), weight="bold")
    for place, total in enumerate(area.sum(axis=0)):
        write(ax, place, count - 0.2, number_of(total / scale), weight="bold", ha="center")
    write(ax, count - 0.3, -0.72, f"{years[0]}, {unit}", color=_QUIET)
    write(ax, -0.9, count - 0.2, f"{years[-1]}, {unit}", color=_QUIET, ha="right")
    write(ax, -0.9, -0.72, f"{years[0]} ↓  {years[-1]} →", color=_QUIET, ha="right")
    for place, n in enumerate(there):
        name = legend.names[n].replace("_", " ")
        write(ax, -0.9, place, name, ha="right")
        lean = {"rotation": _LEAN, "rotation_mode": "anchor", "va": "bottom"}
        write(ax, place, -0.9, name, **lean)
        for x, y in ((-0.7, place), (place, -0.7)):
            ax.plot(x, y, "s", color=legend.colors[n], markersize=8, clip_on=False)
    longest = max(len(legend.names[n]) for n in there)
    rise = np.sin(np.deg2rad(_LEAN)) * 0.5 * TEXT * longest
    ax.set_title(title, color=INK, pad=30 + rise)
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
        color = "white" if dark else INK if value else _QUIET
        told = number_of(value / scale) if value else "·"
        write(ax, column, row, told, color=color, ha="center")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_xticks(np.arange(len(area) - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(len(area) - 1) + 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="minor", length=0)
