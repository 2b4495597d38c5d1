"""What an assessment of a map has found: the tables and facts that its page and sentences tell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.legend import Legend

OVERALL, USERS, PRODUCERS = "overall accuracy", "user's accuracy", "producer's accuracy"
AREA, SHARE, F1 = "area", "proportion", "F1"
QUANTITY, ALLOCATION = "quantity disagreement", "allocation disagreement"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with the ends of its interval; NaN where one is not defined."""

    value: float
    low: float = math.nan
    high: float = math.nan
    samples: int = 0

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)

    @property
    def width(self) -> float:
        """Width of the interval; NaN without one."""
        return self.high - self.low

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> Estimate:
        """The estimate that a row of a table holds."""
        count = row.get("samples", 0)
        return cls(
            value=float(row["estimate"]),
            low=float(row["low"]),
            high=float(row["high"]),
            samples=0 if pd.isna(count) else int(count),
        )


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A raster made small for a page, and where it lies.

    Parameters
    ----------
    values : ndarray of float32
        Shape (y, x), north up; NaN where nothing is known.
    bounds : tuple of float
        West, south, east and north, in the reference system of the points.
    name : str
        What the values are.
    top : float
        The largest value that they can have.
    """

    values: NDArray[np.float32]
    bounds: tuple[float, float, float, float]
    name: str
    top: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Findings:
    """Tables and facts of an assessment.

    Tables of estimates have columns `estimate`, `low`, `high` and `samples`, beside those that
    say what a row is about.

    Parameters
    ----------
    facts : mapping of str to str
        What was compared with what, in the order to be told.
    points : mapping of str to int
        Numbers of points: `given`, `judged`, `not mapped`, and why others were left out.
    legend : Legend
        The classes.
    judged : pandas.DataFrame
        The points with a label, one row each.
    counts : xr.DataArray
        (predicted, reference) counts of points, with a last row of what is not mapped.
    estimates : pandas.DataFrame
        Columns quantity, class, estimate, standard_error, low, high, interval, samples.
    design : str
        The sampling design in words; empty if none is known.
    unit : str
        Unit of areas.
    blocks : tuple of int and float, or None
        Number and size (m) of the blocks that the intervals resample.
    correlation : pandas.Series
        `distance` (median, to the nearest neighbour), `correlation` of the errors of nearest
        neighbours, and its `bound` if there were none; NaN where places are not known.
    cells : pandas.DataFrame
        mapped, reference, samples, estimate, low, high: of what is mapped as one class, the
        share that the reference calls another.
    subsets : pandas.DataFrame
        points, tolerance, and overall accuracy of each subset of the points.
    regions : pandas.DataFrame
        region, overall accuracy, macro_f1.
    calibration : mapping of str to pandas.DataFrame
        `scores`, `reliability`, `classes`, `coverage`; empty without probabilities.
    sets : pandas.DataFrame
        group, name, promised, and the coverage of conformal sets, with their mean `size`.
    applicability : pandas.DataFrame
        place ("inside", "outside"), share of the points, overall accuracy.
    transfer : pandas.DataFrame
        region, overall accuracy, macro_f1 of models that did not see the region.
    pictures : tuple of Picture
        Rasters of how unsure the map is.
    level : float
        Of all intervals.
    """

    facts: Mapping[str, str]
    points: Mapping[str, int]
    legend: Legend
    judged: pd.DataFrame
    counts: xr.DataArray
    estimates: pd.DataFrame
    design: str
    unit: str
    blocks: tuple[int, float] | None
    correlation: pd.Series
    cells: pd.DataFrame
    subsets: pd.DataFrame
    regions: pd.DataFrame
    calibration: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    sets: pd.DataFrame = field(default_factory=pd.DataFrame)
    applicability: pd.DataFrame = field(default_factory=pd.DataFrame)
    transfer: pd.DataFrame = field(default_factory=pd.DataFrame)
    pictures: tuple[Picture, ...] = ()
    level: float = 0.95

    def estimate(self, quantity: str, class_name: str = "") -> Estimate:
        """One estimate; NaN if there is no such row."""
        found = self.estimates[self.estimates["quantity"] == quantity]
        names = found["class"].fillna("").astype(str)
        rows = found[names == class_name].to_dict("records")
        return Estimate.of(rows[0]) if rows else Estimate(value=math.nan)

    def per_class(self, quantity: str) -> Iterator[tuple[str, Estimate]]:
        """The estimate of each class, in the order of the legend."""
        for name in self.legend.names:
            yield name, self.estimate(quantity, name)

    @property
    def labelled(self) -> NDArray[np.int64]:
        """Number of points that the reference calls each class, shape (class,)."""
        return np.asarray(self.counts.values.sum(axis=0), np.int64)

    @property
    def mapped(self) -> NDArray[np.int64]:
        """Number of points mapped as each class, shape (class,)."""
        return np.asarray(self.counts.values[:-1].sum(axis=1), np.int64)

    @property
    def total(self) -> int:
        """Number of points judged."""
        return int(self.counts.values.sum())
