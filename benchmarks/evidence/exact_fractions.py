"""How exact fractions are: ``python -m benchmarks.evidence.exact_fractions``.

Made-up maps with fine structure are summed up in whole cells of CORDEX grids, by brute force and
by several programs. Brute force: pixels on the edges of cells are split into 64 x 64 parts, each
of which counts where its middle lies by PROJ's own rotated pole; areas of cells are geodesic ones.
Prints the largest error of any fraction.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
import xarray as xr
from odc.geo.xr import ODCExtensionDa  # noqa: F401 - registers .odc
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
        return np.column_stack(_move(ROTATED, crs).transform(*corners.T))

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
        rlon, rlat = _move(self.crs, ROTATED).transform(x, y)
        edge_x, edge_y = self.edges
        column = np.floor((rlon - edge_x[0]) / (edge_x[1] - edge_x[0])).astype(np.int64)
        row = np.floor((rlat - edge_y[0]) / (edge_y[1] - edge_y[0])).astype(np.int64)
        inside = (row >= 0) & (row < self.side) & (column >= 0) & (column < self.side)
        return np.where(inside, row * self.side + column, self.side**2)

    def _pixel_areas(self, x0: float, y0: float, shape: tuple[int, int]) -> np.ndarray:
        """Geodesic areas of pixels: of every 50th one, between them by a polynomial."""
        at = [np.unique(np.r_[np.arange(0, n, max(1, n // 6)), n - 1]) for n in shape]
        sample = np.empty((at[0].size, at[1].size))
        back = _move(self.crs, "EPSG:4326")
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


CASES = (
    Case(grid="EUR-11", crs="EPSG:3035", step=10.0, side=1, cell=(217, 195), limit=5e-5),
    Case(grid="EUR-11", crs="EPSG:32632", step=10.0, side=1, cell=(217, 195), limit=5e-5),
    Case(grid="EUR-11", crs="EPSG:3035", step=10.0, side=1, cell=(330, 60), limit=5e-5),
    Case(grid="EUR-0275", crs="EPSG:3035", step=100.0, side=8, cell=(820, 720), limit=1e-3),
    Case(grid="EUR-0275", crs="EPSG:3857", step=100.0, side=8, cell=(820, 720), limit=1e-3),
)


def with_lulc_xr(case: Case, folder: Path) -> np.ndarray:
    """`lulc_xr.fractions` of the map in chunks."""
    found = lx.fractions(case.maps.chunk(y=500, x=500), case.grid)["fraction"].isel(year=0)
    row, column = case.cell
    near = found.isel(rlat=slice(row, row + case.side), rlon=slice(column, column + case.side))
    return near.values


def with_gdal(case: Case, folder: Path) -> np.ndarray:
    """GDAL's `average` of class indicators, onto the rotated grid."""
    from rasterio import crs
    from rasterio.transform import Affine
    from rasterio.warp import Resampling, reproject

    x, y = case.edges
    step = case.step
    source = Affine(
        step, 0, float(case.maps.x[0]) - step / 2, 0, -step, float(case.maps.y[0]) + step / 2
    )
    # Degrees of the rotated pole as they are: the unit of the system is written out.
    target = Affine(x[1] - x[0], 0, x[0], 0, y[1] - y[0], y[0])
    found = np.empty((CLASSES, case.side, case.side))
    for k, shares in enumerate(found):
        indicator = (case.maps.values[0] == k).astype(np.float32)
        reproject(
            indicator,
            shares,
            src_transform=source,
            src_crs=crs.CRS.from_string(case.crs),
            dst_transform=target,
            dst_crs=crs.CRS.from_wkt(_rotated_wkt()),
            resampling=Resampling.average,
        )
    return found


def with_odc(case: Case, folder: Path) -> np.ndarray:
    """odc-geo's `average` of class indicators, onto the rotated grid."""
    from odc.geo.geobox import GeoBox
    from rasterio.transform import Affine

    x, y = case.edges
    box = GeoBox(
        (case.side, case.side),
        Affine(x[1] - x[0], 0, x[0], 0, y[1] - y[0], y[0]),
        _rotated_wkt(),
    )
    flat = case.maps.isel(year=0, drop=True)
    found = np.empty((CLASSES, case.side, case.side))
    for k, shares in enumerate(found):
        indicator = (flat == k).astype(np.float32).odc.assign_crs(case.crs)
        shares[:] = indicator.odc.reproject(box, resampling="average").values
    return found


def with_exactextract(case: Case, folder: Path) -> np.ndarray:
    """Shares by exactextract, with the cells as polygons in the map's reference system."""
    import geopandas
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    cells = [(i, j) for i, j in np.ndindex(case.side, case.side)]
    polygons = geopandas.GeoDataFrame(
        {"cell": range(len(cells))},
        geometry=[shapely.Polygon(case.ring(i, j, case.crs)) for i, j in cells],
        crs=case.crs,
    )
    values = case.maps.values[0].astype(np.int32)
    step = case.step
    x0, y0 = float(case.maps.x[0]) - step / 2, float(case.maps.y[0]) + step / 2
    raster = NumPyRasterSource(
        values,
        xmin=x0,
        ymin=y0 - step * values.shape[0],
        xmax=x0 + step * values.shape[1],
        ymax=y0,
        srs_wkt=CRS.from_user_input(case.crs).to_wkt(),
    )
    rows = exact_extract(raster, polygons, ["unique", "frac"])
    found = np.zeros((CLASSES, case.side, case.side))
    for (i, j), row in zip(cells, rows, strict=True):
        for value, share in zip(
            row["properties"]["unique"], row["properties"]["frac"], strict=True
        ):
            if value < CLASSES:
                found[int(value), i, j] = share
    return found


