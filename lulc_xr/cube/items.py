"""A STAC item as a scene: its sensor, time, bands, and scale and offset of each of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pystac
from affine import Affine
from odc.geo import CRS, Geometry
from odc.geo.geobox import GeoBox
from odc.geo.geom import box

from lulc_xr.core.errors import CubeError
from lulc_xr.core.sensors import (
    SENTINEL2,
    Sensor,
    platform_name,
    platform_of_id,
    sensor_of,
)
from lulc_xr.cube.radiometry import PRODUCT_NAMES, baseline_of, encoding_of

_WGS84 = CRS("EPSG:4326")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One raster of a scene: reflectance = number * scale + offset, but `nodata` is nothing."""

    key: str
    href: str
    scale: float
    offset: float
    nodata: int


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What lulc_xr needs to know of a STAC item.

    Parameters
    ----------
    item_id : str
        Id of the item.
    sensor : Sensor
        Which bands it has and how clear pixels are told.
    platform : str
        Normalised name, such as ``"sentinel-2a"``.
    time : datetime64[s]
        When it was taken, UTC.
    tile : str
        MGRS tile, or path and row of Landsat; the item's id if it says neither.
    version : tuple
        Grows with processing baseline, then with the time of processing.
    crs : str or None
        Coordinate reference system of its rasters, if the item says so.
    origin : tuple of float or None
        A corner of its pixels in that CRS, if the item says so.
    footprint : Geometry
        Where it has pixels, in longitude and latitude.
    bands : mapping of str to Source
        The bands asked for.
    quality : Source
        The band that tells clear pixels.
    """

    item_id: str
    sensor: Sensor
    platform: str
    time: np.datetime64
    tile: str
    version: tuple[float, str]
    crs: str | None
    origin: tuple[float, float] | None
    footprint: Geometry
    bands: Mapping[str, Source]
    quality: Source


def read_scene(item: pystac.Item, bands: Sequence[str]) -> Scene:
    """The scene of a STAC item: names, scale, offset and nodata of its bands; reads no pixel.

    Scale and offset belong to the item, never to a collection:

    1. a flag ``earthsearch:boa_offset_applied`` (or ``sentinel:``) that is true: offset 0, even
       where ``raster:bands`` still says -0.1, as it does in Earth Search v1;
    2. what the asset says (``raster:bands``, STAC 1.1 ``bands`` or ``raster:scale`` and
       ``raster:offset``); an offset of 0 that is written down means it was applied already;
    3. else, for Sentinel-2, the processing baseline (property, or ``_N0400_`` in the name of the
       product): 04.00 and later have -1000 DN; for Landsat Collection 2, 2.75e-5 and -0.2.

    The flag of Earth Search v1 is wrong for some items (Element84/earth-search issues 66 and
    71); where that matters, take ``sentinel-2-c1-l2a``.

    Parameters
    ----------
    item : pystac.Item
        Of Sentinel-2 L2A, Landsat 4-9 Collection 2 Level-2, or HLS. Read from items of Earth
        Search v0 and v1, Planetary Computer, USGS and stactools in the tests.
    bands : sequence of str
        Bands of the cube's vocabulary.

    Raises
    ------
    CubeError
        Naming item and asset, if something is missing or contradicts itself.
    """
    platform = _platform(item)
    sensor = sensor_of(platform, hls=_hls(item))
    _check_level(item, sensor)
    if item.datetime is None and "start_datetime" not in item.properties:
        raise CubeError(f"item {item.id!r} has no datetime; set it in the item.")
    time = item.datetime or pystac.utils.str_to_datetime(item.properties["start_datetime"])
    quality = _quality(item, sensor)
    found = {band: _band_source(item, sensor, band) for band in bands}
    first = next((source.key for source in found.values()), quality.key)
    return Scene(
        item_id=item.id,
        sensor=sensor,
        platform=platform,
        time=np.datetime64(time.replace(tzinfo=None), "s"),
        tile=_tile(item),
        version=(baseline_of(item) or 0.0, _processed(item)),
        crs=item_crs(item, first),
        origin=_origin(item, first),
        footprint=_footprint(item, first),
        bands=found,
        quality=quality,
    )


def item_crs(item: pystac.Item, key: str) -> str | None:
    """CRS of an asset: ``proj:code``, ``proj:epsg`` or ``proj:wkt2`` of the asset or its item."""
    for fields in (item.assets[key].extra_fields, item.properties):
        if fields.get("proj:code"):
            return str(fields["proj:code"])
        if fields.get("proj:epsg"):
            return f"EPSG:{fields['proj:epsg']}"
        if fields.get("proj:wkt2"):
            return str(fields["proj:wkt2"])
    return None


def available_bands(item: pystac.Item) -> tuple[str, ...]:
    """Bands of the cube's vocabulary that the sensor of an item has."""
    return tuple(sensor_of(_platform(item), hls=_hls(item)).bands)


