"""How a cube fits to a store: new dates, an area beside or inside it, or new bands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError
from lulc_xr.core.georeference import affine_of

Kind = Literal["time", "area", "band", "none"]

_LATTICE = 1e-3
"""How far a pixel may lie off the store's lattice, in pixels (the tolerance of check_cube)."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """The new part of a cube, where it begins in the store, and the store's axes afterwards.

    Parameters
    ----------
    kind : {"time", "area", "band", "none"}
        What is new; "none" if every date, band and pixel of the cube is on the store's axes.
    new : xr.Dataset
        The part of the cube that is new: all of it for an area.
    old : xr.Dataset or None
        The part whose dates and bands the store has; None if it has none, or for an area.
    start : mapping of dimension to int
        Where that part begins.
    axes : mapping of dimension to ndarray
        Values of time, band, y and x after the extension.
    """

    kind: Kind
    new: xr.Dataset
    old: xr.Dataset | None
    start: Mapping[str, int]
    axes: Mapping[str, NDArray[Any]]

    @property
    def grows(self) -> tuple[str, ...]:
        """Dimensions along which values come in."""
        by_kind: dict[str, tuple[str, ...]] = {"time": ("time",), "band": ("band",)}
        return by_kind.get(self.kind, ("y", "x"))


def place_cube(cube: xr.Dataset, stored: xr.Dataset, *, what: str) -> Growth:
    """Find what of a cube is new to a store, and where it goes.

    Parameters
    ----------
    cube : xr.Dataset
        The cube that comes in (time, band, y, x).
    stored : xr.Dataset
        Coordinates of the store: time, band, y, x and the grid mapping.
    what : str
        Name of the store, for messages.

    Returns
    -------
    Growth
        The new part and where it begins.

    Raises
    ------
    CubeError
        If the reference systems differ, pixels lie off the lattice or north or west of the
        store, dates fall between the store's, bands are missing, or several axes differ at once.
    """
    given, there = (CRS.from_user_input(crs_of(ds)) for ds in (cube, stored))
    if given != there:
        raise CubeError(
            f"the cube lies in {given.name!r}, the store {what} in {there.name!r}. One store has "
            "one reference system: load the cube on the store's grid, or build another store."
        )
    corner = {d: _place_axis(cube, stored, d, what=what) for d in ("y", "x")}
    cube, new_bands = _ordered_bands(cube, stored)
    new_dates = _new_dates(cube, stored, what=what)
    same_grid = all(corner[d] == 0 and cube.sizes[d] == stored.sizes[d] for d in ("y", "x"))
    same_dates = np.array_equal(cube["time"].values, stored["time"].values)
    all_bands = cube.sizes["band"] - new_bands == stored.sizes["band"]
    kind: Kind
    new, old = cube, None
    if new_dates:
        kind, new, old = "time", *_cut(cube, "time", new_dates)
    elif new_bands:
        kind, new, old = "band", *_cut(cube, "band", new_bands)
    elif same_grid and not (same_dates and all_bands):
        kind, old = "none", cube
    else:
        kind = "area"
    if kind != "area" and not same_grid:
        raise CubeError(_two_at_once(cube, stored, kind, corner))
    if kind in ("area", "band") and not same_dates:
        raise CubeError(
            f"{_said(kind)} must come with exactly the store's {stored.sizes['time']} dates "
            f"({_span(stored)}); this cube has {cube.sizes['time']} ({_span(cube)}). Load it for "
            "the same dates (a date without data there is a date without clear pixels)."
        )
    if kind in ("time", "area") and not all_bands and not new_bands:
        raise CubeError(
            f"{_said(kind)} must come with all bands of the store, "
            f"{', '.join(map(str, stored['band'].values))}; this cube has "
            f"{', '.join(map(str, cube['band'].values))}. Load the missing ones too."
        )
    if kind == "time" and new_bands:
        raise CubeError(
            "the cube has new dates and new bands at once. Extend by the dates first (with the "
            "store's bands), then by the new bands with all dates."
        )
    start = {"time": 0, "band": 0, **corner}
    if kind in ("time", "band"):
        start[kind] = stored.sizes[kind]
    axes = _axes(new, stored, start, kind)
    return Growth(kind=kind, new=new, old=old, start=start, axes=axes)


def _cut(cube: xr.Dataset, dim: str, number: int) -> tuple[xr.Dataset, xr.Dataset | None]:
    """The last `number` of a dimension, and what is before them."""
    before = cube.sizes[dim] - number
    return cube.isel({dim: slice(before, None)}), cube.isel(
        {dim: slice(before)}
    ) if before else None


def _place_axis(cube: xr.Dataset, stored: xr.Dataset, dim: str, *, what: str) -> int:
    """Where the cube's first pixel lies on the store's lattice; never before its first."""
    a, _, c, _, e, f = affine_of(stored)
    step, edge = (e, f) if dim == "y" else (a, c)
    centres = np.asarray(cube[dim].values, np.float64)
    places = (centres - edge) / step - 0.5
    first = int(np.rint(places[0]))
    off = np.abs(places - first - np.arange(centres.size)).max()
    if off > _LATTICE:
        raise CubeError(
            f"{dim!r} of the cube ({centres[0]:g} to {centres[-1]:g}, {centres.size} pixels) is "
            f"off the lattice of {what} (from {edge + step / 2:g} in steps of {step:g}) by up to "
            f"{off:.3g} pixels. Load the cube on the store's grid: same pixel size, same origin."
        )
    if first < 0:
        side = {"y": "north" if step < 0 else "south", "x": "west" if step > 0 else "east"}[dim]
        raise CubeError(
            f"the cube begins {-first} pixels {side} of {what} ({dim!r} {centres[0]:g}, the "
            f"store's first is {edge + step / 2:g}). A store grows away from its corner only, as "
            "readers have its pixels counted from there: build the store anew, with the whole "
            "extent declared (build_cube(..., grid=...)), and fill it area by area."
        )
    return first


def _ordered_bands(cube: xr.Dataset, stored: xr.Dataset) -> tuple[xr.Dataset, int]:
    """The cube with the store's bands in its order, new ones last; and how many are new."""
    there = [str(b) for b in stored["band"].values]
    given = [str(b) for b in cube["band"].values]
    new = [b for b in given if b not in there]
    known = [b for b in there if b in given]
    order = [given.index(b) for b in [*known, *new]]
    return cube.isel(band=order) if order != sorted(order) else cube, len(new)


