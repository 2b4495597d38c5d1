"""Samples for the experiments on series and sensors, made from the shared data, which stays there.

``python -m benchmarks.evidence.series OUT`` writes one store for each TOML file's names, from
``LULC_XR_SHARED`` (by default ``../shared``). The data's own README files name their sources.
"""

import json
import os
import sys
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import xarray as xr

import lulc_xr as lx

DATA = Path(os.environ.get("LULC_XR_SHARED", "../shared")) / "data"
EUROPE = "EPSG:3035"
MONTHS = {"kind": "regular", "freq": "MS", "method": "median", "start_month": 1, "fill": "linear"}

GRASSLAND_BANDS = {
    "blue": "blue", "green": "green", "red": "red", "re1": "rededge1", "re2": "rededge2",
    "re3": "rededge3", "nir": "nir", "swir1": "swir16", "swir2": "swir22",
}  # fmt: skip
LAND_USE = {
    "meadow": "mown", "mulched meadow": "mown", "pasture": "grazed", "abandoned": "abandoned",
    "grazed meadow": "mown_and_grazed", "mulched grazed meadow": "mown_and_grazed",
}  # fmt: skip
CORSICA_BANDS = {
    "S2-L2A-B02": "blue", "S2-L2A-B03": "green", "S2-L2A-B04": "red", "S2-L2A-B05": "rededge1",
    "S2-L2A-B06": "rededge2", "S2-L2A-B07": "rededge3", "S2-L2A-B08": "nir",
    "S2-L2A-B11": "swir16", "S2-L2A-B12": "swir22",
}  # fmt: skip
CORSICA_CLASSES = ("grasslands", "permanent_crops", "temporary_crops", "trees")
TOULOUSE_CLASSES = (
    "wheat", "barley", "rapeseed", "corn", "soy", "sunflower", "sorghum", "pea", "grassland",
    "deciduous", "conifer", "water", "urban",
)  # fmt: skip
FOREST_BANDS = ("TCG_1985", "TCB_1985", "TCW_1985", "TCG_2017", "TCB_2017", "TCW_2017")
PER_COUNTRY = 100


def make_samples(
    series, days, dates, bands, tasks, *, point_id, year, x, y, region=None, context=None
):
    """Samples of lulc_xr from arrays.

    `series` (sample, time, band), `days` (time,) or (sample, time), `tasks` name to
    (labels, names of classes), `context` name to (sample,).
    """
    text = np.dtypes.StringDType()
    dims = "time" if np.ndim(days) == 1 else ("sample", "time")
    made = xr.Dataset(
        {
            "reflectance": (("sample", "time", "band"), series.astype(np.float32)),
            "weight": ("sample", np.ones(len(series), np.float32)),
            "point_id": ("sample", np.asarray(point_id).astype(text)),
            "year": ("sample", np.asarray(year, np.int32)),
            "y": ("sample", np.asarray(y, np.float64), {"units": "m"}),
            "x": ("sample", np.asarray(x, np.float64), {"units": "m"}),
        },
        {
            "band": ("band", np.array(bands, text)),
            "day": (dims, np.asarray(days, np.int32)),
        },
        {"tasks": " ".join(tasks), "dates": json.dumps(dates)},
    )
    for task, (labels, names) in tasks.items():
        legend = lx.Legend.from_names(task, list(names))
        ids = np.array([names.index(label) for label in labels], np.uint8)
        made[task] = ("sample", ids, legend.flags())
    if region is not None:
        made["region"] = ("sample", np.asarray(region).astype(text))
    if context:
        made["bioclim"] = (("sample", "bioclim_variable"), np.stack(list(context.values()), 1))
        made = made.assign_coords(
            bioclim_variable=("bioclim_variable", np.array(list(context), text))
        )
    return made


def raw_dates(minimum, maximum):
    """A time axis of a series' own dates."""
    return {"kind": "raw", "maximum": maximum, "minimum": minimum, "start_month": 1, "fill": None}


def grassland():
    """Slovak grassland, a sample for each plot and year: its own clear dates, and months.

    The composites are medians of the same clear dates (Cloud Score+ of the authors' mask); empty
    months are filled linearly, so that both stores know the same.
    """
    table = pd.read_parquet(DATA / "grassland_timeseries" / "sk_points_s2.parquet")
    plots = pd.read_csv(DATA / "grassland_timeseries" / "sk_points_plots.csv").set_index("plot")
    table["date"] = pd.to_datetime(table["date"])
    clear = table[table["mask"] == 1].dropna(subset=list(GRASSLAND_BANDS))
    clear = clear.groupby(["plot", "date"])[list(GRASSLAND_BANDS)].mean().reset_index()
    pieces = dict(list(clear.groupby(["plot", clear["date"].dt.year])))
    longest = max(map(len, pieces.values()))
    raw = np.full((len(pieces), longest, len(GRASSLAND_BANDS)), np.nan)
    days = np.zeros((len(pieces), longest))
    months = np.full((len(pieces), 12, len(GRASSLAND_BANDS)), np.nan)
    for number, piece in enumerate(pieces.values()):
        values = piece[list(GRASSLAND_BANDS)]
        raw[number, : len(piece)] = values
        days[number, : len(piece)] = piece["date"].dt.day_of_year - 1
        days[number, len(piece) :] = days[number, len(piece) - 1]
        medians = values.groupby(piece["date"].dt.month).median().reindex(range(1, 13))
        months[number] = medians.interpolate(limit_direction="both").to_numpy()
    names, years = zip(*pieces, strict=True)
    known = plots.loc[list(names)]
    common = {
        "bands": list(GRASSLAND_BANDS.values()),
        "tasks": {
            "land_use": (known["LandUse"].map(LAND_USE), sorted(set(LAND_USE.values()))),
            "mown": (np.where(known["MowingPres"] == 1, "yes", "no"), ["no", "yes"]),
        },
        "point_id": names,
        "year": years,
        "x": known["e3035"],
        "y": known["n3035"],
        "region": known["region"],
    }
    starts = pd.date_range("2021-01-01", periods=12, freq="MS").day_of_year - 1
    return {
        "grassland_dates": make_samples(raw, days, raw_dates(1, longest), **common),
        "grassland_months": make_samples(months, starts, MONTHS, **common),
    }


