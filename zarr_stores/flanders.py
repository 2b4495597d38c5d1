"""Recipe of flanders.zarr: 640 m of Flanders, Sentinel-2 of 2017-2018 and declared parcels.

``lulc-xr demo`` runs it; alone, ``python zarr_stores/flanders.py`` writes the store beside it.
Origin and licences of the raw files are in ``raw/README.md``.
"""

from pathlib import Path

import numpy as np
import xarray as xr

import lulc_xr as lx

HERE = Path(__file__).parent
PATCH = "00002806639B424A"
SPAN = "32631_2017-08-01_2018-11-30"

# Band of Sentinel-2 to its common name in STAC, in the order of the cube.
BANDS = {
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
}
# Scene classification: vegetation, bare soil, water, unclassified (of low cloud probability), snow.
CLEAR = (4, 5, 6, 7, 11)

# Class ids are those of the parcels' own table, so that map and reference share them.
LEGEND = lx.Legend(
    name="flanders_parcels",
    classes=(
        lx.LegendClass(class_id=11, name="temporary_crops", color="#e8b93c"),
        lx.LegendClass(class_id=13, name="grassland", color="#8cc152"),
        lx.LegendClass(class_id=60, name="built_up", color="#b03a2e"),
        lx.LegendClass(class_id=99, name="other", color="#8a9ba8"),
    ),
)

# Crop types of the same parcels; their codes, up to 9120, do not fit a class map's one byte. The
# three rarest have 25 to 96 pixels, in one or two parcels each: too few to be told apart.
CROP_CODES = {1200: 1, 9120: 2, 2130: 3, 5100: 3, 7900: 3}
CROPS = lx.Legend(
    name="flanders_crops",
    classes=(
        lx.LegendClass(class_id=1, name="maize", color="#e8b93c"),
        lx.LegendClass(class_id=2, name="grass", color="#8cc152"),
        lx.LegendClass(class_id=3, name="other_crops", color="#7d5ba6"),
    ),
)

# Small shards: four of them, so that the demo shows how a map is written shard by shard.
PLAN = lx.ChunkPlan(chunks={"y": 32, "x": 32}, shards={"y": 32, "x": 32})


def make_cube(raw: Path) -> xr.Dataset:
    """The cube of the raw files, in memory.

    Bands of 20 m are put on the 10 m grid by repeating each pixel 2 x 2: the grids nest
    exactly, so every value stays as measured. Dates of one day are merged, the first seen value
    of a pixel counts; dates without a clear pixel are left out.

    Parameters
    ----------
    raw : Path
        Folder that holds the folder of the patch.

    Returns
    -------
    xr.Dataset
        `reflectance(time, band, y, x)` float32, `clear(time, y, x)` uint8 and
        `reference(y, x)` uint8 with its legend as CF flags.
    """
    fine, coarse = (_read(raw, f"S2_L2A_{metres}m") for metres in (10, 20))
    scene = _on_grid_of(fine, coarse["SCL"])
    bands = [fine[b] if b in fine else _on_grid_of(fine, coarse[b]) for b in BANDS]
    numbers = xr.concat(bands, dim=xr.Variable("band", np.array([*BANDS.values()], object)))
    numbers = numbers.transpose("timestamp", "band", "y", "x")
    seen = (numbers > 0).all("band")
    cube = xr.Dataset(
        {
            "reflectance": numbers.astype(np.float32).where(numbers > 0) * np.float32(1e-4),
            "clear": (scene.isin(CLEAR) & seen).astype(np.uint8),
        }
    ).rename(timestamp="time")
    cube = _merge_days(cube)
    given = cube.sizes["time"]
    cube = cube.isel(time=cube["clear"].any(("y", "x")).values)
    cube["reference"] = make_reference(raw)
    cube["reflectance"].attrs = {"long_name": "surface reflectance", "units": "1"}
    cube["clear"].attrs = {"long_name": "seen, and neither cloud, shadow nor fill", "units": "1"}
    crs = fine["spatial_ref"].attrs["crs_wkt"]
    cube = cube.assign_coords(spatial_ref=((), np.int32(32631), {"crs_wkt": crs}))
    return cube.assign_attrs(
        title="Flanders, 640 m: Sentinel-2 L2A 2017-08 to 2018-11 and declared parcels of 2018",
        source="WorldCereal/worldcereal-classification, test patch 00002806639B424A",
        license="MIT; contains modified Copernicus Sentinel data 2017-2018; "
        "Landbouwgebruikspercelen 2018 of the Flemish government",
        history=f"{fine.sizes['timestamp']} dates, {given} days, "
        f"{cube.sizes['time']} of them with a clear pixel",
    )


