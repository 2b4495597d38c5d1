"""What a map holds of one task, and where points lie on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from lulc_xr.core.cube import crs_of
from lulc_xr.core.dates import start_month_of
from lulc_xr.core.errors import CubeError, LegendError, SampleError, name_unknown
from lulc_xr.core.georeference import pixels_at
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.points import Points, mapped_years, positions_of

PER_TASK = (
    "entropy", "aleatoric", "epistemic", "margin", "least_confidence", "max_probability",
    "set_size",
)  # fmt: skip
"""Endings of the variables of a task with one value per pixel."""
PER_CLASS = ("probability", "set")
"""Endings of those with one value per class."""
OF_ALL_TASKS = ("dissimilarity", "applicable", "context_outside")
"""Variables of a map whatever the task."""

_METRIC = "EPSG:3035"


@dataclass(frozen=True, kw_only=True)
class MapFields:
    """The variables of one task of a map.

    Parameters
    ----------
    maps : xr.Dataset
        The class map, under the task's name, and what else is there of it.
    task : str
        The task.
    legend : Legend
        Its classes.
    crs : str or None
        Well-known text of the reference system.
    """

    maps: xr.Dataset
    task: str
    legend: Legend
    crs: str | None

    @property
    def years(self) -> tuple[int, ...]:
        """Mapped years; none if the map does not say."""
        if "year" not in self.maps.coords:
            return ()
        return tuple(int(y) for y in np.atleast_1d(self.maps["year"].values))

    @property
    def start_month(self) -> int:
        """Month in which mapped years begin."""
        return start_month_of(self.maps[self.task].attrs)

    def columns(self, name: str) -> tuple[str, ...]:
        """Columns of judged points that a variable becomes."""
        ending = name.removeprefix(f"{self.task}_")
        var = self.maps[name]
        rest = [d for d in var.dims if d not in ("year", "y", "x")]
        if not rest:
            return (ending,)
        names = map(str, var[rest[0]].values) if rest[0] in var.coords else self.legend.names
        return tuple(f"{ending}_{one}" for one in names)


@dataclass(frozen=True, kw_only=True)
class PlacedPoints:
    """Where points lie on a map, as arrays of shape (point,).

    Parameters
    ----------
    x, y : ndarray of float64
        Place in the map's system; NaN for none.
    row, column : ndarray of int
        The pixel; 0 outside.
    year : ndarray of int
        Position of the year; 0 where there is none.
    inside, dated : ndarray of bool
        Whether the point lies on the map, and whether its year is mapped.
    other_year : int
        Number of points of another year than the only one of the map.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    year: NDArray[np.int64]
    inside: NDArray[np.bool_]
    dated: NDArray[np.bool_]
    other_year: int


def fields_of(maps: xr.Dataset | xr.DataArray, task: str) -> MapFields:
    """The class map of a task and its companions, after checks that read no pixel.

    Raises
    ------
    CubeError
        If there is no such task, or it is not of class ids over (y, x).
    LegendError
        If nothing says what the class ids mean.
    """
    if isinstance(maps, xr.DataArray):
        maps = maps.to_dataset(name=task)
    if task not in maps:
        flagged = [str(n) for n, var in maps.data_vars.items() if "flag_values" in var.attrs]
        raise CubeError(name_unknown("class map", task, flagged))
    classes = maps[task]
    if set(classes.dims) - {"year"} != {"y", "x"}:
        raise CubeError(
            f"class map {task!r} has dimensions {tuple(map(str, classes.dims))}; expected y and x, "
            "and year if there are several. Select along the others first."
        )
    if classes.dtype.kind not in "iu":
        raise CubeError(
            f"class map {task!r} is {classes.dtype}; expected class ids as uint8 with {FILL_CLASS} "
            "for none. Open a store with lulc_xr.open_cube and a raster with "
            f"lulc_xr.open_class_map, or use .fillna({FILL_CLASS}).astype('uint8')."
        )
    if "flag_values" not in classes.attrs:
        raise LegendError(
            f"class map {task!r} has no CF flag_values that say what its class ids mean. Open a "
            "raster with lulc_xr.open_class_map(path, legend='worldcover'), or add "
            "lulc_xr.legend('worldcover').flags() to its attributes."
        )
    _check_grid(maps)
    known = [task, *(f"{task}_{ending}" for ending in PER_TASK + PER_CLASS), *OF_ALL_TASKS]
    there = [name for name in known if name in maps]
    try:
        crs: str | None = crs_of(maps)
    except CubeError:
        crs = None
    return MapFields(maps=maps[there], task=task, legend=Legend.from_flags(classes.attrs), crs=crs)


