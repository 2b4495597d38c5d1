"""Masks of some classes of a map: yes, no, or not known, lazily."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.map_parts import class_map_of, part_of
from lulc_xr.core.class_choice import ClassChoice, choose_classes
from lulc_xr.core.errors import CubeError
from lulc_xr.core.legend import FILL_CLASS, Legend

_NO, _YES, _STRANGE, _UNKNOWN = 0, 1, 254, 255
# Of sums of stored probabilities, which are steps of 1/250 in float32.
_ROUNDING = 1e-6
_KEPT = ("model_hash", "precision", "year_start")


def mask(
    maps: xr.Dataset,
    classes: ClassChoice,
    *,
    task: str = "land_cover",
    min_probability: float | None = None,
    max_entropy: float | None = None,
    legend: Legend | None = None,
    name: str = "mask",
) -> xr.Dataset:
    """Where a map shows some classes, such as cropland: yes, no, or not known.

    The class map says yes or no. Thresholds only take pixels out of both: what they leave out is
    not known, and never turns from no to yes.

    Parameters
    ----------
    maps : xr.Dataset
        Maps as :func:`lulc_xr.classify` and :func:`lulc_xr.open_cube` give them, any dimensions
        beside `y` and `x`; for the thresholds with ``<task>_probability``, ``<task>_entropy``.
    classes : str, int, or sequence of them
        Classes by name or id; they count as one. With a legend that has levels (LUCAS, CORINE)
        also the name of a group: "cropland" of a map of LUCAS level 2.
    task : str
        Name of the class map.
    min_probability : float, optional
        Least probability of what is said, above 0 and up to 1: the sum over `classes` for a yes,
        one less this sum for a no. Stored probabilities are whole steps of 1/250, which may move
        a sum by as much as 1/500 for each class.
    max_entropy : float, optional
        Largest Shannon entropy in nats; a pixel that is less certain is not known.
    legend : Legend, optional
        The classes of the map; by default its CF flags.
    name : str
        Name of the mask.

    Returns
    -------
    xr.Dataset
        Lazy if the maps are, over their dimensions:

        - ``<name>`` bool: True where the answer is yes; False for no *and* for not known;
        - ``<name>_known`` bool: True where there is an answer. Pixels that are not mapped, or
          miss a threshold, are False.

        So ``m.mask`` is yes, ``m.mask_known & ~m.mask`` is no, ``~m.mask_known`` is not known,
        and ``maps.where(m.mask)`` keeps what is yes. Zarr holds them as bool, NetCDF as bytes with
        flags that Xarray reads as bool.

    Raises
    ------
    LegendError
        If a class is not known; the nearest come first.
    CubeError
        If the map, or what a threshold needs, is not there; or for a threshold out of range.

    Notes
    -----
    Boolean, since ``where`` takes a filled flag (255) or NaN for yes. The rule for thresholds is
    ours.

    Examples
    --------
    >>> legend = Legend.from_names("demo", ["cropland", "water"])
    >>> ids = np.array([[0, 0, 1, 255]], np.uint8)
    >>> p = np.array([0.9, 0.6, 0.4, np.nan], np.float32)
    >>> maps = xr.Dataset(
    ...     {
    ...         "land_cover": (("y", "x"), ids, legend.flags()),
    ...         "land_cover_probability": (("class", "y", "x"), np.stack([[p], [1 - p]])),
    ...     }
    ... )
    >>> found = mask(maps, "cropland", min_probability=0.7)
    >>> found["mask"].values.tolist(), found["mask_known"].values.tolist()
    ([[True, False, False, False]], [[True, False, False, False]])
    """
    class_map = class_map_of(maps, task)
    legend = legend or Legend.from_flags(class_map.attrs)
    chosen = choose_classes(legend, classes)
    _check_thresholds(min_probability, max_entropy, legend)
    codes = _answers(
        maps, class_map, legend, task=task, chosen=chosen,
        min_probability=min_probability, max_entropy=max_entropy,
    )  # fmt: skip
    common = _attributes(class_map, legend, chosen, min_probability, max_entropy, task)
    words = " or ".join(n for i, n in zip(legend.ids, legend.names, strict=True) if i in chosen)
    yes, known = (codes == _YES), (codes != _UNKNOWN)
    yes.attrs = {
        "long_name": f"{words} in {task.replace('_', ' ')}",
        **_flags("no_or_not_known yes"),
        "ancillary_variables": f"{name}_known",
        **common,
    }
    known.attrs = {
        "long_name": f"whether it is known if a pixel is {words}",
        **_flags("not_known known"),
        **common,
    }
    for var in (yes, known):
        var.encoding = {"grid_mapping": "spatial_ref"} if "spatial_ref" in maps.coords else {}
    return xr.Dataset({name: yes, f"{name}_known": known})


def _check_thresholds(
    min_probability: float | None, max_entropy: float | None, legend: Legend
) -> None:
    if min_probability is not None and not 0 < min_probability <= 1:
        raise CubeError(
            f"min_probability={min_probability} is not above 0 and up to 1. Give a share, such as "
            "0.8 for 80 %, or None for no threshold."
        )
    if max_entropy is not None and not max_entropy >= 0:
        raise CubeError(
            f"max_entropy={max_entropy} is below 0. Entropy is in nats, from 0 (certain) to "
            f"{np.log(len(legend)):.3f} for these {len(legend)} classes; None for no threshold."
        )


def _answers(
    maps: xr.Dataset,
    class_map: xr.DataArray,
    legend: Legend,
    *,
    task: str,
    chosen: Sequence[int],
    min_probability: float | None,
    max_entropy: float | None,
) -> xr.DataArray:
    """0 no, 1 yes, 255 not known, over the dimensions of the class map."""
    arrays: list[xr.DataArray] = [class_map]
    cores: list[list[str]] = [[]]
    settings: dict[str, Any] = {}
    if max_entropy is not None:
        arrays.append(part_of(maps, task, "entropy", "max_entropy"))
        cores.append([])
        settings["max_entropy"] = max_entropy
    if min_probability is not None:
        probability = part_of(maps, task, "probability", "min_probability")
        dim = _class_dimension(probability, class_map, legend)
        settings["positions"] = tuple(i for i, c in enumerate(legend.ids) if c in chosen)
        settings["min_probability"] = min_probability
        arrays.append(probability.chunk({dim: -1}) if probability.chunks else probability)
        cores.append([dim])
    table = np.full(256, _STRANGE, np.uint8)
    table[FILL_CLASS] = _UNKNOWN
    table[list(legend.ids)] = _NO
    table[list(chosen)] = _YES
    found: xr.DataArray = xr.apply_ufunc(
        _answer_block,
        *(array.drop_attrs(deep=False) for array in arrays),
        input_core_dims=cores,
        kwargs={"table": table, "legend": legend, **settings},
        dask="parallelized",
        output_dtypes=[np.uint8],
    )
    return found.transpose(*class_map.dims)


def _answer_block(
    classes: NDArray[Any],
    *others: NDArray[Any],
    table: NDArray[np.uint8],
    legend: Legend,
    max_entropy: float | None = None,
    min_probability: float | None = None,
    positions: tuple[int, ...] = (),
) -> NDArray[np.uint8]:
    """Answers of a block; `others` are entropy (...) and probability (..., class), as asked."""
    if classes.dtype.kind == "f":
        # Xarray's own decoding of the fill value.
        classes = np.where(np.isnan(classes), FILL_CLASS, classes).astype(np.int16)
    codes = table[np.clip(classes, 0, FILL_CLASS)]
    if classes.dtype != np.uint8 or (codes == _STRANGE).any():
        legend.index_of(classes)
    rest = list(others)
    if max_entropy is not None:
        entropy = np.broadcast_to(rest.pop(0), codes.shape)
        # NaN fails every comparison, and is not known.
        codes = np.where(entropy <= max_entropy, codes, _UNKNOWN)
    if min_probability is not None:
        total = rest.pop(0)[..., positions].sum(axis=-1, dtype=np.float64)
        total = np.broadcast_to(total, codes.shape)
        said = np.where(codes == _YES, total, 1 - total)
        codes = np.where(said >= min_probability - _ROUNDING, codes, _UNKNOWN)
    answers: NDArray[np.uint8] = codes.astype(np.uint8, copy=False)
    return answers


def _class_dimension(probability: xr.DataArray, class_map: xr.DataArray, legend: Legend) -> str:
    extra = [str(d) for d in probability.dims if d not in class_map.dims]
    sizes = ", ".join(f"{n} along {str(d)!r}" for d, n in probability.sizes.items())
    if len(extra) != 1 or probability.sizes[extra[0]] != len(legend):
        raise CubeError(
            f"{probability.name!r} has {sizes}; expected the dimensions of the class map and one "
            f"of its {len(legend)} classes. Give maps of one classification."
        )
    return extra[0]


def _flags(meanings: str) -> dict[str, Any]:
    # int8: what Xarray makes of bool in NetCDF, so that flags and values are of one type there.
    return {"flag_values": np.array([0, 1], np.int8), "flag_meanings": meanings}


def _attributes(
    class_map: xr.DataArray,
    legend: Legend,
    chosen: Sequence[int],
    min_probability: float | None,
    max_entropy: float | None,
    task: str,
) -> dict[str, Any]:
    names = [n for i, n in zip(legend.ids, legend.names, strict=True) if i in chosen]
    rule = {"min_probability": min_probability, "max_entropy": max_entropy}
    given = {k: float(v) for k, v in rule.items() if v is not None}
    before = str(class_map.attrs.get("history", ""))
    call = f"lulc_xr.mask({json.dumps(names)})"
    return {
        "comment": "not known: not mapped"
        + (", or less probable or less certain than the thresholds" if given else ""),
        "masked_task": task,
        "masked_classes": " ".join(names),
        "legend": legend.name,
        **given,
        **{k: str(class_map.attrs[k]) for k in _KEPT if k in class_map.attrs},
        "history": f"{before}; {call}" if before else call,
    }
