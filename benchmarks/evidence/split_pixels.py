"""Fractions by brute force: pixels on the edges of cells are split into 64 x 64 parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
import xarray as xr
from pyproj import CRS, Geod, Transformer
from scipy.ndimage import gaussian_filter

import lulc_xr as lx

ROTATED = (
    "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +datum=WGS84 "
    "+to_meter=0.0174532925199433"
)
SPLIT = 64
CLASSES = 6
GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A map around some cells of a grid.

    Parameters
    ----------
    grid : str
        Name of the grid.
    crs : str
        Reference system of the map.
    step : float
        Side of a pixel in metres.
    side : int
        Cells along a side of the square of cells.
    cell : tuple of int
        Row and column of the first cell.
    limit : float
        Largest error allowed.
    """

    grid: str
    crs: str
    step: float
    side: int
    cell: tuple[int, int]
    limit: float

    @property
    def title(self) -> str:
        return f"{self.step:g} m, {self.crs}, {self.side**2} cells of {self.grid}"

    @cached_property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Rotated longitudes and latitudes of the edges of the cells."""
        centres = lx.as_grid(self.grid).coordinates()
        found = []
        for dim, first in (("rlon", self.cell[1]), ("rlat", self.cell[0])):
            values = centres[dim].values
            step = (values[-1] - values[0]) / (values.size - 1)
            found.append(values[0] + step * (first - 0.5 + np.arange(self.side + 1)))
        return found[0], found[1]

    def ring(self, row: int, column: int, crs: str, pieces: int = 512) -> np.ndarray:
        """Outline of a cell in a reference system, from PROJ's rotated pole."""
        x, y = self.edges
        box = shapely.box(x[column], y[row], x[column + 1], y[row + 1])
        corners = shapely.get_coordinates(shapely.segmentize(box, (x[1] - x[0]) / pieces))
        return np.column_stack(move(ROTATED, crs).transform(*corners.T))

    @cached_property
    def areas(self) -> np.ndarray:
        """Geodesic areas of the cells, (row, column)."""
        found = np.empty((self.side, self.side))
        for cell in np.ndindex(found.shape):
            found[cell] = abs(GEOD.polygon_area_perimeter(*self.ring(*cell, "EPSG:4326").T)[0])
        return found

    @cached_property
    def maps(self) -> xr.DataArray:
        """The class map, wide enough for all cells."""
        rings = [self.ring(i, j, self.crs) for i, j in np.ndindex(self.side, self.side)]
        low = np.min([r.min(axis=0) for r in rings], axis=0) - 3.3 * self.step
        high = np.max([r.max(axis=0) for r in rings], axis=0) + 3.3 * self.step
        columns, rows = np.ceil((high - low) / self.step).astype(int)
        draw = np.random.default_rng(1)
        fields = np.stack(
            [gaussian_filter(draw.normal(size=(rows, columns)), 2.5) for _ in range(CLASSES)]
        )
        values = fields.argmax(axis=0).astype(np.uint8)
        values[draw.random(values.shape) < 0.02] = 255
        legend = lx.Legend.from_names("made_up", [f"class_{k}" for k in range(CLASSES)])
        return xr.DataArray(
            values[None],
            dims=("year", "y", "x"),
            coords={
                "year": [2018],
                "y": high[1] - self.step * (np.arange(rows) + 0.5),
                "x": low[0] + self.step * (np.arange(columns) + 0.5),
                "spatial_ref": ((), 0, {"crs_wkt": CRS.from_user_input(self.crs).to_wkt()}),
            },
            attrs=legend.flags(),
            name="land_cover",
        )

    @cached_property
    def truth(self) -> np.ndarray:
        """Fractions by brute force, (class, row, column)."""
        values, step = self.maps.values[0], self.step
        rows, columns = values.shape
        x0, y0 = float(self.maps.x[0]) - step / 2, float(self.maps.y[0]) + step / 2
        corner = self._cell_at(
            *np.meshgrid(x0 + step * np.arange(columns + 1), y0 - step * np.arange(rows + 1))
        )
        four = [corner[a : a + rows, b : b + columns] for a in (0, 1) for b in (0, 1)]
        whole = (four[0] == four[1]) & (four[0] == four[2]) & (four[0] == four[3])
        weight = self._pixel_areas(x0, y0, values.shape)
        found = np.zeros((self.side**2 + 1, 256))
        found += _binned(four[0][whole], values[whole], weight[whole], found.shape)
        middles = (np.arange(SPLIT) + 0.5) / SPLIT
        edge_rows, edge_columns = np.nonzero(~whole)
        for start in range(0, edge_rows.size, 512):
            i, j = edge_rows[start : start + 512], edge_columns[start : start + 512]
            x = x0 + step * (j[:, None, None] + middles)
            y = y0 - step * (i[:, None, None] + middles[:, None])
            cells = self._cell_at(*np.broadcast_arrays(x, y))
            own, part = (
                np.broadcast_to(v[:, None, None], cells.shape)
                for v in (values[i, j], weight[i, j] / SPLIT**2)
            )
            found += _binned(cells, own, part, found.shape)
        shares = found[:-1, :CLASSES].T.reshape(CLASSES, self.side, self.side)
        return shares / self.areas

    def _cell_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Number of the cell at places, one more than the last where there is none."""
        rlon, rlat = move(self.crs, ROTATED).transform(x, y)
        edge_x, edge_y = self.edges
        column = np.floor((rlon - edge_x[0]) / (edge_x[1] - edge_x[0])).astype(np.int64)
        row = np.floor((rlat - edge_y[0]) / (edge_y[1] - edge_y[0])).astype(np.int64)
        inside = (row >= 0) & (row < self.side) & (column >= 0) & (column < self.side)
        return np.where(inside, row * self.side + column, self.side**2)

    def _pixel_areas(self, x0: float, y0: float, shape: tuple[int, int]) -> np.ndarray:
        """Geodesic areas of pixels: of every 50th one, between them by a polynomial."""
        at = [np.unique(np.r_[np.arange(0, n, max(1, n // 6)), n - 1]) for n in shape]
        sample = np.empty((at[0].size, at[1].size))
        back = move(self.crs, "EPSG:4326")
        for a, i in enumerate(at[0]):
            for b, j in enumerate(at[1]):
                # Of 11 x 11 pixels around it, so that rounding of geodesic areas does not show.
                ring = shapely.segmentize(shapely.box(j - 5, i - 5, j + 6, i + 6), 1.0)
                column, row = shapely.get_coordinates(ring).T
                lon, lat = back.transform(x0 + self.step * column, y0 - self.step * row)
                sample[a, b] = abs(GEOD.polygon_area_perimeter(lon, lat)[0]) / 121
        u, v = (np.arange(n) / n - 0.5 for n in shape)
        base_u, base_v = (np.vander(w, 4) for w in (u, v))
        fitted = np.linalg.lstsq(base_u[at[0]], sample, rcond=None)[0]
        fitted = np.linalg.lstsq(base_v[at[1]], fitted.T, rcond=None)[0].T
        return base_u @ fitted @ base_v.T


def _binned(
    cells: np.ndarray, values: np.ndarray, weights: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Sums of weights by cell and value."""
    place = cells.astype(np.int64) * shape[1] + values
    summed = np.bincount(place.ravel(), weights.ravel(), minlength=shape[0] * shape[1])
    return summed.reshape(shape)


def move(source: str, target: str) -> Transformer:
    """From one reference system to another, x first."""
    return Transformer.from_crs(source, target, always_xy=True)
