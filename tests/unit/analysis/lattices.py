"""A small grid of cells, on a rotated pole or none, and made-up class maps."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from pyproj import CRS

import lulc_xr as lx
from lulc_xr.analysis.pixel_areas import belt
from lulc_xr.core.overlap import Outlines
from lulc_xr.core.target_grid import GridPart, TargetGrid

LEGEND = lx.Legend.from_names("demo", ["crop", "wood", "water"])


@dataclass(frozen=True, kw_only=True)
class Lattice(TargetGrid):
    """Cells between meridians and parallels of a rotated pole, (rlat, rlon)."""

    west: float
    south: float
    step: float
    rows: int
    columns: int
    pole: tuple = (180.0, 90.0)
    name: str = "lattice"

    dims = ("rlat", "rlon")

    @property
    def shape(self):
        return self.rows, self.columns

    def coordinates(self):
        rlat = self.south + self.step * (np.arange(self.rows) + 0.5)
        rlon = self.west + self.step * (np.arange(self.columns) + 0.5)
        found = xr.Dataset(coords={"rlat": rlat, "rlon": rlon, "rotated_pole": 0})
        found.attrs["grid_mapping"] = "rotated_pole"
        return found

    def areas(self):
        found = []
        part = self.part(np.arange(self.size)).outlines(256)
        x, y = part.x, belt(part.y)
        for a, b in zip(part.starts[:-1], part.starts[1:], strict=True):
            u, v = x[a:b] - x[a], y[a:b] - y[a]
            found.append(abs((u * np.roll(v, -1) - np.roll(u, -1) * v).sum() / 2))
        return np.array(found)

    def width(self):
        return np.deg2rad(self.step) * 6_371_229.0

    def near(self, longitude, latitude):
        x, y = _turned(longitude, latitude, self.pole, back=True)
        i, j = (y - self.south) / self.step, (x - self.west) / self.step
        down = np.arange(max(0, int(i.min()) - 1), min(self.rows, int(i.max()) + 2))
        across = np.arange(max(0, int(j.min()) - 1), min(self.columns, int(j.max()) + 2))
        return (down[:, None] * self.columns + across).ravel()

    def locate(self, longitude, latitude):
        raise NotImplementedError

    def part(self, cells):
        return LatticePart(lattice=self, cells=cells)


@dataclass(frozen=True, kw_only=True)
class LatticePart(GridPart):
    lattice: Lattice
    cells: np.ndarray

    def outlines(self, pieces):
        grid = self.lattice
        along = np.arange(pieces) / pieces
        zero, one = np.zeros(pieces), np.ones(pieces)
        i, j = np.divmod(self.cells, grid.columns)
        x = np.concatenate([along, one, 1 - along, zero])
        y = np.concatenate([zero, along, one, 1 - along])
        x = grid.west + grid.step * (j[:, None] + x)
        y = grid.south + grid.step * (i[:, None] + y)
        lon, lat = _turned(x.ravel(), y.ravel(), grid.pole, back=False)
        return Outlines(
            x=lon,
            y=lat,
            starts=np.arange(self.cells.size + 1) * 4 * pieces,
            cells=np.arange(self.cells.size),
        )


def _turned(x, y, pole, *, back):
    """Longitude and latitude of rotated ones; with `back` the other way."""
    if pole[1] == 90:
        return np.asarray(x, float), np.asarray(y, float)
    lon_p, lat_p = np.deg2rad(pole)
    x, y = np.deg2rad(x), np.deg2rad(y)
    if back:
        d = x - lon_p
        z = np.sin(lat_p) * np.sin(y) + np.cos(lat_p) * np.cos(y) * np.cos(d)
        b = np.cos(lat_p) * np.sin(y) - np.sin(lat_p) * np.cos(y) * np.cos(d)
        a = -np.cos(y) * np.sin(d)
        # Rotated longitude is counted from the meridian opposite to the pole.
        lon = np.arctan2(a, b)
        return np.rad2deg(lon), np.rad2deg(np.arcsin(z))
    z = np.sin(lat_p) * np.sin(y) + np.cos(lat_p) * np.cos(y) * np.cos(x)
    b = np.cos(lat_p) * np.sin(y) - np.sin(lat_p) * np.cos(y) * np.cos(x)
    a = -np.cos(y) * np.sin(x)
    return np.rad2deg(lon_p + np.arctan2(a, b)), np.rad2deg(np.arcsin(z))


def class_map(values, crs, corner, step, *, years=(2018,), chunk=None, legend=LEGEND):
    """A class map (year, y, x) whose first pixel's outer corner is `corner`."""
    values = np.asarray(values, np.uint8)
    values = values if values.ndim == 3 else np.stack([values] * len(years))
    steps = step if isinstance(step, tuple) else (step, -step)
    rows, columns = values.shape[1:]
    system = CRS.from_user_input(crs)
    a, e = steps
    affine = f"{corner[0]!r} {a!r} 0.0 {corner[1]!r} 0.0 {e!r}"
    found = xr.DataArray(
        values,
        dims=("year", "y", "x"),
        coords={
            "year": np.array(years),
            "y": corner[1] + e * (np.arange(rows) + 0.5),
            "x": corner[0] + a * (np.arange(columns) + 0.5),
            "spatial_ref": ((), 0, {"crs_wkt": system.to_wkt(), "GeoTransform": affine}),
        },
        name="land_cover",
        attrs=legend.flags(),
    )
    return found if chunk is None else found.chunk(y=chunk, x=chunk)
