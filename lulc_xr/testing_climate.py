"""For tests: a made-up landscape whose seasons follow climate by a known rule; its best scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from lulc_xr.core.context import CONTEXT, CONTEXT_DIMS, CONTEXT_GRID_MAPPING
from lulc_xr.core.cube import CLEAR_ENCODING, REFLECTANCE_ENCODING
from lulc_xr.core.errors import CubeError
from lulc_xr.core.georeference import GRID_MAPPING, grid_mapping_variable
from lulc_xr.core.legend import Legend

PEAKS = {"winter_crop": 130.0, "spring_crop": 170.0, "summer_crop": 210.0}
"""Day of the year on which each crop is greenest where it is 9 degrees on the mean of the year."""

SPREAD = 12.0
"""Standard deviation of that day from field to field of one crop and climate, in days."""

MEAN, RANGE = 9.0, 4.0
"""Annual mean temperature in the middle of the landscape, and how far it goes up and down."""

REGIONS = 5
FIELD = 4
"""Regions from south to north; side of a field in pixels."""

_CRS = "EPSG:32631"
_CORNER = (500_000.0, 5_600_000.0)
_PIXEL, _NOISE, _WIDTH, _DATES = 10.0, 0.004, 40.0, 24


def climate_landscape(
    *, y: int = 200, x: int = 80, days_per_degree: float = -10.0, seed: int = 0
) -> xr.Dataset:
    """A made-up cube of three crops that turn green earlier where it is warmer.

    Temperature rises linearly from the north to the south. The crop of a field, and by how
    many days it is early or late, are drawn at random. What a pixel looks like in a year tells
    the day it is greenest; which crop that is, only the temperature tells: a winter crop in the
    cold north is greenest when a summer crop in the warm south is.

    Parameters
    ----------
    y, x : int
        Pixels of 10 m, in fields of 4 x 4.
    days_per_degree : float
        By how many days the season is later for each degree. 0: climate does not matter.
    seed : int
        Another seed draws other fields.

    Returns
    -------
    xr.Dataset
        `reflectance(time, band, y, x)` of red and near infrared on 24 dates, `clear`,
        `reference(y, x)` with its legend as CF flags, `region(y, x)` int8 from the north to the
        south, and the context `bioclim` on a coarse grid: ``bio01`` (degC), and ``bio12`` (mm),
        which has nothing to do with anything.

    Raises
    ------
    CubeError
        If there are fewer rows than regions.

    See Also
    --------
    best_accuracy : the score that nobody can beat, with and without the climate.

    Examples
    --------
    >>> cube = climate_landscape(y=40, x=8)
    >>> cube.reference.attrs["flag_meanings"]
    'winter_crop spring_crop summer_crop'
    >>> cube.bioclim.sel(bioclim_variable="bio01").mean().round(1).item()
    9.0
    """
    if y < REGIONS * FIELD or x < 1:
        raise CubeError(f"y={y}, x={x}: give at least {REGIONS * FIELD} rows and one column.")
    rng = np.random.default_rng(seed)
    rows, columns = -(-y // FIELD), -(-x // FIELD)
    legend = Legend.from_names("crops", list(PEAKS))
    crop = _fields(rng.integers(3, size=(rows, columns)))[:y, :x].astype(np.int64)
    late = _fields(rng.normal(0, SPREAD, (rows, columns)))[:y, :x]
    share = (np.arange(y) + 0.5) / y
    warmth = RANGE * (2 * share - 1)
    peak = np.array(list(PEAKS.values()))[crop] + days_per_degree * warmth[:, None] + late
    days = np.rint(np.linspace(7, 357, _DATES)).astype(np.int64)
    green = np.exp(-(((days[:, None, None] - peak) / _WIDTH) ** 2))
    values = np.stack([0.17 - 0.12 * green, 0.2 + 0.25 * green], axis=1)
    values += rng.normal(0, _NOISE, values.shape)
    region = np.repeat((share * REGIONS).astype(np.int8)[:, None], x, axis=1)
    cube = xr.Dataset(
        {
            "reflectance": (("time", "band", "y", "x"), values.astype(np.float32)),
            "clear": (("time", "y", "x"), np.ones((_DATES, y, x), np.uint8)),
            "reference": (("y", "x"), np.array(legend.ids, np.uint8)[crop], legend.flags()),
            "region": (("y", "x"), region),
        },
        {
            "time": np.datetime64("2018-01-01", "ns") + days.astype("timedelta64[D]"),
            "band": ("band", np.array(["red", "nir"], np.dtypes.StringDType())),
            "y": ("y", _CORNER[1] - _PIXEL * (np.arange(y) + 0.5), {"units": "m"}),
            "x": ("x", _CORNER[0] + _PIXEL * (np.arange(x) + 0.5), {"units": "m"}),
            GRID_MAPPING: ((), np.int32(0), {"crs_wkt": CRS.from_user_input(_CRS).to_wkt()}),
        },
    )
    cube = cube.assign_coords({GRID_MAPPING: grid_mapping_variable(cube)})
    cube["reflectance"].encoding = {**REFLECTANCE_ENCODING, "grid_mapping": GRID_MAPPING}
    cube["clear"].encoding = {**CLEAR_ENCODING, "grid_mapping": GRID_MAPPING}
    return cube.assign({CONTEXT: _climate(y, x, rng)})


def best_accuracy(region: int, *, days_per_degree: float = -10.0, context: bool = True) -> float:
    """Overall accuracy in a region of the best classifier that learnt in the others.

    It knows the rule of the landscape and the day a pixel is greenest, exactly. With context it
    also knows the temperature, and region does not matter. Without, the likeliest crop on a day
    is what it is over all temperatures of the other regions.

    Parameters
    ----------
    region : int
        The region that it is judged in, 0 to 4.
    days_per_degree : float
        As for :func:`climate_landscape`.
    context : bool
        Whether it knows the temperature.

    Examples
    --------
    >>> round(best_accuracy(2), 3), round(best_accuracy(2, context=False), 3)
    (0.936, 0.417)
    """
    if context:
        day = np.arange(60.0, 290.0, 0.1)
        likely = _density(day, np.zeros(1))
        return float(likely.max(axis=0).sum() * 0.1 / 3)
    day = np.arange(-40.0, 400.0, 0.25)
    share = (np.arange(2000) + 0.5) / 2000
    shift = days_per_degree * RANGE * (2 * share - 1)
    own = (share * REGIONS).astype(int) == region
    chosen = _density(day, shift[~own]).argmax(axis=0)
    truth = _density(day, shift[own])
    return float(np.take_along_axis(truth, chosen[None], axis=0).sum() * 0.25 / 3)


def _density(day: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Density of the greenest day of each crop over these shifts, shape (crop, day)."""
    scale = SPREAD * np.sqrt(2 * np.pi)
    made = [
        np.exp(-(((day[:, None] - peak - shift) / SPREAD) ** 2) / 2).mean(axis=1) / scale
        for peak in PEAKS.values()
    ]
    return np.stack(made)


