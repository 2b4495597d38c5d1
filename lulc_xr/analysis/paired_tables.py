"""Two tables of judged points, or two maps and a reference, brought to the same points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lulc_xr.analysis.confusion import align, legend_of
from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError, LegendError, SampleError
from lulc_xr.core.legend import FILL_CLASS, Legend

_MOST_NAMED = 5


def pair_tables(
    first: pd.DataFrame, second: pd.DataFrame, names: tuple[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables of judged points in the order of the first, after checks.

    Raises
    ------
    SampleError
        If they hold different points, or different labels for them.
    LegendError
        If their legends differ.
    """
    legends = [Legend.from_dict(t.attrs["legend"]) for t in (first, second) if "legend" in t.attrs]
    if len(legends) == 2 and (legends[0].ids, legends[0].names) != (
        legends[1].ids,
        legends[1].names,
    ):
        raise LegendError(
            f"{names[0]} is judged by legend {legends[0].name!r} ({', '.join(legends[0].names)}) "
            f"and {names[1]} by {legends[1].name!r} ({', '.join(legends[1].names)}). Judge both "
            "with crosswalks to one legend."
        )
    keys = ["point_id"] if "point_id" in first and "point_id" in second else ["x", "y"]
    index = [_index(table, keys) for table in (first, second)]
    if not index[0].equals(index[1]):
        _check_same(index[0], index[1], names)
        second = second.iloc[index[1].get_indexer(index[0])].reset_index(drop=True)
    differs = first["reference"].to_numpy() != second["reference"].to_numpy()
    if differs.any():
        at = int(np.flatnonzero(differs)[0])
        raise SampleError(
            f"{int(differs.sum())} points have another label in {names[1]} than in {names[0]}, "
            f"such as {index[0][at]}: {second['reference'].iloc[at]} against "
            f"{first['reference'].iloc[at]}. Judge both maps against the same labels."
        )
    return first.reset_index(drop=True), second.reset_index(drop=True)


def pair_arrays(first: Any, second: Any, reference: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two class maps and their reference as tables, one row per labelled pixel or sample.

    Raises
    ------
    CubeError
        If they are not arrays on one grid.
    LegendError
        If their flags contradict each other.
    """
    given = {"predicted": first, "second": second, "reference": reference}
    for name, da in given.items():
        if not isinstance(da, xr.DataArray):
            raise CubeError(
                f"{'first' if name == 'predicted' else name!r} is a {type(da).__name__}; expected "
                "three DataArrays on one grid, or two tables of judged points and no reference."
            )
    legend = legend_of(first, reference)
    legend_of(second, reference)
    arrays = align(given)
    ids = {name: da.to_numpy() for name, da in arrays.items()}
    labelled = ids["reference"].ravel() != FILL_CLASS
    grid = arrays["predicted"]
    place = {}
    if set(grid.dims) == {"y", "x"} <= set(grid.coords):
        y, x = xr.broadcast(grid["y"], grid["x"])
        place = {
            name: axis.transpose(*grid.dims).to_numpy().ravel()[labelled]
            for name, axis in (("x", x), ("y", y))
        }
    try:
        crs = crs_of(first.to_dataset(name="first"))
    except CubeError:
        crs = ""
    tables = []
    for name in ("predicted", "second"):
        columns = {"mapped": ids[name].ravel(), "reference": ids["reference"].ravel()}
        table = pd.DataFrame({k: v[labelled].astype(np.uint8) for k, v in columns.items()} | place)
        table.attrs = {"legend": legend.to_dict(), "crs": crs}
        tables.append(table)
    return tables[0], tables[1]


def _index(table: pd.DataFrame, keys: list[str]) -> pd.Index[Any]:
    """Identity of each row: the point's number, or its place."""
    index: pd.Index[Any] = table.set_index(keys).index
    return index


def _check_same(first: pd.Index[Any], second: pd.Index[Any], names: tuple[str, str]) -> None:
    only = [first.difference(second), second.difference(first)]
    if len(only[0]) or len(only[1]):
        said = [
            f"{len(points)} only in {name}"
            + (f" (such as {', '.join(map(str, points[:_MOST_NAMED]))})" if len(points) else "")
            for points, name in zip(only, names, strict=True)
        ]
        raise SampleError(
            f"the tables hold different points: {' and '.join(said)}. Compare those that both "
            "have: first[first.point_id.isin(second.point_id)], and the other way round."
        )
    if not (first.is_unique and second.is_unique):
        raise SampleError(
            "a point occurs several times, and the tables have them in different orders. Sort both "
            "alike, or give each row a point_id of its own."
        )
