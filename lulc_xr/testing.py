"""For tests and plug-ins: a made-up landscape with known classes, and labelled points of it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import dask.array
import geopandas
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from lulc_xr.core.cube import CLEAR_ENCODING, NODATA, REFLECTANCE_ENCODING, SCALE, crs_of, decode
from lulc_xr.core.errors import CubeError, SampleError, name_unknown
from lulc_xr.core.georeference import GRID_MAPPING, grid_mapping_variable
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.testing_climate import best_accuracy, climate_landscape

__all__ = [
    "SENTINEL2_BANDS",
    "best_accuracy",
    "check_model",
    "climate_landscape",
    "landscape",
    "points",
]

SENTINEL2_BANDS = (
    "blue", "green", "red", "rededge1", "rededge2",
    "rededge3", "nir", "nir08", "swir16", "swir22",
)  # fmt: skip
"""The ten bands of Sentinel-2 at 10 m and 20 m, by their common names."""

PIXEL = 10.0
FIELD = 8
"""Side of a pixel in metres, and of a field (an area of one class) in pixels."""

_CRS = "EPSG:32631"
_CORNER = (500_000.0, 5_600_000.0)
_CLOUD, _SWATH = 32, 64
_CLOUD_SHARE, _SWATH_SHARE = 0.25, 0.03
_NOISE = 500
_YEAR = 2018
_WINDOW = 1024

# Reflectance of bare ground and of dense green leaves, band by band, in units of 1e-4.
_GROUND_AND_LEAF: Mapping[str, tuple[int, int]] = {
    "coastal": (900, 200), "blue": (1000, 250), "green": (1300, 600), "red": (1700, 300),
    "rededge1": (2000, 900), "rededge2": (2200, 2700), "rededge3": (2400, 3600),
    "nir": (2500, 4000), "nir08": (2600, 4200), "nir09": (2600, 4200),
    "swir16": (3100, 1800), "swir22": (2700, 900),
}  # fmt: skip
# Name, brightness of the ground, green cover in winter, its rise in season, day of the peak, width.
_CLASSES: tuple[tuple[str, float, float, float, float, float], ...] = (
    ("winter_crop", 1.0, 0.25, 0.65, 125, 40),
    ("summer_crop", 1.0, 0.05, 0.85, 215, 40),
    ("woodland", 0.6, 0.45, 0.50, 190, 75),
    ("grassland", 0.9, 0.55, 0.25, 160, 90),
    ("water", 0.15, 0.00, 0.05, 200, 50),
    ("artificial_land", 1.3, 0.10, 0.08, 180, 60),
    ("bare_land", 1.7, 0.00, 0.05, 150, 60),
    ("conifers", 0.4, 0.75, 0.08, 190, 90),
)
# One for each of the classes, as maps have them.
_COLORS = (
    "#e8c34a", "#ef8d32", "#2e7d32", "#a3d36c", "#3d7fd1", "#c0392b", "#b5aea4", "#1b5e20",
)  # fmt: skip


def check_model(name: str) -> None:
    """Check that a registered network keeps the contract, for the tests of a plug-in.

    Parameters
    ----------
    name : str
        Name of the network's entry point in ``lulc_xr.networks``.

    Raises
    ------
    ModelError
        If a promise is broken; the message says which.
    """
    # By name: this module is imported with lulc_xr, which must not load PyTorch.
    importlib.import_module("lulc_xr.models.check").check_model(name)


def landscape(
    *,
    y: int = 64,
    x: int = 64,
    time: int = 24,
    bands: Sequence[str] = SENTINEL2_BANDS,
    classes: int = 5,
    seed: int = 0,
    years: Sequence[int] = (2018,),
    chunks: Mapping[str, int] | None = None,
) -> xr.Dataset:
    """A made-up cube of any size whose classes are known.

    Fields of 8 x 8 pixels each hold one class with its own seasonal course of reflectance;
    fields, pixels and dates differ by seeded noise. A quarter of every date is clouded
    (bright, not clear), and a few squares hold no data. Every value follows from its
    position and the seed alone, so any chunking gives the same cube.

    Parameters
    ----------
    y, x : int
        Pixels of 10 m.
    time : int
        Dates of a year, evenly spread from 8 January to 19 December; from 12 on every month
        has one.
    bands : sequence of str
        Names of the STAC common vocabulary.
    classes : int
        Number of classes, 1 to 255.
    seed : int
        Another seed gives another landscape.
    years : sequence of int
        Years with dates. Classes stay; clouds and noise of a date are its own, whichever other
        years are there.
    chunks : mapping of dimension to int, optional
        Makes the variables lazy, one Dask task per chunk. Dimensions not named: whole.

    Returns
    -------
    xr.Dataset
        `reflectance(time, band, y, x)` float32, `clear(time, y, x)` uint8 and
        `reference(y, x)` uint8, the true class, with its legend as CF flags.

    Raises
    ------
    CubeError
        If a size, the number of classes or a band is out of range.

    Examples
    --------
    >>> cube = landscape(y=20, x=30, time=12)
    >>> dict(cube.reflectance.sizes)
    {'time': 12, 'band': 10, 'y': 20, 'x': 30}
    >>> cube.reference.attrs["flag_meanings"].split()[2]
    'woodland'
    """
    for name, size in {"y": y, "x": x, "time": time}.items():
        if size < 1:
            raise CubeError(f"{name}={size}: a landscape has at least one of each; give >= 1.")
    if not 1 <= classes <= FILL_CLASS:
        raise CubeError(f"classes={classes}: expected 1 to {FILL_CLASS}.")
    for band in bands:
        if band not in _GROUND_AND_LEAF:
            raise CubeError(name_unknown("band", band, _GROUND_AND_LEAF))
    days = 7 + np.rint(np.linspace(0, 345, time)).astype(np.int64)
    if len(set(days.tolist())) < time:
        raise CubeError(f"time={time}: a year from 8 January to 19 December holds 346 dates.")
    chosen = sorted(set(years))
    sizes = {"time": time * len(chosen), "band": len(bands), "y": y, "x": x}
    curves = np.tile(_curves(bands, days, classes), (1, len(chosen), 1))
    numbers = np.add.outer((np.array(chosen) - _YEAR) * time, np.arange(time)).ravel()
    scene = _Scene(curves=curves, classes=classes, seed=seed, numbers=numbers)
    variables = {
        name: _variable(scene, name, sizes=sizes, chunks=chunks)
        for name in ("reflectance", "clear", "reference")
    }
    variables["reflectance"].encoding = {**REFLECTANCE_ENCODING, "grid_mapping": GRID_MAPPING}
    variables["clear"].encoding = {**CLEAR_ENCODING, "grid_mapping": GRID_MAPPING}
    variables["reference"].encoding = {"dtype": "uint8", "grid_mapping": GRID_MAPPING}
    variables["reference"].attrs = {"long_name": "true class", **_legend(classes).flags()}
    coords = {
        "time": np.add.outer(
            np.array(chosen).astype(str).astype("datetime64[ns]"), days.astype("timedelta64[D]")
        ).ravel(),
        "band": ("band", np.array(list(bands), np.dtypes.StringDType())),
        "y": ("y", _CORNER[1] - PIXEL * (np.arange(y) + 0.5), {"units": "m"}),
        "x": ("x", _CORNER[0] + PIXEL * (np.arange(x) + 0.5), {"units": "m"}),
        GRID_MAPPING: ((), np.int32(0), {"crs_wkt": CRS.from_user_input(_CRS).to_wkt()}),
    }
    cube = xr.Dataset(variables, coords)
    return cube.assign_coords({GRID_MAPPING: grid_mapping_variable(cube)})


def points(cube: xr.Dataset, *, per_class: int = 50, seed: int = 0) -> geopandas.GeoDataFrame:
    """Labelled points of a cube's `reference`, at pixel centres, each pixel at most once.

    Parameters
    ----------
    cube : xr.Dataset
        Cube with `reference(y, x)`. Of a cube wider than 1024 pixels a square of that side,
        placed by the seed, is looked at.
    per_class : int
        Points of each class.
    seed : int
        Another seed draws other points.

    Returns
    -------
    geopandas.GeoDataFrame
        Columns `point_id`, `land_cover` and `geometry` in the cube's reference system, one
        row per point; `.attrs["legend"]` holds the legend as a dictionary.

    Raises
    ------
    SampleError
        If a class has fewer pixels than `per_class`.

    Examples
    --------
    >>> points(landscape(), per_class=3)["land_cover"].value_counts().unique().tolist()
    [3]
    """
    rng = np.random.default_rng(seed)
    corner = {d: int(rng.integers(max(1, cube.sizes[d] - _WINDOW + 1))) for d in ("y", "x")}
    part = cube["reference"].isel({d: slice(c, c + _WINDOW) for d, c in corner.items()})
    legend = Legend.from_flags(part.attrs)
    flat = part.transpose("y", "x").to_numpy().ravel()
    chosen = []
    for class_id, name in zip(legend.ids, legend.names, strict=True):
        found = np.flatnonzero(flat == class_id)
        if found.size < per_class:
            raise SampleError(
                f"class {name!r} has {found.size} pixels, but {per_class} points of each class "
                "are asked for. Make the landscape larger, or lower per_class."
            )
        chosen.append(rng.choice(found, per_class, replace=False))
    place = np.concatenate(chosen)
    row, column = np.divmod(place, part.sizes["x"])
    frame = geopandas.GeoDataFrame(
        {"point_id": np.arange(place.size), "land_cover": flat[place]},
        geometry=geopandas.points_from_xy(part["x"].values[column], part["y"].values[row]),
        crs=crs_of(cube),
    )
    frame.attrs["legend"] = legend.to_dict()
    return frame


def weak_labels(
    cube: xr.Dataset, *, share: float = 0.3, block: int = 4, seed: int = 0
) -> xr.DataArray:
    """A coarse map of a cube's `reference` with errors, as an older land cover product is.

    Blocks of pixels take the class of one pixel in them, as if mapped at a lower resolution; a
    share of the blocks is given to the next class of the legend instead, always the same mistake.

    Parameters
    ----------
    cube : xr.Dataset
        Cube with `reference(y, x)`.
    share : float
        Share (0 to 1) of the blocks that are wrong.
    block : int
        Side of a block in pixels.
    seed : int
        Draws the wrong blocks.

    Returns
    -------
    xr.DataArray
        Class ids (y, x) uint8 with the legend of the reference.

    Examples
    --------
    >>> cube = landscape(y=48, x=48)
    >>> bool((weak_labels(cube, share=0.0, block=1) == cube.reference).all())
    True
    """
    reference = cube["reference"].transpose("y", "x")
    ids = np.array(Legend.from_flags(reference.attrs).ids, np.uint8)
    following = np.arange(256).astype(np.uint8)
    following[ids] = np.roll(ids, -1)
    row, column = (np.arange(reference.sizes[dim]) // block for dim in ("y", "x"))
    # The last block may be cut off: its middle must still be a pixel.
    middle = [np.minimum(n * block + block // 2, n.size - 1) for n in (row, column)]
    coarse = reference.to_numpy()[np.ix_(*middle)]
    drawn = _hash(seed + 6, row[:, None], column[None, :])
    wrong = (drawn < np.uint32(min(share * 2**32, 2**32 - 1))) & (coarse != FILL_CLASS)
    made = np.where(wrong, following[coarse], coarse)
    weak = reference.copy(data=made)
    return weak.rename("weak_labels").assign_attrs(long_name="coarse class, often wrong")


def _legend(classes: int) -> Legend:
    names = [_CLASSES[i][0] if i < len(_CLASSES) else f"class_{i}" for i in range(classes)]
    others = Legend.from_names("landscape", names).colors[len(_COLORS) :]
    return Legend.from_names("landscape", names, [*_COLORS[:classes], *others])


def _curves(bands: Sequence[str], days: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Reflectance in units of 1e-4, shape (class, time, band)."""
    rows = [row[1:] for row in _CLASSES[:classes]]
    # Classes beyond the named ones: multiples of the golden ratio never come close together.
    share = [(i * 0.61803 % 1, i * 0.41421 % 1) for i in range(len(rows), classes)]
    rows += [(0.4 + b, 0.3 * a, 0.2 + 0.5 * b, 60 + 240 * a, 45) for a, b in share]
    bright, green, rise, peak, width = np.array(rows).T[:, :, None]
    ground, leaf = np.array([_GROUND_AND_LEAF[b] for b in bands], np.float64).T
    cover = np.clip(green + rise * np.exp(-(((days - peak) / width) ** 2)), 0, 1)[:, :, None]
    mixed = (1 - cover) * bright[:, :, None] * ground + cover * leaf
    return np.asarray(mixed, np.float32)


