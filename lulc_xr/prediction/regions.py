"""Regions of a block: class ids of the cube's variable become positions among a rule's names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.attachments import Attachments
from lulc_xr.core.errors import CubeError
from lulc_xr.core.regions import RegionKey
from lulc_xr.prediction.sources import Source, make_source


@dataclass(frozen=True, kw_only=True)
class RegionSource:
    """Where the regions of any block of one cube come from.

    Parameters
    ----------
    keys : tuple of RegionKey
        Ways to tell apart the regions of one variable.
    source : Source
        Its class ids.
    flag_values : tuple of int
        Class ids that it knows.
    flag_meanings : str
        Their names, with blanks between them.
    """

    keys: tuple[RegionKey, ...]
    source: Source
    flag_values: tuple[int, ...]
    flag_meanings: str

    def identity(self, used: Collection[RegionKey]) -> list[Any]:
        """All that decides the regions of a block for some of the keys, JSON-able."""
        keys = [key.to_dict() for key in self.keys if key in used]
        return [keys, self.source.identity, self.flag_values, self.flag_meanings] if keys else []

    def inputs(self, rows: slice, columns: slice) -> list[Any]:
        """Keys of the chunks that the task of a block depends on."""
        return self.source.inputs(rows, columns)

    def read(
        self, rows: slice, columns: slice, chunks: Sequence[Any]
    ) -> dict[RegionKey, NDArray[np.int16]]:
        """Position of the region of each pixel of a block, (y, x), for each key."""
        ids = self.source.read(rows, columns, chunks)
        flags = {"flag_values": self.flag_values, "flag_meanings": self.flag_meanings}
        return {key: key.positions_of_flags(ids, flags) for key in self.keys}


def keys_of(attachments: Attachments, *, sets: bool) -> tuple[RegionKey, ...]:
    """Regions that are needed: those of the calibration, and, if sets are asked for, of these.

    A calibration is part of whatever a model gives.
    """
    rules = (attachments.calibration, attachments.conformal if sets else None)
    return tuple(dict.fromkeys(rule.regions for rule in rules if rule and rule.regions))


def make_regions(
    cube: xr.Dataset, keys: Iterable[RegionKey]
) -> tuple[tuple[RegionSource, ...], list[Any]]:
    """Sources of regions, one per variable, and the Dask arrays that tasks depend on.

    Raises
    ------
    CubeError
        If the cube lacks a variable, or it is not over (y, x) with CF flags.
    """
    by_variable: dict[str, list[RegionKey]] = {}
    for key in keys:
        by_variable.setdefault(key.variable, []).append(key)
    sources, arrays = [], []
    for variable, own in by_variable.items():
        regions = _checked(cube, variable)
        source, array = make_source(regions, [])
        arrays += [] if array is None else [array]
        values = np.atleast_1d(regions.attrs["flag_values"]).ravel()
        sources.append(
            RegionSource(
                keys=tuple(own),
                source=source,
                flag_values=tuple(int(v) for v in values),
                flag_meanings=str(regions.attrs["flag_meanings"]),
            )
        )
    return tuple(sources), arrays


def _checked(cube: xr.Dataset, variable: str) -> xr.DataArray:
    """The variable with the regions, after checks that read no pixel."""
    if variable not in cube:
        raise CubeError(
            f"this model tells regions of {variable!r} apart, and the cube has no such variable. "
            f"Make it of polygons, cube[{variable!r}] = lulc_xr.rasterize_regions(cube, polygons, "
            "column=...), or attach rules that hold for all regions."
        )
    regions = cube[variable]
    if set(regions.dims) != {"y", "x"} or regions.dtype.kind not in "iu":
        raise CubeError(
            f"{variable!r} is {regions.dtype} over {tuple(map(str, regions.dims))}; expected whole "
            "class ids over (y, x) with CF flags, such as lulc_xr.rasterize_regions gives."
        )
    if "flag_values" not in regions.attrs or "flag_meanings" not in regions.attrs:
        raise CubeError(
            f"{variable!r} has no CF attributes flag_values and flag_meanings, so its regions "
            "have no names. Write them, or make it with lulc_xr.rasterize_regions."
        )
    values = np.atleast_1d(regions.attrs["flag_values"]).ravel()
    names = str(regions.attrs["flag_meanings"]).split()
    if len(values) != len(names):
        raise CubeError(
            f"{variable!r} has {len(values)} flag_values and {len(names)} flag_meanings; expected "
            "a name for each region. Names hold no blanks: join their words with '_'."
        )
    return regions.transpose("y", "x")
