"""Scale and offset of an asset: what the item says, else its processing baseline."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pystac

from lulc_xr.core.errors import CubeError
from lulc_xr.core.sensors import BOA_OFFSET, OFFSET_BASELINE, Sensor

PRODUCT_NAMES = ("s2:product_uri", "sentinel:product_id", "s2:tile_id", "s2:granule_id", "title")
"""Properties that may hold the name of the product an item was made from."""

_APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_BASELINE = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")


def encoding_of(item: pystac.Item, sensor: Sensor, key: str) -> tuple[float, float, int]:
    """Scale, offset and nodata of an asset of reflectance.

    Parameters
    ----------
    item : pystac.Item
        The item.
    sensor : Sensor
        Its sensor.
    key : str
        Name of the asset.

    Returns
    -------
    tuple
        Reflectance = number * scale + offset, where the number is not nodata; see
        :func:`lulc_xr.cube.items.read_scene` for what decides.

    Raises
    ------
    CubeError
        Naming item and asset, if the offset is not said or the item contradicts itself.
    """
    said = _said(item.assets[key])
    nodata = said.get("nodata")
    number = sensor.nodata if nodata is None or not np.isfinite(float(nodata)) else int(nodata)
    scale = float(said.get("scale", sensor.scale))
    if scale <= 0:
        raise CubeError(f"asset {key!r} of item {item.id!r} has scale {scale}; expected above 0.")
    given = said.get("offset")
    if sensor.offset is not None:
        return scale, float(sensor.offset if given is None else given), number
    return scale, _msi_offset(item, key, given, scale), number


def _said(asset: pystac.Asset) -> dict[str, Any]:
    """Scale, offset and nodata as an asset gives them, in any of STAC's ways."""
    fields = asset.extra_fields
    found: dict[str, Any] = {}
    for part in (*(fields.get("bands") or [])[:1], *(fields.get("raster:bands") or [])[:1], fields):
        for name in ("scale", "offset", "nodata"):
            for spelled in (f"raster:{name}", name):
                if isinstance(part, dict) and part.get(spelled) is not None:
                    found[name] = part[spelled]
    return found


def _msi_offset(item: pystac.Item, key: str, given: float | None, scale: float) -> float:
    flags = [item.properties[name] for name in _APPLIED if name in item.properties]
    baseline = baseline_of(item)
    if any(flags):
        return 0.0
    late = baseline is not None and baseline >= OFFSET_BASELINE
    if given is not None:
        if late and flags and not float(given):
            raise CubeError(
                f"asset {key!r} of item {item.id!r} contradicts itself: processing baseline "
                f"{baseline:05.2f} has an offset of {BOA_OFFSET} DN, the item says that it was "
                "not applied, and the asset gives offset 0. Look at the pixels, then correct "
                "raster:bands or the flag boa_offset_applied in the item."
            )
        return float(given)
    if baseline is None:
        raise CubeError(
            f"asset {key!r} of item {item.id!r} says neither its offset (raster:bands) nor its "
            "processing baseline (s2:processing_baseline), so reflectance could be wrong by 0.1. "
            "Set item.properties['s2:processing_baseline']; products before 2022 that were "
            "never reprocessed have '02.xx' or '03.xx'."
        )
    return BOA_OFFSET * scale if late else 0.0


def baseline_of(item: pystac.Item) -> float | None:
    """Processing baseline of a Sentinel-2 item: a property, or part of the product's name."""
    for name in _BASELINE:
        given = re.fullmatch(r"\s*(\d{1,2}\.\d+)\s*", str(item.properties.get(name, "")))
        if given:
            return float(given[1])
    for text in (*(str(item.properties.get(name, "")) for name in PRODUCT_NAMES), item.id):
        named = re.search(r"_N(\d{2})\.?(\d{2})(?:_|\.|$)", text)
        if named:
            return float(f"{named[1]}.{named[2]}")
    return None
