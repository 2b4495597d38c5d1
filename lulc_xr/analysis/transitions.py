"""From which class to which a map changes between its years: areas, lazily, in zones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from lulc_xr.analysis.class_areas import row_areas
from lulc_xr.analysis.grid_files import as_grid
from lulc_xr.analysis.map_fields import MapFields, fields_of
from lulc_xr.analysis.transition_cells import cell_coords, pair_areas
from lulc_xr.analysis.transition_counts import count_pairs
from lulc_xr.analysis.zone_raster import check_zones, known_ids, zone_coords
from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.core.target_grid import TargetGrid

Periods = Sequence[int] | Sequence[tuple[int, int]]
"""Years, of which each is compared with the next; or pairs of an earlier and a later year."""

_UNCERTAIN = (
    "How far these areas may be off is not known from the maps. A pixel is right about its change "
    "only where both maps are right, so errors of either map look like change, and where little "
    "changes most of the mapped change may be error. Areas of change with intervals need a "
    "reference sample of the change itself (Olofsson et al. 2014, doi:10.1016/j.rse.2014.02.015)."
)


def transitions(
    maps: xr.Dataset,
    zones: Any = None,
    *,
    task: str = "land_cover",
    years: Periods | None = None,
    zone_ids: Sequence[int] | None = None,
) -> xr.Dataset:
    """Areas that change from each class to each between the years of a map, lazily.

    Parameters
    ----------
    maps : xr.Dataset
        The class map of the task, uint8 over (year, y, x), 255 where not mapped.
    zones : optional
        By default the whole map is one zone. An xr.DataArray of int (y, x): ids of zones on the
        pixels of the map; the value ``_FillValue``, or 0 where there is no such attribute, is no
        zone. Anything else that :func:`lulc_xr.as_grid` takes, such as polygons or "EUR-11":
        cells, in which pixels on an edge count with their exact share.
    task : str
        Name of the task.
    years : sequence of int, or of pairs of int, optional
        Years, of which each is compared with the next, such as ``(2006, 2018)``; or pairs, such
        as ``[(2006, 2012), (2006, 2018)]``. By default every year with the next one.
    zone_ids : sequence of int, optional
        The zones that count. Needed where `zones` is lazy and has no ``flag_values``.

    Returns
    -------
    xr.Dataset
        Over (period, from_class, to_class), and `zone`, or the dimensions of the grid:

        - ``transition_area`` in square metres, and ``transition_pixels``, but for cells. What
          keeps its class is on the diagonal;
        - ``unmapped_area``, ``unmapped_pixels`` (period): without a class in one or both of the
          years. With the sum of the transitions they add up to the zone, as far as the map goes;
        - ``cell_area``, for cells.

        Coordinates: ``period`` such as "2006-2018", ``from_year`` and ``to_year``; the names of
        the classes, and ``class_id`` (from_class) with the legend as CF flags. The attribute
        `uncertainty` says what is not known. :func:`lulc_xr.change_table` tells gains and losses.

    Raises
    ------
    CubeError
        If there is no such map, it has a single year or no such years, or no reference system;
        if zones lie on another grid, or are lazy and nothing says which there are.

    Notes
    -----
    Chunks are counted by themselves and added up, so that chunks do not show. For the whole map
    and for zones of pixels, a pixel of a projected map has the area of its sides, one in degrees
    that on the ellipsoid; in cells, areas are those on the ellipsoid whatever the map. Results
    hold numbers of zones times classes times classes: of many cells and classes, select what is
    asked for before computing.

    References
    ----------
    Olofsson, P., Foody, G. M., Herold, M., Stehman, S. V., Woodcock, C. E., Wulder, M. A. (2014).
    Good practices for estimating area and assessing accuracy of land change. Remote Sensing of
    Environment 148, 42-57. https://doi.org/10.1016/j.rse.2014.02.015

    Examples
    --------
    >>> from lulc_xr.testing import landscape
    >>> first = landscape(y=20, x=30, classes=3)["reference"].drop_attrs(deep=False)
    >>> legend = Legend.from_names("demo", ["crop", "grass", "wood"])
    >>> second = first.where(first != 1, 0).astype("uint8")
    >>> maps = xr.concat([first, second], "year").assign_coords(year=[2018, 2021])
    >>> found = transitions(maps.assign_attrs(legend.flags()).to_dataset(name="land_cover"))
    >>> change = found["transition_area"].sel(from_class="grass", to_class="crop")
    >>> float(change.values.item()) == 100.0 * int((first == 1).sum())
    True
    """
    fields = fields_of(maps, task)
    classes = _class_map(fields)
    pairs = _periods(fields, years)
    before, after = (
        classes.isel(year=[fields.years.index(pair[end]) for pair in pairs]).rename(year="period")
        for end in (0, 1)
    )
    coords = period_coords(pairs) | class_coords(fields.legend)
    if zones is None or isinstance(zones, xr.DataArray):
        return _in_pixels(before, after, zones, zone_ids, fields=fields, coords=coords)
    if zone_ids is not None:
        raise CubeError("zone_ids are of zones on the pixels of the map; select cells afterwards.")
    return _in_cells(before, after, as_grid(zones), fields=fields, coords=coords)


def _class_map(fields: MapFields) -> xr.DataArray:
    classes = fields.maps[fields.task]
    if classes.dtype != np.uint8:
        raise CubeError(
            f"class map {fields.task!r} is {classes.dtype}; expected uint8 class ids with 255 for "
            "none. Convert it with .astype('uint8')."
        )
    if classes.sizes.get("year", 0) < 2:
        years = ", ".join(map(str, fields.years)) or "not told"
        raise CubeError(
            f"class map {fields.task!r} is of a single year ({years}); change is between two at "
            "least. Join the maps of several years, xr.concat([first, second], 'year')."
        )
    return classes.transpose("year", "y", "x")


def _periods(fields: MapFields, years: Periods | None) -> list[tuple[int, int]]:
    """Pairs of an earlier and a later year."""
    asked = sorted(fields.years) if years is None else list(years)
    if asked and all(isinstance(one, (int, np.integer)) for one in asked):
        pairs: list[Any] = list(pairwise(asked))
    else:
        pairs = [tuple(one) if isinstance(one, Sequence) else (one,) for one in asked]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise CubeError(
            f"years={years!r}; give at least two years, such as (2006, 2018), or pairs of years, "
            "such as [(2006, 2012), (2006, 2018)]."
        )
    for pair in pairs:
        for year in pair:
            if year not in fields.years:
                raise CubeError(name_unknown("mapped year", year, map(str, fields.years)))
        if pair[0] >= pair[1]:
            raise CubeError(f"period {pair[0]} to {pair[1]}; give the earlier year first.")
    return [(int(a), int(b)) for a, b in pairs]


def _in_pixels(
    before: xr.DataArray,
    after: xr.DataArray,
    zones: xr.DataArray | None,
    zone_ids: Sequence[int] | None,
    *,
    fields: MapFields,
    coords: dict[str, Any],
) -> xr.Dataset:
    """Transitions of whole pixels, in all or in each zone."""
    checked = None if zones is None else check_zones(zones, before)
    ids = None if checked is None else known_ids(checked, zone_ids)
    of_row = row_areas(before.isel(period=0))
    area = float(of_row[0])
    counts = count_pairs(
        before,
        after,
        legend=fields.legend,
        # Relative to the first, so that equal rows weigh exactly 1 and their sums are exact.
        weights=of_row / area,
        zones=checked,
        ids=ids,
    )
    summed = xr.Variable(("period", "zone", "pair", "sum"), counts)
    if checked is None or ids is None:
        summed = summed.isel(zone=0)
    else:
        coords |= zone_coords(checked, ids)
    classes = len(fields.legend)
    matrix = summed.isel(pair=slice(None, -1)).unstack(
        pair={"from_class": classes, "to_class": classes}
    )
    matrix = matrix.transpose("period", "from_class", "to_class", ...)
    lacking = summed.isel(pair=-1)
    made = {
        "transition_area": matrix.isel(sum=1) * area,
        "transition_pixels": matrix.isel(sum=0).astype(np.int64),
        "unmapped_area": lacking.isel(sum=1) * area,
        "unmapped_pixels": lacking.isel(sum=0).astype(np.int64),
    }
    return _finish(made, coords, fields=fields)


def _in_cells(
    before: xr.DataArray,
    after: xr.DataArray,
    grid: TargetGrid,
    *,
    fields: MapFields,
    coords: dict[str, Any],
) -> xr.Dataset:
    """Transitions in cells, with shares of pixels."""
    matrix, lacking = pair_areas(before, after, grid, legend=fields.legend)
    made = {"transition_area": matrix, "unmapped_area": lacking}
    of_cells, mapping = cell_coords(grid)
    result = _finish(made, coords | of_cells, fields=fields)
    area = {"long_name": "area of the cell on the ellipsoid", "units": "m2"}
    result["cell_area"] = (grid.dims, grid.areas().reshape(grid.shape), area)
    for name in result.data_vars if mapping else ():
        result[name].encoding["grid_mapping"] = mapping
    result.attrs["grid"] = grid.name
    return result


def _finish(
    made: dict[str, xr.Variable], coords: dict[str, Any], *, fields: MapFields
) -> xr.Dataset:
    """Areas and pixels as a Dataset with attributes written anew."""
    words = fields.task.replace("_", " ")
    names = {
        "transition": f"{{}} of {words} from one class to another",
        "unmapped": "{} not mapped in one or both of the years",
    }
    for name, var in made.items():
        what, unit = name.split("_")
        size = "area" if unit == "area" else "number of pixels"
        var.attrs = {
            "long_name": names[what].format(size),
            "units": "m2" if unit == "area" else "1",
        }
    given = fields.maps[fields.task].attrs
    kept = {k: str(given[k]) for k in ("model_hash", "year_start") if k in given}
    before = f"{given['history']}; " if given.get("history") else ""
    history = {"history": f"{before}lulc_xr.transitions"}
    return xr.Dataset(
        made, coords, {"task": fields.task, "uncertainty": _UNCERTAIN} | kept | history
    )


def period_coords(pairs: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Coordinates along `period`."""
    names = np.array([f"{a}-{b}" for a, b in pairs], np.dtypes.StringDType())
    ends = np.array(pairs, np.int64)
    return {
        "period": ("period", names, {"long_name": "years compared"}),
        "from_year": ("period", ends[:, 0], {"long_name": "earlier year"}),
        "to_year": ("period", ends[:, 1], {"long_name": "later year"}),
    }


def class_coords(legend: Legend) -> dict[str, Any]:
    """Coordinates along `from_class` and `to_class`, with the legend as flags."""
    names = np.array(legend.names, np.dtypes.StringDType())
    return {
        "from_class": ("from_class", names, {"long_name": "class in the earlier year"}),
        "to_class": ("to_class", names, {"long_name": "class in the later year"}),
        "class_id": ("from_class", np.array(legend.ids, np.uint8), legend.flags()),
    }
