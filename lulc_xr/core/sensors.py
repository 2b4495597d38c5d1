"""Sentinel-2, Landsat and HLS in one vocabulary: bands, assets, scales, band-pass coefficients."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lulc_xr.core.errors import CubeError, name_unknown

COMMON_BANDS = ("blue", "green", "red", "nir08", "swir16", "swir22")
"""Bands that Sentinel-2 and Landsat share; `nir08` is B8A of Sentinel-2, not the wide B08."""

BOA_OFFSET = -1000
OFFSET_BASELINE = 4.0
"""Sentinel-2 products of this processing baseline and later carry -1000 in their numbers.

Decided by baseline, never by date: reprocessing put the offset on scenes before 2022 too.
"""


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """What the catalogues of one kind of product have in common.

    Parameters
    ----------
    name : str
        Short name for messages and settings.
    bands : mapping of str to str
        Band of the cube to the producer's own band name.
    gsd : mapping of str to int
        Ground sampling distance of each band in metres.
    prefixes : tuple of str
        What catalogues put before the producer's band name.
    quality : tuple of str
        Names of the asset that says which pixels are clear.
    quality_kind : {"scl", "qa_pixel", "fmask"}
        How that asset is coded.
    quality_fill : int
        Its value outside the scene.
    scale, offset : float or None
        Reflectance = number * scale + offset; offset None: it depends on the item.
    nodata : int
        Number of a pixel that was not seen.
    """

    name: str
    bands: Mapping[str, str]
    gsd: Mapping[str, int]
    prefixes: tuple[str, ...] = ("",)
    quality: tuple[str, ...]
    quality_kind: str
    quality_fill: int
    scale: float
    offset: float | None
    nodata: int = 0

    def asset_names(self, band: str) -> tuple[str, ...]:
        """Names an asset of this band may have, the surest first, in lower case."""
        own = self.bands[band].lower()
        resolution = self.gsd[band]
        named = [f"{prefix}{own}" for prefix in self.prefixes]
        tails = (f"_{resolution}m", ".tif")
        return (band, *named, *(f"{name}{tail}" for name in named for tail in tails))


_MSI = {
    "coastal": "B01", "blue": "B02", "green": "B03", "red": "B04", "rededge1": "B05",
    "rededge2": "B06", "rededge3": "B07", "nir": "B08", "nir08": "B8A", "nir09": "B09",
    "swir16": "B11", "swir22": "B12",
}  # fmt: skip
_MSI_GSD = {
    "coastal": 60, "blue": 10, "green": 10, "red": 10, "rededge1": 20, "rededge2": 20,
    "rededge3": 20, "nir": 10, "nir08": 20, "nir09": 60, "swir16": 20, "swir22": 20,
}  # fmt: skip
_OLI = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
_TM = {"blue": "B1", "green": "B2", "red": "B3", "nir08": "B4", "swir16": "B5", "swir22": "B7"}
_QA_PIXEL = ("qa_pixel", "qa_pixel.tif")

SENTINEL2 = Sensor(
    name="sentinel-2",
    bands=_MSI,
    gsd=_MSI_GSD,
    quality=("scl", "scl_20m"),
    quality_kind="scl",
    quality_fill=0,
    scale=1e-4,
    offset=None,
)
"""Sentinel-2 MSI, Level-2A."""

LANDSAT_OLI = Sensor(
    name="landsat-oli",
    bands={band: f"B{number}" for number, band in enumerate(_OLI, start=1)},
    gsd=dict.fromkeys(_OLI, 30),
    prefixes=("sr_", "oli_", ""),
    quality=_QA_PIXEL,
    quality_kind="qa_pixel",
    quality_fill=1,
    scale=2.75e-5,
    offset=-0.2,
)
"""Landsat 8 and 9 OLI, Collection 2 Level-2."""

LANDSAT_TM = Sensor(
    name="landsat-tm",
    bands=_TM,
    gsd=dict.fromkeys(_TM, 30),
    prefixes=("sr_", "tm_", "etm_", ""),
    quality=_QA_PIXEL,
    quality_kind="qa_pixel",
    quality_fill=1,
    scale=2.75e-5,
    offset=-0.2,
)
"""Landsat 4 and 5 TM, Landsat 7 ETM+, Collection 2 Level-2."""

HLS_S30 = Sensor(
    name="hls-s30",
    bands=_MSI,
    gsd=dict.fromkeys(_MSI, 30),
    quality=("fmask",),
    quality_kind="fmask",
    quality_fill=255,
    scale=1e-4,
    offset=0.0,
    nodata=-9999,
)
"""Sentinel-2 of NASA's HLS product, already brought to OLI."""

