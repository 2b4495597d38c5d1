"""What an extraction will read and give: arithmetic on points and chunks, before any pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.cube import check_cube, crs_of
from lulc_xr.core.dates import Dates, RegularDates, YearDates, plan_year, years_covered
from lulc_xr.core.errors import CubeError, SampleError, name_unknown
from lulc_xr.core.georeference import affine_of, pixels_at
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.points import Points, columns_of, mapped_years
from lulc_xr.samples.pixels import PixelReader, make_reader
from lulc_xr.samples.points import Labels, PointTable, read_points
from lulc_xr.samples.windows import home_order, members_of_chunks, within_tolerance

Years = Literal["match"] | int | Sequence[int] | None
Tolerance = float | str
_FLOAT32 = 4


@dataclass(frozen=True, kw_only=True)
class SamplePlan:
    """Samples to be, as arrays of shape (sample,), and what they cost.

    Parameters
    ----------
    cube : xr.Dataset
        The checked cube.
    table : PointTable
        The points.
    point : ndarray of int
        Row of the table that each sample comes from.
    row, column : ndarray of int
        Pixel that holds the point.
    year : ndarray of int
        Mapped year of each sample.
    years : mapping of int to YearDates
        Dates of each year, by its name.
    dates : RegularDates or RawDates
        Time axis of the samples.
    bands : tuple of str
        Bands to take, in this order.
    patch : int
        Side of a patch in pixels; 1: single pixels, without patch dimensions.
    offset_y, offset_x : ndarray of float
        Where in its pixel the point lies, 0 to 1 along rows and columns.
    reach : ndarray of float or None
        Tolerance in metres; None without one.
    counts : mapping of str to int
        Points given, and those left out, by reason.
    uncovered : mapping of int to int
        Points of each year that the cube does not cover; year 0: of none.
    reader : PixelReader
        What will read the pixels.
    """

    cube: xr.Dataset
    table: PointTable
    point: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    year: NDArray[np.int64]
    years: Mapping[int, YearDates]
    dates: Dates
    bands: tuple[str, ...]
    patch: int
    offset_y: NDArray[np.float64]
    offset_x: NDArray[np.float64]
    reach: NDArray[np.float64] | None
    counts: Mapping[str, int]
    uncovered: Mapping[int, int]
    reader: PixelReader

    @property
    def samples(self) -> int:
        """Number of samples, before those that were never clear are left out."""
        return self.point.size

    @property
    def length(self) -> int:
        """Dates of a sample; of raw dates in several years the most of any."""
        return max((len(year.days) for year in self.years.values()), default=0)

    @property
    def chunks(self) -> int:
        """Chunks of pixels that will be read, each once."""
        shape = self.cube.sizes["y"], self.cube.sizes["x"]
        found = members_of_chunks(
            self.row, self.column, self.reader.grid, patch=self.patch, shape=shape
        )
        return sum(1 for _ in found)

    @property
    def bytes(self) -> int:
        """Bytes of the reflectance of all samples, in memory."""
        return self.samples * self.bytes_of_one

    @property
    def bytes_of_one(self) -> int:
        """Bytes of the reflectance of one sample."""
        return self.length * len(self.bands) * self.patch**2 * _FLOAT32

    def labelled(self, chosen: NDArray[np.int64]) -> NDArray[np.uint8] | None:
        """Pixels within the tolerance of the points of some samples, (sample, y, x)."""
        if self.reach is None:
            return None
        return within_tolerance(
            self.offset_y[chosen],
            self.offset_x[chosen],
            self.reach[chosen],
            patch=self.patch,
            pixel=_pixel(self.cube),
        )

    def __str__(self) -> str:
        years = ", ".join(map(str, self.years)) or "none"
        return (
            f"{self.samples} samples of {self.counts['points_given']} points in years {years}: "
            f"{self.chunks} chunks to read, {self.bytes / 2**20:.1f} MiB of reflectance "
            f"({self.length} dates, {len(self.bands)} bands, patches of {self.patch} pixels)"
        )


def plan_samples(
    cube: xr.Dataset,
    points: Points,
    *,
    dates: Dates | None = None,
    labels: Labels = None,
    legend: Legend | None = None,
    years: Years = "match",
    bands: Sequence[str] | None = None,
    patch: int | None = None,
    tolerance: Tolerance = 0,
    keep: Sequence[str] = (),
) -> SamplePlan:
    """What :func:`lulc_xr.extract_samples` of these arguments will read and give.

    Reads no pixel: arithmetic on points and chunks.

    Parameters
    ----------
    cube, points, dates, labels, legend, years, bands, patch, tolerance, keep
        As :func:`lulc_xr.extract_samples` takes them.

    Returns
    -------
    SamplePlan
        Numbers of samples and chunks, bytes, and points left out by reason; printed, one line.

    Raises
    ------
    SampleError, LegendError, CubeError
        As :func:`lulc_xr.extract_samples`, but for what only pixels tell.

    Examples
    --------
    >>> from lulc_xr.testing import landscape, points
    >>> cube = landscape(y=48, x=48, chunks={"y": 24, "x": 24})
    >>> print(plan_samples(cube, points(cube, per_class=4)))
    20 samples of 20 points in years 2018: 4 chunks to read, 0.0 MiB of reflectance
    (12 dates, 10 bands, patches of 1 pixels)
    """
    dates = dates or RegularDates()
    cube = check_cube(cube, bands=bands)
    known = [str(b) for b in cube["band"].values]
    chosen = known if bands is None else list(bands)
    reader = make_reader(cube, [known.index(b) for b in chosen])
    table = read_points(points, crs=crs_of(cube), labels=labels, legend=legend, keep=keep)
    row, column, inside = _pixels(cube, table)
    labelled = np.any([ids != FILL_CLASS for ids in table.labels.values()], axis=0)
    wanted = np.flatnonzero(inside & labelled)
    point, year, uncovered = _years(cube, points, wanted, dates=dates, years=years)
    counts = {
        "points_given": len(inside),
        "points_outside": int((~inside).sum()),
        "points_unlabelled": int((inside & ~labelled).sum()),
    }
    if uncovered:
        counts["points_without_year"] = sum(uncovered.values())
    times = cube["time"].values
    side, reach = _patch(cube, points, patch=patch, tolerance=tolerance)
    return SamplePlan(
        cube=cube,
        table=table,
        point=point,
        row=np.floor(row[point]).astype(np.int64),
        column=np.floor(column[point]).astype(np.int64),
        year=year,
        years={int(y): plan_year(times, dates, year=int(y)) for y in np.unique(year)},
        dates=dates,
        bands=tuple(chosen),
        patch=side,
        offset_y=row[point] % 1,
        offset_x=column[point] % 1,
        reach=None if reach is None else reach[point],
        counts=counts,
        uncovered=uncovered,
        reader=reader,
    )


def order_by_chunk(plan: SamplePlan) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order of samples by the chunk that holds them, and where another chunk begins in it."""
    return home_order(plan.row, plan.column, plan.reader.grid)


