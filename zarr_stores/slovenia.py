"""Recipe of slovenia.zarr: 1 km of Slovenia, 68 dates of NDVI and cloud mask, five full scenes.

``lulc-xr build zarr_stores/slovenia.py --raw FOLDER`` writes the store beside it. The raw files
are not part of the repository: the folder ``example_data`` of github.com/sentinel-hub/eo-learn
(commit 303e75855880531d519264f847e7c6b2fb97104d, MIT) has them; FOLDER holds ``NDVI.npy``,
``CLM.npy``, ``LULC.npy`` and ``timestamps.json`` of its TestEOPatch, and ``REFERENCE_SCENES.npy``.
"""

import json
from pathlib import Path

import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray

import lulc_xr as lx

HERE = Path(__file__).parent

# West, south, east, north of the patch in metres; its pixels are not those of the Sentinel-2 grid.
BBOX = (465181.0522318204, 5079244.8912012065, 466180.53145382757, 5080254.63349641)
CRS = pyproj.CRS("EPSG:32633")

# All bands of Sentinel-2 L1C in the order of the file; cirrus holds no ground, so it is left out.
BANDS = (
    "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3",
    "nir", "nir08", "nir09", "cirrus", "swir16", "swir22",
)  # fmt: skip
# The file of full scenes has no dates. NDVI of its bands equals the series at these positions.
POSITION_OF_SCENE = (2, 1, 4, 3, 0)

LEGEND = lx.Legend(
    name="slovenia_land_use",
    classes=(
        lx.LegendClass(class_id=1, name="cultivated_land", color="#e8b93c"),
        lx.LegendClass(class_id=2, name="forest", color="#2e6b34"),
        lx.LegendClass(class_id=3, name="grassland", color="#8cc152"),
        lx.LegendClass(class_id=4, name="shrubland", color="#b5a642"),
        lx.LegendClass(class_id=8, name="artificial_surface", color="#b03a2e"),
    ),
)

PLAN = lx.ChunkPlan(chunks={"y": 64, "x": 64}, shards={"y": 64, "x": 64})


def make_cube(raw: Path) -> xr.Dataset:
    """The cube of the raw files, in memory.

    Parameters
    ----------
    raw : Path
        Folder of the raw files.

    Returns
    -------
    xr.Dataset
        `reflectance(time, band, y, x)` of the five full scenes (top of atmosphere, L1C) and
        their `clear`; `ndvi(ndvi_time, y, x)` float32 and `ndvi_clear(ndvi_time, y, x)` uint8 of
        all 68 dates; `reference(y, x)` uint8 with its legend as CF flags.
    """
    dates = np.array(json.loads(_find(raw, "timestamps.json").read_text()), "datetime64[ns]")
    ndvi = _load(raw, "NDVI.npy")[..., 0]
    clear = (_load(raw, "CLM.npy")[..., 0] == 0).astype(np.uint8)
    scenes = _load(raw, "REFERENCE_SCENES.npy")
    _check_scenes(scenes, ndvi)
    order = np.argsort(POSITION_OF_SCENE)
    where = np.sort(POSITION_OF_SCENE)
    kept = [i for i, band in enumerate(BANDS) if band != "cirrus"]
    rows, columns = ndvi.shape[1:]
    west, south, east, north = BBOX
    reflectance = scenes[order][..., kept].transpose(0, 3, 1, 2)
    cube = xr.Dataset(
        {
            "reflectance": (("time", "band", "y", "x"), reflectance),
            "clear": (("time", "y", "x"), clear[where]),
            "ndvi": (("ndvi_time", "y", "x"), ndvi),
            "ndvi_clear": (("ndvi_time", "y", "x"), clear),
            "reference": make_reference(raw),
        },
        coords={
            "time": dates[where],
            "ndvi_time": dates,
            "band": [BANDS[i] for i in kept],
            "y": north - (north - south) / rows * (np.arange(rows) + 0.5),
            "x": west + (east - west) / columns * (np.arange(columns) + 0.5),
            "spatial_ref": ((), np.int32(32633), {"crs_wkt": CRS.to_wkt()}),
        },
    )
    cube["reflectance"].attrs = {"long_name": "top-of-atmosphere reflectance (L1C)", "units": "1"}
    cube["clear"].attrs = {"long_name": "no cloud (s2cloudless)", "units": "1"}
    cube["ndvi"].attrs = {"long_name": "normalized difference vegetation index, L1C", "units": "1"}
    cube["ndvi_clear"].attrs = {"long_name": "no cloud (s2cloudless)", "units": "1"}
    return cube.assign_attrs(
        title="Slovenia, 1 km: 68 dates of NDVI 2015 to 2017, five full scenes of summer 2015",
        source="sentinel-hub/eo-learn, example_data/TestEOPatch",
        license="MIT; contains modified Copernicus Sentinel data 2015-2017; "
        "labels derive from the land-use register RABA of Slovenia (MKGP)",
        history=f"{dates.size} dates of NDVI, {where.size} of them with all bands. 2015-12-08 was "
        "seen twice, 7 minutes apart and wholly clouded: both are kept. The other dates have no "
        "bands upstream; the reference is of the end of 2017.",
    )


def make_reference(raw: Path) -> xr.DataArray:
    """Land cover of the land-use register, (y, x) uint8, 255 where there is none."""
    labels = _load(raw, "LULC.npy")[..., 0]
    ids = xr.DataArray(np.where(labels > 0, labels, 255).astype(np.uint8), dims=("y", "x"))
    ids.attrs = {"long_name": "land cover of the land-use register", **LEGEND.flags()}
    ids.encoding = {"dtype": "uint8", "_FillValue": np.uint8(255)}
    return ids.rename("reference")


def _check_scenes(scenes: NDArray[np.float32], ndvi: NDArray[np.float32]) -> None:
    """Raise unless each scene's own NDVI is that of the date it is taken for."""
    red, nir = (scenes[..., BANDS.index(b)].astype(np.float64) for b in ("red", "nir"))
    apart = np.abs((nir - red) / (nir + red) - ndvi[list(POSITION_OF_SCENE)]).max((1, 2))
    if (apart > 1e-5).any():
        raise lx.CubeError(
            f"scene {int(apart.argmax())} of REFERENCE_SCENES.npy is not of its date: its NDVI "
            f"differs by {apart.max():.2g}. Give the files of the commit that this recipe names."
        )


def _find(raw: Path, name: str) -> Path:
    path = Path(raw) / name
    if not path.is_file():
        raise lx.StoreError(
            f"raw file {str(path)!r} is not there. The recipe takes the files of "
            "github.com/sentinel-hub/eo-learn, folder example_data; name yours with --raw."
        )
    return path


def _load(raw: Path, name: str) -> NDArray[np.float32]:
    values: NDArray[np.float32] = np.load(_find(raw, name))
    return values


if __name__ == "__main__":
    made = make_cube(HERE / "raw" / "slovenia")
    store = lx.write_cube(made, HERE / "slovenia.zarr", plan=PLAN, overwrite=True)
    print(f"{store}: {made.attrs['history']}")
