"""Plant functional types and land units of CLM5 from fractions of classes and climate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from lulc_xr.analysis.cell_climate import Method, Missing, cell_climate
from lulc_xr.analysis.fractions import Maps, fractions
from lulc_xr.analysis.grid_files import as_grid
from lulc_xr.analysis.plant_crosswalk_choice import choose_crosswalk
from lulc_xr.analysis.plant_type_shares import (
    ClassShares,
    GroupColumns,
    crop_shares,
    landunit_shares,
    natural_shares,
    per_cell,
)
from lulc_xr.analysis.plant_type_variables import describe
from lulc_xr.core.crosswalk import Crosswalk
from lulc_xr.core.errors import CubeError, LegendError, name_unknown
from lulc_xr.core.plant_rules import NEEDLELEAF_SHARE, PlantClimateRules, find_climate_rules

Share = float | xr.DataArray

_OF = {"land_cover": "fraction", "probability": "expected_fraction"}
_CROPS = ("generic", "types")
_WETLAND = ("landunit", "grass")


def plant_functional_types(
    maps: Maps | Sequence[Maps],
    grid: Any = None,
    *,
    climate: xr.Dataset | xr.DataArray,
    climate_rules: str | PlantClimateRules = "bonan2002",
    crosswalk: Crosswalk | None = None,
    of: Literal["land_cover", "probability"] = "land_cover",
    years: Sequence[int] | None = None,
    crops: Literal["generic", "types"] = "generic",
    wetland: Literal["landunit", "grass"] = "landunit",
    irrigated_share: Share = 0.0,
    needleleaf_share: Share = NEEDLELEAF_SHARE,
    evergreen_share: Share | None = None,
    land_fraction: xr.DataArray | None = None,
    method: Method = "auto",
    on_missing: Missing = "refuse",
) -> xr.Dataset:
    """Land units, natural plant types and crops of CLM5 in the cells of a grid, lazily.

    A crosswalk turns classes into plant groups, crops and land units; climate splits the groups
    into plant types by rules; crops are told apart where the legend knows them.

    Parameters
    ----------
    maps : xr.Dataset, or maps as :func:`lulc_xr.fractions` takes them
        Fractions of maps or of points (:func:`lulc_xr.fractions_from_points`), without `grid`; or
        class maps, which are first made fractions on `grid`.
    grid : optional
        The cells, as for :func:`lulc_xr.fractions`. None: `maps` are fractions.
    climate : xr.Dataset or xr.DataArray
        Monthly climate, BIO variables, or what :func:`lulc_xr.cell_climate` gave; on the cells,
        or anywhere around them. `method` and `on_missing` are described there.
    climate_rules : str or PlantClimateRules
        Rules and thresholds: "bonan2002" or your own. Which numbers could be compared with what,
        and which are ours, says :class:`lulc_xr.PlantClimateRules`.
    crosswalk : Crosswalk, optional
        From the legend of the fractions to plant groups (:func:`lulc_xr.plant_group_legend`), or
        to a legend that :func:`lulc_xr.list_plant_crosswalks` names. Default: that of the legend.
        Rows of a second key are not used.
    of : {"land_cover", "probability"}
        Counted fractions, or those expected by probabilities.
    years : sequence of int, optional
        Years; by default all.
    crops : {"generic", "types"}
        Two crops, rainfed and irrigated (CFT 15 and 16), or the 64 of CLM5 (15 to 78). A legend
        that does not tell crops puts all of them into ``c3_crop``.
    wetland : {"landunit", "grass"}
        Wetland as a land unit of its own, or as grass, which TSMP does.
    irrigated_share : float or xr.DataArray
        Share of rainfed crops that is irrigated, for all cells or of each. Maps do not say it:
        0, all rainfed, is ours.
    needleleaf_share : float or xr.DataArray
        Share of trees of unknown leaf (woodland of level 1, tree cover) that is needleleaf: half
        of them is ours. Better: a share of each cell from a map that knows it.
    evergreen_share : float or xr.DataArray, optional
        Share of broadleaf trees of unknown leaf that is evergreen. Default, and where NaN: as the
        rules say by climate, which is ours.
    land_fraction : xr.DataArray, optional
        Share of each cell that is land, from the land model. Water that a map calls lake, but
        the model sea, counts as ocean. For maps that do not tell sea from lakes.
    method, on_missing
        How climate is brought to the cells, see :func:`lulc_xr.cell_climate`.

    Returns
    -------
    xr.Dataset
        Shares of the area of the cell:

        - ``landunit_fraction`` (landunit, year, cells): natural_vegetation, crop, lake, wetland,
          glacier, urban;
        - ``natural_pft_fraction`` (natpft, year, cells): 15 types, with `natpft_id` 0 to 14; they
          sum to natural_vegetation;
        - ``cft_fraction`` (cft, year, cells): crops, with `cft_id`; they sum to crop;
        - ``ocean_fraction``, ``ignored_fraction`` (the crosswalk ignores the class),
          ``unmapped_fraction`` (year, cells). With the land units they sum to 1 within 1e-6.

        Attributes `crosswalk` and `climate_rules` say, in JSON, what was used. Cells without
        climate are refused, when computed, if they have plants that need it.

    Raises
    ------
    CubeError
        If fractions or climate are not as expected.
    LegendError
        If there is no crosswalk from the legend, or an option is not known.

    Notes
    -----
    Standard errors are not carried along: how errors of classes go together is not known.

    Examples
    --------
    >>> import lulc_xr as lx
    >>> classes = lx.legend("lucas_lc1_level1")
    >>> dims = ("class", "year", "lat", "lon")
    >>> shares = np.array([0.1, 0.4, 0.3, 0.0, 0.2, 0.0, 0.0, 0.0]).reshape(8, 1, 1, 1)
    >>> data = xr.Dataset(
    ...     {"fraction": (dims, shares), "unmapped_fraction": (dims[1:], np.zeros((1, 1, 1)))},
    ...     {
    ...         "class": list(classes.names),
    ...         "class_id": ("class", list(classes.ids), classes.flags()),
    ...         "year": [2018],
    ...         "lat": [50.7],
    ...         "lon": [7.1],
    ...     },
    ... )
    >>> climate = {
    ...     "coldest_month": 2.5,
    ...     "warmest_month": 18.5,
    ...     "growing_degree_days": 2200.0,
    ...     "annual_precipitation": 800.0,
    ...     "winter_precipitation": 380.0,
    ...     "driest_month_precipitation": 50.0,
    ... }
    >>> here = {"lat": [50.7], "lon": [7.1]}
    >>> at = {k: (("lat", "lon"), np.full((1, 1), v)) for k, v in climate.items()}
    >>> types = plant_functional_types(data, climate=xr.Dataset(at, here))
    >>> found = types["natural_pft_fraction"].squeeze()
    >>> found.where(found > 0, drop=True).to_series().round(2).to_dict()
    {'needleleaf_evergreen_temperate_tree': 0.15, 'broadleaf_deciduous_temperate_tree': 0.15,
     'c3_non-arctic_grass': 0.2}
    """
    for what, given, known in (
        ("kind of fractions", of, _OF), ("way of telling crops", crops, _CROPS),
        ("way of taking wetland", wetland, _WETLAND),
    ):  # fmt: skip
        if given not in known:
            raise LegendError(name_unknown(what, given, known))
    rules = find_climate_rules(climate_rules)
    shares, target = _fractions(maps, grid, of=of, years=years)
    classes = ClassShares.of(shares, _OF[of])
    walk = choose_crosswalk(classes.legend, crosswalk)
    groups = GroupColumns.of(walk, wetland_as_grass=wetland == "grass")
    given_shares = {
        "irrigated_share": irrigated_share,
        "needleleaf_share": needleleaf_share,
        "evergreen_share": np.nan if evergreen_share is None else evergreen_share,
    }
    irrigated, needleleaf, evergreen = (
        per_cell(value, name, shares) for name, value in given_shares.items()
    )
    land = None if land_fraction is None else per_cell(land_fraction, "land_fraction", shares)
    cells = cell_climate(climate, target, method=method, on_missing=on_missing)
    units, ocean = landunit_shares(classes, groups, land)
    made = {
        "landunit_fraction": units,
        "natural_pft_fraction": natural_shares(
            classes, groups, cells, rules=rules, needleleaf=needleleaf, evergreen=evergreen
        ),
        "cft_fraction": crop_shares(classes, groups, irrigated, types=crops == "types"),
        "ocean_fraction": ocean,
        "ignored_fraction": classes.into(groups.ignored()),
        "unmapped_fraction": classes.unmapped,
    }
    said = {name: _said(value) for name, value in given_shares.items()}
    said |= {"of": of, "crops": crops, "wetland": wetland, "climate": cells.attrs["source"]}
    said["land_fraction"] = "not given" if land_fraction is None else "given per cell"
    return describe(made, shares, dims=classes.dims, walk=walk, rules=rules, said=said)


def _fractions(
    maps: Maps | Sequence[Maps], grid: Any, *, of: str, years: Sequence[int] | None
) -> tuple[xr.Dataset, Any]:
    """Fractions, and the cells that climate is brought to: a grid, or the fractions themselves."""
    if grid is not None:
        target = as_grid(grid)
        kinds = ["land_cover"] + (["probability"] if of == "probability" else [])
        made = fractions(maps, target, of=kinds, years=years, entropy=False, members=False)
        return made, target
    if not isinstance(maps, xr.Dataset) or "fraction" not in maps:
        raise CubeError(
            "these maps are no fractions, so a grid is needed: plant_functional_types(maps, "
            "'EUR-11', climate=...)."
        )
    absent = [] if years is None else [str(y) for y in years if y not in maps["year"].values]
    if absent:
        raise CubeError(f"fractions have no year {', '.join(absent)}, but "
                        f"{', '.join(map(str, maps['year'].values))}.")  # fmt: skip
    chosen = maps if years is None else maps.sel(year=list(years))
    return chosen, chosen


def _said(value: Share) -> float | str | None:
    """A share as provenance: the number, or that it was given for each cell."""
    if isinstance(value, xr.DataArray):
        return "given per cell"
    return None if np.isnan(value) else float(value)