def make_reference(raw: Path) -> xr.DataArray:
    """Land cover of the declared parcels of 2018, (y, x) uint8, 255 where none is declared."""
    labels = _read(raw, "OUTPUT_POLY-110_10m")["LC"]
    # 0 is the fill of the raw file; this patch has no such pixel.
    ids = labels.where(labels > 0, 255).astype(np.uint8).drop_vars("spatial_ref")
    ids.attrs = {"long_name": "land cover of declared parcels", **LEGEND.flags()}
    ids.encoding = {"dtype": "uint8", "_FillValue": np.uint8(255)}
    return ids.rename("reference")


def make_crop_type(raw: Path) -> xr.DataArray:
    """Crop type of the declared parcels of 2018, (y, x) uint8, 255 outside of parcels.

    A second task beside :func:`make_reference`; it is no part of the store.
    """
    codes = _read(raw, "OUTPUT_POLY-110_10m")["CT"].drop_vars("spatial_ref")
    ids = xr.full_like(codes, 255, np.uint8)
    for code, class_id in CROP_CODES.items():
        ids = ids.where(codes != code, np.uint8(class_id))
    ids.attrs = {"long_name": "crop type of declared parcels", **CROPS.flags()}
    ids.encoding = {"dtype": "uint8", "_FillValue": np.uint8(255)}
    return ids.rename("crop_type")


def _read(raw: Path, kind: str) -> xr.Dataset:
    """One raw file, numbers as stored."""
    path = Path(raw) / PATCH / f"{kind}_{PATCH}_{SPAN}.nc"
    if not path.is_file():
        raise lx.StoreError(
            f"raw file {str(path)!r} is not there. It comes with the repository of lulc_xr, in "
            "zarr_stores/raw: run this in a clone, or name the folder (lulc-xr demo --raw DIR)."
        )
    with xr.open_dataset(path, mask_and_scale=False) as data:
        return data.load()


def _on_grid_of(fine: xr.Dataset, coarse: xr.DataArray) -> xr.DataArray:
    """Pixels of 20 m on the 10 m grid, each repeated 2 x 2."""
    near = coarse.sel(y=fine["y"], x=fine["x"], method="nearest", tolerance=10)
    return near.assign_coords(y=fine["y"], x=fine["x"])


def _merge_days(cube: xr.Dataset) -> xr.Dataset:
    """One date per day: clear pixels count before unclear ones, then the first of the day."""
    day = cube["time"].values.astype("datetime64[D]")
    days, first = np.unique(day, return_index=True)
    if len(days) == len(day):
        return cube
    merged = []
    for date, start in zip(days, first, strict=True):
        same = cube.isel(time=np.flatnonzero(day == date))
        best = same["clear"].argmax("time")
        merged.append(same.isel(time=best).assign_coords(time=cube["time"][start]))
    return xr.concat(merged, "time")


if __name__ == "__main__":
    made = make_cube(HERE / "raw")
    store = lx.write_cube(made, HERE / "flanders.zarr", plan=PLAN, overwrite=True)
    print(f"{store}: {made.attrs['history']}")
