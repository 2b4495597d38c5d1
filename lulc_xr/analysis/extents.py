"""Where a raster lies: its reference system, corner, pixels, border; where two of them overlap."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from lulc_xr.core.ellipsoid import area_up_to
from lulc_xr.core.errors import CubeError
from lulc_xr.core.target_grid import EARTH_RADIUS

LONLAT = "EPSG:4326"

_UNEVEN = 0.1
"""Pixels by which a centre may be off an even spacing (ours: coordinates stored as float32)."""

_TOUCHING = 0.01
"""Mean width in pixels up to which an overlap is a shared border that was rounded (ours)."""

_STRAY = 1e-3
"""Metres by which a border may leave its course in another reference system (ours)."""

_thread = threading.local()


def transformer(source: str, target: str) -> Transformer:
    """From one reference system to another, x (or longitude) first; made once per thread."""
    made: dict[tuple[str, str], Transformer] = _thread.__dict__.setdefault("made", {})
    if (source, target) not in made:
        made[source, target] = Transformer.from_crs(source, target, always_xy=True)
    return made[source, target]


@functools.lru_cache(maxsize=64)
def system(crs: str) -> CRS:
    """The reference system of a short text."""
    return CRS.from_user_input(crs)


def belt(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area in m² from the equator to a latitude in degrees, per degree of longitude."""
    sine: NDArray[np.float64] = np.sin(np.deg2rad(np.clip(latitude, -90, 90)))
    found: NDArray[np.float64] = area_up_to(sine) * np.deg2rad(1)
    return found


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Where a raster or a block of it lies.

    Parameters
    ----------
    crs : str
        Reference system: a code such as "EPSG:3035" where it says everything, else WKT.
    corner : tuple of float
        x and y of the outer corner of the first pixel.
    step : tuple of float
        From one pixel to the next along x and along y; either may be negative.
    shape : tuple of int
        Rows and columns.
    """

    crs: str
    corner: tuple[float, float]
    step: tuple[float, float]
    shape: tuple[int, int]

    @property
    def geographic(self) -> bool:
        """Whether pixels are in degrees."""
        return bool(system(self.crs).is_geographic)

    @property
    def pixel(self) -> float:
        """Area of a pixel in squared units of the reference system."""
        return abs(self.step[0] * self.step[1])

    def window(self, row: int, column: int, shape: tuple[int, int]) -> Extent:
        """The part of some rows and columns from a first one on."""
        corner = (
            self.corner[0] + column * self.step[0],
            self.corner[1] + row * self.step[1],
        )
        return Extent(crs=self.crs, corner=corner, step=self.step, shape=shape)

    def places(
        self, column: NDArray[np.float64], row: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates x and y of places counted in pixels from the corner."""
        return self.corner[0] + column * self.step[0], self.corner[1] + row * self.step[1]

    def columns_at(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns from the corner at x."""
        return (x - self.corner[0]) / self.step[0]

    def rows_at(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows from the corner at y.

        In degrees by area between the edges of a row, so that parts of pixels are shares of area.
        """
        row = (y - self.corner[1]) / self.step[1]
        if not self.geographic:
            return row
        whole = np.floor(row)
        above, below, here = (
            belt(v) for v in (*(self.corner[1] + self.step[1] * (whole + k) for k in (0, 1)), y)
        )
        # Beyond the poles there is no area.
        share = np.divide(here - above, below - above, out=row - whole, where=above != below)
        return whole + share

    def border(self, pieces: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Columns and rows of places along the border, each side cut into `pieces`."""
        rows, columns = self.shape
        along = np.arange(pieces) / pieces
        flat = np.zeros(pieces)
        column = np.concatenate([along * columns, flat + columns, columns - along * columns, flat])
        row = np.concatenate([flat, along * rows, flat + rows, rows - along * rows])
        return column, row

    def longest(self) -> float:
        """Longer side in metres, roughly."""
        unit = np.deg2rad(1) * EARTH_RADIUS if self.geographic else _metres(self.crs)
        sides = (abs(s) * n * unit for s, n in zip(self.step, self.shape[::-1], strict=True))
        return float(max(sides))

    def outline(self, crs: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Border in another reference system, with places so dense that it keeps its course."""
        # A chord of 1/n of a side strays by side² / (8 R n²) where the side follows the earth.
        strays = self.longest() ** 2 / (8 * EARTH_RADIUS)
        pieces = int(np.clip(np.ceil(np.sqrt(strays / _STRAY)), 1, 20_000))
        x, y = self.places(*self.border(pieces))
        if crs == self.crs:
            return x, y
        return _finite(transformer(self.crs, crs).transform(x, y), self.crs, crs)

    def footprint(self) -> str:
        """Border as WKT in longitude and latitude, 16 places a side."""
        x, y = self.places(*self.border(16))
        lon, lat = _finite(transformer(self.crs, LONLAT).transform(x, y), self.crs, LONLAT)
        made: str = shapely.to_wkt(shapely.Polygon(np.column_stack([lon, lat])), 6)
        return made

    def to_dict(self) -> dict[str, Any]:
        """The extent as JSON-able values."""
        return {
            "crs": self.crs,
            "corner": list(self.corner),
            "step": list(self.step),
            "shape": list(self.shape),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Extent:
        """The extent from what :meth:`to_dict` gave."""
        return cls(
            crs=str(values["crs"]),
            corner=(float(values["corner"][0]), float(values["corner"][1])),
            step=(float(values["step"][0]), float(values["step"][1])),
            shape=(int(values["shape"][0]), int(values["shape"][1])),
        )


def extent_of(array: xr.DataArray, name: str) -> Extent:
    """Where a map lies.

    Parameters
    ----------
    array : xr.DataArray
        With pixel centres `y` and `x`.
    name : str
        What messages call it.

    Raises
    ------
    CubeError
        If it has no reference system, pixels are not evenly spaced, or a single pixel has no
        size.
    """
    crs, transform = _mapping(array, name)
    steps = []
    for dim, place in (("x", 1), ("y", 5)):
        if dim not in array.coords or dim not in array.dims:
            raise CubeError(
                f"{name} has no coordinate {dim!r}. Expected pixel centres as coordinates 'y' and "
                "'x'; rename yours, for instance maps.rename(lat='y', lon='x')."
            )
        values = np.asarray(array[dim].values, np.float64)
        if values.size > 1:
            step = float(values[-1] - values[0]) / (values.size - 1)
            off = np.abs(values - values[0] - step * np.arange(values.size)).max()
            if not step or not off <= _UNEVEN * abs(step):
                raise CubeError(
                    f"{dim!r} of {name} is not evenly spaced: a centre is {off:g} off, with a step "
                    f"of {step:g}. Give a map on a regular grid of pixels."
                )
            steps.append(step)
        else:
            steps.append(float(transform[place]) if transform else np.nan)
    x, y = (steps[i] if np.isfinite(steps[i]) else steps[1 - i] for i in (0, 1))
    if not np.isfinite(x):
        raise CubeError(
            f"{name} is a single pixel of unknown size. Give its grid mapping a GeoTransform, for "
            "instance with maps.rio.write_transform(...)."
        )
    if not np.isfinite(steps[0]) or not np.isfinite(steps[1]):
        # One row or one column has no spacing of its own: pixels are square, north is up.
        x, y = (abs(y), y) if not np.isfinite(steps[0]) else (x, -abs(x))
    corner = (float(array["x"].values[0]) - x / 2, float(array["y"].values[0]) - y / 2)
    return Extent(crs=crs, corner=corner, step=(x, y), shape=(array.sizes["y"], array.sizes["x"]))


def overlap_of(first: Extent, second: Extent) -> BaseGeometry | None:
    """What two rasters share, in pixels of the first from its corner; None if nothing.

    A shared border is no overlap, whatever its coordinates were rounded to.
    """
    shape = polygon_in(first, second)
    if shape.is_empty:
        return None
    width = 2 * shape.area / shape.length
    return shape if width > _TOUCHING else None


def polygon_in(first: Extent, second: Extent) -> BaseGeometry:
    """The second raster as a polygon in pixels of the first from its corner, cut by its border."""
    rows, columns = first.shape
    x, y = second.outline(first.crs)
    if first.geographic:
        x = np.unwrap(x, period=360)
    column, row = first.columns_at(x), first.rows_at(y)
    frame = shapely.box(0, 0, columns, rows)
    turns = (0,)
    if first.geographic:
        turns = tuple(k * 360 / first.step[0] for k in (-1, 0, 1))  # type: ignore[assignment]
    parts = []
    for turn in turns:
        ring = shapely.Polygon(np.column_stack([column + turn, row]))
        parts.append(shapely.intersection(shapely.make_valid(ring), frame))
    return shapely.union_all([p for p in parts if p.area > 0])


def _mapping(array: xr.DataArray, name: str) -> tuple[str, list[float] | None]:
    """Reference system and GeoTransform of a map, from its grid mapping."""
    named = array.encoding.get("grid_mapping") or array.attrs.get("grid_mapping")
    for key in (named, "spatial_ref", "crs"):
        if key is None or key not in array.coords:
            continue
        attrs = array.coords[key].attrs
        text = attrs.get("crs_wkt") or attrs.get("spatial_ref")
        if not text and "grid_mapping_name" not in attrs:
            continue
        crs = CRS.from_user_input(text) if text else CRS.from_cf(attrs)
        words = str(attrs.get("GeoTransform", "")).split()
        return _short(crs), [float(w) for w in words] if len(words) == 6 else None
    raise CubeError(
        f"{name} has no coordinate reference system: no coordinate 'spatial_ref' with attribute "
        "'crs_wkt'. Assign the one that its coordinates are in, for instance "
        "maps.odc.assign_crs('EPSG:3035')."
    )


def _short(crs: CRS) -> str:
    code = crs.to_authority(min_confidence=100)
    if code is not None:
        text = ":".join(code)
        # A code says less than WKT with shifts of its own.
        if CRS.from_user_input(text).equals(crs, ignore_axis_order=True):
            return text
    made: str = crs.to_wkt()
    return made


def _metres(crs: str) -> float:
    return float(system(crs).axis_info[0].unit_conversion_factor)


def _finite(found: Any, source: str, target: str) -> tuple[Any, Any]:
    x, y = found
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise CubeError(
            f"the border of a map in {system(source).name!r} leaves what {system(target).name!r} "
            "can show. Crop the maps to the area that both reference systems are made for."
        )
    return x, y
