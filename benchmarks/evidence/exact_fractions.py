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
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
import xarray as xr
from odc.geo.xr import ODCExtensionDa  # noqa: F401 - registers .odc
from pyproj import CRS

import lulc_xr as lx
from benchmarks.evidence.split_pixels import CLASSES, Case, move

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
    back = move(case.crs, "EPSG:4326")
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
