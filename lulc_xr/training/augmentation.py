"""How much training samples are changed: settings, checked when they are made, and two presets."""

from __future__ import annotations

from dataclasses import dataclass

from lulc_xr.core.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Seeded changes of training samples, drawn anew in every batch; none changes a class.

    Parameters
    ----------
    date_dropout : float
        Share (0 to 1) of the dates of a sample that are lost: they become gaps, or, for a network
        without gaps, are interpolated from the dates around them.
    date_jitter : float
        Standard deviation, in days, by which a whole series comes earlier or later: its days
        move, or, for a network of fixed dates, its values are interpolated.
    cloud_gap : float
        Largest share (0 to 1) of the dates that one simulated cloudy spell takes, dates in a row;
        of a patch it hides areas of the shape of clouds.
    band_gain : float
        Standard deviation of a factor around 1 on each band of a sample, as haze or another
        sensor make it; reflectance 0 stays 0.
    noise : float
        Standard deviation of noise on every value, in standard deviations of its band.
    mixup : float
        Parameter of the beta distribution by which two samples and their labels are mixed
        (Zhang et al. 2018, https://arxiv.org/abs/1710.09412); 0: not at all.
    turns : bool
        Flip patches and turn them by quarters, their masks and labels with them.

    Raises
    ------
    ModelError
        If a value is out of range.

    Examples
    --------
    >>> Augmentation.strong().date_dropout > Augmentation.weak().date_dropout
    True
    """

    date_dropout: float = 0.0
    date_jitter: float = 0.0
    cloud_gap: float = 0.0
    band_gain: float = 0.0
    noise: float = 0.0
    mixup: float = 0.0
    turns: bool = False

    def __post_init__(self) -> None:
        for name in ("date_dropout", "cloud_gap"):
            _check_range(name, getattr(self, name), high=1)
        for name in ("date_jitter", "band_gain", "noise", "mixup"):
            _check_range(name, getattr(self, name))

    @classmethod
    def weak(cls) -> Augmentation:
        """Changes that hardly move a sample: what a pseudo-label is predicted from."""
        return cls(band_gain=0.02, noise=0.02, turns=True)

    @classmethod
    def strong(cls) -> Augmentation:
        """Changes as large as land, light and clouds make them without changing the class."""
        return cls(
            date_dropout=0.2,
            date_jitter=6.0,
            cloud_gap=0.3,
            band_gain=0.08,
            noise=0.1,
            turns=True,
        )


def _check_range(name: str, value: float, *, high: float | None = None) -> None:
    if not (value >= 0 and (high is None or value <= high)):
        limits = ">= 0" if high is None else f"from 0 to {high}"
        raise ModelError(f"{name} {value!r}; expected a value {limits}.")