def _hls(item: pystac.Item) -> str | None:
    named = re.match(r"HLS\.?(S30|L30)", item.id) or re.match(
        r"HLS\.?(S30|L30)", item.collection_id or ""
    )
    return named[1] if named else None


def _platform(item: pystac.Item) -> str:
    given = item.properties.get("platform") or item.properties.get("eo:platform")
    found = platform_name(str(given)) if given else platform_of_id(item.id)
    if not found:
        raise CubeError(
            f"item {item.id!r} does not say its platform. Set item.properties['platform'], "
            "for instance to 'sentinel-2a' or 'landsat-8'."
        )
    return found


def _check_level(item: pystac.Item, sensor: Sensor) -> None:
    names = " ".join([item.id, *(str(item.properties.get(name, "")) for name in PRODUCT_NAMES)])
    if sensor is SENTINEL2 and re.search(r"MSIL1C|_L1C\b", names):
        raise CubeError(
            f"item {item.id!r} is Level-1C, reflectance above the atmosphere. "
            "Take surface reflectance (Level-2A)."
        )
    if sensor.quality_kind != "qa_pixel":
        return
    if str(item.properties.get("landsat:collection_number", "02")).zfill(2) == "01":
        raise CubeError(
            f"item {item.id!r} is Landsat Collection 1, whose bits and scale differ and which is "
            "no longer made. Take Collection 2 Level-2."
        )
    if re.search(r"L[COTEM]0\d_L1", names):
        raise CubeError(f"item {item.id!r} is Level-1; take Landsat Collection 2 Level-2 (L2SP).")


def _band_source(item: pystac.Item, sensor: Sensor, band: str) -> Source:
    if band not in sensor.bands:
        raise CubeError(
            f"{sensor.name} (item {item.id!r}) has no band {band!r}; it has "
            f"{', '.join(sensor.bands)}. Sensors side by side share the bands lx.COMMON_BANDS."
        )
    key = _asset_key(item, sensor, band)
    scale, offset, nodata = encoding_of(item, sensor, key)
    return Source(key=key, href=_href(item, key), scale=scale, offset=offset, nodata=nodata)


def _asset_key(item: pystac.Item, sensor: Sensor, band: str) -> str:
    """The asset of a band: by its key, then by the producer's band name, then by common name."""
    lower = {key.lower(): key for key in item.assets}
    names = sensor.asset_names(band)
    for name in names:
        if name in lower:
            return lower[name]
    single = {k: b[0] for k, a in item.assets.items() if len(b := _bands_of(a)) == 1}
    for field, wanted in (("name", names), ("eo:common_name", (band,)), ("common_name", (band,))):
        same = [k for k, b in single.items() if str(b.get(field, "")).lower() in wanted]
        if same:
            return min(same, key=lambda k: (_asset_gsd(item.assets[k]), len(k), k))
    raise CubeError(
        f"item {item.id!r} has no asset for band {band!r}: none is called "
        f"{' or '.join(names[:4])}, and no eo:bands says so. Its assets: "
        f"{', '.join(item.assets)}. Leave the band out, name the collection that has it with "
        "collections=[...], or rename the asset in the items."
    )


def _asset_gsd(asset: pystac.Asset) -> float:
    return float(asset.extra_fields.get("gsd", np.inf))


def _bands_of(asset: pystac.Asset) -> list[dict[str, Any]]:
    bands = asset.extra_fields.get("eo:bands") or asset.extra_fields.get("bands") or []
    return [band for band in bands if isinstance(band, dict)]


