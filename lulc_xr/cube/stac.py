"""STAC items to a lazy cube: one vocabulary, one grid, one date per day and platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pystac
import xarray as xr
from odc.geo import CRS
from odc.geo.geobox import GeoBox
from odc.loader import RioDriver
from rasterio.enums import Resampling

from lulc_xr.core.clear import ClearRule, as_rule
from lulc_xr.core.cube import BANDS
from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.sensors import COMMON_BANDS, SENTINEL2
from lulc_xr.core.sensors import bandpass as bandpass_of
from lulc_xr.cube.assembly import lazy_cube
from lulc_xr.cube.catalogue import BBox, Query, StacSource, find_items
from lulc_xr.cube.grid import check_bbox, check_grid, make_grid
from lulc_xr.cube.items import available_bands, read_scene
from lulc_xr.cube.overpasses import by_date, drop_duplicates
from lulc_xr.cube.reading import HTTP_SETTINGS, SceneReader, Signer

_MSI_BANDS = (
    "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22",
)  # fmt: skip


def load_stac(
    source: StacSource,
    *,
    bands: Sequence[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    bbox: BBox | None = None,
    geobox: GeoBox | None = None,
    crs: str | CRS | None = None,
    resolution: float | None = None,
    collections: Sequence[str] | None = None,
    clear: ClearRule | str | None = None,
    dilate: int = 0,
    bandpass: Literal["hls"] | None = None,
    query: Query | None = None,
    resampling: str | Mapping[str, str] | None = None,
    chunks: Mapping[str, int] | None = None,
    on_error: Literal["raise", "mark"] = "raise",
    sign: Signer | None = None,
) -> xr.Dataset:
    """A cube of Sentinel-2 L2A and Landsat Collection 2 Level-2 from STAC items, lazily.

    Parameters
    ----------
    source : list of pystac.Item, ItemCollection, Catalog, pystac_client.Client, URL or path
        Where items come from: the URL or client of a STAC API is searched; a static catalogue
        on disk (``catalog.json``, ``collection.json``, item collection, folder of items) needs
        no server.
    bands : sequence of str, optional
        Names of :data:`lulc_xr.core.cube.BANDS`. Default: the ten bands of 10 and 20 m for
        Sentinel-2 alone, else the six that all sensors share (``lx.COMMON_BANDS``).
    start, end : str, optional
        First and last day, month or year, both inclusive: ``"2021-06-05"``, ``"2021-06"``.
    bbox : tuple of float
        West, south, east, north in degrees. Give this or `geobox`.
    geobox : odc.geo.geobox.GeoBox
        The grid, exactly; its CRS must be projected.
    crs : str, optional
        With `bbox`: ``"utm"`` (default; the scenes' own zone if they share one),
        ``"EPSG:3035"`` (aligned to the EEA reference grid) or any projected CRS.
    resolution : float, optional
        Side of a pixel in metres; default: that of the finest band.
    collections : sequence of str, optional
        Ids of collections, such as ``["sentinel-2-l2a", "landsat-c2-l2"]``.
    clear : ClearRule or {"standard", "no_snow", "strict"}, optional
        Which classes and bits of SCL, QA_PIXEL and Fmask are clear.
    dilate : int
        Pixels of the grid by which cloud, shadow and whatever else is not clear grow.
    bandpass : {"hls", None}
        ``"hls"`` brings Sentinel-2 to Landsat's OLI (see :func:`lulc_xr.core.sensors.bandpass`).
    query : mapping or str, optional
        Conditions on properties, ``{"eo:cloud_cover": {"lt": 60}}``; for an API also CQL2.
    resampling : str or mapping, optional
        How reflectance comes to another grid: ``"bilinear"`` by default, or any name of
        rasterio's, as ``{"reflectance": "cubic"}``. Pixels are pasted as they are where the
        grids agree. The quality band is always taken from the nearest pixel: its numbers are
        classes and bits, of which there is no average.
    chunks : mapping, optional
        Dask chunks along time, y and x; default: one date, 512 to 2048 pixels a side.
        ``{"time": -1}`` reads whole series in one task.
    on_error : {"raise", "mark"}
        What happens when a raster cannot be read after all attempts: an error, or its scene
        left out, with `unread` 1 over its footprint and one warning in the log.
    sign : callable, optional
        Signs an address when it is read, such as ``planetary_computer.sign``.

    Returns
    -------
    xr.Dataset
        ``reflectance(time, band, y, x)`` float32 with NaN, ``clear(time, y, x)`` uint8,
        ``platform(time)``, and with ``on_error="mark"`` ``unread(time, y, x)`` uint8. Scenes of
        one solar day and platform are one date, whose time is that of its first scene in UTC;
        clear pixels count before unclear ones, then the earlier scene.

    Raises
    ------
    CubeError
        If a setting is wrong, no item is found, or an item is not understood.
    SourceError
        If a catalogue cannot be read; when computing, if a raster cannot be read.

    Notes
    -----
    Scale and offset are those of each item (see :func:`lulc_xr.cube.items.read_scene`). Only
    metadata of items is read here. Tested with items of Earth Search v0, Planetary Computer,
    USGS and stactools; names of Earth Search v1 and CDSE follow their documentation. Warped
    pixels lie within an eighth of a pixel of their true place (GDAL's tolerance), so other
    chunks may change their last digits; pasted ones are the same for all chunks.

    Examples
    --------
    What a user types where the internet is::

        lx.load_stac(
            "https://earth-search.aws.element84.com/v1",
            collections=["sentinel-2-l2a"],
            bbox=(3.0, 50.8, 3.1, 50.9),
            start="2021-06",
            end="2021-08",
            query={"eo:cloud_cover": {"lt": 60}},
        )
        lx.load_stac(
            "https://planetarycomputer.microsoft.com/api/stac/v1",
            sign=planetary_computer.sign,
            collections=["sentinel-2-l2a", "landsat-c2-l2"],
            bands=lx.COMMON_BANDS,
            bandpass="hls",
            bbox=(3.0, 50.8, 3.1, 50.9),
            crs="EPSG:3035",
            resolution=30,
        )

    The Copernicus Data Space is ``"https://stac.dataspace.copernicus.eu/v1/"`` with
    ``collections=["sentinel-2-l2a"]``; its rasters lie in S3, so keys and endpoint must be in
    the environment (``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_S3_ENDPOINT``).
    A folder works the same, without a server: ``lx.load_stac("catalogue", bbox=...)``.
    """
    method = _resampling(resampling)
    _check_choices(on_error=on_error, bandpass=bandpass, dilate=dilate)
    rule = as_rule(clear)
    area = _area(bbox, geobox)
    items = find_items(
        source, bbox=area, start=start, end=end, collections=collections, query=query
    )
    if not items:
        raise CubeError(
            f"no item touches {tuple(round(v, 4) for v in area)} between {start} and {end} "
            f"(collections {collections}, query {query}). Widen the time or the area."
        )
    names = _bands(items, bands)
    scenes = drop_duplicates([read_scene(item, names) for item in items])
    if bandpass:
        for scene in scenes:
            for band in names if scene.sensor is SENTINEL2 else ():
                bandpass_of(band, scene.platform)
    if bbox is not None:
        geobox = make_grid(scenes, bbox=bbox, crs=crs, resolution=resolution)
    assert geobox is not None
    reader = SceneReader(
        bands=names,
        rule=rule,
        dilate=dilate,
        bandpass=bandpass == "hls",
        resampling=method,
        mark=on_error == "mark",
        sign=sign,
        environment=_environment(),
    )
    longitude = geobox.geographic_extent.centroid.coords[0][0]
    return lazy_cube(by_date(scenes, longitude), geobox, reader, chunks)


def _area(bbox: BBox | None, geobox: GeoBox | None) -> BBox:
    if (bbox is None) == (geobox is None):
        raise CubeError(
            "give either bbox (west, south, east, north in degrees) or geobox (a grid); "
            f"got bbox={bbox!r} and geobox={geobox!r}."
        )
    if bbox is not None:
        return check_bbox(bbox)
    assert geobox is not None
    bounds = check_grid(geobox).geographic_extent.boundingbox
    return bounds.left, bounds.bottom, bounds.right, bounds.top


def _check_choices(*, on_error: str, bandpass: str | None, dilate: int) -> None:
    if on_error not in ("raise", "mark"):
        raise CubeError(name_unknown("on_error", on_error, ("raise", "mark")))
    if bandpass not in (None, "hls"):
        raise CubeError(name_unknown("bandpass", bandpass, ("hls",)))
    if dilate < 0 or int(dilate) != dilate:
        raise CubeError(f"dilate is {dilate!r}; give a whole number of pixels, 0 or more.")


def _resampling(given: str | Mapping[str, str] | None) -> str:
    """Method for reflectance; classes and bits are never averaged."""
    kinds = {"reflectance": given} if isinstance(given, str) else dict(given or {})
    for kind, method in kinds.items():
        if kind not in ("reflectance", "quality"):
            raise CubeError(name_unknown("kind of band", kind, ("reflectance", "quality")))
        if kind == "quality" and method != "nearest":
            raise CubeError(
                f"resampling {method!r} would average the quality band, whose numbers are "
                "classes and bits. It is always 'nearest'; choose a method for 'reflectance'."
            )
        if method not in Resampling.__members__:
            raise CubeError(name_unknown("resampling", method, Resampling.__members__))
    return kinds.get("reflectance", "bilinear")


def _bands(items: Sequence[pystac.Item], bands: Sequence[str] | None) -> tuple[str, ...]:
    if bands is None:
        msi_only = all("rededge1" in available_bands(item) for item in items)
        return _MSI_BANDS if msi_only else COMMON_BANDS
    if isinstance(bands, str) or len(bands) == 0:
        raise CubeError(f"bands={bands!r}; give a list of names, such as {list(COMMON_BANDS)}.")
    for band in bands:
        if band not in BANDS:
            raise CubeError(name_unknown("band", band, BANDS))
    if len(set(bands)) != len(bands):
        raise CubeError(f"bands {list(bands)} name one twice.")
    return tuple(bands)


def _environment() -> dict[str, Any]:
    """GDAL's settings while reading: ours, under what the user configured for odc.stac."""
    unset = RioDriver().capture_env()
    ours = dict(HTTP_SETTINGS)
    configured = {k: v for k, v in unset.items() if _DEFAULTS.get(k) != v}
    return {**ours, **configured}


# What odc gives when nothing was configured.
_DEFAULTS = {"GDAL_HTTP_MAX_RETRY": "10", "GDAL_HTTP_RETRY_DELAY": "0.5"}
