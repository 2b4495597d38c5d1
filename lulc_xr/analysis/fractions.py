"""Shares of classes in the cells of a model's grid or in regions, lazily."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.fraction_graph import Part, grid_sums, grid_token
from lulc_xr.analysis.fraction_sources import (
    Overlap,
    Source,
    check_together,
    make_source,
    records,
    winners_of,
)
from lulc_xr.analysis.fraction_variables import describe
from lulc_xr.analysis.grid_files import as_grid
from lulc_xr.core.dates import start_month_of
from lulc_xr.core.errors import CubeError

Maps = xr.Dataset | xr.DataArray


def fractions(
    maps: Maps | Sequence[Maps],
    grid: Any,
    *,
    of: str | Sequence[str] = "land_cover",
    task: str | None = None,
    years: Sequence[int] | None = None,
    overlap: Overlap | None = None,
    entropy: bool = True,
    members: bool | Literal["each"] = True,
) -> xr.Dataset:
    """Shares of classes in the cells of a grid, lazily and exactly.

    A pixel on the edge of a cell counts with the share of it that lies inside, by exact geometry;
    areas are true ones on the ellipsoid, whatever the reference system of the map. Shares are
    shares of the cell: what no map covers is unmapped, and nothing is scaled up.

    Parameters
    ----------
    maps : xr.Dataset, xr.DataArray, or a sequence of these
        Maps as :func:`lulc_xr.open_cube` or :func:`lulc_xr.classify` give them, or class maps of
        :func:`lulc_xr.open_class_map`; several stores may be in several reference systems.
    grid : str, path, TargetGrid, xr.Dataset or GeoDataFrame
        The cells: a name of :func:`lulc_xr.list_grids` such as "EUR-11", a CF file, polygons; see
        :func:`lulc_xr.as_grid`.
    of : str or sequence of str
        "land_cover", "land_use" or the name of another task: its classes are counted.
        "probability": beside them the shares expected by ``<task>_probability``.
    task : str, optional
        The task, where `of` does not name it. Default: "land_cover".
    years : sequence of int, optional
        Default: all years that any map has. A map that lacks a year leaves its cells unmapped
        in it.
    overlap : {"first", "last"}, optional
        Which map counts where maps of one year overlap, all pixels of it, mapped or not. Default:
        overlapping maps are an error.
    entropy : bool
        Make ``mean_entropy`` where maps have ``<task>_entropy``.
    members : bool or "each"
        Make ``fraction_standard_error`` where maps have ``<task>_members``; "each" keeps
        ``member_fraction`` (member, class, year, cells) as well, which add up exactly.

    Returns
    -------
    xr.Dataset
        - ``fraction`` (class, year, cells): area of the class over the area of the cell;
        - ``unmapped_fraction`` (year, cells): what is left; the sum is 1 within 1e-6;
        - ``expected_fraction`` (class, year, cells): the same of probabilities, where asked;
        - ``mean_entropy`` (year, cells): over the mapped part, in nats;
        - ``fraction_standard_error`` (class, year, cells): standard deviation between members;
        - ``covered_fraction`` (cells): share of the cell in the extents of the maps;
          ``cell_coverage`` (cells): 0 outside, 1 partly covered, 2 covered;
        - ``cell_area`` (cells) in m².

        Variables are computed from what they need: `fraction` alone reads class maps alone.

    Raises
    ------
    CubeError
        If a map lacks what is asked of it, has no reference system or year; if legends differ, or
        maps overlap and `overlap` does not say which counts.

    Notes
    -----
    Each block of pixels is summed up by itself, and sums are added as a tree: chunks, stores and
    their order do not show, and results of maps that lie apart add up
    (:func:`lulc_xr.add_fractions`). `fraction` and `expected_fraction` differ where a model is
    not sure: counting gives a pixel to its most probable class.
    """
    wanted, chosen = _wanted(of, task)
    target = as_grid(grid)
    given = [maps] if isinstance(maps, (xr.Dataset, xr.DataArray)) else list(maps)
    if not given:
        raise CubeError("no maps were given; expected at least one.")
    sources = [make_source(m, n, task=chosen, years=years) for n, m in enumerate(given)]
    check_together(sources, overlap)
    asked = _years(sources, years)
    summed = partial(grid_sums, grid=target, token=grid_token(target), near={})
    sums: dict[str, Any] = {"extent": _extents(sources, summed, overlap)}
    kinds = ["classes"] + (["probability"] if wanted else [])
    kinds += [k for k, on in (("entropy", entropy), ("members", members)) if on]
    for kind in kinds:
        each = kind == "members" and members == "each"
        found = _of_years(kind, sources, summed, years=asked, overlap=overlap, each=each)
        if found is not None:
            sums["each" if each else kind] = found
    result = describe(sums, target, legend=sources[0].legend, years=asked, task=chosen)
    result.attrs["lulc_xr:sources"] = records(sources)
    result["year"].attrs |= _begin(given, chosen)
    return result


def _wanted(of: str | Sequence[str], task: str | None) -> tuple[bool, str]:
    """Whether expected fractions are asked for, and the task."""
    names = [of] if isinstance(of, str) else list(of)
    tasks = [n for n in names if n != "probability"] + ([task] if task else [])
    if len(set(tasks)) > 1:
        raise CubeError(
            f"of={of!r} and task={task!r} name {len(set(tasks))} tasks. Make fractions of one task "
            "at a time."
        )
    return "probability" in names, tasks[0] if tasks else "land_cover"


def _years(sources: Sequence[Source], asked: Sequence[int] | None) -> list[int]:
    present = sorted({y for s in sources for y in s.years})
    if asked is None:
        return present
    lacking = [int(y) for y in asked if y not in present]
    if lacking or not asked:
        raise CubeError(
            f"no map is of {', '.join(map(str, lacking)) or 'no year'}. Years of the maps: "
            f"{', '.join(map(str, present))}."
        )
    return sorted({int(y) for y in asked})


def _begin(maps: Sequence[Maps], task: str) -> dict[str, str]:
    """Attribute `year_start` of the years, where all maps begin them in one month but January."""
    starts = {
        str((m[task] if isinstance(m, xr.Dataset) else m).attrs.get("year_start", "")) for m in maps
    }
    months = {start_month_of({"year_start": start}) for start in starts}
    return {"year_start": max(starts)} if len(months) == 1 and months != {1} else {}


def _extents(sources: Sequence[Source], summed: Callable[..., Any], overlap: Overlap | None) -> Any:
    """Area of each cell that maps cover, whatever their years: (1, cells)."""
    winners = winners_of(sources, overlap, None)
    parts = [Part(extent=s.extent, winners=w) for s, w in zip(sources, winners, strict=True)]
    return summed(parts, what="extent", columns=1)


def _of_years(
    kind: str,
    sources: Sequence[Source],
    summed: Callable[..., Any],
    *,
    years: Sequence[int],
    overlap: Overlap | None,
    each: bool,
) -> list[Any] | None:
    """Sums of each year, (column, cells); None if no map has them."""
    having = [s for s in sources if kind in s.variables]
    if not having and kind in ("entropy", "members"):
        return None
    if len(having) < len(sources):
        lacking = next(s for s in sources if kind not in s.variables)
        raise CubeError(
            f"{lacking.name} has no '{lacking.task}_{kind}'. Classify with outputs=(..., "
            f"{kind!r})" + (f", or pass {kind}=False." if kind != "probability" else ".")
        )
    classes = len(sources[0].legend)
    number = sources[0].variables[kind].sizes["layer"]
    if kind == "members" and any(s.variables[kind].sizes["layer"] != number for s in sources):
        raise CubeError("maps are of models with different numbers of members; pass members=False.")
    finish = partial(_between, classes=classes) if kind == "members" and not each else None
    columns = {"entropy": 2, "members": classes * (number if each else 1)}.get(kind, classes)
    found = []
    for year in years:
        winners = winners_of(sources, overlap, year)
        parts = [
            Part(extent=s.extent, values=values, winners=w, legend=s.legend)
            for s, w in zip(sources, winners, strict=True)
            if (values := s.of_year(kind, year)) is not None
        ]
        found.append(
            summed(
                parts,
                what="classes" if kind == "members" else kind,
                columns=columns,
                finish=finish,
            )
        )
    return found


def _between(sums: NDArray[np.float64], classes: int) -> NDArray[np.float64]:
    """Standard deviation (n - 1) between members of the area of each class: (cell, class)."""
    each = sums.reshape(len(sums), -1, classes)
    if each.shape[1] < 2:
        return np.full((len(sums), classes), np.nan)
    found: NDArray[np.float64] = each.std(axis=1, ddof=1)
    return found
