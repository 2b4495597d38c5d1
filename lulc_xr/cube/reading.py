"""Read scenes into a block: retried, scaled, masked and merged by day in one pass."""

from __future__ import annotations

import logging
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.loader import RasterLoadParams, RasterSource, RioDriver
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.features import geometry_mask
from scipy import ndimage

from lulc_xr.core.clear import ClearRule, is_collection1
from lulc_xr.core.errors import CubeError, SourceError
from lulc_xr.core.sensors import SENTINEL2, bandpass
from lulc_xr.cube.items import Scene, Source

Signer = Callable[[str], str]

# Proposals: a request is given up after a minute, or when it brings less than 1 kB/s for 20 s.
# One retry of GDAL's, as each of our own attempts repeats them: 2 minutes for a dead server.
HTTP_SETTINGS: Mapping[str, str] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "1",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
    "GDAL_HTTP_LOW_SPEED_TIME": "20",
}
"""GDAL's own retries and limits for a request; an environment set with odc.stac wins over it."""

_WAITS = (0.5, 2.0)
# Not "not recognized as a supported file format": GDAL says so of a stalled connection too.
_HOPELESS = re.compile(r"HTTP response code: 4(?!08|29)\d\d")
# Under threads rasterio now and then warns so of its own target in memory; its values are right.
warnings.filterwarnings(
    "ignore", "Dataset has no geotransform", NotGeoreferencedWarning, r"rasterio\.warp"
)
_log = logging.getLogger(__name__)
_warned: set[str] = set()

