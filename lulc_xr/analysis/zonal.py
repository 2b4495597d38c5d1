"""Uncertainty of areas: shares of classes in zones, and how far they differ between members."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.zone_counts import add_variances, count, find_ids, in_chunks
from lulc_xr.analysis.zone_raster import check_zones
from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.legend import Legend

_ALONE = (
    "The map is of a single model: how far the shares of a zone may be off is not known. Errors "
    "of neighbouring pixels go together, so it does not follow from the uncertainty of single "
    "pixels. Classify with several members, and ask for outputs=(..., 'members')."
)
_SEVERAL = (
    "Standard deviations are between {} members, so they hold what the members disagree about; "
    "an error that all of them share does not show."
)
_INDEPENDENT = (
    "Not to be used alone: what would hold if the errors of all pixels were independent. They are "
    "not, and the true standard deviation of a zone may be many times as large."
)


def zonal_uncertainty(
    maps: xr.Dataset, zones: xr.DataArray, *, task: str = "land_cover"
) -> xr.Dataset:
    """Shares of classes in zones with their standard deviation between members of a model.

    The error of an area is not the sum of independent errors of its pixels: a model that takes
    one meadow for a crop does so with its neighbour too. Members of an ensemble are wrong
    together as models are, so the shares that each of them gives to a zone tell how far the
    share may be off.

    Parameters
    ----------
    maps : xr.Dataset
        Maps as :func:`lulc_xr.classify` gives them, with ``<task>_members``; else ``<task>``,
        whose shares have no standard deviation. Lazy maps are computed chunk by chunk.
    zones : xr.DataArray of int
        (y, x), ids of zones such as fields or grid cells, on the grid of the maps. Pixels of the
        value ``_FillValue``, or of 0 where there is no such attribute, lie in no zone.
    task : str
        Name of the task.

    Returns
    -------
    xr.Dataset
        Over (year, zone, class), in shares of the pixels of the zone:

        - ``share``: mean over members. With ``unmapped_share`` (year, zone) it adds up to 1;
        - ``share_std``, ``share_min``, ``share_max``: standard deviation (n - 1), lowest and
          highest share of the members; NaN where there is a single one;
        - ``share_std_if_independent``: standard deviation if pixels erred independently, where
          the maps have ``<task>_probability``. It is far too small, see above.

        ``zone_pixels`` (zone) and ``mapped_pixels`` (year, zone) are numbers of pixels. The
        attribute `uncertainty` says in a sentence what the standard deviation is.

    Raises
    ------
    CubeError
        If there is no such map, zones lie on another grid or are no whole numbers, or there is
        no zone.

    Notes
    -----
    Each chunk is counted by itself and counts are added up, so that memory holds numbers of zones
    times classes times members, and chunks do not show.

    Examples
    --------
    >>> legend = Legend.from_names("demo", ["crop", "grass"])
    >>> members = np.array([[[[0, 0, 1, 1]], [[0, 0, 0, 0]]]], np.uint8)
    >>> dims = ("year", "member", "y", "x")
    >>> maps = xr.Dataset({"land_cover_members": (dims, members, legend.flags())})
    >>> found = zonal_uncertainty(maps, xr.DataArray([[7, 7, 7, 7]], dims=("y", "x")))
    >>> found["share"].values.tolist(), found["share_std"].values.round(3).tolist()
    ([[[0.75, 0.25]]], [[[0.354, 0.354]]])
    """
    classes, several = _class_maps(maps, task)
    legend = Legend.from_flags(classes.attrs)
    probability = _probabilities(maps, task, legend)
    zones = in_chunks(check_zones(zones, classes))
    ids = find_ids(zones)
    arrays = {"classes": in_chunks(classes).drop_attrs(), "zones": zones}
    # Chunks of one size for all; a Dataset holds them by name.
    blocks = xr.Dataset(arrays if probability is None else {**arrays, "probability": probability})
    blocks = blocks.unify_chunks()
    counts = count(blocks["classes"], blocks["zones"], ids, legend)
    lazy: dict[str, Any] = {"counts": (("year", "member", "zone", "index"), counts)}
    if probability is not None:
        variances = add_variances(blocks["probability"], blocks["zones"], ids)
        lazy["variance"] = (("year", "class", "zone"), variances)
    # At once, so that lazy maps are made once.
    summed = xr.Dataset(lazy).compute()
    return _describe(summed, classes, ids=ids, legend=legend, several=several)


def _class_maps(maps: xr.Dataset, task: str) -> tuple[xr.DataArray, bool]:
    """Class maps (year, member, y, x), and whether there are several members."""
    name = f"{task}_members" if f"{task}_members" in maps else task
    if name not in maps:
        known = [str(n) for n, v in maps.data_vars.items() if "flag_values" in v.attrs]
        raise CubeError(
            name_unknown("map", name, known) + " Classify with outputs=(..., 'members')."
        )
    found = maps[name]
    for dim in ("year", "member"):
        if dim not in found.dims:
            found = found.drop_vars(dim, errors="ignore").expand_dims(dim)
    if found.dtype != np.uint8 or set(found.dims) != {"year", "member", "y", "x"}:
        raise CubeError(
            f"{name!r} is {found.dtype} over {maps[name].dims}; expected uint8 class ids over "
            "(year, y, x), and member."
        )
    ordered = found.transpose("year", "member", "y", "x")
    return ordered, ordered.sizes["member"] > 1


def _probabilities(maps: xr.Dataset, task: str, legend: Legend) -> xr.DataArray | None:
    """Probabilities (year, class, y, x), if the maps have them."""
    found = maps.get(f"{task}_probability")
    if found is None:
        return None
    if "year" not in found.dims:
        found = found.drop_vars("year", errors="ignore").expand_dims("year")
    (dim,) = set(found.dims) - {"year", "y", "x"}
    if found.sizes[dim] != len(legend):
        raise CubeError(
            f"'{task}_probability' is of {found.sizes[dim]} classes, the class map of "
            f"{len(legend)}. Give maps of one classification."
        )
    bare = found.transpose("year", dim, "y", "x").drop_vars(list(found.coords))
    return in_chunks(bare.rename({dim: "class"})).drop_attrs()


def _describe(
    summed: xr.Dataset,
    classes: xr.DataArray,
    *,
    ids: NDArray[np.integer],
    legend: Legend,
    several: bool,
) -> xr.Dataset:
    counts = summed["counts"].values
    pixels = counts[0, 0].sum(axis=-1)
    shares = counts / pixels[:, None]
    each, unmapped = shares[..., :-1], shares[..., -1]
    nothing = np.full(each.shape[:1] + each.shape[2:], np.nan)
    dims = ("year", "zone", "class")
    values = {
        "share": (each.mean(axis=1), "mean share of the zone over members"),
        "share_std": (
            each.std(axis=1, ddof=1) if several else nothing,
            "standard deviation of the share between members",
        ),
        "share_min": (each.min(axis=1) if several else nothing, "lowest share of a member"),
        "share_max": (each.max(axis=1) if several else nothing, "highest share of a member"),
    }
    made = {n: (dims, v, {"long_name": text, "units": "1"}) for n, (v, text) in values.items()}
    if "variance" in summed:
        variance = summed["variance"].transpose("year", "zone", "class").values
        attrs = {
            "long_name": "standard deviation of the share if pixels erred independently",
            "units": "1",
            "comment": _INDEPENDENT,
        }
        made["share_std_if_independent"] = (dims, np.sqrt(variance) / pixels[:, None], attrs)
    mapped = np.rint(counts[..., :-1].sum(axis=-1).mean(axis=1)).astype(np.int64)
    lacking = {"long_name": "share of the zone that is not mapped", "units": "1"}
    result = xr.Dataset(
        {
            **made,
            "unmapped_share": (dims[:2], unmapped.mean(axis=1), lacking),
            "mapped_pixels": (dims[:2], mapped, {"long_name": "mapped pixels", "units": "1"}),
            "zone_pixels": ("zone", pixels, {"long_name": "pixels of the zone", "units": "1"}),
        },
        coords={
            "zone": ids,
            "class": np.array(legend.names, object),
            **({"year": classes["year"].variable} if "year" in classes.coords else {}),
        },
    )
    members = classes.sizes["member"]
    result.attrs = {
        "members": members,
        "uncertainty": _SEVERAL.format(members) if several else _ALONE,
        "history": "lulc_xr.zonal_uncertainty",
    }
    return result
