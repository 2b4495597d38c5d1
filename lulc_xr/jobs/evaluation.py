"""What ``lulc-xr evaluate`` does: a map at its reference points, by their design, and a report."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lulc_xr.analysis.accuracy import Accuracy, accuracy
from lulc_xr.analysis.assess import assess
from lulc_xr.analysis.assessment import Assessment
from lulc_xr.analysis.class_areas import class_areas
from lulc_xr.analysis.design import MAPPED, Design
from lulc_xr.analysis.judged import judge_points
from lulc_xr.core.crosswalks import list_crosswalks
from lulc_xr.core.errors import LegendError, SampleError, name_unknown
from lulc_xr.core.georeference import pixels_at
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.jobs.evaluation_files import read_areas, read_transfer
from lulc_xr.jobs.point_files import PASSES, describe_filter, read_point_file
from lulc_xr.jobs.terminal import console

OF_MAP = "map"
"""Word for the classes of the map, as strata, and for their areas as counted on it."""

_MOST_PIXELS = 1_000_000
_HASHED = 1 << 28


@dataclass(frozen=True, kw_only=True)
class Judging:
    """How points are read and judged, and how they were drawn.

    Parameters
    ----------
    labels, crs
        Column and reference system of points.
    quality : str or None
        Name of a quality filter of points of LUCAS.
    crosswalk : tuple of str, or None
        From one legend to another, where those of map and points differ.
    strata, weights, cluster, region : str or None
        Columns of the points; strata "map" are the classes of the map.
    stratum_area : str or None
        A CSV file of strata and their areas, or "map": counted on the map.
    block : float or None
        Side in metres of blocks that are the units of intervals.
    tolerance : int
        0, or 1 to tell also what is right within one pixel.
    transfer : Path or None
        A table of points judged by models that did not see their region.
    kappa : bool
        Whether to tell Cohen's kappa too.
    """

    labels: str = "land_cover"
    crs: str | None = None
    quality: str | None = None
    crosswalk: tuple[str, str] | None = None
    strata: str | None = None
    stratum_area: str | None = None
    weights: str | None = None
    cluster: str | None = None
    region: str | None = None
    block: float | None = None
    tolerance: int = 1
    transfer: Path | None = None
    kappa: bool = False

    def __post_init__(self) -> None:
        if self.stratum_area is not None and self.strata is None:
            object.__setattr__(self, "strata", OF_MAP)
        if self.strata == OF_MAP and self.stratum_area is None and self.weights is None:
            object.__setattr__(self, "stratum_area", OF_MAP)
        if self.block is not None and (self.strata or self.weights or self.cluster):
            raise SampleError(
                f"--block {self.block:g} with a design: intervals go by the units that were drawn. "
                "Name them with --cluster, or leave one of the two out."
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of points that the design needs."""
        named = (None if self.strata == OF_MAP else self.strata, self.weights, self.cluster)
        return tuple(dict.fromkeys(name for name in named if name is not None))


def judge_file(
    maps: xr.Dataset,
    path: Path,
    *,
    task: str,
    settings: Judging,
    mask: xr.DataArray | None = None,
    year: int | None,
) -> pd.DataFrame:
    """Judged points of a file; what was left out is printed.

    Parameters
    ----------
    maps : xr.Dataset
        The class map over (y, x), and what else is there of it.
    path : Path
        File of points.
    task : str
        Name of the class map.
    settings : Judging
        How to read and judge them.
    mask : xr.DataArray, optional
        True where points count, over (y, x).
    year : int or None
        Mapped year.
    """
    known = Legend.from_flags(maps[task].attrs)
    try:
        table, legend = read_point_file(
            path, maps, labels=settings.labels, legend=_points_legend(settings, known, task),
            crs=settings.crs, quality=settings.quality, year=year, all_years=year is None,
        )  # fmt: skip
    except LegendError as error:
        raise LegendError(f"{error}{_walks_from(known)}") from error
    if settings.quality is not None:
        console().print(describe_filter(table))
    for name in (*settings.columns, *((settings.region,) if settings.region else ())):
        if name not in table:
            names = [str(n) for n in table.columns if n not in ("geometry", PASSES)]
            raise SampleError(f"{str(path)!r}: {name_unknown('column', name, names)}")
    try:
        judged = _judge(maps, table, legend, task=task, settings=settings)
    except SampleError as error:
        raise SampleError(f"{str(path)!r}: {error}") from error
    except LegendError as error:
        raise LegendError(f"{str(path)!r}: {error} Here: --crosswalk FROM:TO.") from error
    judged.attrs["years"] = [] if year is None else [year]
    if mask is not None:
        row, column, inside = pixels_at(maps, judged["x"].to_numpy(), judged["y"].to_numpy())
        place = {
            name: xr.DataArray(np.floor(at).astype(np.int64), dims="point")
            for name, at in (("y", row), ("x", column))
        }
        counts = np.asarray(mask.isel(place).values, bool) & inside
        judged = _kept(judged, counts, why="masked")
    counts = judged.attrs["counts"]
    for name, words in (
        ("outside", "lie outside the cube"),
        ("ambiguous", "lie on classes that the crosswalk says nothing of, and count as wrong"),
    ):
        if counts[name]:
            console().print(f"[yellow]note:[/] {counts[name]} of {len(table)} points {words}")
    if settings.quality is not None:
        judged.attrs["filter"] = settings.quality
    return judged


