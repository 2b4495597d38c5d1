"""Which pixels are clear: from SCL, QA_PIXEL and Fmask to one answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, name_unknown

SCL_CLASSES: Mapping[int, str] = {
    0: "no data", 1: "saturated or defective", 2: "dark or topographic shadow",
    3: "cloud shadow", 4: "vegetation", 5: "not vegetated", 6: "water",
    7: "unclassified, low probability of cloud", 8: "cloud, medium probability",
    9: "cloud, high probability", 10: "thin cirrus", 11: "snow or ice",
}  # fmt: skip
"""Scene classification of Sentinel-2 Level-2A."""

QA_PIXEL_BITS: Mapping[str, int] = {
    "fill": 0, "dilated_cloud": 1, "cirrus": 2, "cloud": 3, "cloud_shadow": 4, "snow": 5,
    "clear": 6, "water": 7,
}  # fmt: skip
"""Bits of Landsat's QA_PIXEL, Collection 2; `cirrus` is always 0 for TM and ETM+."""

FMASK_BITS: Mapping[str, int] = {
    "cirrus": 0, "cloud": 1, "adjacent": 2, "shadow": 3, "snow": 4, "water": 5,
}  # fmt: skip
"""Bits of Fmask in NASA's HLS product, version 2; 255 is fill."""

WRAPPED = 20000
"""Collection 1 reflectance above this is invalid: negative numbers wrapped into uint16."""

_FMASK_FILL = 255
# In Collection 2 a seen pixel has a confidence of snow (bits 12-13) of at least 1; in Collection 1
# no bit above the tenth is used.
_COLLECTION1_END = 1 << 11


@dataclass(frozen=True, kw_only=True)
class ClearRule:
    """Which classes and bits of a quality band mean that the ground was seen.

    Parameters
    ----------
    scl : tuple of int
        Classes of Sentinel-2's scene classification that are clear. The default takes
        vegetation, bare soil, water, unclassified (of low cloud probability) and snow; dark
        areas (2), which mix shadow and dark ground, are left out.
    qa_pixel : tuple of str
        Bits of Landsat's QA_PIXEL (Collection 2) that reject a pixel; fill always does.
    fmask : tuple of str
        Bits of HLS's Fmask that reject a pixel; fill always does.

    Raises
    ------
    CubeError
        If a class or bit does not exist.

    Examples
    --------
    >>> ClearRule(scl=(4, 5, 6), qa_pixel=("cloud", "cloud_shadow", "snow")).scl
    (4, 5, 6)
    """

    scl: tuple[int, ...] = (4, 5, 6, 7, 11)
    qa_pixel: tuple[str, ...] = ("dilated_cloud", "cirrus", "cloud", "cloud_shadow")
    fmask: tuple[str, ...] = ("cloud", "adjacent", "shadow")

    def __post_init__(self) -> None:
        for number in self.scl:
            if number not in SCL_CLASSES or number == 0:
                raise CubeError(
                    f"SCL class {number!r} cannot be clear; choose of "
                    + ", ".join(f"{k} ({v})" for k, v in SCL_CLASSES.items() if k)
                )
        for name, bits, known in (
            ("QA_PIXEL bit", self.qa_pixel, QA_PIXEL_BITS),
            ("Fmask bit", self.fmask, FMASK_BITS),
        ):
            for bit in bits:
                if bit not in known:
                    raise CubeError(name_unknown(name, bit, known))

    def clear(self, quality: NDArray[Any], kind: str) -> NDArray[np.bool_]:
        """True where a pixel of a quality band is clear.

        Parameters
        ----------
        quality : ndarray of uint8 or uint16
            Values of the band, any shape.
        kind : {"scl", "qa_pixel", "fmask"}
            How it is coded.

        Returns
        -------
        ndarray of bool
            The same shape.
        """
        found: NDArray[np.bool_]
        if kind == "scl":
            table = np.zeros(256, bool)
            table[list(self.scl)] = True
            found = table.take(quality)
            return found
        if kind == "qa_pixel":
            found = (quality & _mask(QA_PIXEL_BITS, ("fill", *self.qa_pixel))) == 0
            return found
        if kind == "fmask":
            found = (quality & _mask(FMASK_BITS, self.fmask)) == 0
            found &= quality != _FMASK_FILL
            return found
        raise CubeError(name_unknown("kind of quality band", kind, ("scl", "qa_pixel", "fmask")))


CLEAR_RULES: Mapping[str, ClearRule] = {
    "standard": ClearRule(),
    "no_snow": ClearRule(
        scl=(4, 5, 6, 7),
        qa_pixel=("dilated_cloud", "cirrus", "cloud", "cloud_shadow", "snow"),
        fmask=("cloud", "adjacent", "shadow", "snow"),
    ),
    "strict": ClearRule(
        scl=(4, 5, 6),
        qa_pixel=("dilated_cloud", "cirrus", "cloud", "cloud_shadow", "snow"),
        fmask=("cirrus", "cloud", "adjacent", "shadow", "snow"),
    ),
}
"""Rules by name: `standard` keeps snow, `no_snow` leaves it out, `strict` doubts the rest too."""


def as_rule(rule: ClearRule | str | None) -> ClearRule:
    """A rule, by itself or by name (None: ``"standard"``)."""
    if isinstance(rule, ClearRule):
        return rule
    name = "standard" if rule is None else rule
    if name not in CLEAR_RULES:
        raise CubeError(name_unknown("rule of clear pixels", name, CLEAR_RULES))
    return CLEAR_RULES[name]


def is_collection1(qa: NDArray[Any]) -> bool:
    """True if a Landsat quality band holds the bits of Collection 1 (`pixel_qa`).

    Parameters
    ----------
    qa : ndarray of uint16
        Values of `pixel_qa` (Collection 1) or `QA_PIXEL` (Collection 2); 1 is fill in both.

    Examples
    --------
    >>> is_collection1(np.array([1, 322, 480])), is_collection1(np.array([1, 21824, 22280]))
    (True, False)
    """
    seen = qa[qa > 1]
    return bool(seen.size) and bool((seen < _COLLECTION1_END).all())


def is_wrapped(numbers: NDArray[Any]) -> NDArray[np.bool_]:
    """True where Collection 1 reflectance is a negative number that was wrapped into uint16.

    Examples
    --------
    >>> is_wrapped(np.array([250, 64537], np.uint16)).tolist()
    [False, True]
    """
    wrapped: NDArray[np.bool_] = numbers > WRAPPED
    return wrapped


def _mask(bits: Mapping[str, int], names: tuple[str, ...]) -> int:
    return sum(1 << bits[name] for name in dict.fromkeys(names))
