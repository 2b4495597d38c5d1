"""Fractions in square cells of the map's own system, beside what NumPy counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from numpy.typing import NDArray

import lulc_xr as lx

Floats = NDArray[np.float64]

TILE = "lucas/netherlands_osm_clcplus_14580_sample.tif"
_TILE_CLASSES = {
    10: "building", 11: "road", 18: "route", 19: "residential", 20: "cropland", 30: "perennial",
    40: "woodland", 50: "shrubland", 60: "grassland", 70: "bare", 80: "water",
}  # fmt: skip


def edges_of(class_map: xr.DataArray, side: float, *, offset: float = 0.0) -> tuple[Floats, Floats]:
    """Edges of cells over a map, y and x ascending: from its south-west corner less the offset."""
    found = []
    for dim in ("y", "x"):
        values = np.sort(class_map[dim].values)
        half = (values[1] - values[0]) / 2
        low, high = values[0] - half - offset, values[-1] + half
        found.append(low + side * np.arange(np.ceil((high - low) / side - 1e-9) + 1))
    return found[0], found[1]


def lattice_edges(class_map: xr.DataArray, side: float) -> tuple[Floats, Floats]:
    """Edges at the multiples of a side that hold the map, y and x ascending."""
    found = []
    for dim in ("y", "x"):
        values = np.sort(class_map[dim].values)
        half = (values[1] - values[0]) / 2
        low = np.floor((values[0] - half) / side)
        high = np.ceil((values[-1] + half) / side)
        found.append(side * np.arange(low, high + 1))
    return found[0], found[1]


def boxes(y: Floats, x: Floats, crs: str) -> geopandas.GeoDataFrame:
    """Cells between edges as polygons, row by row from the south."""
    west, south = (v.ravel() for v in np.meshgrid(x[:-1], y[:-1]))
    east, north = (v.ravel() for v in np.meshgrid(x[1:], y[1:]))
    return geopandas.GeoDataFrame(geometry=shapely.box(west, south, east, north), crs=crs)


def counted(class_map: xr.DataArray, y: Floats, x: Floats, ids: Sequence[int]) -> Floats:
    """Shares of classes of the area of cells, shape (class, cell): pixels counted with NumPy.

    Along each axis a pixel lies in a cell with the part of it that the edges leave there; in
    cells along the axes of the map the share is the product.
    """
    values = class_map.transpose("y", "x").sortby(["y", "x"])
    parts = []
    for dim, edges in (("y", y), ("x", x)):
        centres = values[dim].values
        half = (centres[1] - centres[0]) / 2
        low = np.maximum(edges[:-1, None], centres - half)
        high = np.minimum(edges[1:, None], centres + half)
        parts.append(np.maximum(high - low, 0) / np.diff(edges)[:, None])
    pixels = values.values
    shares = [parts[0] @ (pixels == class_id) @ parts[1].T for class_id in ids]
    return np.stack(shares).reshape(len(ids), -1)


def compare(
    class_map: xr.DataArray, edges: tuple[Floats, Floats], *, crs: str, year: int
) -> tuple[xr.Dataset, Floats]:
    """Fractions in cells between edges, and the same by counting."""
    cells = boxes(*edges, crs)
    found = lx.fractions(class_map, cells, years=[year]).isel(year=0).compute()
    return found, counted(class_map, *edges, ids=found["class_id"].values.tolist())


def row_of(side: float, found: xr.Dataset, own: Floats) -> dict[str, float]:
    """How far fractions are from the counted ones."""
    share = found["fraction"].transpose("class", ...).values
    total = share.sum(axis=0) + found["unmapped_fraction"].values
    return {
        "side (m)": side,
        "cells": share.shape[1],
        "covered": int((found["cell_coverage"] == 2).sum()),
        "partly": int((found["cell_coverage"] == 1).sum()),
        "largest difference": float(np.abs(share - own).max()),
        "sum off 1": float(np.abs(total - 1).max()),
        "most mixed (classes)": int((share > 1e-9).sum(axis=0).max()),
    }


def demo_tables(maps: xr.Dataset) -> list[tuple[str, pd.DataFrame]]:
    """Run 1: the class map of the demo."""
    classes = maps["land_cover"].isel(year=-1, drop=True).compute()
    classes.attrs = maps["land_cover"].attrs
    crs, year = "EPSG:32631", int(maps["year"][-1])
    rows, finest = [], None
    for side in (80.0, 160.0, 320.0):
        edges = edges_of(classes, side)
        found, own = compare(classes, edges, crs=crs, year=year)
        row = row_of(side, found, own)
        shares = found["fraction"].values.reshape(-1, edges[0].size - 1, edges[1].size - 1)
        finest = shares if finest is None else finest
        times = finest.shape[1] // shares.shape[1]
        means = finest.reshape(len(shares), shares.shape[1], times, shares.shape[2], times)
        row["from 80 m cells"] = float(np.abs(means.mean(axis=(2, 4)) - shares).max())
        rows.append(row)
    squares = pd.DataFrame(rows).set_index("side (m)")
    return [("Cells of the map's own system", squares), ("In EUR-11", _in_eur11(maps))]


def _in_eur11(maps: xr.Dataset) -> pd.DataFrame:
    """The one cell of EUR-11 that the map lies in, or those."""
    whole = lx.fractions(maps, "EUR-11").isel(year=-1).compute()
    rows, columns = np.nonzero(whole["cell_coverage"].values)
    table = []
    for row, column in zip(rows, columns, strict=True):
        cell = whole.isel(rlat=row, rlon=column)
        shares = dict(zip(whole["class"].values.tolist(), cell["fraction"].values, strict=True))
        table.append(
            {
                "row": row, "column": column, "area (km2)": float(cell["cell_area"]) / 1e6,
                "covered": float(cell["covered_fraction"]),
                "covered (m2)": float(cell["covered_fraction"] * cell["cell_area"]),
                **shares, "unmapped": float(cell["unmapped_fraction"]),
            }
        )  # fmt: skip
    return pd.DataFrame(table).set_index(["row", "column"])


def open_tile(data: Path) -> xr.DataArray:
    """The map of 2 m around a point of LUCAS."""
    classes = tuple(lx.LegendClass(class_id=i, name=n) for i, n in _TILE_CLASSES.items())
    legend = lx.Legend(name="osm_clcplus", classes=classes)
    return lx.open_class_map(data / TILE, legend=legend).compute()


def tile_tables(data: Path) -> list[tuple[str, pd.DataFrame]]:
    """Run 4: pixels of 2 m, 500 x 502; a cell of 10 m has 25, one of 100 m has 2500."""
    classes = open_tile(data)
    rows = []
    for side in (10.0, 100.0):
        places = {
            "multiples of the side": lattice_edges(classes, side),
            "3 m beside them": tuple(e - 3.0 for e in lattice_edges(classes, side)),
        }
        for name, edges in places.items():
            found, own = compare(classes, edges, crs="EPSG:3035", year=2021)
            rows.append({"edges": name, **row_of(side, found, own)})
    return [("Cells of 10 and 100 m", pd.DataFrame(rows).set_index(["side (m)", "edges"]))]
