"""Maps that fractions are made of: what each holds, where it lies, which one wins where two lie."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import shapely
import xarray as xr

from lulc_xr.analysis.extents import Extent, extent_of, overlap_of
from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.legend import Legend

Overlap = Literal["first", "last"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """One store or file of maps.

    Parameters
    ----------
    name : str
        What messages call it: its path, or its place in the order given.
    store : str
        Its path, or "".
    task : str
        Name of the class map.
    model : str
        Hash of the model that made it, or "".
    extent : Extent
        Where it lies.
    legend : Legend
        Its classes.
    years : tuple of int
        Years that it maps.
    variables : mapping of str to xr.DataArray
        "classes" (year, 1, y, x), and what there is of "probability", "entropy" and "members":
        (year, layer, y, x).
    """

    name: str
    store: str
    task: str
    model: str
    extent: Extent
    legend: Legend
    years: tuple[int, ...]
    variables: dict[str, xr.DataArray]

    def of_year(self, what: str, year: int) -> xr.DataArray | None:
        """Values (layer, y, x) of a year, if it has them."""
        if what not in self.variables or year not in self.years:
            return None
        return self.variables[what][self.years.index(year)]

    def record(self) -> dict[str, Any]:
        """What the result keeps of it."""
        return {
            "store": self.store,
            "task": self.task,
            "model": self.model,
            "footprint": self.extent.footprint(),
            "years": list(self.years),
            **self.extent.to_dict(),
        }


def make_source(
    maps: xr.Dataset | xr.DataArray, number: int, *, task: str, years: Sequence[int] | None
) -> Source:
    """A source, after checks that read no pixel.

    Parameters
    ----------
    maps : xr.Dataset or xr.DataArray
        Maps of one store, or a class map.
    number : int
        Its place in the order given.
    task : str
        Name of the class map.
    years : sequence of int, optional
        Years asked for: a map without a year is of the only one.

    Raises
    ------
    CubeError
        If there is no such map, it is not over y and x, or has no year or reference system.
    """
    if isinstance(maps, xr.DataArray):
        ds, store = maps.to_dataset(name=task), str(maps.attrs.get("source", ""))
    else:
        ds, store = maps, str(maps.encoding.get("source", ""))
    name = f"map {store!r}" if store else f"map {number + 1}"
    if task not in ds.data_vars:
        known = [str(n) for n, v in ds.data_vars.items() if "flag_values" in v.attrs]
        raise CubeError(
            f"{name}: {name_unknown('class map', task, known)} Classify the cube first, or name "
            "another one with task=."
        )
    classes = ds[task]
    if classes.dtype != np.uint8 or not {"y", "x"} <= set(classes.dims) <= {"year", "y", "x"}:
        raise CubeError(
            f"{task!r} of {name} is {classes.dtype} over {tuple(map(str, classes.dims))}; expected "
            "uint8 class ids over (year, y, x) or (y, x)."
        )
    found = _years(classes, name, years)
    variables = {"classes": _layers(classes, None)}
    for what in ("probability", "entropy", "members"):
        if f"{task}_{what}" in ds.data_vars:
            given = ds[f"{task}_{what}"]
            layer = set(map(str, given.dims)) - {"year", "y", "x"}
            variables[what] = _layers(given, layer.pop() if layer else None)
    legend = Legend.from_flags(classes.attrs)
    layers = variables["probability"].sizes["layer"] if "probability" in variables else len(legend)
    if layers != len(legend):
        raise CubeError(
            f"'{task}_probability' of {name} is of {layers} classes, the class map "
            f"of {len(legend)}. Give maps of one classification."
        )
    return Source(
        name=name,
        store=store,
        task=task,
        model=str(classes.attrs.get("model_hash", "")),
        extent=extent_of(classes, name),
        legend=legend,
        years=found,
        variables=variables,
    )


def check_together(sources: Sequence[Source], overlap: Overlap | None) -> None:
    """Raise unless sources have one legend, and lie apart or it is said which wins.

    Raises
    ------
    CubeError
        If legends differ, or extents overlap in a year that both map.
    """
    first = sources[0]
    for other in sources[1:]:
        if other.legend != first.legend:
            raise CubeError(
                f"legends differ: {first.name} has {first.legend.name!r} with "
                f"{', '.join(first.legend.names)}; {other.name} has {other.legend.name!r} with "
                f"{', '.join(other.legend.names)}. Bring them to one legend with a crosswalk."
            )
    if overlap not in (None, "first", "last"):
        raise CubeError(f"overlap={overlap!r}; expected 'first', 'last' or None.")
    if overlap is not None:
        return
    for i, j in pairs_that_meet([s.extent for s in sources]):
        a, b = sources[i], sources[j]
        if set(a.years) & set(b.years):
            raise CubeError(
                f"{a.name} and {b.name} overlap: {size_of_overlap(a.extent, b.extent)}. Say which "
                "of them counts there with overlap='first' or overlap='last', or crop one of them."
            )


def pairs_that_meet(extents: Sequence[Extent]) -> list[tuple[int, int]]:
    """Numbers of rasters that overlap, the lower number first."""
    if len(extents) < 2:
        return []
    boxes = [shapely.box(*shapely.from_wkt(e.footprint()).bounds).buffer(0.1) for e in extents]
    pairs = shapely.STRtree(boxes).query(boxes, predicate="intersects").T
    ordered = sorted({(int(a), int(b)) for a, b in pairs if a < b})
    return [(a, b) for a, b in ordered if overlap_of(extents[a], extents[b]) is not None]


def size_of_overlap(first: Extent, second: Extent) -> str:
    """What two rasters share, in words."""
    shape = overlap_of(first, second)
    assert shape is not None
    whole = first.shape[0] * first.shape[1]
    return f"{shape.area:.0f} pixels, {shape.area / whole:.1%} of the first"


def winners_of(
    sources: Sequence[Source], overlap: Overlap | None, year: int | None
) -> list[tuple[Extent, ...]]:
    """For each source, the rasters that take what they share with it.

    Parameters
    ----------
    sources : sequence of Source
        All sources.
    overlap : {"first", "last"} or None
        Which one wins.
    year : int or None
        Only sources that map this year; None for all, whatever they map.
    """
    taken: list[list[Extent]] = [[] for _ in sources]
    for i, j in pairs_that_meet([s.extent for s in sources]):
        if year is None or (year in sources[i].years and year in sources[j].years):
            wins, loses = (j, i) if overlap == "last" else (i, j)
            taken[loses].append(sources[wins].extent)
    return [tuple(t) for t in taken]


def records(sources: Sequence[Source]) -> str:
    """The attribute that says what a result was made of."""
    return json.dumps([s.record() for s in sources])


def _years(classes: xr.DataArray, name: str, asked: Sequence[int] | None) -> tuple[int, ...]:
    if "year" in classes.coords:
        values = np.atleast_1d(classes["year"].values)
        found = tuple(int(v) for v in values)
        if len(set(found)) < len(found):
            raise CubeError(f"{name} has a year twice: {', '.join(map(str, found))}.")
        return found
    if classes.sizes.get("year", 1) == 1 and asked is not None and len(asked) == 1:
        return (int(asked[0]),)
    raise CubeError(
        f"{name} does not say which year it maps. Say it with years=[2018], with "
        "open_class_map(..., year=2018), or with maps.assign_coords(year=2018)."
    )


def _layers(given: xr.DataArray, layer: str | None) -> xr.DataArray:
    """Values (year, layer, y, x) without coordinates."""
    bare = given.drop_vars(list(given.coords))
    bare = bare if "year" in bare.dims else bare.expand_dims("year")
    bare = bare.expand_dims("layer") if layer is None else bare.rename({layer: "layer"})
    return bare.transpose("year", "layer", "y", "x")