def _href(item: pystac.Item, key: str) -> str:
    href = item.assets[key].get_absolute_href()
    if not href:
        raise CubeError(
            f"asset {key!r} of item {item.id!r} has the relative address "
            f"{item.assets[key].href!r} and the item does not know where it lies. "
            "Read it with pystac.Item.from_file, or call item.set_self_href."
        )
    return str(href)


def _quality(item: pystac.Item, sensor: Sensor) -> Source:
    lower = {key.lower(): key for key in item.assets}
    for name in sensor.quality:
        if name in lower:
            key = lower[name]
            fill = sensor.quality_fill
            return Source(key=key, href=_href(item, key), scale=1.0, offset=0.0, nodata=fill)
    raise CubeError(
        f"item {item.id!r} has no asset that tells clear pixels ({' or '.join(sensor.quality)}); "
        f"its assets: {', '.join(item.assets)}. Name the collection that has it with "
        "collections=[...]."
    )


def _processed(item: pystac.Item) -> str:
    """When the product was made, as text that sorts."""
    given = item.properties.get("s2:generation_time")
    if given:
        return re.sub(r"\D", "", str(given))[:14]
    names = [str(item.properties.get(name, "")) for name in PRODUCT_NAMES] + [item.id]
    for text in names:
        times = re.findall(r"_(\d{8}(?:T\d{6})?)", text)
        if len(times) > 1:
            return re.sub(r"\D", "", times[-1]).ljust(14, "0")
    made = item.properties.get("processing:datetime") or item.properties.get("created")
    return re.sub(r"\D", "", str(made or ""))[:14]


def _tile(item: pystac.Item) -> str:
    fields = item.properties
    code = str(fields.get("grid:code", ""))
    if code:
        return code.removeprefix("MGRS-").lstrip("0")
    if fields.get("s2:mgrs_tile"):
        return str(fields["s2:mgrs_tile"]).lstrip("0")
    for prefix, zone in (("mgrs", "mgrs:utm_zone"), ("sentinel", "sentinel:utm_zone")):
        if fields.get(f"{prefix}:grid_square") and zone in fields:
            band = fields.get(f"{prefix}:latitude_band", "")
            return f"{fields[zone]}{band}{fields[f'{prefix}:grid_square']}"
    if "landsat:wrs_path" in fields:
        return f"{int(fields['landsat:wrs_path']):03d}{int(fields['landsat:wrs_row']):03d}"
    for text in (item.id, *(str(fields.get(name, "")) for name in PRODUCT_NAMES)):
        named = re.search(r"_T?(\d{1,2}[C-X][A-Z]{2})(?:_|\.|$)", text)
        if named:
            return named[1].lstrip("0")
        named = re.match(r"L[COTEM]0\d_L\w+?_(\d{6})_", text)
        if named:
            return named[1]
    return item.id


def _origin(item: pystac.Item, key: str) -> tuple[float, float] | None:
    for fields in (item.assets[key].extra_fields, item.properties):
        if fields.get("proj:transform"):
            return float(fields["proj:transform"][2]), float(fields["proj:transform"][5])
    return None


@lru_cache(maxsize=4096)
def _raster_extent(shape: tuple[int, int], transform: tuple[float, ...], crs: str) -> Geometry:
    """Outline of a raster in degrees, with points between its corners as its sides bend there."""
    extent = GeoBox(shape, Affine(*transform), crs).extent
    bounds = extent.boundingbox
    return extent.to_crs(_WGS84, resolution=max(bounds.span_x, bounds.span_y) / 16)


def _footprint(item: pystac.Item, key: str) -> Geometry:
    """Where the scene may have pixels: extent of its raster if it says so, else its geometry."""
    for fields in (item.assets[key].extra_fields, item.properties):
        crs = item_crs(item, key)
        shape, transform = fields.get("proj:shape"), fields.get("proj:transform")
        if crs and shape and transform:
            return _raster_extent(tuple(shape), tuple(transform[:6]), crs)
    if item.geometry:
        return Geometry(item.geometry, _WGS84)
    if item.bbox:
        half = len(item.bbox) // 2
        west, south, east, north = *item.bbox[:2], *item.bbox[half : half + 2]
        return box(west, south, east, north, crs=_WGS84)
    raise CubeError(
        f"item {item.id!r} says nowhere it lies: no proj:shape and proj:transform, no geometry. "
        "Add its geometry to the item."
    )
