"""Regions given by polygons: NUTS, catchments, any areas that may lie apart or overlap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from lulc_xr.core.ellipsoid import area_up_to
from lulc_xr.core.errors import CubeError
from lulc_xr.core.great_circles import unit_vectors
from lulc_xr.core.lattice_coordinates import grid_mapping
from lulc_xr.core.nearby import Circles
from lulc_xr.core.overlap import Outlines
from lulc_xr.core.rings import close_rings
from lulc_xr.core.rotated_pole import within_half_turn
from lulc_xr.core.target_grid import EARTH_RADIUS, GridPart, TargetGrid, check_cells, pieces_for

LONGITUDE_LATITUDE = "EPSG:4326"
_POLYGONS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionGrid(TargetGrid):
    """Polygons as cells of one dimension, `region`; their edges are straight in their system.

    Parameters
    ----------
    name : str
        What the regions are called.
    geometries : ndarray of object
        Shapely polygons or multipolygons, shape (region,).
    crs : str
        Their coordinate reference system, as WKT or a name such as "EPSG:3035".
    ids : ndarray
        What regions are told apart by, shape (region,).
    attributes : mapping of str to ndarray, optional
        More about each region, shape (region,): coordinates of the results.
    """

    name: str
    geometries: NDArray[Any]
    crs: str
    ids: NDArray[Any]
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.geometries) or len(self.geometries) != len(self.ids):
            raise CubeError(
                f"{len(self.geometries)} geometries and {len(self.ids)} ids of regions "
                f"{self.name!r}; expected as many, and at least one."
            )
        kinds = shapely.get_type_id(self.geometries)
        wrong = np.flatnonzero(~np.isin(kinds, _POLYGONS) | shapely.is_empty(self.geometries))
        if wrong.size:
            found = self.geometries[wrong[0]]
            raise CubeError(
                f"region {self.ids[wrong[0]]} of {self.name!r} is {_kind(found)} ({wrong.size} "
                "such regions); expected polygons with an area. Leave it out."
            )
        invalid = np.flatnonzero(~shapely.is_valid(self.geometries))
        if invalid.size:
            raise CubeError(
                f"{invalid.size} regions of {self.name!r} have outlines that cross or touch "
                f"themselves: {_some(self.ids[invalid])} "
                f"({shapely.is_valid_reason(self.geometries[invalid[0]])}). Repair them, with "
                "GeoDataFrame.make_valid for example."
            )
        values, counts = np.unique(np.asarray(self.ids).astype(str), return_counts=True)
        if (counts > 1).any():
            raise CubeError(
                f"{(counts > 1).sum()} ids of {self.name!r} belong to several regions: "
                f"{_some(values[counts > 1])}. Dissolve them, or choose another id_column."
            )

    @property
    def dims(self) -> tuple[str, ...]:
        """One dimension: ("region",)."""
        return ("region",)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of regions."""
        return (len(self.geometries),)

    def coordinates(self) -> xr.Dataset:
        """Ids and attributes of regions, and a place inside each."""
        inside = shapely.get_coordinates(shapely.point_on_surface(self.geometries))
        longitude, latitude = to_longitude_latitude(self.crs, *inside.T)
        words = (("lon", longitude, "longitude", "degrees_east"),
                 ("lat", latitude, "latitude", "degrees_north"))  # fmt: skip
        places = {
            name: (
                self.dims,
                values,
                {
                    "standard_name": standard,
                    "long_name": f"{standard} of a place inside the region",
                    "units": units,
                },
            )
            for name, values, standard, units in words
        }
        more = {name: (self.dims, values) for name, values in self.attributes.items()}
        region = (self.dims, self.ids, {"long_name": "region"})
        mapping = ((), np.int32(0), grid_mapping(None))
        return xr.Dataset(
            coords={"region": region, **more, **places, "crs": mapping},
            attrs={"grid_mapping": "crs"},
        )

    def areas(self) -> NDArray[np.float64]:
        """Area of each region on the ellipsoid in square metres, shape (region,)."""
        # Eight times finer than where the course of outlines is kept to a millionth: 1e-7.
        lines = self.part(np.arange(self.size)).outlines(8 * pieces_for(self.width()))
        found = np.zeros(self.size)
        np.add.at(found, lines.cells, _signed_areas(lines))
        return np.abs(found)

    def width(self) -> float:
        """Side in metres of a square as large as the median region."""
        return self._width

    def near(
        self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Regions that may meet a part of a map, ascending: none that meets it is missing."""
        circles, regions = self._circles
        found: NDArray[np.int64] = np.unique(regions[circles.near(longitude, latitude)])
        return found

    def locate(
        self, longitude: NDArray[np.float64], latitude: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Region that holds each place, -1 where none does; the first where regions overlap."""
        x, y = _transformer(LONGITUDE_LATITUDE, self.crs).transform(
            np.asarray(longitude, float), np.asarray(latitude, float)
        )
        found = np.full(x.size, self.size, np.int64)
        known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        place, region = self._tree.query(shapely.points(x[known], y[known]), "intersects")
        np.minimum.at(found, known[place], region)
        return np.where(found < self.size, found, -1)

    def part(self, cells: NDArray[np.int64]) -> RegionPart:
        """Some regions, ascending."""
        cells = np.asarray(cells, np.int64)
        check_cells(cells, self.size)
        return RegionPart(
            name=self.name,
            geometries=self.geometries[cells],
            ids=self.ids[cells],
            crs=self.crs,
            width=self.width(),
        )

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.geometries)

    @cached_property
    def _width(self) -> float:
        side = float(np.sqrt(np.median(shapely.area(self.geometries))))
        return max(side * metres_of(self.crs), 1.0)

    @cached_property
    def _circles(self) -> tuple[Circles, NDArray[np.int64]]:
        """Circles around each ring, as parts of a region may lie oceans apart, and its region."""
        lines = self.part(np.arange(self.size)).outlines(8)
        around = Circles.around(unit_vectors(lines.x, lines.y), lines.starts)
        # What an edge may stray from between its places, also a parallel at high latitude.
        highest = np.maximum.reduceat(np.abs(lines.y), lines.starts[:-1])
        steep = np.tan(np.radians(np.minimum(highest, 89.9)))
        stray = (self.width() / 8 / EARTH_RADIUS) ** 2 / 8 * (1 + steep)
        return Circles(centres=around.centres, radii=around.radii + stray), lines.cells


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionPart(GridPart):
    """Some regions.

    Parameters
    ----------
    name : str
        What the regions are called.
    geometries : ndarray of object
        Their polygons, shape (region,).
    ids : ndarray
        Their ids, for messages.
    crs : str
        Their coordinate reference system.
    width : float
        Typical side of a region in metres.
    """

    name: str
    geometries: NDArray[Any]
    ids: NDArray[Any]
    crs: str
    width: float

    def outlines(self, pieces: int) -> Outlines:
        """Rings of the regions in degrees, without a straight line longer than width / pieces."""
        polygons, owner = shapely.get_parts(self.geometries, return_index=True)
        # Outer rings one way round, holes the other.
        rings, polygon = shapely.get_rings(shapely.orient_polygons(polygons), return_index=True)
        xy, ring = shapely.get_coordinates(rings, return_index=True)
        longest = self.width / pieces / metres_of(self.crs)
        x, y, starts = _cut(xy, ring, longest)
        longitude, latitude = to_longitude_latitude(self.crs, x, y)
        if not np.isfinite(longitude + latitude).all():
            bad = int(np.flatnonzero(~np.isfinite(longitude + latitude))[0])
            cell = owner[polygon[np.searchsorted(starts, bad, "right") - 1]]
            raise CubeError(
                f"region {self.ids[cell]} of {self.name!r} has no longitude and latitude at "
                f"({x[bad]:g}, {y[bad]:g}). Check its coordinate reference system."
            )
        return close_rings(
            within_half_turn(longitude),
            latitude,
            starts=starts,
            names=self.ids,
            grid=self.name,
            cells=owner[polygon],
        )


