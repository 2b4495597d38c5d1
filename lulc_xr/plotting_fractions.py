"""Maps of fractions on the grids of models: a panel for each class, cells as they lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.plotting import Figure, new_figure
from lulc_xr.plotting_cells import DrawnCells

CLASS_DIMS = ("class", "landunit", "natpft", "cft")
"""Dimensions whose members are drawn each in a panel of its own."""

_UNMAPPED, _NOT_MAPPED = "unmapped_fraction", "not mapped"
_PANELS, _ACROSS = 6, 3
_WIDTH, _MARGIN = 3.4, 0.4
_VISIBLE = 0.005
"""Ours: a class that nowhere has more than this is not seen, and has no panel unless asked for."""


def plot_fractions(
    fractions: xr.Dataset,
    *,
    variable: str = "fraction",
    classes: Sequence[str] | None = None,
    year: int | None = None,
    limit: float | None = None,
) -> Figure:
    """Maps of fractions, a panel for each class: missing cells grey, partly covered ones hatched.

    Parameters
    ----------
    fractions : xr.Dataset
        What :func:`lulc_xr.fractions`, :func:`lulc_xr.fractions_from_points` or
        :func:`lulc_xr.plant_functional_types` give: on a grid of rows and columns, drawn in its
        own coordinates (of a rotated grid with lines of longitude and latitude), or of cells
        with vertices, drawn in longitude and latitude. Lazy values are computed.
    variable : str
        What to draw, such as "expected_fraction", "natural_pft_fraction" or
        "fraction_standard_error".
    classes : sequence of str, optional
        Names of the classes. Default: those of the largest shares, at most six, that reach 0.5 %
        in some cell; and with "fraction" what is not mapped where that is above 0 in some cell.
    year : int, optional
        The year; by default the last.
    limit : float, optional
        Share at the end of the colour bar; by default the largest shown, rounded up to a tenth.

    Returns
    -------
    matplotlib.figure.Figure
        Unknown to pyplot.

    Raises
    ------
    CubeError
        If there is no such variable, class or year, nothing says where the cells are, or no cell
        is covered.

    Examples
    --------
    >>> plot_fractions(fractions, classes=["cropland", "woodland"])  # doctest: +SKIP
    """
    values = _of_year(fractions, variable, year)
    kinds = next((d for d in CLASS_DIMS if d in values.dims), None)
    cells = DrawnCells.of(fractions, tuple(str(d) for d in values.dims if d != kinds))
    there, partly = _coverage(fractions, cells.dims)
    lacking = None
    if variable == "fraction" and classes is None and _UNMAPPED in fractions:
        lacking = _flat(_of_year(fractions, _UNMAPPED, year), cells.dims)
    panels = _panels(values, kinds, cells.dims, classes=classes, lacking=lacking, there=there)
    there = there & np.logical_or.reduce([np.isfinite(panel) for panel in panels.values()])
    if not there.any():
        raise CubeError(f"no cell of {variable!r} is covered: there is nothing to draw.")
    title = str(fractions[variable].attrs.get("long_name", variable))
    return _draw(panels, cells, there=there, partly=partly, limit=limit, title=title)


def _draw(
    panels: dict[str, NDArray[np.float64]],
    cells: DrawnCells,
    *,
    there: NDArray[np.bool_],
    partly: NDArray[np.bool_],
    limit: float | None,
    title: str,
) -> Figure:
    largest = float(max(np.nanmax(panel[there]) for panel in panels.values()))
    top = limit if limit is not None else max(math.ceil(largest * 10 - 1e-9) / 10, 0.1)
    across = min(len(panels), _ACROSS)
    down = -(-len(panels) // across)
    height = float(np.clip(_WIDTH * cells.height(there), 1.2, 6.0)) + _MARGIN
    figure = new_figure(width=_WIDTH * across + 1.2, height=height * down + 0.4)
    axes = figure.subplots(down, across, squeeze=False)
    image: Any = None
    for place, ax in enumerate(axes.flat):
        if place >= len(panels):
            ax.set_visible(False)
            continue
        name, panel = list(panels.items())[place]
        shown = np.where(there, panel, np.nan)
        image = cells.draw(ax, shown, partly=partly & there, top=top)
        ax.set_title(name.replace("_", " "), fontsize=9)
        if place % across:
            ax.tick_params(labelleft=False)
            ax.set_ylabel("")
        if place + across < len(panels):
            ax.tick_params(labelbottom=False)
            ax.set_xlabel("")
    figure.suptitle(title, fontsize=10)
    figure.colorbar(
        image, ax=list(axes.flat), shrink=0.9, aspect=30,
        extend="max" if largest > top else "neither",
    )  # fmt: skip
    return figure


def _of_year(fractions: xr.Dataset, variable: str, year: int | None) -> xr.DataArray:
    """The variable of one year."""
    if variable not in fractions:
        raise CubeError(name_unknown("variable", variable, map(str, fractions.data_vars)))
    values = fractions[variable]
    if "year" not in values.dims:
        return values
    known = [int(y) for y in values["year"].values]
    if year is not None and year not in known:
        raise CubeError(name_unknown("year", year, map(str, known)))
    return values.isel(year=-1 if year is None else known.index(year))


def _flat(values: xr.DataArray, dims: tuple[str, ...]) -> NDArray[np.float64]:
    return np.asarray(values.transpose(..., *dims).values, np.float64).reshape(-1)


def _coverage(
    fractions: xr.Dataset, dims: tuple[str, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Cells that the maps meet, and those they cover only in part; shape (cell,)."""
    if "cell_coverage" in fractions:
        flags = fractions["cell_coverage"].transpose(*dims).values.reshape(-1)
        return flags > 0, flags == 1
    size = math.prod(fractions.sizes[dim] for dim in dims)
    return np.ones(size, bool), np.zeros(size, bool)


def _panels(
    values: xr.DataArray,
    kinds: str | None,
    dims: tuple[str, ...],
    *,
    classes: Sequence[str] | None,
    lacking: NDArray[np.float64] | None,
    there: NDArray[np.bool_],
) -> dict[str, NDArray[np.float64]]:
    """What each panel shows, shape (cell,), by its title."""
    if kinds is None:
        return {str(values.name): _flat(values, dims)}
    names = [str(name) for name in values[kinds].values]
    for name in classes or ():
        if name not in names:
            raise CubeError(name_unknown(kinds, name, names))
    if classes is not None:
        return {name: _flat(values.isel({kinds: names.index(name)}), dims) for name in classes}
    flat = _flat(values, dims).reshape(len(names), -1)
    if lacking is not None and not (lacking[there] > 1e-9).any():
        lacking = None
    shown = np.where(there & np.isfinite(flat), flat, 0)
    order = np.argsort(-shown.sum(axis=1), kind="stable")[: _PANELS - (lacking is not None)]
    chosen = [int(k) for k in order if shown[k].max() > _VISIBLE] or [int(order[0])]
    panels = {names[k]: flat[k] for k in chosen}
    return panels if lacking is None else {**panels, _NOT_MAPPED: lacking}
