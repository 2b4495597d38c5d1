"""Small scenes as GeoTIFFs with their STAC items, written by hand for tests."""

from datetime import UTC, datetime

import numpy as np
import pystac
import rasterio
from odc.geo.geobox import GeoBox

# A corner of Sentinel-2's grid in Belgium: multiples of 60 m, so that 10 and 20 m nest.
EAST, NORTH = 480000, 5640000
CRS = "EPSG:32631"

MSI_KEYS = {
    "blue": "B02", "green": "B03", "red": "B04", "rededge1": "B05", "nir": "B08",
    "nir08": "B8A", "swir16": "B11", "swir22": "B12",
}  # fmt: skip
OLI_KEYS = dict.fromkeys(("blue", "green", "red", "nir08", "swir16", "swir22"))


def grid(size, *, resolution=10, east=EAST, north=NORTH, crs=CRS):
    """Grid of size x size pixels whose north-west corner is (east, north)."""
    side = size * resolution
    return GeoBox.from_bbox(
        (east, north - side, east + side, north), crs=crs, resolution=resolution, tight=True
    )


def bbox_of(geobox):
    """West, south, east, north in degrees of the inner part of a grid."""
    bounds = geobox.geographic_extent.boundingbox
    return (bounds.left, bounds.bottom, bounds.right, bounds.top)


def write_raster(path, values, geobox, *, nodata=0, **profile):
    """A tiled, deflated GeoTIFF of one band."""
    settings = {
        "driver": "GTiff", "count": 1, "dtype": values.dtype, "width": geobox.shape.x,
        "height": geobox.shape.y, "crs": str(geobox.crs), "transform": geobox.transform,
        "tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate",
        "nodata": nodata, **profile,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **settings) as target:
        target.write(values, 1)
    return path


def make_item(item_id, when, geobox, hrefs, **properties):
    """An item whose assets are rasters on one grid."""
    bounds = geobox.geographic_extent
    item = pystac.Item(
        id=item_id,
        geometry=bounds.json,
        bbox=list(bbox_of(geobox)),
        datetime=datetime.fromisoformat(when).replace(tzinfo=UTC),
        properties={"proj:code": str(geobox.crs), **properties},
        collection="sentinel-2-l2a" if item_id.startswith("S2") else "landsat-c2-l2",
    )
    for key, href in hrefs.items():
        asset = pystac.Asset(href=str(href), roles=["data"])
        asset.extra_fields = {
            "proj:shape": list(geobox.shape.yx),
            "proj:transform": list(geobox.transform)[:6],
        }
        item.add_asset(key, asset)
    return item


def sentinel2(
    folder, *, when="2021-06-05T10:50:00", numbers=None, scl=None, geobox=None,
    platform="sentinel-2a", baseline="03.01", item_id=None, bands=("blue", "nir08"),
    tile="31UDS", **properties,
):  # fmt: skip
    """A Sentinel-2 scene as Planetary Computer names it: raw numbers, offset by baseline."""
    geobox = geobox or grid(64)
    numbers = np.full(geobox.shape.yx, 1500, np.uint16) if numbers is None else numbers
    scl = np.full(geobox.shape.yx, 4, np.uint8) if scl is None else scl
    letter = platform[-1].upper()
    stamp = when.replace("-", "").replace(":", "")
    name = item_id or f"S2{letter}_MSIL2A_{stamp}_R051_T{tile}_{stamp}"
    hrefs = {
        MSI_KEYS[band]: write_raster(
            folder / name / f"{MSI_KEYS[band]}.tif",
            numbers + np.uint16(100 * place) * (numbers > 0),
            geobox,
        )
        for place, band in enumerate(bands)
    }
    hrefs["SCL"] = write_raster(folder / name / "SCL.tif", scl, geobox)
    said = {"platform": platform, "s2:processing_baseline": baseline, "s2:mgrs_tile": tile}
    return make_item(name, when, geobox, hrefs, **{**said, **properties})


def landsat(
    folder, *, when="2021-06-05T10:35:00", numbers=None, qa=None, geobox=None,
    platform="landsat-8", bands=("blue", "nir08"), **properties,
):  # fmt: skip
    """A Landsat Collection 2 scene as Planetary Computer names it."""
    geobox = geobox or grid(64)
    numbers = np.full(geobox.shape.yx, 10000, np.uint16) if numbers is None else numbers
    qa = np.full(geobox.shape.yx, 21824, np.uint16) if qa is None else qa
    letter = {"landsat-4": "T", "landsat-5": "T", "landsat-7": "E"}.get(platform, "C")
    day = when[:10].replace("-", "")
    name = f"L{letter}0{platform[-1]}_L2SP_199025_{day}_02_T1"
    hrefs = {band: write_raster(folder / name / f"{band}.tif", numbers, geobox) for band in bands}
    hrefs["qa_pixel"] = write_raster(folder / name / "qa_pixel.tif", qa, geobox, nodata=1)
    said = {"platform": platform, "landsat:wrs_path": "199", "landsat:wrs_row": "025"}
    return make_item(name, when, geobox, hrefs, **{**said, **properties})