def with_cdo(case: Case, folder: Path) -> np.ndarray:
    """`cdo remapcon` of class indicators whose pixels are cells with corners."""
    if shutil.which("cdo") is None:
        raise FileNotFoundError("cdo is not installed")
    flat = case.maps.isel(year=0, drop=True)
    step = case.step
    rows, columns = flat.shape
    x0, y0 = float(flat.x[0]) - step / 2, float(flat.y[0]) + step / 2
    back = _move(case.crs, "EPSG:4326")
    lon, lat = back.transform(
        *np.meshgrid(x0 + step * np.arange(columns + 1), y0 - step * np.arange(rows + 1))
    )
    middle_lon, middle_lat = back.transform(*np.meshgrid(flat.x.values, flat.y.values))
    around = ((1, 0), (1, 1), (0, 1), (0, 0))
    corners = [
        np.stack([v[a : a + rows, b : b + columns] for a, b in around], axis=-1) for v in (lon, lat)
    ]
    source = xr.Dataset(
        {
            f"class_{k}": (
                ("y", "x"), (flat.values == k).astype(np.float32), {"coordinates": "lon lat"},
            )
            for k in range(CLASSES)
        },
        coords={
            "lon": (("y", "x"), middle_lon, {"units": "degrees_east", "bounds": "lon_bnds"}),
            "lat": (("y", "x"), middle_lat, {"units": "degrees_north", "bounds": "lat_bnds"}),
        },
    )  # fmt: skip
    source["lon_bnds"] = (("y", "x", "corner"), corners[0])
    source["lat_bnds"] = (("y", "x", "corner"), corners[1])
    source.to_netcdf(folder / "source.nc", engine="netcdf4")
    (folder / "grid.txt").write_text(_cdo_grid(case))
    subprocess.run(
        ["cdo", "-s", "-O", f"remapcon,{folder / 'grid.txt'}", "source.nc", "target.nc"],
        cwd=folder, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    with xr.open_dataset(folder / "target.nc", engine="netcdf4") as target:
        found = np.stack([target[f"class_{k}"].values for k in range(CLASSES)])
    return found.reshape(CLASSES, case.side, case.side)


METHODS: dict[str, Callable[[Case, Path], np.ndarray]] = {
    "lulc_xr.fractions": with_lulc_xr,
    "exactextract, polygons in the map's CRS": with_exactextract,
    "cdo remapcon": with_cdo,
    "GDAL average": with_gdal,
    "odc-geo average": with_odc,
}


def errors(cases: tuple[Case, ...] = CASES) -> pd.DataFrame:
    """Largest error of each method in each case; NaN where it cannot do it, and why."""
    rows = []
    for case in cases:
        truth = case.truth
        for name, method in METHODS.items():
            begin = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                try:
                    off, why = float(np.abs(method(case, Path(folder)) - truth).max()), ""
                except subprocess.CalledProcessError as error:
                    off, why = np.nan, error.stderr.decode()[-80:]
                except Exception as error:  # noqa: BLE001 - what others cannot do is part of it
                    off, why = np.nan, f"{type(error).__name__}: {error}"[:60]
            took = time.perf_counter() - begin
            rows.append((case.title, name, off, case.limit, took, why))
    columns = ["case", "method", "largest error", "limit", "seconds", "note"]
    return pd.DataFrame(rows, columns=columns)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    warnings.simplefilter("ignore")
    table = errors()
    print(table.to_string(index=False, float_format=lambda v: f"{v:.2g}"))


def _binned(
    cells: np.ndarray, values: np.ndarray, weights: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Sums of weights by cell and value."""
    place = cells.astype(np.int64) * shape[1] + values
    summed = np.bincount(place.ravel(), weights.ravel(), minlength=shape[0] * shape[1])
    return summed.reshape(shape)


def _move(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def _rotated_wkt() -> str:
    """The rotated pole as CF files name it, which GDAL reads."""
    return CRS.from_cf(
        {
            "grid_mapping_name": "rotated_latitude_longitude",
            "grid_north_pole_latitude": 39.25,
            "grid_north_pole_longitude": -162.0,
            "north_pole_grid_longitude": 0.0,
        }
    ).to_wkt()


def _cdo_grid(case: Case, pieces: int = 16) -> str:
    """The cells as CDO's polygons; it takes edges for great circles, so they are cut in pieces."""
    rings = [case.ring(i, j, "EPSG:4326", pieces)[:-1] for i, j in np.ndindex(case.side, case.side)]
    lines = ["gridtype = unstructured", f"gridsize = {len(rings)}", f"nvertex = {len(rings[0])}"]
    for name, axis in (("x", 0), ("y", 1)):
        lines.append(f"{name}vals = " + " ".join(str(r[:, axis].mean()) for r in rings))
        lines.append(f"{name}bounds = " + " ".join(str(v) for r in rings for v in r[:, axis]))
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