Block = tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True, kw_only=True)
class SceneReader:
    """How scenes become blocks of a cube: settings without data, the same for all blocks.

    Parameters
    ----------
    bands : tuple of str
        Bands of the block, in order.
    rule : ClearRule
        Which pixels are clear.
    dilate : int
        Pixels by which what is not clear grows.
    bandpass : bool
        Bring Sentinel-2 to OLI.
    resampling : str
        How reflectance comes to another grid.
    mark : bool
        Mark a scene that cannot be read instead of raising.
    sign : callable, optional
        Signs an address when it is read.
    environment : mapping
        Settings of GDAL while reading.
    """

    bands: tuple[str, ...]
    rule: ClearRule
    dilate: int = 0
    bandpass: bool = False
    resampling: str = "bilinear"
    mark: bool = False
    sign: Signer | None = None
    environment: Mapping[str, Any] = field(default_factory=lambda: dict(HTTP_SETTINGS))

    def read(self, dates: Sequence[Sequence[Scene]], grid: GeoBox) -> Block:
        """Reflectance, clear and unread of some dates on one part of the grid.

        Parameters
        ----------
        dates : sequence of sequence of Scene
            For each date its scenes, the preferred first.
        grid : GeoBox
            Pixels of the block.

        Returns
        -------
        tuple of ndarray
            ``reflectance`` (time, band, y, x) float32, ``clear`` and ``unread`` (time, y, x)
            uint8.

        Raises
        ------
        SourceError
            Naming item, asset and address, if a raster cannot be read and `mark` is not set.
        """
        size = (len(dates), *grid.shape.yx)
        reflectance = np.empty((size[0], len(self.bands), *size[1:]), np.float32)
        clear, unread = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
        driver = RioDriver()
        state = driver.new_load(grid)
        with driver.restore_env(dict(self.environment), state) as context:
            for number, scenes in enumerate(dates):
                files = _Files(driver, context, self.sign)
                self._merge(scenes, grid, files, reflectance[number], clear[number], unread[number])
        return reflectance, clear, unread

    def _merge(
        self,
        scenes: Sequence[Scene],
        grid: GeoBox,
        files: _Files,
        reflectance: NDArray[np.float32],
        clear: NDArray[np.uint8],
        unread: NDArray[np.uint8],
    ) -> None:
        """One date: a clear pixel counts before one that was only seen, then the first scene."""
        rank = np.zeros(clear.shape, np.uint8)
        used = False
        for scene in scenes:
            if used and (rank == 2).all():
                break
            try:
                into = np.empty_like(reflectance) if used else reflectance
                found = self._scene(scene, grid, files, into)
            except SourceError as error:
                if not self.mark:
                    raise
                _warn_once(error)
                unread |= _inside(scene, grid)
                continue
            if found is None:
                continue
            if used:
                better = found > rank
                np.copyto(reflectance, into, where=better)
                np.maximum(rank, found, out=rank)
            else:
                rank, used = found, True
        if not used:
            reflectance[...] = np.nan
        np.equal(rank, 2, out=clear, casting="unsafe")

    def _scene(
        self, scene: Scene, grid: GeoBox, files: _Files, into: NDArray[np.float32]
    ) -> NDArray[np.uint8] | None:
        """Reflectance of one scene into `into`; 2 where clear, 1 where seen, 0 elsewhere.

        None if the quality band says that there is no pixel of it in this block.
        """
        clear, fill = self._clear(scene, grid, files)
        if fill.all():
            return None
        seen = np.ones(clear.shape, bool)
        for number, band in enumerate(self.bands):
            source = scene.bands[band]
            numbers = files.read(scene, source, grid, resampling=self.resampling)
            slope, offset = source.scale, source.offset
            if self.bandpass and scene.sensor is SENTINEL2:
                gain, shift = bandpass(band, scene.platform)
                slope, offset = gain * slope, gain * offset + shift
            np.multiply(numbers, np.float32(slope), out=into[number], dtype=np.float32)
            if offset:
                into[number] += np.float32(offset)
            missing = numbers == source.nodata
            if missing.any():
                np.copyto(into[number], np.float32(np.nan), where=missing)
                seen &= ~missing
        return seen.astype(np.uint8) + (seen & clear)

    def _clear(
        self, scene: Scene, grid: GeoBox, files: _Files
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Where a scene is clear, and where it has no pixel; clouds grow across block borders."""
        halo = self.dilate
        outer = grid.pad(halo) if halo else grid
        quality = files.read(scene, scene.quality, outer, resampling="nearest")
        kind = scene.sensor.quality_kind
        if kind == "qa_pixel" and is_collection1(quality):
            raise CubeError(
                f"asset {scene.quality.key!r} of item {scene.item_id!r} holds bits of Landsat "
                f"Collection 1 (value {int(quality[quality > 1][0])}); those of Collection 2 are "
                "above 2048, such as 21824. Take items of Collection 2 Level-2."
            )
        clear, fill = self.rule.clear(quality, kind), quality == scene.quality.nodata
        if halo:
            # Grows what was seen and rejected; the border of a scene is no cloud.
            clear &= ~ndimage.binary_dilation(~clear & ~fill, _disk(halo))
            clear, fill = (part[halo:-halo, halo:-halo] for part in (clear, fill))
        return clear, fill


class _Files:
    """Reads rasters with retries; says which scene and asset could not be read."""

    def __init__(self, driver: RioDriver, context: Any, sign: Signer | None) -> None:
        self._driver, self._context, self._sign = driver, context, sign

    def read(self, scene: Scene, source: Source, grid: GeoBox, *, resampling: str) -> NDArray[Any]:
        """Numbers of a raster on a grid, its nodata where it has no pixel."""
        last = len(_WAITS) if "://" in source.href else 0
        for attempt in range(last + 1):
            href = self._sign(source.href) if self._sign else source.href
            try:
                # GDAL remembers what it fetched of a file, a bad answer too.
                with _uncached(href if attempt else ""):
                    return self._read(href, source, grid, resampling=resampling)
            # odc-geo asserts that a raster has a reference system: one cut in its tags has none.
            except (RasterioError, OSError, AssertionError) as error:
                reason = _reason(error)
                hopeless = _HOPELESS.search(reason)
                if attempt == last or (attempt and hopeless):
                    raise SourceError(
                        f"could not read asset {source.key!r} of item {scene.item_id!r} "
                        f"({scene.time}) at {source.href}: {reason} "
                        f"({attempt + 1} of {last + 1} attempts). "
                        "Try again later, leave the item out, or pass on_error='mark' to go on "
                        "and fill it in afterwards."
                    ) from error
                # Once more even so, at once: what GDAL says may be what it remembers.
                time.sleep(0 if hopeless else _WAITS[attempt])
        raise AssertionError("a read either returns or raises")

    def _read(self, href: str, source: Source, grid: GeoBox, *, resampling: str) -> NDArray[Any]:
        settings = RasterLoadParams(
            fill_value=source.nodata, src_nodata_fallback=source.nodata, resampling=resampling
        )
        reader = self._driver.open(RasterSource(href), self._context)
        (rows, columns), part = reader.read(settings, grid)
        if part.shape == grid.shape.yx:
            return np.asarray(part)
        whole = np.full(grid.shape.yx, source.nodata, part.dtype)
        whole[rows, columns] = part
        return whole


@contextmanager
def _uncached(href: str) -> Iterator[None]:
    if not href.startswith(("http://", "https://")):
        yield
        return
    with rasterio.Env(CPL_VSIL_CURL_NON_CACHED=f"/vsicurl/{href}"):
        yield


def _reason(error: BaseException) -> str:
    """What GDAL said, the cause after the consequence."""
    said: list[str] = []
    step: BaseException | None = error
    while step is not None:
        text = str(step).strip()
        if text and text not in said:
            said.append(text)
        step = step.__cause__ or step.__context__
    return "; ".join(said) or type(error).__name__


def _warn_once(error: SourceError) -> None:
    text = str(error)
    raster = text.split(": ", 1)[0]
    if raster not in _warned:
        _warned.add(raster)
        _log.warning("marked as unread: %s", text)


def _inside(scene: Scene, grid: GeoBox) -> NDArray[np.uint8]:
    """1 where the footprint of a scene touches a pixel."""
    footprint = scene.footprint.to_crs(str(grid.crs))
    outside = geometry_mask(
        [footprint.geom], out_shape=grid.shape.yx, transform=grid.transform, all_touched=True
    )
    inside: NDArray[np.uint8] = (~outside).astype(np.uint8)
    return inside


def _disk(radius: int) -> NDArray[np.bool_]:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    inside: NDArray[np.bool_] = y**2 + x**2 <= radius**2
    return inside
