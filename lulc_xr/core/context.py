"""Context on a coarse grid (bioclimate): its contract, its values at places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Transformer

from lulc_xr.core.errors import CubeError, name_unknown

CONTEXT = "bioclim"
CONTEXT_DIMS = ("bioclim_variable", "y_bioclim", "x_bioclim")
CONTEXT_GRID_MAPPING = "spatial_ref_bioclim"
"""Name of the context in a cube, its dimensions in order, and its grid mapping."""

BIOCLIM_UNITS: Mapping[str, str] = {
    **dict.fromkeys(("bio01", "bio02"), "degC"),
    "bio03": "percent",
    "bio04": "0.01 degC",
    **{f"bio{number:02d}": "degC" for number in range(5, 12)},
    **dict.fromkeys(("bio12", "bio13", "bio14"), "mm"),
    "bio15": "percent",
    **{f"bio{number:02d}": "mm" for number in range(16, 20)},
    "elevation": "m",
}
"""Context variables and their units, those of WorldClim (BIO4 is a deviation times 100)."""

# Parts of a cell: coordinates in files are rounded, and a cell's centre must give its value.
_SNAP = 1e-6
_EDGE = 65
_PART = 65536
"""Places that are worked out at once: their weights stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class CoarseGrid:
    """Where the cells of a coarse grid lie: centre of the first, steps, sizes.

    Parameters
    ----------
    first : tuple of float
        Centre of the first cell (y, x), in the grid's reference system.
    step : tuple of float
        Signed size of a cell (y, x).
    shape : tuple of int
        Cells (y, x).
    crs : str
        Well-known text of the grid's reference system; x is the longitude if it is geographic.
    """

    first: tuple[float, float]
    step: tuple[float, float]
    shape: tuple[int, int]
    crs: str

    @classmethod
    def of(cls, bioclim: xr.DataArray) -> CoarseGrid:
        """The grid of a context.

        Raises
        ------
        CubeError
            If its dimensions, spacing or reference system are not as expected.
        """
        mapping = check_context(bioclim)
        axes = [np.asarray(bioclim[name].values, np.float64) for name in CONTEXT_DIMS[1:]]
        steps = [_step(values) for values in axes]
        if None in steps:
            steps = _lone_steps(steps, mapping)
        return cls(
            first=(float(axes[0][0]), float(axes[1][0])),
            step=(float(steps[0] or 0), float(steps[1] or 0)),
            shape=(axes[0].size, axes[1].size),
            crs=str(mapping["crs_wkt"]),
        )

    def positions(
        self, x: ArrayLike, y: ArrayLike, *, crs: str
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fractional row and column of places; 0 is the centre of the first cell.

        Each place is worked out for itself, so that any part of an area gives the same bits.
        """
        place_x, place_y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        lon, lat = _transformer(crs, self.crs).transform(place_x, place_y)
        rows = (np.asarray(lat, np.float64) - self.first[0]) / self.step[0]
        columns = (np.asarray(lon, np.float64) - self.first[1]) / self.step[1]
        return _snap(rows), _snap(columns)

    def window(self, rows: NDArray[Any], columns: NDArray[Any]) -> tuple[slice, slice]:
        """Cells that are needed at these positions, with two more on each side.

        Empty if the positions lie off the grid.
        """
        found = []
        for values, size in ((rows, self.shape[0]), (columns, self.shape[1])):
            finite = values[np.isfinite(values)]
            low, high = (finite.min(), finite.max()) if finite.size else (-np.inf, -np.inf)
            start = int(np.clip(np.floor(low) - 2, 0, size))
            found.append(slice(start, max(start, int(np.clip(np.floor(high) + 4, 0, size)))))
        return found[0], found[1]


def check_context(bioclim: xr.DataArray) -> Mapping[str, Any]:
    """Attributes of the context's grid mapping, after checks that read no value.

    Parameters
    ----------
    bioclim : xr.DataArray
        ``bioclim(bioclim_variable, y_bioclim, x_bioclim)`` with a scalar coordinate
        ``spatial_ref_bioclim``.

    Raises
    ------
    CubeError
        If dimensions, coordinates, spacing or the reference system are not as expected.
    """
    if tuple(bioclim.dims) != CONTEXT_DIMS:
        raise CubeError(
            f"context has dimensions {tuple(map(str, bioclim.dims))}; expected {CONTEXT_DIMS}. "
            "Write it into the cube's store with lulc_xr.write_context, which renames them."
        )
    for name in CONTEXT_DIMS:
        if name not in bioclim.coords:
            raise CubeError(f"dimension {name!r} of the context has no coordinate; assign it.")
    names = [str(name) for name in bioclim["bioclim_variable"].values]
    if len(set(names)) != len(names):
        raise CubeError(f"context variables {names} are not all different; keep each once.")
    for name in CONTEXT_DIMS[1:]:
        steps = np.diff(np.asarray(bioclim[name].values, np.float64))
        if steps.size and not (np.allclose(steps, steps[0], rtol=1e-3) and steps[0]):
            raise CubeError(f"{name!r} of the context is not evenly spaced; give a regular grid.")
    given = bioclim.encoding.get("grid_mapping") or bioclim.attrs.get("grid_mapping")
    for mapping in filter(None, (given, CONTEXT_GRID_MAPPING)):
        if mapping in bioclim.coords and bioclim[mapping].attrs.get("crs_wkt"):
            return cast("Mapping[str, Any]", bioclim[mapping].attrs)
    raise CubeError(
        f"the context has no reference system: no coordinate {CONTEXT_GRID_MAPPING!r} with "
        "attribute 'crs_wkt'. The readers and lulc_xr.write_context set it."
    )


def context_names(bioclim: xr.DataArray, variables: Sequence[str] | None) -> list[int]:
    """Positions of context variables; all if none are named.

    Raises
    ------
    CubeError
        If one is missing.
    """
    known = [str(name) for name in bioclim["bioclim_variable"].values]
    for name in variables or ():
        if name not in known:
            raise CubeError(
                name_unknown("context variable", name, known)
                + " Add what is missing: lulc_xr.write_context(bioclim, store)."
            )
    return [known.index(name) for name in (known if variables is None else variables)]


def context_at(
    bioclim: xr.DataArray,
    x: ArrayLike,
    y: ArrayLike,
    *,
    crs: str,
    variables: Sequence[str] | None = None,
) -> NDArray[np.float32]:
    """Context at places, bilinear between cell centres, conservative at coasts.

    Cells without data take no part: the weights of the others are brought back to a sum of 1.
    A place gets a value if a cell with data has its centre less than one cell away in both
    directions, also beyond the border of the grid; else NaN.

    Parameters
    ----------
    bioclim : xr.DataArray
        ``bioclim(bioclim_variable, y_bioclim, x_bioclim)`` with ``spatial_ref_bioclim``,
        NaN where there is no data. If it is lazy, the cells around the places are read.
    x, y : array-like
        Places in `crs`, of shapes that fit each other.
    crs : str
        Reference system of the places, for instance that of a cube.
    variables : sequence of str, optional
        Names of the wanted variables; by default all, in the order of `bioclim`.

    Returns
    -------
    ndarray of float32
        Raw units, shape (variable, ...).

    Raises
    ------
    CubeError
        If the context is malformed or a variable is missing.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from pyproj import CRS
    >>> bioclim = xr.DataArray(
    ...     np.array([[[0.0, 2.0], [np.nan, 4.0]]], np.float32),
    ...     dims=("bioclim_variable", "y_bioclim", "x_bioclim"),
    ...     coords={
    ...         "bioclim_variable": ["bio01"],
    ...         "y_bioclim": [51.0, 50.0],
    ...         "x_bioclim": [4.0, 5.0],
    ...         "spatial_ref_bioclim": ((), 0, {"crs_wkt": CRS("EPSG:4326").to_wkt()}),
    ...     },
    ... )
    >>> context_at(bioclim, [4.5, 4.0, 9.0], [51.0, 50.5, 50.0], crs="EPSG:4326")
    array([[ 1.,  0., nan]], dtype=float32)
    """
    chosen = context_names(bioclim, variables)
    grid = CoarseGrid.of(bioclim)
    rows, columns = grid.positions(x, y, crs=crs)
    part = grid.window(rows, columns)
    values = bioclim.isel(bioclim_variable=chosen, y_bioclim=part[0], x_bioclim=part[1]).to_numpy()
    return interpolate(values, rows - part[0].start, columns - part[1].start)


def edge_of(
    y: tuple[float, float], x: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places (y, x) along the four sides of a rectangle, to find the cells that it needs."""
    along_y, along_x = np.linspace(*y, _EDGE), np.linspace(*x, _EDGE)
    lone = np.ones(_EDGE)
    return (
        np.concatenate([along_y, along_y, y[0] * lone, y[1] * lone]),
        np.concatenate([x[0] * lone, x[1] * lone, along_x, along_x]),
    )


def interpolate(
    values: NDArray[Any], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Values of cells at fractional positions, as :func:`context_at` describes.

    Parameters
    ----------
    values : ndarray
        Shape (variable, row, column), NaN where there is no data.
    rows, columns : ndarray of float64
        Positions of equal shape.

    Returns
    -------
    ndarray of float32
        Shape (variable, ...).
    """
    made = np.full((len(values), rows.size), np.nan, np.float32)
    if values.size:
        # A ring of cells without data: what lies beyond the grid takes no part, like sea.
        ring = ((0, 0), (1, 1), (1, 1))
        cells = np.pad(values.astype(np.float64), ring, constant_values=np.nan)
        for start in range(0, rows.size, _PART):
            part = slice(start, start + _PART)
            _interpolate_part(cells, rows.ravel()[part], columns.ravel()[part], made[:, part])
    return made.reshape(len(values), *rows.shape)


def _interpolate_part(
    cells: NDArray[np.float64],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    made: NDArray[np.float32],
) -> None:
    height, width = cells.shape[1:]
    near = (rows > -1) & (rows < height - 2) & (columns > -1) & (columns < width - 2)
    row, column = np.where(near, rows, 0) + 1, np.where(near, columns, 0) + 1
    top, left = np.floor(row), np.floor(column)
    below, right = row - top, column - left
    weights = [(1 - below) * (1 - right), (1 - below) * right, below * (1 - right), below * right]
    corner = top.astype(np.intp) * width + left.astype(np.intp)
    corners = [corner + step for step in (0, 1, width, width + 1)]
    known, shares = None, weights
    for number, layer in enumerate(cells.reshape(len(cells), -1)):
        finite = np.isfinite(layer)
        if known is None or not np.array_equal(finite, known):
            known, shares = finite, _shares(finite, corners, weights, near)
        filled = np.where(finite, layer, 0.0)
        # One product after the other: the same bits for any shape of the block.
        total = shares[0] * filled.take(corners[0])
        for share, index in zip(shares[1:], corners[1:], strict=True):
            total += share * filled.take(index)
        made[number] = total


def _shares(
    known: NDArray[np.bool_],
    corners: Sequence[NDArray[np.intp]],
    weights: Sequence[NDArray[np.float64]],
    near: NDArray[np.bool_],
) -> list[NDArray[np.float64]]:
    """Weights of the four cells around each place, 0 without data, with a sum of 1 or NaN."""
    shares = [np.where(known.take(i), w, 0.0) for i, w in zip(corners, weights, strict=True)]
    total = shares[0] + shares[1] + shares[2] + shares[3]
    total[~near | (total == 0)] = np.nan
    return [share / total for share in shares]


def _snap(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    whole = np.rint(positions)
    return np.where(np.abs(positions - whole) < _SNAP, whole, positions)


def _step(values: NDArray[np.float64]) -> float | None:
    return float(values[-1] - values[0]) / (values.size - 1) if values.size > 1 else None


def _lone_steps(steps: list[float | None], mapping: Mapping[str, Any]) -> list[float | None]:
    """Sizes of a cell where an axis has one cell only: from GDAL's GeoTransform."""
    if "GeoTransform" not in mapping:
        raise CubeError(
            "the context has one cell along an axis, so its size cannot be told. Give "
            f"{CONTEXT_GRID_MAPPING!r} an attribute 'GeoTransform', or two cells at least."
        )
    numbers = [float(v) for v in str(mapping["GeoTransform"]).split()]
    return [steps[0] or numbers[5], steps[1] or numbers[1]]


@lru_cache(maxsize=16)
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(CRS.from_user_input(source), CRS(target), always_xy=True)
