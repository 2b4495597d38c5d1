"""Where climate is given: on axes of a reference system, or at places of longitude and latitude."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from lulc_xr.analysis.climate_inputs import VARIABLE, places
from lulc_xr.core.errors import CubeError
from lulc_xr.core.target_grid import EARTH_RADIUS

Floats = NDArray[np.float64]

_WGS84 = "EPSG:4326"
_GEOGRAPHIC = (("lat", "latitude"), ("lon", "longitude"))
_ANY = (("y_bioclim", "y"), ("x_bioclim", "x"))
_OUTSIDE = -9.0


@dataclass(frozen=True, kw_only=True)
class ClimatePlaces:
    """Places of a climate.

    Parameters
    ----------
    dims : tuple of str
        Dimensions of the places.
    axes : tuple of ndarray of float64, optional
        Centres along the two `dims` (y, x) where these are axes of `crs`, in any order.
    crs : str, optional
        Well-known text of the axes' reference system; None: degrees of longitude and latitude.
    points : tuple of ndarray of float64, optional
        Longitude and latitude of each place where there are no axes, shape (place,).
    """

    dims: tuple[str, ...]
    axes: tuple[Floats, Floats] | None = None
    crs: str | None = None
    points: tuple[Floats, Floats] | None = None

    @classmethod
    def of(cls, climate: xr.Dataset | xr.DataArray, stacked: xr.DataArray) -> ClimatePlaces:
        """Places of a climate as given and of the variables made from it.

        Raises
        ------
        CubeError
            If nothing tells where they are.
        """
        space = tuple(str(d) for d in stacked.dims if d != VARIABLE)
        crs = _system(climate)
        names = _GEOGRAPHIC if crs is None else _ANY + _GEOGRAPHIC
        found = [dim for dim in space for known in names if dim in known and dim in stacked.coords]
        if len(space) == 2 and len(found) == 2:
            dims = found if found[0] in _ANY[0] + _GEOGRAPHIC[0] else found[::-1]
            axes = [np.asarray(stacked[d].values, np.float64) for d in dims]
            wkt = None if crs is None or CRS(crs).is_geographic else crs
            return cls(dims=tuple(dims), axes=(axes[0], axes[1]), crs=wkt)
        lon, lat = xr.broadcast(*places(climate, space))
        points = [v.transpose(*space).to_numpy().ravel().astype(np.float64) for v in (lon, lat)]
        return cls(dims=space, points=(points[0], points[1]))

    def degrees(self) -> tuple[Floats, Floats]:
        """Longitude (-180 to 180) and latitude of each place, the last dimension first."""
        if self.points is not None:
            lon, lat = self.points
        else:
            assert self.axes is not None
            y, x = (v.ravel() for v in np.meshgrid(*self.axes, indexing="ij"))
            lon, lat = _moved(x, y, self.crs, _WGS84)
        return (lon + 180) % 360 - 180, lat

    def width(self) -> float:
        """Typical distance between neighbouring places in metres."""
        if self.axes is None:
            lon, lat = (np.deg2rad(v) for v in self.degrees())
            east, north = np.diff(lon) * np.cos(lat[1:]), np.diff(lat)
            return (
                float(np.median(np.hypot(east, north))) * EARTH_RADIUS if lon.size > 1 else np.inf
            )
        steps = [float(np.median(np.abs(np.diff(v)))) for v in self.axes if v.size > 1]
        if not steps:
            return np.inf
        return max(steps) if self.crs is not None else float(np.deg2rad(max(steps))) * EARTH_RADIUS

    def positions(self, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
        """Fractional row and column of places along the axes; -9 outside of the outer cells.

        Raises
        ------
        CubeError
            If there are no axes.
        """
        if self.axes is None:
            raise CubeError(
                f"climate lies on {self.dims}, not on two axes, so 'bilinear' has no four places "
                "around a centre. Choose method='nearest' or 'mean'."
            )
        x, y = _moved(longitude, latitude, _WGS84, self.crs)
        if self.crs is None:
            # Longitudes of the climate may count from 0 or from -180.
            first = float(self.axes[1].min()) - 1e-9 - _half_step(self.axes[1])
            x = (x - first) % 360 + first
        return _along(self.axes[0], y), _along(self.axes[1], x)


def _system(climate: xr.Dataset | xr.DataArray) -> str | None:
    """Well-known text of the reference system that the climate carries, if it does."""
    for value in climate.coords.values():
        if not value.dims and "crs_wkt" in value.attrs:
            return str(value.attrs["crs_wkt"])
    return None


def _moved(x: Floats, y: Floats, source: str | None, target: str | None) -> tuple[Floats, Floats]:
    """Places in another reference system; as they are where one of both is None (degrees)."""
    if source is None or target is None:
        return x, y
    made = Transformer.from_crs(source, target, always_xy=True).transform(x, y)
    return np.asarray(made[0]), np.asarray(made[1])


def _half_step(axis: Floats) -> float:
    return float(np.abs(np.diff(axis)).max()) / 2 if axis.size > 1 else 180.0


def _along(axis: Floats, values: Floats) -> Floats:
    """Fractional index of values along an axis that goes up or down."""
    if axis.size == 1:
        return np.zeros(values.shape)
    ranks = np.arange(axis.size, dtype=np.float64)
    if axis[-1] < axis[0]:
        axis, ranks = axis[::-1], ranks[::-1]
    ends = [1.5 * axis[0] - 0.5 * axis[1], *axis, 1.5 * axis[-1] - 0.5 * axis[-2]]
    half = (ranks[1] - ranks[0]) / 2
    steps = [ranks[0] - half, *ranks, ranks[-1] + half]
    made: Floats = np.interp(values, ends, steps, left=_OUTSIDE, right=_OUTSIDE)
    return made
