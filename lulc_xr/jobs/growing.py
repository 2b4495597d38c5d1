"""What a store lacks of a cube, and the steps that bring it: an area, dates, bands."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError
from lulc_xr.core.georeference import affine_of
from lulc_xr.jobs.making import fill_of, on_dates

Box = tuple[int, int, int, int]
"""First and last + 1 row, first and last + 1 column of a store's grid."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One extension of a store.

    Parameters
    ----------
    said : str
        What it brings, for people.
    cube : xr.Dataset
        What :func:`lulc_xr.extend_cube` takes.
    box : tuple of int or None
        Rows and columns of an area that is new; None for dates and bands.
    """

    said: str
    cube: xr.Dataset
    box: Box | None = None


def box_of(cube: xr.Dataset, stored: xr.Dataset) -> Box:
    """Where the pixels of a cube lie on the grid of a store; may reach beyond it.

    Raises
    ------
    CubeError
        If the cube begins north or west of the store, whose pixels are counted from there.
    """
    found: list[int] = []
    a, _, c, _, e, f = affine_of(stored)
    for dim, step, edge in (("y", e, f), ("x", a, c)):
        first = round((float(cube[dim][0]) - edge) / step - 0.5)
        if first < 0:
            raise CubeError(
                f"the recipe's area begins {-first} pixels {'north' if dim == 'y' else 'west'} of "
                "the store, which grows to the south and east only. Build another store, with "
                "[grid] extent = [left, bottom, right, top] of all that is to come."
            )
        found += [first, first + cube.sizes[dim]]
    return found[0], found[1], found[2], found[3]


def uncovered(box: Box, covered: Sequence[Box]) -> list[Box]:
    """Rectangles that make up what of a box no other box covers.

    Examples
    --------
    >>> uncovered((0, 4, 0, 6), [(0, 2, 0, 4)])
    [(0, 2, 4, 6), (2, 4, 0, 6)]
    """
    top, bottom, left, right = box
    rows = sorted({top, bottom, *_inside([v for b in covered for v in b[:2]], top, bottom)})
    columns = sorted({left, right, *_inside([v for b in covered for v in b[2:]], left, right)})
    strips: list[Box] = []
    for r0, r1 in itertools.pairwise(rows):
        for c0, c1 in itertools.pairwise(columns):
            if any(b[0] <= r0 and r1 <= b[1] and b[2] <= c0 and c1 <= b[3] for b in covered):
                continue
            if strips and strips[-1][:2] == (r0, r1) and strips[-1][3] == c0:
                strips[-1] = (r0, r1, strips[-1][2], c1)
            else:
                strips.append((r0, r1, c0, c1))
    return list(_stacked(strips))


def _inside(values: Sequence[int], low: int, high: int) -> list[int]:
    return [v for v in values if low < v < high]


def _stacked(strips: Sequence[Box]) -> Iterator[Box]:
    """Strips of the same columns that follow each other, as one."""
    left = list(strips)
    while left:
        r0, r1, c0, c1 = left.pop(0)
        for other in list(left):
            if other[0] == r1 and other[2:] == (c0, c1):
                r1 = other[1]
                left.remove(other)
        yield r0, r1, c0, c1


def match_dates(cube: xr.Dataset, stored: xr.Dataset) -> tuple[xr.Dataset, NDArray[Any]]:
    """The cube with the store's own moments where day and platform are the same.

    The first scene of a day decides its moment, and a larger area may have an earlier scene.

    Returns
    -------
    cube : xr.Dataset
        Dates that are in the store, and those after its last.
    left_out : ndarray of datetime64
        Dates that lie before or between those of the store, which takes new ones at its end only.
    """
    there = dict(zip(_days(stored), stored["time"].values, strict=True))
    own = zip(_days(cube), cube["time"].values, strict=True)
    times = np.array([there.get(key, moment) for key, moment in own])
    known = np.isin(times, stored["time"].values)
    later = times > stored["time"].values[-1]
    kept = known | later
    return cube.assign_coords(time=times).isel(time=kept), times[~kept]


def _days(cube: xr.Dataset) -> list[tuple[Any, str]]:
    days = cube["time"].values.astype("datetime64[D]").tolist()
    names = cube["platform"].values.tolist() if "platform" in cube.coords else [""] * len(days)
    return list(zip(days, names, strict=True))


def plan_steps(cube: xr.Dataset, stored: xr.Dataset, covered: Sequence[Box]) -> Iterator[Step]:
    """Extensions that bring what the store lacks, in an order that it takes: area, dates, bands.

    Dates and bands come on the recipe's own grid; :func:`on_grid` puts them on that of the
    store, once it has the areas.

    Parameters
    ----------
    cube : xr.Dataset
        The cube, its dates those of :func:`match_dates`.
    stored : xr.Dataset
        The store as it is.
    covered : sequence of Box
        Areas that the store holds.

    Raises
    ------
    CubeError
        If the reference systems differ, or new dates or bands would lack an area that the
        store holds.
    """
    given, there = (CRS.from_wkt(crs_of(ds)) for ds in (cube, stored))
    if given != there:
        raise CubeError(
            f"the recipe's grid is in {given.name!r}, the store in {there.name!r}. Build another "
            "store."
        )
    bands = [str(b) for b in stored["band"].values]
    box = box_of(cube, stored)
    times = stored["time"].values
    for piece in uncovered(box, covered):
        part = on_dates(_pixels(cube, box, piece), times)
        part = part.sel(band=[b for b in bands if b in part["band"].values])
        rows, columns = piece[1] - piece[0], piece[3] - piece[2]
        yield Step(said=f"an area of {rows} × {columns} pixels", cube=part, box=piece)
    later = cube.isel(time=cube["time"].values > times[-1])
    new = [str(b) for b in cube["band"].values if str(b) not in bands]
    if not later.sizes["time"] and not new:
        return
    lacking = [piece for other in covered for piece in uncovered(other, [box])]
    if lacking:
        raise CubeError(
            f"the store holds an area of rows {lacking[0][0]} to {lacking[0][1]} and columns "
            f"{lacking[0][2]} to {lacking[0][3]} that the recipe's area leaves out, so new dates "
            "or bands would be missing there. Widen the recipe's area to all of the store."
        )
    if later.sizes["time"]:
        told = later.sel(band=[b for b in bands if b in later["band"].values])
        yield Step(said=f"{later.sizes['time']} dates", cube=told)
    if new:
        yield Step(said=f"bands {', '.join(new)}", cube=cube.sel(band=new))


def on_grid(cube: xr.Dataset, stored: xr.Dataset, *, unread: int = 0) -> xr.Dataset:
    """The cube on the whole grid of a store: no value where it has no pixel, `unread` as given."""
    top, bottom, left, right = box_of(cube, stored)
    rows, columns = stored.sizes["y"], stored.sizes["x"]
    if (top, bottom, left, right) == (0, rows, 0, columns):
        return cube.assign_coords(y=stored["y"], x=stored["x"])
    margins = {"y": (top, rows - bottom), "x": (left, columns - right)}
    made = {}
    for name, var in cube.variables.items():
        if name in cube.coords or not {"y", "x"} & set(var.dims):
            continue
        data = var.chunk().data if var.chunks is None else var.data
        fill = np.uint8(unread) if name == "unread" else fill_of(var)
        for dim, both in margins.items():
            if dim in var.dims:
                data = _widened(data, var.dims.index(dim), both, fill)
        made[name] = xr.Variable(var.dims, data, var.attrs, var.encoding)
    kept = {n: c.variable for n, c in cube.coords.items() if not {"y", "x"} & set(c.dims)}
    axes = {"y": stored["y"].variable, "x": stored["x"].variable}
    return xr.Dataset(made, {**kept, **axes}, cube.attrs)


def _widened(data: da.Array, axis: int, margins: tuple[int, int], fill: Any) -> da.Array:
    """An array with margins of fill, in chunks of the size that it has itself."""
    step = max(data.chunks[axis])
    parts = [data]
    for number, width in enumerate(margins):
        if width:
            shape = (*data.shape[:axis], width, *data.shape[axis + 1 :])
            chunks = (*data.chunks[:axis], step, *data.chunks[axis + 1 :])
            blank = da.full(shape, fill, dtype=data.dtype, chunks=chunks)
            parts.insert(0 if number == 0 else len(parts), blank)
    return da.concatenate(parts, axis=axis) if len(parts) > 1 else data


def _pixels(cube: xr.Dataset, box: Box, piece: Box) -> xr.Dataset:
    top, _, left, _ = box
    return cube.isel(
        y=slice(piece[0] - top, piece[1] - top), x=slice(piece[2] - left, piece[3] - left)
    )