HLS_L30 = Sensor(
    name="hls-l30",
    bands={band: f"B{number:02d}" for number, band in enumerate(_OLI, start=1)},
    gsd=dict.fromkeys(_OLI, 30),
    quality=("fmask",),
    quality_kind="fmask",
    quality_fill=255,
    scale=1e-4,
    offset=0.0,
    nodata=-9999,
)
"""Landsat of NASA's HLS product."""

# OLI-like = slope * MSI + offset; NASA-IMPACT/hls-sentinel, bandpass_parameter.S2?.txt.
HLS_BANDPASS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "sentinel-2a": {
        "coastal": (0.9959, -0.0002), "blue": (0.9778, -0.0040), "green": (1.0053, -0.0009),
        "red": (0.9765, 0.0009), "nir08": (0.9983, -0.0001), "swir16": (0.9987, -0.0011),
        "swir22": (1.0030, -0.0012),
    },
    "sentinel-2b": {
        "coastal": (0.9959, -0.0002), "blue": (0.9778, -0.0040), "green": (1.0075, -0.0008),
        "red": (0.9761, 0.0010), "nir08": (0.9966, 0.0000), "swir16": (1.0000, -0.0003),
        "swir22": (0.9867, 0.0004),
    },
    "sentinel-2c": {
        "coastal": (1.003, 0.0), "blue": (0.9851, -0.0027), "green": (1.0038, -0.0009),
        "red": (0.9718, 0.0011), "nir08": (0.9995, -0.0003), "swir16": (0.9994, -0.0007),
        "swir22": (0.991, 0.0004),
    },
}  # fmt: skip
"""Slope and offset that bring Sentinel-2 reflectance to Landsat's OLI."""


def bandpass(band: str, platform: str) -> tuple[float, float]:
    """Slope and offset that bring a band of a Sentinel-2 platform to OLI.

    Parameters
    ----------
    band : str
        Band of the cube; `nir08` is B8A, to which NASA's near-infrared coefficients belong.
    platform : str
        Normalised name, such as ``"sentinel-2a"``.

    Returns
    -------
    tuple of float
        Slope and offset of reflectance.

    Raises
    ------
    CubeError
        If the platform or the band has no coefficients.

    References
    ----------
    NASA-IMPACT/hls-sentinel, ``hls_libs/L8like/bandpass_parameter.{S2A,S2B,S2C}.txt``.

    Examples
    --------
    >>> bandpass("red", "sentinel-2b")
    (0.9761, 0.001)
    """
    if platform not in HLS_BANDPASS:
        raise CubeError(
            f"bandpass='hls': {name_unknown('Sentinel-2 platform', platform, HLS_BANDPASS)} "
            "Load these items without bandpass."
        )
    known = HLS_BANDPASS[platform]
    if band not in known:
        raise CubeError(
            f"bandpass='hls': {name_unknown('band', band, known)} Landsat has no partner for it. "
            f"Choose bands={COMMON_BANDS}, or load without bandpass."
        )
    return known[band]


def platform_name(name: str) -> str:
    """A platform's name as all catalogues might have written it.

    Examples
    --------
    >>> [platform_name(name) for name in ("Sentinel-2B", "LANDSAT_8", "S2A", "landsat-5")]
    ['sentinel-2b', 'landsat-8', 'sentinel-2a', 'landsat-5']
    """
    plain = re.sub(r"[\s_]+", "-", name.strip().lower())
    short = re.fullmatch(r"s2([a-z])", plain)
    return f"sentinel-2{short[1]}" if short else plain


def platform_of_id(item_id: str) -> str | None:
    """Platform that the name of a product or item begins with, None if it begins otherwise.

    Examples
    --------
    >>> platform_of_id("LC08_L2SP_028030_20200114_20200824_02_T1_SR")
    'landsat-8'
    """
    sentinel = re.match(r"S2([A-D])_", item_id)
    if sentinel:
        return f"sentinel-2{sentinel[1].lower()}"
    landsat = re.match(r"L[COTEM]0([4-9])_", item_id)
    return f"landsat-{landsat[1]}" if landsat else None


def sensor_of(platform: str, *, hls: str | None = None) -> Sensor:
    """The sensor of a platform.

    Parameters
    ----------
    platform : str
        Normalised name.
    hls : {"S30", "L30", None}
        Kind of HLS product, None if it is none.

    Raises
    ------
    CubeError
        If the platform is none that lulc_xr knows.
    """
    if hls:
        return HLS_S30 if hls == "S30" else HLS_L30
    if re.fullmatch(r"sentinel-2[a-d]?", platform):
        return SENTINEL2
    if platform in ("landsat-8", "landsat-9"):
        return LANDSAT_OLI
    if platform in ("landsat-4", "landsat-5", "landsat-7"):
        return LANDSAT_TM
    known = [*HLS_BANDPASS, *(f"landsat-{n}" for n in (4, 5, 7, 8, 9))]
    raise CubeError(name_unknown("platform", platform, known))