def place_points(fields: MapFields, points: Points, year: int | None) -> PlacedPoints:
    """Pixel and year of every point on a map.

    Raises
    ------
    SampleError
        If points have no place, or none lies on the map.
    CubeError
        If the year is not mapped.
    """
    x, y = positions_of(points, fields.crs)
    row, column, inside = pixels_at(fields.maps, x, y)
    if not inside.any():
        raise SampleError(_no_overlap(fields, x, y))
    place, dated, other_year = _years(fields, points, year, number=x.size)
    if not (inside & dated).any():
        raise SampleError(
            f"none of the {int(inside.sum())} points on the map is of a year that it maps "
            f"({', '.join(map(str, fields.years))}). Pass year={fields.years[-1]} to judge all of "
            "them by that year."
        )
    return PlacedPoints(
        x=x,
        y=y,
        row=np.floor(row).astype(np.int64),
        column=np.floor(column).astype(np.int64),
        year=place,
        inside=inside,
        dated=dated,
        other_year=other_year,
    )


def blocks_of(
    x: NDArray[np.float64], y: NDArray[np.float64], *, crs: str | None, side: float
) -> NDArray[np.int64]:
    """Block of each point: squares of a side in metres, by one number each, shape (point,).

    Raises
    ------
    SampleError
        If the side is not positive, or the system is not known.
    """
    if not (np.isfinite(side) and side > 0):
        raise SampleError(f"block={side}; expected the side of a block in metres, such as 10000.")
    if crs is None:
        raise SampleError(
            "blocks are counted in metres, and nothing says which reference system the map has. "
            "Assign it, for instance maps.odc.assign_crs('EPSG:3035')."
        )
    system = CRS.from_user_input(crs)
    if any(axis.unit_name != "metre" for axis in system.axis_info[:2]):
        x, y = Transformer.from_crs(system, _METRIC, always_xy=True).transform(x, y)
    known = np.isfinite(x) & np.isfinite(y)
    down, right = (np.floor(np.where(known, axis, 0) / side).astype(np.int64) for axis in (y, x))
    # Rows and columns of blocks stay below two thousand million however small these are.
    return np.where(known, (down << 32) + right, -1)


def _check_grid(maps: xr.Dataset) -> None:
    for name in ("y", "x"):
        if name not in maps.coords:
            raise CubeError(
                f"dimension {name!r} has no coordinate; assign its pixel centres first."
            )
        values = np.asarray(maps[name].values, np.float64)
        steps = np.diff(values)
        if steps.size > 1 and not np.allclose(steps, steps.mean(), rtol=1e-3, atol=0):
            raise CubeError(f"{name!r} is not evenly spaced; a map has one pixel size.")


def _no_overlap(fields: MapFields, x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """What to say where no point lies on the map: both extents, in the map's system."""

    def span(values: Sequence[float] | NDArray[np.float64]) -> str:
        known = np.asarray(values, np.float64)
        known = known[np.isfinite(known)]
        return f"{known.min():.8g} to {known.max():.8g}" if known.size else "nowhere"

    maps = fields.maps
    system = CRS.from_user_input(fields.crs).name if fields.crs else "a system that is not known"
    return (
        f"none of the {x.size} points lies on the map. In {system} the points span x {span(x)}, "
        f"y {span(y)}; the map x {span(maps['x'].values)}, y {span(maps['y'].values)}. A table "
        "without geometry must have x and y in the map's system; a GeoDataFrame is reprojected "
        "if its own system is set right."
    )


def _years(
    fields: MapFields, points: Points, year: int | None, *, number: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], int]:
    """Position of each point's year, whether it is mapped, how many are of another year."""
    years = fields.years
    last: NDArray[np.int64] = np.full(number, max(len(years) - 1, 0))
    everywhere = np.ones(number, np.bool_)
    if year is not None:
        if years and year not in years:
            raise CubeError(name_unknown("mapped year", year, map(str, years)))
        return (last if not years else np.full(number, years.index(year))), everywhere, 0
    own = mapped_years(points, start_month=fields.start_month) if years else None
    if own is None:
        return last, everywhere, 0
    if len(years) == 1:
        return last, everywhere, int(((own != years[0]) & (own != 0)).sum())
    match = own[:, None] == np.array(years)
    return match.argmax(axis=1), match.any(axis=1), 0
