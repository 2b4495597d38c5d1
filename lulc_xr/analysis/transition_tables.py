"""Gains, losses and what stays, class by class, from areas of transitions."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from lulc_xr.core.errors import CubeError, name_unknown

UNITS = {"m2": 1.0, "ha": 1e4, "km2": 1e6}
"""Square metres of each unit of area."""

ALL_CLASSES = "all_classes"
"""Name of the row of the sums."""


def change_table(changes: xr.Dataset, *, unit: str = "ha") -> pd.DataFrame:
    """What each class gained, lost and kept in each period.

    Parameters
    ----------
    changes : xr.Dataset
        As :func:`lulc_xr.transitions` gives it; a lazy one is computed. Zones keep their own rows;
        sum over them, or select one, for a shorter table.
    unit : {"ha", "m2", "km2"}
        Unit of all areas.

    Returns
    -------
    pandas.DataFrame
        One row per period, zone if there are zones, and class, with the areas

        - ``before`` and ``after``: of the class in the earlier and in the later year, on the
          pixels that have a class in both;
        - ``kept``, ``lost`` and ``gained``: of the class in both years, in the earlier one only,
          in the later one only;
        - ``net_change``: gained less lost; ``swap``: twice the smaller of both, what was lost in
          one place and gained in another;
        - ``kept_share``: kept as a share of before.

        A last row ``all_classes`` holds their sums; its ``kept_share`` is the stable share of the
        area, its ``lost`` and ``gained`` are both the area that changed.
        ``attrs["unit"]`` is the unit.

    Raises
    ------
    CubeError
        If these are no transitions, or the unit is unknown.

    References
    ----------
    Pontius, R. G., Shusas, E., McEachern, M. (2004). Detecting important categorical land changes
    while accounting for persistence. Agriculture, Ecosystems and Environment 101, 251-268.
    """
    if unit not in UNITS:
        raise CubeError(name_unknown("unit of area", unit, UNITS))
    given = areas_of(changes)
    bare = given.drop_vars([name for name in given.coords if name not in given.dims])
    area = bare.compute() / UNITS[unit]
    kept = area.where(area["from_class"] == area["to_class"], 0).sum("to_class")
    kept = kept.rename(from_class="class")
    before = area.sum("to_class").rename(from_class="class")
    after = area.sum("from_class").rename(to_class="class")
    table = xr.Dataset({"before": before, "after": after, "kept": kept})
    table["lost"], table["gained"] = before - kept, after - kept
    table["net_change"] = table["gained"] - table["lost"]
    table["swap"] = 2 * xr.where(table["gained"] < table["lost"], table["gained"], table["lost"])
    table = table.assign_coords({"class": table["class"].astype(object)})
    total = table.sum("class").expand_dims({"class": [ALL_CLASSES]})
    table = xr.concat([table, total], "class")
    table["kept_share"] = (table["kept"] / table["before"]).where(table["before"] > 0)
    places = [dim for dim in area.dims if dim not in ("period", "from_class", "to_class")]
    order = [dim for dim in ("period", *places, "class") if dim in table.dims]
    frame = table.to_dataframe(dim_order=order)
    frame.attrs = {"unit": unit}
    return frame


def areas_of(changes: xr.Dataset) -> xr.DataArray:
    """Areas of the transitions in square metres.

    Raises
    ------
    CubeError
        If these are no transitions.
    """
    found = changes.get("transition_area")
    if found is None or not {"from_class", "to_class"} <= set(found.dims):
        raise CubeError(
            f"no transition_area (from_class, to_class) among {sorted(map(str, changes))}. Give "
            "what lulc_xr.transitions gives."
        )
    return found
