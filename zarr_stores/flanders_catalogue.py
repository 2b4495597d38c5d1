"""Recipe of a static STAC catalogue: the scenes of the Flanders patch, one COG per band and date.

It needs no server and no internet, so ``lx.load_stac`` can be tried, and tested, on real scenes:
``python zarr_stores/flanders_catalogue.py DIR`` writes it to a folder. Names of assets and
fields are those of Earth Search; origin and licences of the raw files are in ``raw/README.md``.
"""

import datetime as dt
import sys
from pathlib import Path

import numpy as np
import pystac
import rasterio
import rasterio.warp
import xarray as xr

import lulc_xr as lx

HERE = Path(__file__).parent
PATCH = "00002806639B424A"
SPAN = "32631_2017-08-01_2018-11-30"
TILE, CRS = "31UDS", "EPSG:32631"

# Band of Sentinel-2 to the name of its asset; each keeps its native pixel of 10 or 20 m.
ASSETS = {
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge1",
    "B06": "rededge2",
    "B07": "rededge3",
    "B08": "nir",
    "B8A": "nir08",
    "B11": "swir16",
    "B12": "swir22",
    "SCL": "scl",
}
# Sentinel-2A and 2B fly 143 orbits in ten days on the same path, half an orbit apart. One scene
# of 2B by its name, S2B_MSIL2A_20190629T212529_..._R043_T06VVN, tells the two apart for ever.
ORBIT = dt.timedelta(days=10) / 143
PASS_OF_2B = dt.datetime(2019, 6, 29, 21, 25, 29)
# Scene classification: clouds of medium and of high probability, thin cirrus.
CLOUDS = (8, 9, 10)

EXTENSIONS = [
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/view/v1.0.0/schema.json",
]


def make_catalogue(
    raw: Path, out: Path, *, start: str | None = None, end: str | None = None
) -> Path:
    """Path of `catalog.json` of a new static catalogue of the raw scenes.

    Numbers are those of the raw files: reflectance × 10000, 0 where nothing was seen, no
    offset. The raw files do not give the exact baseline of the processing, so no item does.
    Nor do they say which satellite flew: that follows from the second it passed.

    Parameters
    ----------
    raw : Path
        Folder that holds the folder of the patch.
    out : Path
        Folder of the catalogue, new or empty. All 118 scenes take about 8 MB.
    start, end : str, optional
        First and last day, such as "2018-04-01"; all days if not given.

    Raises
    ------
    StoreError
        If a raw file is missing, or `out` holds something.
    CubeError
        If no scene lies between `start` and `end`.
    """
    raw, out = Path(raw), Path(out)
    if out.exists() and any(out.iterdir()):
        raise lx.StoreError(
            f"folder {str(out)!r} is not empty. Name a new folder for the catalogue, or empty it."
        )
    fine, coarse = (read_raw(raw, metres).sel(timestamp=slice(start, end)) for metres in (10, 20))
    if not fine.sizes["timestamp"]:
        raise lx.CubeError(
            f"no scene between {start} and {end}; the raw files hold August 2017 to November 2018."
        )
    collection = _collection(fine)
    for number in range(fine.sizes["timestamp"]):
        scenes = [data.isel(timestamp=number) for data in (fine, coarse)]
        collection.add_item(_item(scenes, out / collection.id))
    catalogue = pystac.Catalog("flanders", "Real Sentinel-2 scenes of 640 m of Flanders")
    catalogue.add_child(collection)
    catalogue.normalize_and_save(str(out), pystac.CatalogType.SELF_CONTAINED)
    return out / "catalog.json"


def read_raw(raw: Path, metres: int) -> xr.Dataset:
    """The raw bands of one pixel size, numbers as stored, (timestamp, y, x)."""
    path = Path(raw) / PATCH / f"S2_L2A_{metres}m_{PATCH}_{SPAN}.nc"
    if not path.is_file():
        raise lx.StoreError(
            f"raw file {str(path)!r} is not there. It comes with the repository of lulc_xr, in "
            "zarr_stores/raw: run this in a clone, or name the folder that holds it."
        )
    with xr.open_dataset(path, mask_and_scale=False) as data:
        return data.load()


def platform_of(time: dt.datetime) -> str:
    """Which satellite passed at a time (UTC): their phases in orbit differ by a half.

    Examples
    --------
    >>> platform_of(dt.datetime(2020, 7, 14, 11, 55, 52))  # S2A_MSIL2A_20200714T115221_..._T28QCH
    'sentinel-2a'
    """
    phase = (time - PASS_OF_2B) / ORBIT % 1
    # Latitude shifts a pass by less than a tenth of an orbit within Europe.
    return "sentinel-2a" if 0.25 < phase < 0.75 else "sentinel-2b"