def _variable(
    scene: _Scene, name: str, *, sizes: Mapping[str, int], chunks: Mapping[str, int] | None
) -> xr.Variable:
    dims = {"reflectance": ("time", "band", "y", "x"), "clear": ("time", "y", "x")}.get(
        name, ("y", "x")
    )
    array = _MadeArray(scene, name, tuple(sizes[d] for d in dims))
    if chunks is None:
        return xr.Variable(dims, array[(slice(None),) * array.ndim])
    sides = tuple(min(chunks.get(d, sizes[d]), sizes[d]) for d in dims)
    # inline_array: one task per chunk, none that holds the array; not fancy: slices only.
    lazy = dask.array.from_array(
        array,
        chunks=sides,
        inline_array=True,
        fancy=False,
        meta=np.empty((0,) * array.ndim, array.dtype),
    )
    return xr.Variable(dims, lazy)


class _MadeArray:
    """One variable of a scene, made where it is sliced."""

    def __init__(self, scene: _Scene, name: str, shape: tuple[int, ...]) -> None:
        self.scene, self.name, self.shape = scene, name, shape
        self.ndim = len(shape)
        self.dtype = np.dtype(np.float32 if name == "reflectance" else np.uint8)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        scene = self.scene
        dates = scene.numbers.tobytes()
        return (self.name, self.shape, scene.seed, scene.classes, scene.curves.tobytes(), dates)

    def __getitem__(self, key: tuple[Any, ...]) -> NDArray[Any]:
        axes = [np.arange(n)[k] for n, k in zip(self.shape, key, strict=True)]
        made: NDArray[Any] = getattr(self.scene, self.name)(*map(np.atleast_1d, axes))
        return made.reshape([n for axis in axes for n in axis.shape])