def _fields(values: NDArray[Any]) -> NDArray[Any]:
    """Values of fields, as values of their pixels."""
    return values.repeat(FIELD, axis=0).repeat(FIELD, axis=1)


def _climate(y: int, x: int, rng: np.random.Generator) -> xr.DataArray:
    """Temperature and precipitation, whose cells are centred also beyond the landscape's edge."""
    share_y, share_x = np.linspace(-0.2, 1.2, 15), np.linspace(-0.5, 1.5, 5)
    warmth = MEAN + RANGE * (2 * share_y - 1)
    rain = rng.uniform(500, 900, (share_y.size, share_x.size))
    table = np.stack([np.repeat(warmth[:, None], share_x.size, axis=1), rain])
    attrs = {"crs_wkt": CRS.from_user_input(_CRS).to_wkt()}
    return xr.DataArray(
        table.astype(np.float32),
        {
            CONTEXT_DIMS[0]: np.array(["bio01", "bio12"], np.dtypes.StringDType()),
            CONTEXT_DIMS[1]: _CORNER[1] - _PIXEL * y * share_y,
            CONTEXT_DIMS[2]: _CORNER[0] + _PIXEL * x * share_x,
            CONTEXT_GRID_MAPPING: ((), np.int32(0), attrs),
        },
        CONTEXT_DIMS,
        attrs={"grid_mapping": CONTEXT_GRID_MAPPING},
    )
