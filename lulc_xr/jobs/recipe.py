"""What a recipe of a store says: area, grid, years, source, bands, chunk and shard plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from pyproj import CRS
from pyproj.exceptions import CRSError

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.errors import CubeError, name_unknown

SENSORS = ("sentinel-2", "landsat")
"""Sensors that a recipe can name."""

UTM = "utm"
"""Word for the UTM zone of the middle of the area."""

_FIRST_YEAR = 1972


@dataclass(frozen=True, kw_only=True)
class Area:
    """Where: a rectangle in degrees, or polygons of a file.

    Parameters
    ----------
    bbox : tuple of float, optional
        West, south, east, north in degrees (EPSG:4326).
    file : Path, optional
        GeoPackage, GeoJSON or any vector file that GeoPandas reads; its bounds are the area.
    column, name : str, optional
        Polygons of the file whose `column` equals `name`, such as ``NUTS_ID`` and ``BE25``.
    """

    bbox: tuple[float, float, float, float] | None = None
    file: Path | None = None
    column: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if (self.bbox is None) == (self.file is None):
            raise CubeError(
                f"an area has bbox={self.bbox} and file={self.file}; give one of the two: "
                "bbox = [west, south, east, north] in degrees, or a file of polygons."
            )
        if (self.column is None) != (self.name is None) or (self.column and self.file is None):
            raise CubeError(
                f"column={self.column!r} and name={self.name!r} choose polygons of a file: "
                "give both, beside file, or none of them."
            )
        if self.bbox is not None:
            _check_bbox(self.bbox, "bbox")
            west, south, east, north = self.bbox
            if west < -180 or east > 180 or south < -90 or north > 90:
                raise CubeError(
                    f"bbox {list(self.bbox)} is not in degrees; expected [west, south, east, "
                    "north] within -180, -90, 180, 90. Metres belong into [grid] extent."
                )


@dataclass(frozen=True, kw_only=True)
class Grid:
    """On which pixels: reference system and pixel size, edges at multiples of the pixel size.

    Parameters
    ----------
    crs : str
        A projected reference system such as ``"EPSG:3035"`` (the European reference grid), or
        ``"utm"`` for the zone of the middle of the area.
    resolution : float
        Side of a pixel in metres.
    extent : tuple of float, optional
        Left, bottom, right, top in metres: what the store may grow to, declared up front.
        By default the area itself.
    """

    crs: str = "EPSG:3035"
    resolution: float = 10.0
    extent: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        if not self.resolution > 0:
            raise CubeError(f"resolution={self.resolution}: give the side of a pixel in metres.")
        if self.extent is not None:
            _check_bbox(self.extent, "extent")
        if self.crs.lower() == UTM:
            if self.extent is not None:
                raise CubeError(
                    "extent is in metres of a reference system, so crs = 'utm' is not enough: "
                    "name the zone, such as crs = 'EPSG:32631'."
                )
            return
        try:
            known = CRS.from_user_input(self.crs)
        except CRSError as error:
            raise CubeError(
                f"crs={self.crs!r} is no reference system; give one such as 'EPSG:3035', or 'utm'."
            ) from error
        if not known.is_projected:
            raise CubeError(
                f"crs={self.crs!r} is in degrees; a cube has pixels of metres. Choose a projected "
                "one such as 'EPSG:3035', or 'utm'."
            )


@dataclass(frozen=True, kw_only=True)
class Source:
    """From where: a catalogue and what of it, as :func:`lulc_xr.load_stac` takes it.

    Parameters
    ----------
    catalogue : str
        URL of a STAC API, or path or URL of a static catalogue.
    sensors : tuple of str
        ``"sentinel-2"``, ``"landsat"`` or both.
    collections : tuple of str, optional
        Collections to search; by default those of the sensors.
    bands : tuple of str, optional
        Common names; by default all that the sensors share.
    clear, dilate, bandpass, resampling, query
        See :func:`lulc_xr.load_stac`.
    sign : str, optional
        Function that signs addresses, as ``"planetary_computer:sign"``.
    on_error : {"mark", "raise"}
        What a date that cannot be read becomes: listed in `unread` to be filled later, or the end.
    """

    catalogue: str
    sensors: tuple[str, ...] = ("sentinel-2",)
    collections: tuple[str, ...] | None = None
    bands: tuple[str, ...] | None = None
    clear: str | None = None
    dilate: int = 0
    bandpass: str | None = None
    resampling: str | None = None
    sign: str | None = None
    query: Mapping[str, Any] | None = None
    on_error: str = "mark"

    def __post_init__(self) -> None:
        if not self.sensors:
            raise CubeError(f"sensors is empty; give at least one of {', '.join(SENSORS)}.")
        for sensor in self.sensors:
            if sensor not in SENSORS:
                raise CubeError(name_unknown("sensor", sensor, SENSORS))
        if self.on_error not in ("mark", "raise"):
            raise CubeError(name_unknown("on_error", self.on_error, ("mark", "raise")))
        if self.sign is not None and self.sign.count(":") != 1:
            raise CubeError(
                f"sign={self.sign!r}: expected module and function, as 'planetary_computer:sign'."
            )


@dataclass(frozen=True, kw_only=True)
class Composites:
    """Store composites of regular periods and not the dates, see :func:`lulc_xr.composite`.

    Parameters
    ----------
    freq, method, max_gap, weights, q
        As there.
    fill : {"linear", "none"}
        As there; TOML has no word for None.
    """

    freq: str = "MS"
    method: str = "median"
    fill: str = "linear"
    max_gap: int | None = None
    weights: str | None = None
    q: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.fill not in ("linear", "none"):
            raise CubeError(name_unknown("fill", self.fill, ("linear", "none")))
        if self.weights not in (None, "clear"):
            raise CubeError(name_unknown("weights", self.weights, ("clear",)))


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """A made-up landscape of any size, see :func:`lulc_xr.testing.landscape`."""

    y: int
    x: int
    time: int = 24
    bands: tuple[str, ...] | None = None
    classes: int = 5
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Climate:
    """Rasters of the bioclimatic variables to keep beside the cube: WorldClim, CHELSA, ...

    Parameters
    ----------
    source : Path
        Folder or file of the rasters.
    kind : {"worldclim", "chelsa"}
        Whose they are, since each has its own scaling.
    """

    source: Path
    kind: str = "worldclim"

    def __post_init__(self) -> None:
        if self.kind not in ("worldclim", "chelsa"):
            raise CubeError(name_unknown("climate", self.kind, ("worldclim", "chelsa")))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a store holds: read from a file by :func:`lulc_xr.load_recipe`.

    Parameters
    ----------
    path : Path
        The file it was read from.
    kind : {"stac", "landscape", "python"}
        What makes the cube.
    title : str
        Title of the store; also how a store is known to be this recipe's.
    store : Path
        Where the store goes unless another place is named.
    years : tuple of int
        Years to hold; a recipe may grow.
    area, grid, source, composite, landscape, climate
        The tables of the file; which are needed depends on the kind.
    plan : ChunkPlan, optional
        Chunks and shards; None suits the size.
    script : module, optional
        A Python recipe: has ``make_cube(raw)`` and ``PLAN``.
    """

    path: Path
    kind: str
    title: str
    store: Path
    years: tuple[int, ...] = ()
    area: Area | None = None
    grid: Grid = field(default_factory=Grid)
    source: Source | None = None
    composite: Composites | None = None
    landscape: Landscape | None = None
    climate: Climate | None = None
    plan: ChunkPlan | None = None
    script: ModuleType | None = None

    def __post_init__(self) -> None:
        if any(y < _FIRST_YEAR for y in self.years) or len(set(self.years)) < len(self.years):
            raise CubeError(
                f"years {list(self.years)}: give each year once, from {_FIRST_YEAR} on."
            )
        needed = {"stac": ("area", "source"), "landscape": ("landscape",)}.get(self.kind, ())
        missing = [f"[{name}]" for name in needed if getattr(self, name) is None]
        if missing:
            raise CubeError(
                f"a recipe of kind {self.kind!r} needs the table {' and '.join(missing)}."
            )
        if self.kind == "stac" and not self.years:
            raise CubeError("a recipe of kind 'stac' needs years, such as years = [2018, 2019].")


def _check_bbox(box: Sequence[float], what: str) -> None:
    left, bottom, right, top = box
    if not (left < right and bottom < top):
        raise CubeError(
            f"{what} {list(box)} is empty; expected [left, bottom, right, top] with "
            "left < right and bottom < top."
        )