class _Scene:
    """What lies where: every method takes positions and gives values."""

    def __init__(
        self,
        *,
        curves: NDArray[np.float32],
        classes: int,
        seed: int,
        numbers: NDArray[np.int64],
    ) -> None:
        self.curves, self.classes, self.seed = curves, classes, seed
        # What clouds and noise of a date follow from: its number, counted from the first year.
        self.numbers = numbers

    def reference(self, y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[np.uint8]:
        row, field = self._fields(y, x)
        first, number = field.min() // self.classes, self.classes
        groups = np.arange(first, field.max() // number + 1)
        rows, where = np.unique(row, return_inverse=True)
        # As many fields in a row as there are classes hold each of them once, in random
        # order, so that a small landscape has them all.
        drawn = _hash(
            self.seed + 3, _hash(self.seed + 4, rows[:, None], groups)[..., None], np.arange(number)
        )
        dealt = drawn.argsort(axis=-1).astype(np.uint8).reshape(rows.size, -1)
        return np.asarray(dealt[where[:, None], field - first * number])

    def clear(self, *axes: NDArray[np.int64]) -> NDArray[np.uint8]:
        time, y, x = axes
        numbers = self.numbers[time]
        return np.stack([~(self._cloudy(n, y, x) | self._unseen(n, y, x)) for n in numbers]).view(
            np.uint8
        )

    def reflectance(self, *axes: NDArray[np.int64]) -> NDArray[np.float32]:
        time, band, y, x = axes
        label = self.reference(y, x).astype(np.intp)
        row, fields = self._fields(y, x)
        field = _hash(self.seed, row[:, None], fields) >> np.uint32(16)
        gain = np.float32(0.9) + field.astype(np.float32) * np.float32(3e-6)
        pixel = _hash(self.seed + 1, y[:, None], x[None, :])
        raw = np.empty((time.size, band.size, y.size, x.size), np.int16)
        for i, t in enumerate(time):
            number = self.numbers[t]
            cloudy, unseen = self._cloudy(number, y, x), self._unseen(number, y, x)
            for j, b in enumerate(band):
                mixer = _hash(self.seed + 2, number, b)
                # One product of two well mixed numbers is random enough here, and cheap.
                noise = ((pixel ^ mixer) * (mixer | np.uint32(1))) >> np.uint32(16)
                value = self.curves[:, t, b].take(label) * gain
                value += noise.astype(np.float32) * np.float32(2 * _NOISE / 2**16) - _NOISE
                np.copyto(value, value * np.float32(0.5) + np.float32(5000), where=cloudy)
                np.maximum(value, 10, out=raw[i, j], casting="unsafe")
                np.copyto(raw[i, j], np.int16(NODATA), where=unseen)
        return decode(raw, scale=SCALE, fill=NODATA, dtype=np.float32)

    def _fields(
        self, y: NDArray[np.int64], x: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row of fields, shape (y,), and number of the field in it, shape (y, x)."""
        row = y // FIELD
        # Each row is shifted like bricks, so that borders are no straight lines.
        shift = (_hash(self.seed, row, row) % np.uint32(FIELD)).astype(np.int64)
        return row, (x[None, :] + shift[:, None]) // FIELD

    def _cloudy(self, t: int, y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[np.bool_]:
        drift = 7 * int(t)
        cell = _hash(self.seed + 5 + int(t), (y[:, None] + drift) // _CLOUD, (x + drift) // _CLOUD)
        return np.asarray(cell < np.uint32(_CLOUD_SHARE * 2**32))

    def _unseen(self, t: int, y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[np.bool_]:
        cell = _hash(self.seed + 9999 + int(t), y[:, None] // _SWATH, x // _SWATH)
        return np.asarray(cell < np.uint32(_SWATH_SHARE * 2**32))


def _hash(seed: int, first: Any, second: Any) -> NDArray[np.uint32]:
    """Well mixed uint32 of two whole numbers and a seed.

    References
    ----------
    Wellons, C. (2018). Prospecting for Hash Functions (the function "lowbias32").
    """
    mixed = _mix(np.asarray(second).astype(np.uint32) + np.uint32(seed * 2654435761 % 2**32))
    return _mix(np.asarray(first).astype(np.uint32) ^ mixed)


def _mix(value: NDArray[np.uint32]) -> NDArray[np.uint32]:
    with np.errstate(over="ignore"):
        value = (value ^ (value >> np.uint32(16))) * np.uint32(0x7FEB352D)
        value = (value ^ (value >> np.uint32(15))) * np.uint32(0x846CA68B)
        return np.asarray(value ^ (value >> np.uint32(16)), np.uint32)
