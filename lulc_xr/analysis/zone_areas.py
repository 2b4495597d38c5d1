"""Area of each class in zones, with intervals where the errors of the map are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from lulc_xr.analysis.accuracy import Accuracy
from lulc_xr.analysis.adjusted_areas import ShareInterval, adjust_areas, check_share_interval
from lulc_xr.analysis.class_areas import row_areas
from lulc_xr.analysis.fractions import fractions
from lulc_xr.analysis.map_parts import class_map_of
from lulc_xr.analysis.row_shares import RowShares, row_shares
from lulc_xr.analysis.zone_counts import add_areas
from lulc_xr.analysis.zone_raster import check_zones, known_ids, zone_coords
from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.legend import Legend

Confusion = Accuracy | xr.DataArray | pd.DataFrame
Unit = Literal["m2", "ha", "km2"]
_UNITS = {"m2": 1.0, "ha": 1e4, "km2": 1e6}
_SYNTHETIC = (
    "The confusion matrix is of the whole map, and is taken to hold in every zone and year that it "
    "is used for (a synthetic estimate). Intervals cover the sampling of its labels. They do not "
    "cover that a zone is mapped better or worse than the whole; labels of the zone itself would. "
    "Areas are of the mapped part of a zone: unmapped_area is not shared out."
)


def area(
    maps: xr.Dataset,
    zones: Any,
    *,
    by: Literal["year"] | None = "year",
    task: str = "land_cover",
    confusion: Confusion | Mapping[int, Confusion] | None = None,
    level: float = 0.95,
    interval: ShareInterval = "wilson",
    unit: Unit = "km2",
    zone_ids: Sequence[int] | None = None,
) -> xr.Dataset:
    """Area of each class in each zone, lazily; with intervals where a confusion matrix is given.

    Parameters
    ----------
    maps : xr.Dataset
        Maps as :func:`lulc_xr.classify` and :func:`lulc_xr.open_cube` give them.
    zones : GeoDataFrame, grid, or xr.DataArray of int
        Polygons such as NUTS, or anything else that :func:`lulc_xr.as_grid` takes: pixels count
        with the share of them that lies inside, on the ellipsoid. Or ids of zones (y, x) on the
        grid of the maps, such as :func:`lulc_xr.rasterize_regions` makes: whole pixels count, with
        their area in the map's reference system, as in :func:`lulc_xr.class_areas`.
        ``_FillValue``, or 0 where there is none, is no zone.
    by : {"year"} or None
        "year": areas of each year. None: their mean over the years.
    task : str
        Name of the class map.
    confusion : Accuracy, xr.DataArray or DataFrame, optional
        What :func:`lulc_xr.accuracy` gives for this map, with or without a design; or counts of
        labels, mapped classes × true classes. A mapping by year gives each year its own.
    level : float
        Coverage of the intervals.
    interval : {"wilson", "normal", "logit"}
        Their kind, as of :func:`lulc_xr.estimate_area`. The normal one is that of Olofsson et al.
    unit : {"km2", "ha", "m2"}
        Unit of all areas.
    zone_ids : sequence of int, optional
        The ids that count. Needed where zones of ids are lazy and have no ``flag_values``.

    Returns
    -------
    xr.Dataset
        Over (class, year, zones); dimensions of the zones are those of the grid, `region` for
        polygons, `zone` for ids:

        - ``area``: as mapped. With ``unmapped_area`` (year, zones) it adds up to ``zone_area``;
        - with `confusion` ``adjusted_area``, the area of the true classes, which adds up to the
          mapped area of the zone; its ``adjusted_area_standard_error``, ``adjusted_area_low`` and
          ``adjusted_area_high``. NaN where a class mapped in the zone has no label (of the
          interval: only one). The attribute `assumption` says what they rest on.

        ``class_id`` carries the legend; ``found.to_dataframe()`` is a table.

    Raises
    ------
    CubeError
        If there is no such map, or zones that are no zones.
    LegendError
        If the matrix has classes that the map does not have.
    SampleError
        If the matrix holds no counts, or level or interval are not known.

    Notes
    -----
    The stratified estimator of Olofsson et al. (2014), with the shares of the true classes in each
    mapped class (the rows of the matrix) and the mapped areas of the zone. Where the zone is the
    whole map it is :func:`lulc_xr.estimate_area` with mapped classes as strata.

    References
    ----------
    Olofsson, P. et al. (2014). Good practices for estimating area and assessing accuracy of land
    change. Remote Sensing of Environment 148, 42-57.

    Examples
    --------
    >>> from lulc_xr.testing import landscape
    >>> cube = landscape(y=20, x=30, classes=2)
    >>> maps = cube[["reference"]].expand_dims(year=[2018])
    >>> zones = xr.ones_like(cube["reference"], dtype="int32").drop_attrs()
    >>> counts = pd.DataFrame([[45, 5], [10, 40]], cls := ["winter_crop", "summer_crop"], cls)
    >>> found = area(maps, zones, task="reference", confusion=counts, unit="ha")
    >>> round(float(found["area"].sum()), 6), round(float(found["adjusted_area"].sum()), 6)
    (6.0, 6.0)
    """
    if by not in ("year", None):
        raise CubeError(f"by={by!r}; expected 'year', or None for the mean of the years.")
    if unit not in _UNITS:
        raise CubeError(name_unknown("unit of area", unit, _UNITS))
    check_share_interval(interval, level)
    if by is None and isinstance(confusion, Mapping):
        raise CubeError(
            "matrices of years, and by=None for the mean of the years: how their errors go "
            "together is not known. Give one matrix, or by='year'."
        )
    legend = Legend.from_flags(class_map_of(maps, task).attrs)
    found = (
        _of_ids(maps[task], zones, legend, zone_ids)
        if isinstance(zones, xr.DataArray)
        else _of_cells(maps, zones, task)
    )
    found = _in_unit(found, unit)
    if by is None:
        averaged = found[["area", "unmapped_area"]].mean("year", keep_attrs=True)
        found = averaged.assign(zone_area=found["zone_area"])
    if confusion is not None:
        rows = _rows(confusion, legend, found)
        found = found.assign(_adjusted(found["area"], rows, level=level, interval=interval))
    return _described(found, legend, task=task, unit=unit, level=level, interval=interval, by=by)


def _of_cells(maps: xr.Dataset, zones: Any, task: str) -> xr.Dataset:
    """Areas in square metres from exact shares of cells."""
    shares = fractions(maps, zones, of=task, entropy=False, members=False)
    cell = shares["cell_area"]
    kept = [name for name in shares.coords if name not in ("class", "year", "class_id")]
    made = xr.Dataset(
        {
            "area": shares["fraction"] * cell,
            "unmapped_area": shares["unmapped_fraction"] * cell,
            "zone_area": cell,
        }
    )
    made = made.assign_coords({name: shares[name] for name in kept})
    made.attrs = {k: v for k, v in shares.attrs.items() if k in ("grid", "lulc_xr:sources")}
    return made


def _of_ids(
    class_map: xr.DataArray, zones: xr.DataArray, legend: Legend, zone_ids: Sequence[int] | None
) -> xr.Dataset:
    """Areas in square metres from whole pixels."""
    classes = class_map
    if "year" not in classes.dims:
        classes = classes.drop_vars("year", errors="ignore").expand_dims(
            {"year": np.atleast_1d(classes["year"].values) if "year" in classes.coords else [0]}
        )
    if classes.dtype != np.uint8 or set(classes.dims) != {"year", "y", "x"}:
        raise CubeError(
            f"{class_map.name!r} is {class_map.dtype} over {tuple(map(str, class_map.dims))}; "
            "expected uint8 class ids over (year, y, x). Open the store with lulc_xr.open_cube."
        )
    checked = check_zones(zones, classes)
    ids = known_ids(checked, zone_ids)
    of_row = row_areas(classes)
    # Relative to the first, so that equal rows weigh exactly 1 and their sums are exact.
    sums = add_areas(
        classes.drop_attrs(), checked.drop_attrs(), of_row / of_row[0], ids=ids, legend=legend
    )
    each = xr.DataArray(sums * of_row[0], dims=("year", "zone", "class"))
    coords: dict[str, Any] = {
        "class": np.array(legend.names, np.dtypes.StringDType()),
        "year": classes["year"].values,
        **zone_coords(checked, ids),
    }
    return xr.Dataset(
        {
            "area": each.isel({"class": slice(0, -1)}).transpose("class", "year", "zone"),
            "unmapped_area": each.isel({"class": -1}),
            "zone_area": each.isel(year=0).sum("class"),
        },
        coords=coords,
    )


def _in_unit(found: xr.Dataset, unit: Unit) -> xr.Dataset:
    return found.assign({str(n): v / _UNITS[unit] for n, v in found.data_vars.items()})


def _rows(
    confusion: Confusion | Mapping[int, Confusion], legend: Legend, found: xr.Dataset
) -> list[RowShares]:
    """Row shares of each year, or one for all."""
    if not isinstance(confusion, Mapping):
        return [row_shares(confusion, legend)]
    years = [int(y) for y in found["year"].values]
    lacking = [y for y in years if y not in confusion]
    if lacking:
        raise CubeError(
            f"no confusion matrix of {', '.join(map(str, lacking))}; they are of "
            f"{', '.join(map(str, confusion)) or 'no year'}. Give one of each year, or choose "
            "years of the maps first."
        )
    return [row_shares(confusion[y], legend) for y in years]


def _adjusted(
    mapped: xr.DataArray, rows: list[RowShares], *, level: float, interval: ShareInterval
) -> dict[str, xr.DataArray]:
    names = ("", "_standard_error", "_low", "_high")
    whole = mapped.chunk({"class": -1}) if mapped.chunks else mapped
    parts = [whole] if len(rows) == 1 else [whole.isel(year=[i]) for i in range(len(rows))]
    made = [
        xr.apply_ufunc(
            adjust_areas,
            part,
            input_core_dims=[["class"]],
            output_core_dims=[["class"]] * len(names),
            kwargs={"rows": own, "level": level, "interval": interval},
            dask="parallelized",
            output_dtypes=[np.float64] * len(names),
        )
        for part, own in zip(parts, rows, strict=True)
    ]
    joined = [
        xr.concat(each, "year") if len(rows) > 1 else each[0] for each in zip(*made, strict=True)
    ]
    return {
        f"adjusted_area{name}": found.transpose(*mapped.dims)
        for name, found in zip(names, joined, strict=True)
    }


def _described(
    found: xr.Dataset,
    legend: Legend,
    *,
    task: str,
    unit: Unit,
    level: float,
    interval: ShareInterval,
    by: str | None,
) -> xr.Dataset:
    words = task.replace("_", " ")
    share = f"{100 * level:g} % interval"
    texts = {
        "area": f"mapped area of each class of {words}",
        "unmapped_area": f"area without {words}",
        "zone_area": "area of the zone",
        "adjusted_area": f"area of each class of {words}, adjusted for the errors of the map",
        "adjusted_area_standard_error": "standard error of the adjusted area",
        "adjusted_area_low": f"lower end of the {share} of the adjusted area",
        "adjusted_area_high": f"upper end of the {share} of the adjusted area",
    }
    for name, text in texts.items():
        if name in found:
            found[name].attrs = {"long_name": text, "units": unit}
            if by is None and name != "zone_area":
                found[name].attrs["cell_methods"] = "year: mean"
    if "adjusted_area" in found:
        ends = "adjusted_area_standard_error adjusted_area_low adjusted_area_high"
        found["adjusted_area"].attrs["ancillary_variables"] = ends
        found.attrs |= {"assumption": _SYNTHETIC, "level": level, "interval": interval}
    ids = xr.Variable("class", np.array(legend.ids, np.uint8), legend.flags())
    found = found.assign_coords(class_id=ids)
    if "year" in found.coords:
        found["year"].attrs = {"long_name": "mapped year"}
    mappings = [str(n) for n, c in found.coords.items() if "grid_mapping_name" in c.attrs]
    for name in texts if mappings else ():
        if name in found:
            found[name].encoding["grid_mapping"] = mappings[0]
    found.attrs |= {"legend": legend.name, "history": "lulc_xr.area"}
    return found