def _pixel(cube: xr.Dataset) -> tuple[float, float]:
    step_x, _, _, _, step_y, _ = affine_of(cube)
    return abs(step_y), abs(step_x)


def _pixels(
    cube: xr.Dataset, table: PointTable
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Row and column of each point, with the place inside its pixel; whether there is one."""
    return pixels_at(cube, table.x, table.y)


def _years(
    cube: xr.Dataset, points: Points, wanted: NDArray[np.int64], *, dates: Dates, years: Years
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[int, int]]:
    """Point and year of every sample; how many points each year lost that is not covered."""
    times = cube["time"].values
    covered = years_covered(times, start_month=dates.start_month)
    if isinstance(years, str):
        if years != "match":
            raise SampleError(f"years={years!r}; expected 'match', a year, several, or None.")
        matched = mapped_years(points, start_month=dates.start_month)
        if matched is None:
            return _years(cube, points, wanted, dates=dates, years=None)
        own = matched[wanted]
        known = np.isin(own, covered)
        lost, numbers = np.unique(own[~known], return_counts=True)
        return wanted[known], own[known], dict(zip(lost.tolist(), numbers.tolist(), strict=True))
    if years is None and len(covered) != 1:
        raise SampleError(
            f"this cube covers {len(covered)} whole mapped years "
            f"({', '.join(map(str, covered)) or 'none'}) that begin in month {dates.start_month}; "
            "expected one. Pass year=... to say which to sample, give points a column 'year' or "
            "'survey_date' for the year of each, or pass another start_month."
        )
    given = covered if years is None else [years] if isinstance(years, int) else list(years)
    if not given or len(set(given)) < len(given):
        raise SampleError(f"years={given}; expected at least one year, each once.")
    for year in given:
        # Raises where the cube has no date of that year.
        plan_year(times, dates, year=int(year))
    return np.repeat(wanted, len(given)), np.tile(np.array(given, np.int64), wanted.size), {}


def _patch(
    cube: xr.Dataset, points: Points, *, patch: int | None, tolerance: Tolerance
) -> tuple[int, NDArray[np.float64] | None]:
    """Side of the patch, and the tolerance of each point in metres if there is one."""
    pixel = _pixel(cube)
    reach: NDArray[np.float64] | None = None
    side = 1
    if isinstance(tolerance, str):
        reach = _distances(points, tolerance)
        side = 2 * int(np.ceil(reach.max(initial=0) / min(pixel))) + 1
    elif tolerance:
        if tolerance != int(tolerance) or tolerance < 0:
            raise SampleError(
                f"tolerance={tolerance!r}; expected whole pixels >= 0, or the name of a column "
                "that holds metres."
            )
        number = len(next(iter(columns_of(points)[0].values())))
        reach = np.full(number, int(tolerance) * max(pixel))
        side = 2 * int(tolerance) + 1
    if patch is None:
        patch = side
    limit = min(cube.sizes["y"], cube.sizes["x"])
    if patch != int(patch) or patch < 1 or patch % 2 == 0:
        raise SampleError(
            f"patch={patch!r}; expected an odd number of pixels, such as 1, 3 or 33, so that the "
            "point lies in the middle."
        )
    if patch > 2 * limit:
        raise CubeError(
            f"a patch of {patch} pixels is more than twice as wide as this cube ({limit} pixels). "
            f"Choose patch <= {2 * limit - 1}, or take a larger cube."
        )
    return int(patch), reach


def _distances(points: Points, column: str) -> NDArray[np.float64]:
    """Tolerance of each point in metres, from a column."""
    table, _ = columns_of(points)
    if column not in table:
        raise SampleError(
            name_unknown("column", column, table) + " tolerance names a column of metres, or "
            "gives whole pixels."
        )
    metres = np.asarray(table[column], np.float64)
    if not (np.isfinite(metres) & (metres >= 0)).all():
        raise SampleError(
            f"column {column!r} holds a negative or missing distance; give metres >= 0, "
            "and 0 where the point is exact."
        )
    return metres