@lru_cache(maxsize=32)
def _transformer(source: str, target: str) -> Transformer:
    # Made once, as PROJ takes longer to find the way than to go it.
    return Transformer.from_crs(source, target, always_xy=True)


@lru_cache(maxsize=32)
def metres_of(crs: str) -> float:
    """Metres of one unit of a reference system; of a degree on the earth where it has degrees."""
    system = CRS.from_user_input(crs)
    unit = system.axis_info[0].unit_conversion_factor
    # Angles convert to radians.
    return float(unit * EARTH_RADIUS) if system.is_geographic else float(unit)


def to_longitude_latitude(
    crs: str, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude on WGS 84 in degrees of places in a reference system."""
    out = _transformer(crs, LONGITUDE_LATITUDE)
    longitude, latitude = out.transform(x, y)
    # PROJ's series back from Lambert's azimuthal projection is off by 0.3 mm. What is lost, given
    # once more, leaves 1e-8 m, so that edges that lie on edges of pixels stay there.
    back = out.transform(longitude, latitude, direction="INVERSE")
    lost_x, lost_y = x - np.asarray(back[0]), y - np.asarray(back[1])
    with np.errstate(invalid="ignore"):
        near = (np.abs(lost_x) < 1) & (np.abs(lost_y) < 1)
    again = out.transform(x + np.where(near, lost_x, 0), y + np.where(near, lost_y, 0))
    return np.asarray(again[0]), np.asarray(again[1])


def _cut(
    xy: NDArray[np.float64], ring: NDArray[np.int64], longest: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Rings (closed) with places on their edges: x, y and where rings begin (open)."""
    edge = np.flatnonzero(ring[1:] == ring[:-1])
    first, last = xy[edge], xy[edge + 1]
    back = (first[:, 0] > last[:, 0]) | ((first[:, 0] == last[:, 0]) & (first[:, 1] > last[:, 1]))
    low, high = np.where(back[:, None], last, first), np.where(back[:, None], first, last)
    counts = np.maximum(np.ceil(np.hypot(*(high - low).T) / longest), 1).astype(np.int64)
    position = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    number = np.repeat(counts, counts)
    # Counted from the same end by both neighbours of an edge.
    turned = np.repeat(back, counts)
    way = (np.where(turned, number - position, position) / number)[:, None]
    found = np.repeat(low, counts, axis=0) * (1 - way) + np.repeat(high, counts, axis=0) * way
    lengths = np.bincount(ring[edge], weights=counts).astype(np.int64)
    return found[:, 0], found[:, 1], np.concatenate([[0], np.cumsum(lengths)])


def _signed_areas(lines: Outlines) -> NDArray[np.float64]:
    """Area of each ring in square metres, holes with the other sign; edges straight in degrees."""
    after = np.arange(lines.x.size) + 1
    after[lines.starts[1:] - 1] = lines.starts[:-1]
    rings = np.repeat(np.arange(lines.starts.size - 1), np.diff(lines.starts))
    base = area_up_to(np.sin(np.radians(lines.y[lines.starts[:-1]])))[rings]
    turn = np.radians(lines.x[after] - lines.x)
    found = np.zeros(lines.x.size)
    nodes, weights = np.polynomial.legendre.leggauss(3)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        latitude = np.radians(lines.y * (1 - node) + lines.y[after] * node)
        found += weight * turn * (area_up_to(np.sin(latitude)) - base)
    total: NDArray[np.float64] = np.add.reduceat(found, lines.starts[:-1])
    return total


def _kind(geometry: Any) -> str:
    if geometry is None:
        return "missing"
    return "empty" if geometry.is_empty else f"a {geometry.geom_type}"


def _some(ids: NDArray[Any]) -> str:
    shown = ", ".join(str(each) for each in ids[:5])
    return shown + (", ..." if len(ids) > 5 else "")
