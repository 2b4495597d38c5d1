"""View: one way in which a block could have looked as well, and the way back to the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import ModelSpec

_GROUPS = (
    ("coastal", "blue", "green", "red"),
    ("rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09"),
    ("swir16", "swir22"),
)
"""Visible light, near infrared, shortwave infrared: bands that err alike."""

_FEWEST = 3
"""Dates that are always kept."""


@dataclass(frozen=True, kw_only=True)
class ViewRanges:
    """How far the views of a test-time augmentation lie from what was seen.

    Parameters
    ----------
    brightness : float
        Largest relative change of the reflectance of all dates, 0 to 0.5; each of visible light,
        near infrared and shortwave infrared gets a factor of its own. The default is the relative
        part of the usual specification of surface reflectance (Vermote and Kotchenova 2008).
        Bands of other names stay as they are.
    shift : float
        Most days by which the season comes earlier or later.
    left_out : float
        Chance of each date to be left out, 0 to 0.9; three dates always stay.
    flips : bool
        Networks of patches see the block flipped and turned by quarters as well.

    Raises
    ------
    ModelError
        If a setting is out of range.

    References
    ----------
    Vermote, E. F., Kotchenova, S. (2008). Atmospheric correction for the monitoring of land
    surfaces. Journal of Geophysical Research 113, D23S90. https://doi.org/10.1029/2007JD009662
    """

    brightness: float = 0.05
    shift: float = 5.0
    left_out: float = 0.1
    flips: bool = True

    def __post_init__(self) -> None:
        for name, most in (("brightness", 0.5), ("shift", 60.0), ("left_out", 0.9)):
            if not 0 <= getattr(self, name) <= most:
                raise ModelError(f"{name} {getattr(self, name)!r}; give one from 0 to {most:g}.")

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-able values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class View:
    """One transformation of blocks, the same for every pixel, block and year.

    Parameters
    ----------
    gain : tuple of float
        Factor of each band.
    shift : float
        Days by which the season comes later.
    left_out : float
        Chance of each date to be left out.
    seed : tuple of int
        What the choice of dates follows from.
    turn : int
        0 to 7: quarters of a turn, and from 4 on a flip before.
    reads_days : bool
        The network sees the days of its dates: they are shifted, not the values.
    reads_gaps : bool
        The network sees gaps: dates that are left out become gaps.
    stride : int
        Side of the cells into which the network pools pixels.
    """

    gain: tuple[float, ...]
    shift: float = 0.0
    left_out: float = 0.0
    seed: tuple[int, ...] = ()
    turn: int = 0
    reads_days: bool = False
    reads_gaps: bool = False
    stride: int = 1

    def transform(
        self, pixels: NDArray[np.float32], days: NDArray[np.int32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """The block (time, band, y, x) and its days, as this view sees them."""
        left = self.choose_dates(len(days))
        shift = 0.0 if self.reads_days else self.shift
        gone = np.zeros_like(left) if self.reads_gaps else left
        seen = self._along_time(pixels, days, shift=shift, left=gone)
        if self.reads_gaps and left.any():
            seen = seen.copy() if seen is pixels else seen
            _make_gaps(seen, left)
        if self.reads_days:
            days = (days + round(self.shift)).astype(np.int32)
        return self.turned(seen), days

    def turned(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values (..., y, x) flipped and turned, with whole cells of the network."""
        if not self.turn:
            return values
        # Cells begin at multiples of the stride; turned, the last one would begin elsewhere.
        margins = [(0, -size % self.stride) for size in values.shape[-2:]]
        padded = np.pad(values, [(0, 0)] * (values.ndim - 2) + margins, mode="edge")
        flipped = padded[..., ::-1] if self.turn >= 4 else padded
        return np.ascontiguousarray(np.rot90(flipped, self.turn % 4, axes=(-2, -1)))

    def back(self, found: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
        """What was found (class, y, x) for a turned block, where it belongs."""
        if not self.turn:
            return found
        straight = np.rot90(found, -(self.turn % 4), axes=(-2, -1))
        straight = straight[..., ::-1] if self.turn >= 4 else straight
        return np.ascontiguousarray(straight[..., : shape[0], : shape[1]])

    def choose_dates(self, number: int) -> NDArray[np.bool_]:
        """Which of so many dates are left out, shape (time,)."""
        chance = np.random.Generator(np.random.PCG64((*self.seed, number))).random(number)
        left: NDArray[np.bool_] = chance < self.left_out
        # Those of the lowest chances go first.
        left[np.argsort(chance, kind="stable")[max(0, number - _FEWEST) :]] = False
        return left

    def _along_time(
        self,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        *,
        shift: float,
        left: NDArray[np.bool_],
    ) -> NDArray[np.float32]:
        """A new block: brighter or darker, later or earlier, what is left out interpolated."""
        gain = np.array(self.gain, np.float32)[:, None, None]
        if not shift and not left.any():
            return pixels * gain if (gain != 1).any() else pixels
        kept = np.flatnonzero(~left)
        place = np.interp(days - shift, days[kept], np.arange(kept.size))
        before = np.floor(place).astype(np.int64)
        after = np.minimum(before + 1, kept.size - 1)
        share = (place - before).astype(np.float32)
        made = np.empty_like(pixels)
        for date, (first, second, weight) in enumerate(
            zip(kept[before], kept[after], share, strict=True)
        ):
            np.multiply(pixels[first], gain * (1 - weight), out=made[date])
            if weight:
                made[date] += pixels[second] * (gain * weight)
        if np.isnan(made.sum()):
            # Beside a gap a shift has nothing to go by.
            np.copyto(made, pixels * gain, where=np.isnan(made))
        return made


def draw_view(
    spec: ModelSpec,
    ranges: ViewRanges,
    *,
    seed: int,
    member: int,
    fixed_dates: bool,
    spatial: bool,
) -> View:
    """The view of a member; that of member 0 changes nothing.

    Parameters
    ----------
    spec : ModelSpec
        What the model needs.
    ranges : ViewRanges
        How far views go.
    seed, member : int
        What the view follows from.
    fixed_dates : bool
        The network sees one number of dates without gaps, and not their days.
    spatial : bool
        The network sees patches.
    """
    if not member:
        return View(gain=(1.0,) * len(spec.bands))
    rng = np.random.Generator(np.random.PCG64((seed, member)))
    factors = 1 + ranges.brightness * rng.uniform(-1, 1, len(_GROUPS))
    shift = float(ranges.shift * rng.uniform(-1, 1))
    turn = int(rng.integers(0, 8))
    gain = [
        next((float(f) for f, names in zip(factors, _GROUPS, strict=True) if band in names), 1.0)
        for band in spec.bands
    ]
    # A gap of max_gap must stay one; without a rule that fills, only some networks take gaps.
    filled = spec.dates.fill == "linear" and getattr(spec.dates, "max_gap", None) is None
    gaps = spec.dates.fill is None and not fixed_dates
    return View(
        gain=tuple(gain),
        shift=shift,
        left_out=ranges.left_out if filled or gaps else 0.0,
        seed=(seed, member),
        turn=turn if spatial and ranges.flips else 0,
        reads_days=not fixed_dates,
        reads_gaps=gaps,
        stride=spec.stride,
    )


def turn_context(
    view: View, context: Mapping[str, NDArray[np.float32]] | None, shape: tuple[int, int]
) -> Mapping[str, NDArray[np.float32]] | None:
    """Context (y, x) by name as a view sees it."""
    if context is None or not view.turn:
        return context
    return {
        name: view.turned(np.array(np.broadcast_to(values, shape), np.float32))
        for name, values in context.items()
    }


def _make_gaps(series: NDArray[np.float32], left: NDArray[np.bool_]) -> None:
    """Dates of a block become gaps, but for pixels that would be left with nothing."""
    others = ~np.isnan(series[~left, 0]).all(axis=0)
    for date in np.flatnonzero(left):
        np.copyto(series[date], np.float32(np.nan), where=others)