def toulouse():
    """Formosat-2 pixels of 2006: every second day, and means of ten such days.

    The data has no places: polygons stand a kilometre apart, so that none is split. Its first
    day is not published either and taken as 14 February.
    """
    table = pd.read_parquet(DATA / "formosat_toulouse" / "series.parquet")
    columns = [[f"t{t:03d}_{band}" for band in "NRG"] for t in range(149)]
    dense = table[[c for step in columns for c in step]].to_numpy().reshape(len(table), 149, 3)
    means = np.stack([part.mean(1) for part in np.array_split(dense, 15, axis=1)], axis=1)
    when = 44 + 2 * np.arange(149)
    centres = [int(part[0]) for part in np.array_split(when, 15)]
    place = 1000.0 * np.unique(table["polygon"], return_inverse=True)[1]
    common = {
        "bands": ["nir", "red", "green"],
        "tasks": {
            "land_cover": ([TOULOUSE_CLASSES[c] for c in table["class"]], list(TOULOUSE_CLASSES))
        },
        "point_id": np.arange(len(table)).astype(str),
        "year": np.full(len(table), 2006),
        "x": place,
        "y": np.zeros(len(table)),
    }
    return {
        "toulouse_dense": make_samples(dense / 1e4, when, raw_dates(149, 149), **common),
        "toulouse_means": make_samples(means / 1e4, centres, raw_dates(15, 15), **common),
    }


def corsica():
    """Points of the French parcel register in Corsica, months of 2022, with climate and relief."""
    folder = DATA / "points_timeseries"
    table = pd.read_parquet(folder / "2022_FRA_LPIS_POLY_110.geoparquet")
    classes = json.loads((folder / "class_mappings.json").read_text())["LANDCOVER10"]
    table["label"] = table["ewoc_code"].astype(str).map(classes)
    table = table[table["label"].isin(CORSICA_CLASSES) & (table["timestamp"].dt.year == 2022)]
    table = table.sort_values(["sample_id", "timestamp"])
    bands = table[list(CORSICA_BANDS)].astype(np.float64)
    table[list(CORSICA_BANDS)] = bands.where(bands != 65535) / 1e4
    filled = table.groupby("sample_id")[list(CORSICA_BANDS)].transform(
        lambda values: values.interpolate(limit_direction="both")
    )
    series = filled.to_numpy().reshape(-1, 12, len(CORSICA_BANDS))
    first = table.groupby("sample_id").first()
    year = table.groupby("sample_id")[["AGERA5-TMEAN", "AGERA5-PRECIP"]].mean()
    places = geopandas.GeoSeries.from_xy(first["lon"], first["lat"], crs=4326).to_crs(EUROPE)
    context = {
        "bio01": (year["AGERA5-TMEAN"] / 100 - 273.15).to_numpy(np.float32),
        "bio12": (12 * year["AGERA5-PRECIP"] / 100).to_numpy(np.float32),
        "elevation": first["elevation"].to_numpy(np.float32),
        "slope": first["slope"].to_numpy(np.float32),
    }
    starts = pd.date_range("2022-01-01", periods=12, freq="MS").day_of_year - 1
    samples = make_samples(
        series, starts, MONTHS, list(CORSICA_BANDS.values()),
        {"land_cover": (first["label"], list(CORSICA_CLASSES))},
        point_id=first.index, year=np.full(len(first), 2022), x=places.x, y=places.y,
        context=context,
    )  # fmt: skip
    seen = samples["reflectance"].notnull().any(["time", "band"])
    return {"corsica": samples.isel(sample=seen.values)}


def forest():
    """Forest or not at points of 21 countries, from tasseled cap about 1985 and 2017.

    Countries whose points of both classes have places; 100 points of each class and country,
    where there are so many, drawn once.
    """
    table = pd.read_parquet(DATA / "eu_forest_landsat" / "plots.parquet")
    table = table[table["tc_valid"] & (table["coords"] != "none")]
    both = table.groupby("country")["landcover"].nunique() == 2
    table = table[table["country"].isin(both.index[both])].sample(frac=1, random_state=0)
    table = table.groupby(["country", "landcover"]).head(PER_COUNTRY).sort_index()
    samples = make_samples(
        table[list(FOREST_BANDS)].to_numpy()[:, None, :] / 1e4, [0], raw_dates(1, 1),
        [name.lower() for name in FOREST_BANDS],
        {"land_cover": (table["landcover"].str.lower(), ["forest", "noforest"])},
        point_id=table.index.astype(str), year=np.full(len(table), 2017),
        x=table["e3035"], y=table["n3035"], region=table["country"],
    )  # fmt: skip
    return {"forest": samples}


def main(folder):
    """Write all stores into a folder."""
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    for make in (grassland, toulouse, corsica, forest):
        for name, samples in make().items():
            lx.write_samples(samples, out / f"{name}.zarr", overwrite=True)
            sys.stdout.write(f"{name}: {dict(samples.sizes)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
