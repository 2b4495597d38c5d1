"""``lulc-xr points``: a sample of reference points for a map, as a file to be interpreted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import xarray as xr
from rasterio.errors import RasterioIOError
from rich.table import Table

from lulc_xr.analysis.class_areas import class_areas
from lulc_xr.analysis.point_drawing import draw_points
from lulc_xr.analysis.sampling_design import Allocation, plan_sample
from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError, SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.cube.store import open_cube
from lulc_xr.jobs.evaluation_files import choose_year
from lulc_xr.jobs.terminal import console

_WRITERS = (".gpkg", ".geojson", ".parquet", ".csv")


def draw_point_file(
    path: Path,
    out: Path,
    *,
    expected: str = "0.8",
    standard_error: float | None = None,
    number: int | None = None,
    allocation: str = "proportional",
    minimum: int = 50,
    distance: float | None = None,
    seed: int = 0,
    task: str = "land_cover",
    year: int | None = None,
    json_path: Path | None = None,
) -> geopandas.GeoDataFrame:
    """Plan, draw and write reference points; print the plan.

    Raises
    ------
    SampleError
        If the file has an unknown suffix, or the plan cannot be met.
    CubeError
        If the map cannot be read.
    """
    if out.suffix.lower() not in _WRITERS:
        raise SampleError(f"{str(out)!r}: expected a file ending in {', '.join(_WRITERS)}.")
    class_map = _open_map(path, task, year)
    legend = Legend.from_flags(class_map.attrs)
    areas = class_areas(class_map, legend=legend)
    there = areas[areas["pixels"] > 0]
    if standard_error is None and number is None:
        standard_error = 0.01
    plan = plan_sample(
        there["area_ha"], expected=_expected(expected, list(there.index)),
        standard_error=standard_error, points=number, allocation=_allocation(allocation),
        minimum={name: min(minimum, int(n)) for name, n in there["pixels"].items()},
        population=there["pixels"],
    )  # fmt: skip
    drawn = draw_points(class_map, plan, seed=seed, distance=distance, legend=legend)
    _write(drawn, out)
    screen = console()
    table = Table(title=f"{plan.attrs['points']} points of {path}")
    for heading in ("stratum", "area (ha)", "share", "expected", "points"):
        table.add_column(heading, justify="left" if heading == "stratum" else "right")
    for name, row in plan.iterrows():
        table.add_row(
            str(name), f"{row['area']:.1f}", f"{100 * row['share']:.2f} %",
            f"{row['expected']:.2f}", f"{row['points']:.0f}",
        )  # fmt: skip
    screen.print(table)
    screen.print(
        f"expected standard error of overall accuracy {plan.attrs['standard_error']:.4f}; "
        f"written to {out}"
    )
    if json_path is not None:
        told = {**plan.attrs, **drawn.attrs, "strata": plan.reset_index().to_dict("records")}
        json_path.write_text(json.dumps(told, indent=1), encoding="utf-8")
    return drawn


def _allocation(name: str) -> Allocation:
    return name  # type: ignore[return-value]


def _expected(text: str, names: list[str]) -> float | Mapping[str, float]:
    """'0.8', or 'woodland=0.9,0.8' with a number for all that are not named."""
    values: dict[str, float] = {}
    rest: float | None = None
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        try:
            value = float(number)
        except ValueError as error:
            raise SampleError(
                f"expected accuracy {part!r}; give a number, or class=number, with commas."
            ) from error
        if name and name not in names:
            raise SampleError(name_unknown("class of the map", name, names))
        if name:
            values[name] = value
        else:
            rest = value
    missing = [name for name in names if name not in values]
    if missing and rest is None:
        raise SampleError(
            f"no expected accuracy of {', '.join(missing)}; add a number for all others, such as "
            f"'{text},0.8'."
        )
    return {name: values.get(name, rest or 0.0) for name in names}


def _open_map(path: Path, task: str, year: int | None) -> xr.DataArray:
    if path.suffix.lower() in (".tif", ".tiff"):
        return _open_raster(path)
    cube = open_cube(path)
    maps = [str(n) for n, v in cube.data_vars.items() if "flag_values" in v.attrs]
    if task not in maps:
        raise CubeError(
            name_unknown("class map", task, maps)
            + " Make one with 'lulc-xr classify STORE --model DIR'."
        )
    found = cube[task]
    if "year" in found.dims:
        found = found.sel(year=choose_year(cube, year))
    return found.assign_coords(spatial_ref=xr.Variable((), 0, {"crs_wkt": crs_of(cube)}))


def _open_raster(path: Path) -> xr.DataArray:
    """A GeoTIFF of class ids; classes without a name are called by their id."""
    try:
        with rasterio.open(path) as source:
            values, nodata, affine = source.read(1), source.nodata, source.transform
            wkt = source.crs.to_wkt() if source.crs else ""
    except RasterioIOError as error:
        raise CubeError(f"{str(path)!r} cannot be read: {error}.") from error
    if values.dtype.kind not in "iu":
        raise CubeError(f"{str(path)!r} holds {values.dtype}; expected class ids 0-254.")
    if nodata is not None:
        values = np.where(values == nodata, FILL_CLASS, values)
    ids = [int(v) for v in np.unique(values) if v != FILL_CLASS]
    legend = Legend.from_names("raster", [f"class_{i}" for i in ids])
    flags = {**legend.flags(), "flag_values": np.array(ids, np.uint8)}
    rows, columns = np.arange(values.shape[0]), np.arange(values.shape[1])
    return xr.DataArray(
        values.astype(np.uint8), dims=("y", "x"), attrs=flags,
        coords={
            "y": affine.f + affine.e * (rows + 0.5), "x": affine.c + affine.a * (columns + 0.5),
            "spatial_ref": xr.Variable((), 0, {"crs_wkt": wkt}),
        },
    )  # fmt: skip


def _write(drawn: geopandas.GeoDataFrame, out: Path) -> None:
    kind = out.suffix.lower()
    if kind == ".csv":
        drawn.drop(columns="geometry").to_csv(out, index=False)
    elif kind == ".parquet":
        drawn.to_parquet(out)
    else:
        drawn.to_file(out)