def _new_dates(cube: xr.Dataset, stored: xr.Dataset, *, what: str) -> int:
    given, there = (np.asarray(ds["time"].values, "datetime64[ns]") for ds in (cube, stored))
    later = given > there[-1]
    strange = given[~later & ~np.isin(given, there)]
    if strange.size:
        shown = ", ".join(str(d)[:10] for d in strange[:5])
        raise CubeError(
            f"{strange.size} dates of the cube ({shown}{', ...' if strange.size > 5 else ''}) lie "
            f"before or between those of {what} ({_span(stored)}). Dates are appended behind the "
            "last only: leave these out, or build a new store with all of them."
        )
    return int(later.sum())


def _two_at_once(
    cube: xr.Dataset, stored: xr.Dataset, kind: Kind, corner: Mapping[str, int]
) -> str:
    grids = [
        f"{ds.sizes['y']} x {ds.sizes['x']} pixels from row {r}, column {c}"
        for ds, r, c in ((cube, corner["y"], corner["x"]), (stored, 0, 0))
    ]
    return (
        f"{_said(kind)} must cover the store's grid, {grids[1]}; this cube has {grids[0]}. Extend "
        "along one axis at a time: first the dates or bands on the whole grid (NaN where there is "
        "nothing), then the area with all dates and bands."
    )


def _said(kind: Kind) -> str:
    return {"time": "new dates", "band": "new bands", "area": "an area", "none": "dates"}[kind]


def _span(ds: xr.Dataset) -> str:
    first, last = (str(ds["time"].values[i])[:10] for i in (0, -1))
    return f"{first} to {last}"


def _axes(
    new: xr.Dataset, stored: xr.Dataset, start: Mapping[str, int], kind: Kind
) -> dict[str, NDArray[Any]]:
    """All four axes after the extension; the values of the store first."""
    axes = {d: np.asarray(stored[d].values) for d in ("time", "band", "y", "x")}
    if kind in ("time", "band"):
        axes[kind] = np.concatenate([axes[kind], np.asarray(new[kind].values, axes[kind].dtype)])
    if kind == "area":
        a, _, c, _, e, f = affine_of(stored)
        for dim, step, edge in (("y", e, f), ("x", a, c)):
            size = max(axes[dim].size, start[dim] + new.sizes[dim])
            whole = edge + step * (np.arange(size) + 0.5)
            whole[start[dim] : start[dim] + new.sizes[dim]] = new[dim].values
            whole[: axes[dim].size] = axes[dim]
            axes[dim] = whole
    return axes
