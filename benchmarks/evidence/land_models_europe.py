"""Points and CORINE on the grids of models, beside each other and beside what others made."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import rasterio
import xarray as xr

import lulc_xr as lx

SHARED = Path(os.environ.get("LULC_XR_SHARED", Path(__file__).parents[3] / "shared")) / "data"
CZECHIA = "lucas/cz_2018/cz_lucas_points_l1_2018.shp"
ELC10 = "elc10/points.parquet"
CORINE = "north_italy_2010/clc_32632.tif"
YEAR = 2010
"""Of the CORINE file, which does not state it: that of the series that it comes with."""
HALF_DEGREE = {
    "CLC3_112": "discontinuous_urban_fabric", "CLC3_132": "dump_sites",
    "CLC3_211": "non_irrigated_arable_land", "CLC3_312": "coniferous_forest",
    "CLC3_335": "glaciers_and_perpetual_snow",
}  # fmt: skip


def read_points(data: Path) -> dict[str, object]:
    """Points of LUCAS in Czechia, and those of ELC10."""
    return {
        "Czechia, LUCAS 2018": lx.lucas_labels(lx.read_lucas(data / CZECHIA)),
        "Europe, ELC10": lx.read_elc10(data / ELC10),
    }


def point_tables(data: Path, figures: Path | None = None) -> list[tuple[str, pd.DataFrame]]:
    """Run 2: fractions from points, how many points a cell has, how wide intervals are."""
    cells, shares = [], {}
    for name, points in read_points(data).items():
        found = lx.fractions_from_points(points, "EUR-11")
        there = found["points"] > 0
        number = found["points"].values[there.values]
        width = (found["fraction_upper"] - found["fraction_lower"]).values[:, there.values]
        coarse = lx.fractions_from_points(points, "EUR-22")
        summed = (found["fraction"].fillna(0) * found["points"]).coarsen(rlat=2, rlon=2).sum()
        direct = coarse["fraction"].fillna(0) * coarse["points"]
        apart = float(np.abs(summed.values - direct.values).max())
        cells.append(
            {
                "points": name, "given": found.attrs["points_given"],
                "outside": found.attrs["points_outside"],
                "without label": found.attrs["points_without_label"],
                "cells": number.size, "cells with 5 and more": int((number >= 5).sum()),
                "points a cell (median)": float(np.median(number)), "most": int(number.max()),
                "interval (mean width)": float(width.mean()),
                "with 8 and more": float(width[:, number >= 8].mean()),
                "2 x 2 cells against EUR-22 (points)": apart,
            }
        )  # fmt: skip
        total = (found["fraction"] * found["points"]).sum(("rlat", "rlon")) / found["points"].sum()
        shares[name] = pd.Series(total.values, index=found["class"].values.tolist())
        if figures is not None:
            figures.mkdir(parents=True, exist_ok=True)
            stem = name.split(",")[0].lower()
            lx.plot_fractions(found).savefig(figures / f"points_{stem}.png", dpi=130)
    told = pd.DataFrame(cells).set_index("points").T
    return [("Cells of EUR-11", told), ("Shares of all points", pd.DataFrame(shares).round(4))]


def corine_map(data: Path) -> xr.DataArray:
    """CORINE of the square of tile 32TNR, 110 km a side."""
    return lx.open_class_map(data / CORINE, legend="corine_level3")


def corine_tables(data: Path, figures: Path | None = None) -> list[tuple[str, pd.DataFrame]]:
    """Run 3: CORINE on two grids that nest, in regions, and beside half a degree."""
    maps = corine_map(data)
    fine = lx.fractions(maps, "EUR-0275", years=[YEAR]).isel(year=0)
    fine = fine[["fraction", "covered_fraction", "cell_coverage", "cell_area"]].compute()
    coarse = lx.fractions(maps, "EUR-11", years=[YEAR]).isel(year=0).compute()
    areas = {
        name: (found["fraction"] * found["cell_area"]).sum(("rlat", "rlon"))
        for name, found in (("EUR-11", coarse), ("EUR-0275", fine))
    }
    flat = pd.Series(lx.class_areas(maps)["area_m2"])
    rows = []
    for name, found in (("EUR-11", coarse), ("EUR-0275", fine)):
        sums = areas[name].values
        rows.append(
            {
                "grid": name, "covered": int((found["cell_coverage"] == 2).sum()),
                "partly": int((found["cell_coverage"] == 1).sum()),
                "mapped (km2)": sums.sum() / 1e6,
                "pixels in the plane of UTM (km2)": flat.sum() / 1e6,
                "largest difference of a class from EUR-11 (km2)":
                    np.abs(sums - areas["EUR-11"].values).max() / 1e6,
            }
        )  # fmt: skip
    nested = pd.DataFrame(
        {"largest difference of a fraction": [nesting(fine, coarse)]},
        index=["4 x 4 cells of EUR-0275 against EUR-11"],
    )
    if figures is not None:
        figures.mkdir(parents=True, exist_ok=True)
        lx.plot_fractions(coarse).savefig(figures / "corine_eur11.png", dpi=130)
        lx.plot_fractions(fine).savefig(figures / "corine_eur0275.png", dpi=130)
    return [
        ("Two grids", pd.DataFrame(rows).set_index("grid").T),
        ("Nesting", nested),
        ("NUTS 3, those covered most", nuts_table(data, maps)),
        ("Half a degree: shares of what is mapped", half_degree(data, maps)),
        ("Points of ELC10 within", points_within(data, coarse)),
    ]


def nesting(fine: xr.Dataset, coarse: xr.Dataset) -> float:
    """Largest difference of fractions of EUR-11 from those of its 4 x 4 cells of EUR-0275."""
    sums = (fine["fraction"] * fine["cell_area"]).coarsen(rlat=4, rlon=4).sum()
    mean = sums / fine["cell_area"].coarsen(rlat=4, rlon=4).sum()
    at = [np.abs(coarse[d].values - float(mean[d][0])).argmin() for d in ("rlat", "rlon")]
    part = coarse["fraction"].isel(
        rlat=slice(at[0], at[0] + mean.sizes["rlat"]), rlon=slice(at[1], at[1] + mean.sizes["rlon"])
    )
    order = ("class", "rlat", "rlon")
    return float(np.abs(part.transpose(*order).values - mean.transpose(*order).values).max())


def nuts_regions(data: Path) -> geopandas.GeoDataFrame:
    """NUTS 3 regions of Italy and Switzerland."""
    table = geopandas.read_file(data / "nuts" / "nuts_2016.gpkg")
    chosen = table[(table["LEVL_CODE"] == 3) & table["CNTR_CODE"].isin(["IT", "CH"])]
    return chosen.reset_index(drop=True)


def nuts_table(data: Path, maps: xr.DataArray, *, number: int = 8) -> pd.DataFrame:
    """Regions that the map covers most: shares of their area, by the first digit of CORINE."""
    regions = nuts_regions(data)
    found = lx.fractions(maps, regions, years=[YEAR]).isel(year=0).compute()
    legend = lx.legend("corine_level3")
    matrix = first_level()
    shares = found["fraction"].transpose("class", ...).values.T @ matrix
    table = pd.DataFrame(shares, columns=list(lx.legend("corine_level1").names))
    table.insert(0, "region", regions["NAME_LATN"])
    table.insert(1, "covered", found["covered_fraction"].values)
    table["unmapped"] = found["unmapped_fraction"].values
    assert len(legend) == matrix.shape[0]
    return table.nlargest(number, "covered").set_index("region").round(4)


def first_level() -> np.ndarray:
    """Matrix from classes of level 3 to those of level 1, by the crosswalk."""
    walk = lx.crosswalk("corine_level3", "corine_level1")
    ids = walk.map_labels(np.array(walk.source.ids))
    return (ids[:, None] == np.array(walk.target.ids)).astype(np.float64)


def half_degree(data: Path, maps: xr.DataArray, *, least: float = 0.5) -> pd.DataFrame:
    """Cells of the half-degree grid covered by at least a share: ours beside those of IIASA.

    Theirs are of another CORINE year, averaged in degrees, and on land alone.
    """
    theirs = {}
    for stem in HALF_DEGREE:
        with rasterio.open(data / "europe_halfdegree" / f"{stem}_mean_50km.tif") as file:
            theirs[stem] = np.where(file.read(1) == file.nodata, np.nan, file.read(1))[::-1]
            bounds, shape = file.bounds, file.shape
    step = (bounds.right - bounds.left) / shape[1], (bounds.top - bounds.bottom) / shape[0]
    grid = lx.lonlat_grid(bounds.left, bounds.bottom, bounds.right, bounds.top, step=step)
    found = lx.fractions(maps, grid, years=[YEAR]).isel(year=0).compute()
    rows = []
    for row, column in zip(*np.nonzero(found["covered_fraction"].values >= least), strict=True):
        cell = found.isel(lat=row, lon=column)
        mapped = 1 - float(cell["unmapped_fraction"])
        line = {
            "lon": round(float(cell["lon"]), 2), "lat": round(float(cell["lat"]), 2),
            "covered": float(cell["covered_fraction"]),
        }  # fmt: skip
        names = found["class"].values.tolist()
        for stem, name in HALF_DEGREE.items():
            ours = float(cell["fraction"].values[names.index(name)]) / mapped
            line |= {f"{stem[5:]} ours": ours, f"{stem[5:]} theirs": theirs[stem][row, column]}
        rows.append(line)
    return pd.DataFrame(rows).set_index(["lat", "lon"]).round(3)


def points_within(data: Path, coarse: xr.Dataset) -> pd.DataFrame:
    """Points of ELC10 in covered cells: how often their intervals hold the share of CORINE."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*points left out")
        seen = lx.fractions_from_points(lx.read_elc10(data / ELC10), "EUR-11")
    walk = lx.crosswalk("corine_level3", "lucas_lc1_level1")
    ids = walk.map_labels(np.array(walk.source.ids))
    rows = []
    cells = (coarse["cell_coverage"] == 2).values & (seen["points"].values >= 3)
    for k, name in enumerate(seen["class"].values.tolist()):
        own = coarse["fraction"].values[ids == seen["class_id"].values[k]].sum(axis=0)[cells]
        low, high = (seen[f"fraction_{end}"].values[k][cells] for end in ("lower", "upper"))
        rows.append(
            {
                "class": name, "cells": int(cells.sum()), "CORINE (mean)": own.mean(),
                "points (mean)": seen["fraction"].values[k][cells].mean(),
                "in the interval": ((low <= own) & (own <= high)).mean(),
            }
        )  # fmt: skip
    return pd.DataFrame(rows).set_index("class").round(3)
