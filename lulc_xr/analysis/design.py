"""How the reference points were drawn: strata, areas, weights, clusters, post-strata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lulc_xr.analysis.design_columns import (
    Column,
    Columns,
    Totals,
    check_nested,
    check_totals,
    totals_in_order,
)
from lulc_xr.analysis.survey import Lonely, SurveySample
from lulc_xr.core.errors import SampleError, name_unknown

MAPPED = "mapped"
"""Name of the strata that are the classes of the map itself."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """The design by which reference points were drawn, from which their weights follow.

    A column is the name of one (of judged points, or a coordinate of the samples), or values
    over the points. At least `stratum_area` or `weights` or `post_strata` must be known, or
    nothing at all: then the points are a simple random sample.

    Parameters
    ----------
    strata : column, optional
        Stratum of each point; "mapped" for the classes of the map itself.
    stratum_area : mapping, optional
        Area (or pixels, or share) of every stratum; for map classes by name or id. With strata
        "mapped" and a raster it may be left out: the map is counted. Within a stratum points
        weigh the same, or as `weights` say.
    weights : column, optional
        Survey weights, > 0. Their sum is taken as the area, unless areas are known.
    clusters : column, optional
        Primary sampling unit of each point, where several were drawn together; it lies in one
        stratum.
    population : number or mapping, optional
        Number of units (with clusters: of clusters) there were to draw from, for each stratum or,
        without strata, in all: finite population correction. Left out where few of many are drawn.
    post_strata : column, optional
        Groups of points whose areas are known and were not used in drawing.
    post_stratum_area : mapping, optional
        Their areas.
    lonely : {"refuse", "collapse"}
        A stratum with one sampled unit has no variance: refuse it, or join it with its neighbour
        for the variance only.
    unit : str, optional
        Unit of the areas, for the reader, such as "ha".

    Raises
    ------
    SampleError
        For settings that make no sense together.

    Examples
    --------
    >>> Design(strata="mapped", stratum_area={"cropland": 700.0, "water": 300.0}, unit="ha")
    Design(strata='mapped', stratum_area=2 known, unit='ha')
    """

    strata: Column | None = None
    stratum_area: Totals | None = None
    weights: Column | None = None
    clusters: Column | None = None
    population: float | Totals | None = None
    post_strata: Column | None = None
    post_stratum_area: Totals | None = None
    lonely: Lonely = "refuse"
    unit: str = ""

    def __post_init__(self) -> None:
        if self.lonely not in ("refuse", "collapse"):
            raise SampleError(name_unknown("lonely", self.lonely, ("refuse", "collapse")))
        if self.stratum_area is not None and self.strata is None:
            raise SampleError(
                "stratum_area without strata: which point lies in which stratum is not known. "
                "Pass strata=, a column or values over the points."
            )
        if (self.post_strata is None) != (self.post_stratum_area is None):
            raise SampleError(
                "post_strata and post_stratum_area go together: groups of points, and the known "
                "area of each group. Pass both, or neither."
            )
        known = (self.weights, self.stratum_area, self.post_strata)
        if self.strata is not None and not self.uses_map and all(k is None for k in known):
            raise SampleError(
                "strata alone do not say how much of the area a point stands for. Pass "
                "stratum_area= (area of each stratum) or weights= (ones, if every point stands "
                "for the same area)."
            )
        by_stratum = isinstance(self.population, Mapping | pd.Series)
        if by_stratum and self.strata is None:
            raise SampleError(
                "population is given by stratum, and there are no strata. Pass one number, or "
                "strata=."
            )
        if self.population is not None and not by_stratum and self.strata is not None:
            raise SampleError(
                f"population={self.population!r} is one number, and there are strata. Pass the "
                "number of units of each stratum, such as {'forest': 120_000, ...}."
            )
        for name in ("stratum_area", "post_stratum_area"):
            check_totals(name, getattr(self, name))

    @property
    def uses_map(self) -> bool:
        """True if the strata are the classes of the map."""
        return isinstance(self.strata, str) and self.strata == MAPPED

    @property
    def statement(self) -> str:
        """The design in one sentence."""
        if self.uses_map:
            drawn = "stratified by the classes of the map"
        elif self.strata is not None:
            drawn = "stratified by strata that are not the classes of the map"
        elif self.weights is not None:
            drawn = "weighted sample without strata"
        else:
            drawn = "simple random sample"
        parts = [drawn]
        if self.weights is not None and self.strata is not None:
            parts.append("survey weights")
        if self.clusters is not None:
            parts.append("clusters as primary units")
        if self.post_strata is not None:
            parts.append("post-stratified")
        if self.population is not None:
            parts.append("finite population correction")
        return ", ".join(parts)

    def sample(
        self,
        cell: NDArray[np.int64],
        *,
        cells: int,
        columns: Mapping[str, Any],
        keep: NDArray[np.bool_],
    ) -> SurveySample:
        """The points as a survey sample.

        Parameters
        ----------
        cell : ndarray of int64
            Cell of each point, shape (point,).
        cells : int
            Number of cells.
        columns : mapping
            What names of columns stand for, each over all points.
        keep : ndarray of bool
            Points that count, shape (point,).

        Raises
        ------
        SampleError
            If a column is missing or of another length, weights are not positive, a stratum has
            an area and no sample or a sample and no area, a cluster lies in two strata, or more
            units were drawn than there are.
        """
        read = Columns(columns=columns, keep=keep)
        number = int(keep.sum())
        if not number:
            raise SampleError(
                "no point counts: every one is without a reference label or outside the mask."
            )
        position, names = read.groups("strata", self.strata, number)
        areas = totals_in_order("stratum", names, self.stratum_area)
        group, group_names = read.groups("post_strata", self.post_strata, number)
        clusters = None
        if self.clusters is not None:
            clusters, cluster_names = read.groups("clusters", self.clusters, number)
            check_nested(position, clusters, strata=names, clusters=cluster_names)
        sample = SurveySample(
            stratum=position, cell=cell[keep], cells=cells, strata=names, cluster=clusters,
            weight=read.weights(self.weights, number), number=np.ones(number, np.int64),
            stratum_total=areas, lonely=self.lonely,
            group=group if self.post_strata is not None else None,
            group_total=totals_in_order("post-stratum", group_names, self.post_stratum_area),
        )  # fmt: skip
        return self.with_population(sample.folded())

    def with_population(self, sample: SurveySample) -> SurveySample:
        """The sample with its finite population correction, if there is one."""
        if self.population is None:
            return sample
        population: Any = self.population
        if not isinstance(population, Mapping | pd.Series):
            population = {sample.strata[0]: float(population)}
        sizes = totals_in_order("stratum", sample.strata, population, what="population")
        few = np.flatnonzero(sizes < sample.primary)
        if few.size:
            at = int(few[0])
            raise SampleError(
                f"population of stratum {sample.strata[at]!r} is {sizes[at]:g} and "
                f"{sample.primary[at]} units of it are in the sample. Give the number of units "
                "(with clusters: of clusters) that could have been drawn."
            )
        return replace(sample, fraction=sample.primary / sizes)

    def __repr__(self) -> str:
        told = []
        for item in fields(self):
            value = getattr(self, item.name)
            if value is None or (isinstance(value, str) and value == item.default):
                continue
            if isinstance(value, Mapping | pd.Series):
                told.append(f"{item.name}={len(value)} known")
            elif isinstance(value, str) or np.ndim(value) == 0:
                told.append(f"{item.name}={value!r}")
            else:
                told.append(f"{item.name}={np.size(value)} values")
        return f"Design({', '.join(told)})"
