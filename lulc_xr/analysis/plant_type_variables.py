"""Plant types and land units as CF variables: names, attributes, and what they were made by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from lulc_xr.core.clm import CROPS, FIRST_CROP, LANDUNITS, NATURAL_PFTS
from lulc_xr.core.crosswalk import Crosswalk
from lulc_xr.core.plant_rules import PlantClimateRules

_OURS = ("c4_share", "evergreen_coldest", "evergreen_driest", "evergreen_share")
"""Numbers of the rules that are our own, apart from those that a user changes."""

_WORDS = {
    "landunit_fraction": "share of the cell in each land unit of CLM5",
    "natural_pft_fraction": "share of the cell with each natural plant functional type of CLM5",
    "cft_fraction": "share of the cell with each crop functional type of CLM5",
    "ocean_fraction": "share of the cell that is sea",
    "ignored_fraction": "share of the cell whose class says nothing of plants or land",
    "unmapped_fraction": "share of the cell that is not mapped",
}
_COMMENTS = {
    "landunit_fraction": "with ocean_fraction, ignored_fraction and unmapped_fraction it sums to 1",
    "natural_pft_fraction": "share of the whole cell; sums to landunit natural_vegetation",
    "cft_fraction": "share of the whole cell; sums to landunit crop",
}
_LISTS = {
    "landunit_fraction": "landunit",
    "natural_pft_fraction": "natpft",
    "cft_fraction": "cft",
}
_KEPT = ("cell_area", "covered_fraction", "cell_coverage")
_COPIED = ("Conventions", "grid", "legend", "lulc_xr:sources")


def describe(
    made: Mapping[str, xr.DataArray],
    fractions: xr.Dataset,
    *,
    dims: Sequence[str],
    walk: Crosswalk,
    rules: PlantClimateRules,
    said: Mapping[str, Any],
) -> xr.Dataset:
    """The dataset of plant types.

    Parameters
    ----------
    made : mapping of str to xr.DataArray
        Bare variables by their names.
    fractions : xr.Dataset
        What they were made from: gives coordinates of the cells, the grid mapping and the sources.
    dims : sequence of str
        Dimensions of the cells.
    walk : Crosswalk
        From classes to plant groups.
    rules : PlantClimateRules
        Rules and thresholds.
    said : mapping
        The other options, as values that JSON takes.
    """
    given = fractions["fraction"]
    mapping = given.encoding.get("grid_mapping") or given.attrs.get("grid_mapping")
    variables = {}
    for name, array in made.items():
        first = (_LISTS[name],) if name in _LISTS else ()
        ordered = array.transpose(*first, "year", *dims)
        ordered.attrs = {"units": "1", "long_name": _WORDS[name], "cell_methods": "area: mean"}
        if name in _COMMENTS:
            ordered.attrs["comment"] = _COMMENTS[name]
        variables[name] = ordered
    for name in _KEPT:
        if name in fractions:
            bare = fractions[name].drop_vars(list(fractions[name].coords))
            variables[name] = bare.assign_attrs(fractions[name].attrs)
    cells = {n: v for n, v in fractions.coords.items() if "class" not in v.dims}
    crops = made["cft_fraction"].sizes["cft"]
    result = xr.Dataset(variables, coords={**cells, **_names(crops)})
    for name in (*made, *_KEPT):
        if mapping and name in result:
            result[name].attrs.pop("grid_mapping", None)
            result[name].encoding["grid_mapping"] = mapping
    result.attrs = _attributes(fractions, walk, rules, said)
    return result


def _names(crops: int) -> dict[str, Any]:
    """Coordinates of land units, plant types and crops with their numbers."""
    numbers = range(FIRST_CROP, FIRST_CROP + crops)
    words = {"long_name": "number of the plant functional type in CLM5"}
    return {
        "landunit": ("landunit", _texts(LANDUNITS), {"long_name": "land unit of CLM5"}),
        "natpft": ("natpft", _texts(NATURAL_PFTS), {"long_name": "natural plant type"}),
        "natpft_id": ("natpft", np.arange(len(NATURAL_PFTS), dtype=np.int32), words),
        "cft": ("cft", _texts([CROPS[n] for n in numbers]), {"long_name": "crop type"}),
        "cft_id": ("cft", np.array(numbers, np.int32), words),
    }


def _texts(words: Sequence[str]) -> Any:
    return np.array(words, np.dtypes.StringDType())


def _attributes(
    fractions: xr.Dataset, walk: Crosswalk, rules: PlantClimateRules, said: Mapping[str, Any]
) -> dict[str, Any]:
    """Attributes of the dataset; those of the fractions only where they say where it is from."""
    copied = {name: fractions.attrs[name] for name in _COPIED if name in fractions.attrs}
    before = str(fractions.attrs.get("history", "")).rstrip()
    step = f"plant_functional_types: {walk.source.name} to CLM5 by {rules.name}"
    return {
        "Conventions": "CF-1.10",
        **copied,
        "title": "land units, plant and crop functional types of CLM5",
        "crosswalk": json.dumps(_crosswalk(walk)),
        "climate_rules": json.dumps(
            {
                "name": rules.name,
                "source": rules.source,
                "thresholds": rules.thresholds(),
                "ours": list(_OURS),
                **said,
            }
        ),
        "history": f"{before}\n{step}".strip(),
    }


def _crosswalk(walk: Crosswalk) -> dict[str, Any]:
    names = [dict(zip(x.ids, x.names, strict=True)) for x in (walk.source, walk.target)]
    return {
        "source": walk.source.name,
        "target": walk.target.name,
        "rows": [
            {
                "class": names[0][row.source],
                "shares": {names[1][target]: share for target, share in row.shares.items()},
                "status": "published" if row.published else "own proposal",
                "reference": row.reference,
            }
            for row in walk.rows
            if row.key is None
        ],
    }
