"""Cells of a grid to draw: where they are, and values in them, with lines of the globe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError
from lulc_xr.core.require import require
from lulc_xr.plotting import Axes, mark_missing

Floats = NDArray[np.float64]

_COLORS, _HATCH, _LINES = "YlGnBu", "#606060", "#404040"
_AXES = {
    "rlon": "Rotated longitude (°)", "rlat": "Rotated latitude (°)",
    "lon": "Longitude (°)", "lat": "Latitude (°)",
    "longitude": "Longitude (°)", "latitude": "Latitude (°)",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DrawnCells:
    """Cells to draw: between edges along two axes, or each with its ring of vertices.

    Parameters
    ----------
    dims : tuple of str
        Dimensions of the grid.
    edges : tuple of ndarray, optional
        Edges of rows and of columns, in the grid's own coordinates.
    labels : tuple of str
        What to write at the axes of rows and of columns.
    lonlat : tuple of ndarray, optional
        Longitude and latitude of centres where the grid's own coordinates are others.
    rings : ndarray of float64, optional
        Longitude and latitude of vertices, shape (cell, vertex, 2).
    """

    dims: tuple[str, ...]
    labels: tuple[str, str]
    edges: tuple[Floats, Floats] | None = None
    lonlat: tuple[Floats, Floats] | None = None
    rings: Floats | None = None

    @classmethod
    def of(cls, data: xr.Dataset, dims: tuple[str, ...]) -> DrawnCells:
        """Cells over some dimensions of a Dataset, as its coordinates say.

        Raises
        ------
        CubeError
            If they do not.
        """
        coords = data.coords
        if len(dims) == 2 and all(d in coords and coords[d].dims == (d,) for d in dims):
            lonlat = None
            if all(n in coords and coords[n].dims == dims for n in ("lon", "lat")):
                lonlat = (coords["lon"].values, coords["lat"].values)
            labels = _label(coords[dims[0]]), _label(coords[dims[1]])
            edges = _edges(data, dims[0]), _edges(data, dims[1])
            return cls(dims=dims, labels=labels, edges=edges, lonlat=lonlat)
        rings = [_vertices(data, kind, dims) for kind in ("longitude", "latitude")]
        labels = _AXES["lat"], _AXES["lon"]
        return cls(dims=dims, labels=labels, rings=np.stack(rings, axis=-1))

    def height(self, there: NDArray[np.bool_]) -> float:
        """Height over width of the picture of some cells."""
        left, right, low, high = self._frame(there)
        return (high - low) / (right - left) * self._aspect(low, high)

    def draw(
        self, ax: Axes, values: Floats, *, partly: NDArray[np.bool_], top: float
    ) -> Any:  # fmt: skip
        """Draw values (cell,), NaN for none, cropped to the cells that have one.

        `partly` are cells to hatch; colours end at `top`.
        """
        there = np.isfinite(values)
        left, right, low, high = self._frame(there)
        mark_missing(ax)
        options = {"cmap": _COLORS, "rasterized": True}
        if self.edges is None:
            assert self.rings is not None
            image = _polygons(
                self.rings[there], array=values[there], clim=(0.0, top), edgecolors="face",
                linewidths=0.1, **options,
            )  # fmt: skip
            ax.add_collection(image)
        else:
            y, x = self.edges
            grid = np.ma.masked_invalid(values.reshape(y.size - 1, x.size - 1))
            image = ax.pcolormesh(x, y, grid, vmin=0.0, vmax=top, **options)
        if partly.any():
            rings = self.rings if self.edges is None else _boxes(*self.edges)
            assert rings is not None
            ax.add_collection(
                _polygons(
                    rings[partly], facecolors="none", edgecolors=_HATCH, hatch="////", linewidths=0
                )
            )
        ax.set_xlim(left, right)
        ax.set_ylim(low, high)
        ax.set_aspect(self._aspect(low, high))
        ax.set_ylabel(self.labels[0], fontsize=8)
        ax.set_xlabel(self.labels[1], fontsize=8)
        ax.tick_params(labelsize=7)
        if self.edges is not None and self.lonlat is not None:
            _draw_globe(ax, self.edges, self.lonlat)
        return image

    def _frame(self, there: NDArray[np.bool_]) -> tuple[float, float, float, float]:
        """Left, right, lower and upper end of some cells."""
        if self.edges is None:
            assert self.rings is not None
            low, high = (f(self.rings[there], axis=(0, 1)) for f in (np.nanmin, np.nanmax))
            return float(low[0]), float(high[0]), float(low[1]), float(high[1])
        y, x = self.edges
        grid = there.reshape(y.size - 1, x.size - 1)
        ends = []
        for edge, axis in ((x, 0), (y, 1)):
            at = np.flatnonzero(grid.any(axis=axis))
            ends += sorted((float(edge[at[0]]), float(edge[at[-1] + 1])))
        left, right, low, high = ends
        return left, right, low, high

    def _aspect(self, low: float, high: float) -> float:
        """Length of a unit of y over that of x: degrees of longitude shrink to the poles."""
        if self.labels[0] != _AXES["lat"]:
            return 1.0
        return float(1 / max(np.cos(np.deg2rad((low + high) / 2)), 0.1))


def _polygons(rings: Floats, **options: Any) -> Any:
    return require("matplotlib.collections", extra="viz").PolyCollection(rings, **options)


def _edges(data: xr.Dataset, dim: str) -> Floats:
    """Edges of the cells along a dimension, from its bounds or halfway between centres."""
    bounds = _bounds(data, data[dim])
    if bounds is not None:
        return np.append(bounds[:, 0], bounds[-1, 1])
    centres = np.asarray(data[dim].values, np.float64)
    if centres.size < 2:
        raise CubeError(f"{dim!r} has one cell and no bounds: how wide it is is not known.")
    half = np.diff(centres) / 2
    return np.concatenate(
        [[centres[0] - half[0]], centres[:-1] + half, [centres[-1] + half[-1]]]
    )  # fmt: skip


def _vertices(data: xr.Dataset, kind: str, dims: tuple[str, ...]) -> Floats:
    """Longitude or latitude of the vertices of cells, shape (cell, vertex)."""
    for name, coord in data.coords.items():
        known = coord.attrs.get("standard_name") == kind or str(name) in (kind, kind[:3])
        bounds = _bounds(data, coord) if known and coord.dims == dims else None
        if bounds is not None:
            return bounds.reshape(-1, bounds.shape[-1])
    raise CubeError(
        f"no {kind} with bounds over {dims} among the coordinates "
        f"{sorted(map(str, data.coords))}: where the cells are is not known. Fractions of regions "
        "are drawn with their polygons: "
        "regions.plot(fractions.fraction.sel({'class': 'cropland'}).values)."
    )


def _bounds(data: xr.Dataset, coord: xr.DataArray) -> Floats | None:
    name = coord.attrs.get("bounds", coord.encoding.get("bounds"))
    return np.asarray(data[name].values, np.float64) if name in data.variables else None


def _label(axis: xr.DataArray) -> str:
    units = str(axis.attrs.get("units", ""))
    name = str(axis.name)
    return _AXES.get(name, f"{name} ({units})" if units else name)


def _boxes(y: Floats, x: Floats) -> Floats:
    """Corners of the cells between edges, shape (cell, 4, 2)."""
    west, south = np.meshgrid(x[:-1], y[:-1])
    east, north = np.meshgrid(x[1:], y[1:])
    rings = np.stack([west, south, east, south, east, north, west, north], axis=-1)
    return rings.reshape(-1, 4, 2)


def _draw_globe(
    ax: Axes, edges: tuple[Floats, Floats], lonlat: tuple[Floats, Floats]
) -> None:  # fmt: skip
    """Lines of longitude and latitude over a grid of other coordinates, named at its edges."""
    y, x = ((edge[1:] + edge[:-1]) / 2 for edge in edges)
    view = []
    for middle, (low, high) in ((y, ax.get_ylim()), (x, ax.get_xlim())):
        at = np.flatnonzero((middle >= low) & (middle <= high))
        view.append(slice(max(at[0] - 1, 0), at[-1] + 2))
    y, x = y[view[0]], x[view[1]]
    longitude, latitude = (values[tuple(view)] for values in lonlat)
    if min(longitude.shape) < 2:
        return
    ticker = require("matplotlib.ticker", extra="viz")
    for values, line, place, axis, unit in (
        (longitude, longitude[0], x, ax.xaxis, "E"),
        (latitude, latitude[:, 0], y, ax.yaxis, "N"),
    ):
        locator = ticker.MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10])
        levels = locator.tick_values(values.min(), values.max())
        ax.contour(
            x, y, values, levels=levels, colors=_LINES, linewidths=0.5, linestyles="solid"
        )  # fmt: skip
        order = np.argsort(line)
        where = np.interp(levels, line[order], place[order], left=np.nan, right=np.nan)
        low, high = axis.get_view_interval()
        # Ticks outside would widen the view.
        seen = (where >= low) & (where <= high)
        axis.set_ticks(where[seen], [_degrees(level, unit) for level in levels[seen]])
    ax.set_xlabel("")
    ax.set_ylabel("")


def _degrees(value: float, unit: str) -> str:
    if value < 0:
        unit = {"E": "W", "N": "S"}[unit]
    return f"{abs(value):g}° {unit}" if value else "0°"