def write_cog(path: Path, band: xr.DataArray) -> dict[str, list[float]]:
    """Write one band (y, x) as a COG in its own numbers; its shape and transform for STAC."""
    step = float(band["x"][1] - band["x"][0])
    left, top = float(band["x"][0]) - step / 2, float(band["y"][0]) + step / 2
    transform = rasterio.Affine(step, 0, left, 0, -step, top)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="COG",
        height=band.sizes["y"],
        width=band.sizes["x"],
        count=1,
        dtype=band.dtype,
        crs=CRS,
        transform=transform,
        nodata=0,
        compress="deflate",
        overviews="none",
    ) as file:
        file.write(band.values, 1)
    return {"proj:shape": list(band.shape), "proj:transform": list(transform)}


def footprint(band: xr.DataArray) -> tuple[dict[str, object], list[float]]:
    """Outline of a band as GeoJSON, and its bounding box, both in degrees."""
    half = float(band["x"][1] - band["x"][0]) / 2
    west, east = float(band["x"][0]) - half, float(band["x"][-1]) + half
    south, north = float(band["y"][-1]) - half, float(band["y"][0]) + half
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    outline = {"type": "Polygon", "coordinates": [ring]}
    bounds = rasterio.warp.transform_bounds(CRS, "EPSG:4326", west, south, east, north)
    return rasterio.warp.transform_geom(CRS, "EPSG:4326", outline), list(bounds)


def _collection(fine: xr.Dataset) -> pystac.Collection:
    """The collection, without items yet."""
    times = fine["timestamp"].values.astype("datetime64[s]")
    first, last = (time.item().replace(tzinfo=dt.UTC) for time in (times.min(), times.max()))
    return pystac.Collection(
        "sentinel-2-l2a",
        "Sentinel-2 L2A, 640 m of Flanders, processed before baseline 04.00",
        pystac.Extent(
            pystac.SpatialExtent([footprint(fine["B02"])[1]]),
            pystac.TemporalExtent([[first, last]]),
        ),
        license="other",
        providers=[
            pystac.Provider(
                "ESA WorldCereal, test patch of WorldCereal/worldcereal-classification (MIT)",
                "Contains modified Copernicus Sentinel data 2017-2018",
                roles=[pystac.ProviderRole.PROCESSOR],
            )
        ],
    )


def _item(scenes: list[xr.Dataset], folder: Path) -> pystac.Item:
    """The item of one date; its COGs are written beside where it will lie."""
    fine, coarse = scenes
    time = fine["timestamp"].values.astype("datetime64[s]").item()
    outline, bounds = footprint(fine["B02"])
    cloudy = np.isin(coarse["SCL"].values, CLOUDS).mean()
    platform = platform_of(time)
    item = pystac.Item(
        f"S2{platform[-1].upper()}_{TILE}_{time:%Y%m%d}_0_L2A",
        outline,
        bounds,
        time.replace(tzinfo=dt.UTC),
        properties={
            "platform": platform,
            "constellation": "sentinel-2",
            "instruments": ["msi"],
            "grid:code": f"MGRS-{TILE}",
            "proj:code": CRS,
            # Of this patch, not of the tile.
            "eo:cloud_cover": round(100 * float(cloudy), 2),
            "view:sun_azimuth": round(float(coarse["sunAzimuthAngles"]), 2),
            "view:sun_elevation": round(90 - float(coarse["sunZenithAngles"]), 2),
        },
        stac_extensions=EXTENSIONS,
    )
    for band, name in ASSETS.items():
        item.add_asset(name, _asset(fine if band in fine else coarse, band, folder / item.id))
    return item


def _asset(scene: xr.Dataset, band: str, folder: Path) -> pystac.Asset:
    """The asset of one band, its COG written."""
    name, metres = ASSETS[band], int(scene.attrs["resolution"])
    placed = write_cog(folder / f"{band}.tif", scene[band])
    stored = {"nodata": 0, "data_type": str(scene[band].dtype), "spatial_resolution": metres}
    if band != "SCL":
        stored |= {"scale": 1e-4, "offset": 0.0}
        common = "rededge" if name.startswith("rededge") else name
        placed |= {"eo:bands": [{"name": band, "common_name": common}]}
    return pystac.Asset(
        f"./{band}.tif",
        media_type=pystac.MediaType.COG,
        roles=["data"] if band == "SCL" else ["data", "reflectance"],
        extra_fields={**placed, "gsd": metres, "raster:bands": [stored]},
    )


if __name__ == "__main__":
    print(make_catalogue(HERE / "raw", Path(sys.argv[1])))
