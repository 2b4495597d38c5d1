"""STAC to a store: how much of the speed of odc.stac.load and a plain to_zarr is left?"""

from __future__ import annotations

import statistics
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dask
import numpy as np
import odc.stac
import pystac
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox

import lulc_xr as lx
from benchmarks import scene, stages

DATES = 12
THREADS = 2
BANDS = lx.COMMON_BANDS
KEYS = ("B02", "B03", "B04", "B8A", "B11", "B12")


class Build:
    """One pass from GeoTIFFs to a store: 12 dates, six bands and SCL, deflated, tiles of 512."""

    timeout = 1200
    repeat = 5

    def setup_cache(self) -> str:
        folder = Path(tempfile.mkdtemp(prefix="lulc_xr_asv_"))
        side = 2 * scene.SIDE
        made = lx.testing.landscape(y=side, x=side, time=DATES, bands=BANDS, seed=0)
        items = [_write_item(made, date, folder) for date in range(DATES)]
        path = folder / "items.json"
        pystac.ItemCollection(items).save_object(str(path))
        return str(path)

    def setup(self, items: str) -> None:
        self.items = list(pystac.ItemCollection.from_file(items))
        self.grid = _grid()
        self.folder = tempfile.TemporaryDirectory()

    def teardown(self, items: str) -> None:
        self.folder.cleanup()

    def build(self) -> None:
        """Items to a store through lulc_xr."""
        with dask.config.set(scheduler="threads", num_workers=THREADS):
            cube = lx.load_stac(self.items, bands=BANDS, geobox=self.grid)
            lx.write_cube(cube, Path(self.folder.name) / "ours.zarr", overwrite=True)

    def plain(self) -> None:
        """The same rasters through odc.stac.load into memory, then to_zarr of raw numbers."""
        with dask.config.set(scheduler="threads", num_workers=THREADS):
            loaded = odc.stac.load(
                self.items, bands=[*KEYS, "SCL"], geobox=self.grid, groupby="solar_day",
                pool=THREADS, resampling={"*": "bilinear", "SCL": "nearest"},
            )  # fmt: skip
            loaded.to_zarr(Path(self.folder.name) / "plain.zarr", mode="w", consolidated=False)

    def time_build(self, items: str) -> None:
        """Items to a store through lulc_xr."""
        self.build()

    def track_share_of_plain(self, items: str) -> float:
        """Seconds of the plain way, per second of ours; medians of runs in turn."""
        runs = [
            (stages.seconds(self.plain), stages.seconds(self.build)) for _ in range(self.repeat)
        ]
        plain, ours = zip(*runs, strict=True)
        return statistics.median(plain) / statistics.median(ours)


def _grid() -> GeoBox:
    side = 20 * scene.SIDE
    bounds = (480000, 5640000 - side, 480000 + side, 5640000)
    return GeoBox.from_bbox(bounds, crs="EPSG:32631", resolution=10)


def _write_item(made: xr.Dataset, date: int, folder: Path) -> pystac.Item:
    """A date of a made-up landscape as GeoTIFFs of raw numbers with its item."""
    cube = made.isel(time=date)
    numbers = np.nan_to_num(np.rint(cube["reflectance"].values * 1e4)).astype(np.uint16)
    scl = np.where(cube["clear"].values, 4, 9).astype(np.uint8)
    when = datetime(2021, 1, 1, 10, 50, tzinfo=UTC) + timedelta(days=date)
    grid = _grid()
    extent = grid.geographic_extent
    item = pystac.Item(
        id=f"S2A_MSIL2A_{when:%Y%m%dT%H%M%S}_N0301_R051_T31UDS",
        geometry=extent.json,
        bbox=list(extent.boundingbox.bbox),
        datetime=when,
        properties={"platform": "sentinel-2a", "proj:code": "EPSG:32631"},
        collection="sentinel-2-l2a",
    )
    for key, values in zip((*KEYS, "SCL"), (*numbers, scl), strict=True):
        path = folder / f"{date:02d}_{key}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", count=1, dtype=values.dtype,
            width=grid.shape.x, height=grid.shape.y, crs="EPSG:32631",
            transform=grid.transform, tiled=True, blockxsize=512, blockysize=512,
            compress="deflate", predictor=2, nodata=0,
        ) as target:  # fmt: skip
            target.write(values, 1)
        asset = pystac.Asset(href=str(path), roles=["data"])
        asset.extra_fields = {
            "proj:shape": list(grid.shape.yx),
            "proj:transform": list(grid.transform)[:6],
            "raster:bands": [{"data_type": str(values.dtype), "nodata": 0}],
            "eo:bands": [{"name": key}],
        }
        item.add_asset(key, asset)
    return item