def judge_pixels(
    maps: xr.Dataset,
    true: xr.DataArray,
    *,
    task: str,
    mask: xr.DataArray | None = None,
    block: float | None = None,
) -> pd.DataFrame:
    """Labelled pixels as judged points, for a report of a map against a reference on its grid.

    Parameters
    ----------
    maps : xr.Dataset
        The class map over (y, x), and what else is there of it.
    true : xr.DataArray
        Class ids on its grid, 255 where there is no label.
    task : str
        Name of the class map.
    mask : xr.DataArray, optional
        True where pixels count.
    block : float, optional
        Side in metres of the blocks whose pixels err alike.

    Raises
    ------
    SampleError
        If there are more than a million such pixels.
    """
    legend = Legend.from_flags(maps[task].attrs)
    labels = np.asarray(true.transpose("y", "x").values)
    chosen = labels != FILL_CLASS
    if mask is not None:
        chosen &= np.asarray(mask.transpose("y", "x").values, bool)
    number = int(chosen.sum())
    if number > _MOST_PIXELS:
        raise SampleError(
            f"{number} labelled pixels are too many for a report (at most {_MOST_PIXELS}); their "
            "figures are printed without --out. Give points, or a --mask."
        )
    row, column = np.nonzero(chosen)
    points = pd.DataFrame(
        {"x": maps["x"].values[column], "y": maps["y"].values[row], task: labels[chosen]}
    )
    return judge_points(maps, points, task=task, legend=legend, tolerance=0, block=block)


def design_of(
    judged: pd.DataFrame, maps: xr.Dataset, *, task: str, settings: Judging
) -> Design | None:
    """The design that the options tell; None without any."""
    given = (settings.strata, settings.weights, settings.cluster)
    if all(item is None for item in given):
        return None
    legend = Legend.from_dict(judged.attrs["legend"])
    weights: Any = settings.weights
    if weights is None and settings.strata is None:
        # Clusters alone: every point stands for as much as any other.
        weights = np.ones(len(judged))
    areas: Mapping[str, float] | None = None
    unit = ""
    if settings.stratum_area == OF_MAP:
        if Legend.from_flags(maps[task].attrs) != legend:
            raise SampleError(
                "--stratum-area map counts the classes of the map, and points are judged in "
                f"legend {legend.name!r} after a crosswalk. Give the areas of its classes in a "
                "file: --stratum-area FILE.csv."
            )
        counted = class_areas(maps[task])["area_ha"]
        areas, unit = {str(k): float(v) for k, v in counted.items() if v > 0}, "ha"
    elif settings.stratum_area is not None:
        areas, unit = read_areas(Path(settings.stratum_area))
    return Design(
        strata=MAPPED if settings.strata == OF_MAP else settings.strata,
        stratum_area=areas, weights=weights, clusters=settings.cluster, unit=unit,
    )  # fmt: skip


def score(judged: pd.DataFrame, design: Design | None, *, kappa: bool) -> Accuracy:
    """Scores of judged points."""
    legend = Legend.from_dict(judged.attrs["legend"])
    return accuracy(judged, legend=legend, design=design, kappa=kappa)


def report(
    judged: pd.DataFrame,
    maps: xr.Dataset,
    *,
    task: str,
    design: Design | None,
    settings: Judging,
    facts: Mapping[str, str],
) -> Assessment:
    """The assessment of judged points, with the pictures of their map."""
    transfer = read_transfer(settings.transfer) if settings.transfer is not None else None
    return assess(
        judged, task=task, design=design, block=settings.block, transfer=transfer,
        kappa=settings.kappa, facts=facts, picture=maps,
    )  # fmt: skip


def facts_of(maps: xr.Dataset, task: str, *, path: Path, reference: str) -> dict[str, str]:
    """What was compared with what: names, hashes of model and reference."""
    found = {"map": f"{task} of {path.name}"}
    for key in ("model", "model_hash", "content_hash"):
        if maps[task].attrs.get(key):
            found[key.replace("_", " ")] = str(maps[task].attrs[key])
    found["reference"] = Path(reference).name
    file = Path(reference)
    if file.is_file() and file.stat().st_size <= _HASHED:
        found["sha256 of the reference"] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def _points_legend(settings: Judging, of_map: Legend, task: str) -> str:
    """Legend of the points: the map's, or the other side of the crosswalk."""
    if settings.crosswalk is None:
        return task
    others = [name for name in settings.crosswalk if name != of_map.name]
    return others[0] if len(others) == 1 else task


def _walks_from(of_map: Legend) -> str:
    """The crosswalks that lead from the legend of a map, as options."""
    found = [f"{a}:{b}" for a, b in list_crosswalks() if a == of_map.name]
    if not found:
        return ""
    return f" The map may be brought to another legend: --crosswalk {' or '.join(found)}."


def _judge(
    maps: xr.Dataset,
    table: pd.DataFrame,
    legend: Legend,
    *,
    task: str,
    settings: Judging,
) -> pd.DataFrame:
    with warnings.catch_warnings():
        # Points left out are told in the terminal's own words.
        warnings.simplefilter("ignore", UserWarning)
        return judge_points(
            maps, table, task=task, labels=settings.labels, legend=legend,
            crosswalk=settings.crosswalk, tolerance=(0, 1)[: settings.tolerance + 1],
            region=settings.region, block=settings.block, carry=settings.columns,
        )  # fmt: skip


def _kept(judged: pd.DataFrame, chosen: np.ndarray, *, why: str) -> pd.DataFrame:
    kept = judged[chosen].reset_index(drop=True)
    counts = {**judged.attrs["counts"], why: int((~chosen).sum()), "judged": len(kept)}
    kept.attrs = {**judged.attrs, "counts": counts}
    return kept
