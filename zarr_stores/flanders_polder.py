"""Recipe of flanders_polder.zarr: 640 m of Flanders near Bruges, the six bands of 20 m only.

``lulc-xr build zarr_stores/flanders_polder.py`` writes the store beside it. The bands of 10 m
(blue, green, red, nir) are missing upstream, so the cube keeps the 20 m grid on which its bands
were measured. Origin and licences of the raw files are in ``raw/README.md``.
"""

from pathlib import Path

import numpy as np
import xarray as xr

import lulc_xr as lx

HERE = Path(__file__).parent
PATCH = "000028085BF08E7E"
SPAN = "32631_2018-08-01_2019-11-30"

# Band of Sentinel-2 to its common name in STAC, in the order of the cube.
BANDS = {
    "B05": "rededge1",
    "B06": "rededge2",
    "B07": "rededge3",
    "B8A": "nir08",
    "B11": "swir16",
    "B12": "swir22",
}
MISSING = ("blue", "green", "red", "nir")
# Scene classification: vegetation, bare soil, water, unclassified (of low cloud probability), snow.
CLEAR = (4, 5, 6, 7, 11)

# Class ids are those of the parcels' own table, as in flanders.py.
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
# raw files name no classes: two codes keep their number.
CROP_CODES = {1200: 1, 9120: 2, 1110: 3, 1910: 4, 5100: 5}
CROPS = lx.Legend(
    name="flanders_polder_crops",
    classes=(
        lx.LegendClass(class_id=1, name="maize", color="#e8b93c"),
        lx.LegendClass(class_id=2, name="grass", color="#8cc152"),
        lx.LegendClass(class_id=3, name="winter_wheat", color="#c98a2d"),
        lx.LegendClass(class_id=4, name="crop_1910", color="#7d5ba6"),
        lx.LegendClass(class_id=5, name="crop_5100", color="#4a7fb5"),
    ),
)

PLAN = lx.ChunkPlan(chunks={"y": 16, "x": 16}, shards={"y": 16, "x": 16})


def make_cube(raw: Path) -> xr.Dataset:
    """The cube of the raw files, in memory.

    Two granules of one overpass, some seconds apart, become one date: a clear pixel counts
    before an unclear one, then the first. Dates without a clear pixel are left out.

    Parameters
    ----------
    raw : Path
        Folder that holds the folder of the patch.

    Returns
    -------
    xr.Dataset
        `reflectance(time, band, y, x)` float32, `clear(time, y, x)` uint8 and
        `reference(y, x)` uint8 with its legend as CF flags, on 32 x 32 pixels of 20 m.
        The attribute `missing_bands` names what the raw files lack.
    """
    coarse = _read(raw, "S2_L2A_20m")
    bands = [coarse[name] for name in BANDS]
    numbers = xr.concat(bands, dim=xr.Variable("band", np.array([*BANDS.values()], object)))
    numbers = numbers.transpose("timestamp", "band", "y", "x")
    seen = (numbers > 0).all("band")
    cube = xr.Dataset(
        {
            "reflectance": numbers.astype(np.float32).where(numbers > 0) * np.float32(1e-4),
            "clear": (coarse["SCL"].isin(CLEAR) & seen).astype(np.uint8),
        }
    ).rename(timestamp="time")
    days = _merge_days(cube)
    cube = days.isel(time=days["clear"].any(("y", "x")).values)
    cube["reference"] = make_reference(raw).assign_coords(y=cube["y"], x=cube["x"])
    cube["reflectance"].attrs = {"long_name": "surface reflectance", "units": "1"}
    cube["clear"].attrs = {"long_name": "seen, and neither cloud, shadow nor fill", "units": "1"}
    crs = coarse["spatial_ref"].attrs["crs_wkt"]
    cube = cube.assign_coords(spatial_ref=((), np.int32(32631), {"crs_wkt": crs}))
    return cube.assign_attrs(
        title="Flanders near Bruges, 640 m: Sentinel-2 L2A bands of 20 m, 2018-08 to 2019-11",
        source="WorldCereal/worldcereal-classification, test patch 000028085BF08E7E",
        license="MIT; contains modified Copernicus Sentinel data 2018-2019; "
        "Landbouwgebruikspercelen 2019 of the Flemish government",
        history=f"{coarse.sizes['timestamp']} dates, {days.sizes['time']} days, "
        f"{cube.sizes['time']} of them with a clear pixel; "
        f"missing upstream: the bands of 10 m ({', '.join(MISSING)})",
        missing_bands=list(MISSING),
    )


def make_reference(raw: Path) -> xr.DataArray:
    """Land cover of the declared parcels of 2019 on the 20 m grid, (y, x) uint8.

    A pixel of 20 m has a class where its four pixels of 10 m agree; 255 on borders of parcels.
    """
    ids = _agreed(_read(raw, "OUTPUT_POLY-110_10m")["LC"].values)
    ids.attrs = {"long_name": "land cover of declared parcels", **LEGEND.flags()}
    return ids.rename("reference")


def make_crop_type(raw: Path) -> xr.DataArray:
    """Crop type of the declared parcels of 2019 on the 20 m grid, (y, x) uint8.

    255 on borders of parcels and outside of them. A second task beside :func:`make_reference`; it
    is no part of the store.
    """
    codes = _read(raw, "OUTPUT_POLY-110_10m")["CT"].values
    numbers = np.zeros(codes.shape, np.uint8)
    for code, class_id in CROP_CODES.items():
        numbers[codes == code] = class_id
    ids = _agreed(numbers)
    ids.attrs = {"long_name": "crop type of declared parcels", **CROPS.flags()}
    return ids.rename("crop_type")


def _agreed(labels: np.ndarray) -> xr.DataArray:
    """Labels of 10 m on the 20 m grid, 255 where four pixels differ or have none (0)."""
    # Both grids share their corner, so that blocks of 2 x 2 are the pixels of 20 m.
    rows, columns = labels.shape[0] // 2, labels.shape[1] // 2
    blocks = labels.reshape(rows, 2, columns, 2)
    first = blocks[:, 0, :, 0]
    same = (blocks == first[:, None, :, None]).all((1, 3)) & (first > 0)
    ids = xr.DataArray(np.where(same, first, 255).astype(np.uint8), dims=("y", "x"))
    ids.encoding = {"dtype": "uint8", "_FillValue": np.uint8(255)}
    return ids


def _read(raw: Path, kind: str) -> xr.Dataset:
    """One raw file, numbers as stored."""
    path = Path(raw) / PATCH / f"{kind}_{PATCH}_{SPAN}.nc"
    if not path.is_file():
        raise lx.StoreError(
            f"raw file {str(path)!r} is not there. It comes with the repository of lulc_xr, in "
            "zarr_stores/raw: run this in a clone, or name the folder with --raw."
        )
    with xr.open_dataset(path, mask_and_scale=False) as data:
        return data.load()


def _merge_days(cube: xr.Dataset) -> xr.Dataset:
    """One date per day: clear pixels count before unclear ones, then the first of the day."""
    day = cube["time"].values.astype("datetime64[D]")
    merged = []
    for date in np.unique(day):
        same = cube.isel(time=np.flatnonzero(day == date))
        best = same["clear"].argmax("time")
        merged.append(same.isel(time=best).assign_coords(time=same["time"][0]))
    return xr.concat(merged, "time")


if __name__ == "__main__":
    made = make_cube(HERE / "raw")
    store = lx.write_cube(made, HERE / "flanders_polder.zarr", plan=PLAN, overwrite=True)
    print(f"{store}: {made.attrs['history']}")
