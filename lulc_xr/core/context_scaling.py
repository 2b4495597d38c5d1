"""Scaling of context variables, and the context that samples carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.context import CONTEXT
from lulc_xr.core.errors import SampleError, name_unknown

PRECIPITATION = ("bio12", "bio13", "bio14", "bio16", "bio17", "bio18", "bio19")
"""Variables that are amounts of precipitation, scaled by log1p (our own proposal)."""

_SLACK = 1e-4  # part of its range by which a value may lie beyond it


@dataclass(frozen=True, kw_only=True)
class ContextScaling:
    """Scaling of context variables, fitted on training samples only.

    A model sees ``(value - mean) / std``; amounts of precipitation as ``log1p(value)`` first.

    Parameters
    ----------
    variables : tuple of str
        Names, in the order of the other settings.
    mean, std : tuple of float
        Mean and standard deviation of each, after the logarithm.
    low, high : tuple of float, or None
        Lowest and highest raw value of each among the training samples; None if unknown, as of
        models that were saved before ranges were.
    """

    variables: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not len(self.variables) == len(self.mean) == len(self.std):
            raise SampleError(
                f"scaling of context {self.variables} with {len(self.mean)} means and "
                f"{len(self.std)} deviations: expected one of each per variable."
            )
        if not all(np.isfinite(self.mean)) or not all(np.isfinite(s) and s > 0 for s in self.std):
            raise SampleError(
                f"scaling of context with means {self.mean} and deviations {self.std}: all must "
                "be finite and the deviations positive. Drop variables that are constant."
            )
        limits = [self.low or (), self.high or ()]
        if any(limits) and {len(v) for v in limits} != {len(self.variables)}:
            raise SampleError(
                f"range of context {self.variables} with {len(limits[0])} lowest and "
                f"{len(limits[1])} highest values: expected one of each per variable."
            )

    def scale(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Raw values (variable, ...) as the model sees them."""
        made = logged(values, self.variables)
        shape = (-1, *[1] * (made.ndim - 1))
        mean, std = (np.asarray(v).reshape(shape) for v in (self.mean, self.std))
        return np.asarray((made - mean) / std, np.float32)

    def outside(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which raw values lie outside the range of the training samples.

        Parameters
        ----------
        values : ndarray of float
            (variable, ...).

        Returns
        -------
        ndarray of bool
            Same shape; False where a value is NaN, and everywhere if the range is unknown.
        """
        if self.low is None or self.high is None:
            return np.zeros(np.shape(values), bool)
        shape = (-1, *[1] * (np.ndim(values) - 1))
        low, high = (np.asarray(v).reshape(shape) for v in (self.low, self.high))
        # Interpolation may miss the value of a sample's own place by a rounding error.
        slack = _SLACK * (high - low)
        found: NDArray[np.bool_] = (values < low - slack) | (values > high + slack)
        return found

    def to_dict(self) -> dict[str, list[float]]:
        """Numbers as JSON-able values, without the names; no entry of a range that is unknown."""
        rows = {"mean": self.mean, "std": self.std, "low": self.low, "high": self.high}
        return {name: list(row) for name, row in rows.items() if row is not None}


def fit_context_scaling(
    samples: xr.Dataset, variables: Sequence[str] | None = None
) -> ContextScaling:
    """Scaling of the context of samples; give training samples only.

    Parameters
    ----------
    samples : xr.Dataset
        Samples with ``bioclim(sample, bioclim_variable)`` in raw units.
    variables : sequence of str, optional
        Names; by default all that the samples carry.

    Raises
    ------
    SampleError
        If samples carry no context, or a variable is constant or negative precipitation.
    """
    values, names = context_of_samples(samples, variables)
    rows = logged(values, names)
    mean, std = np.nanmean(rows, axis=1), np.nanstd(rows, axis=1)
    constant = [n for n, m, s in zip(names, mean, std, strict=True) if not s > 1e-6 * abs(m)]
    if constant:
        raise SampleError(
            f"context {', '.join(constant)} is the same in all samples, or missing. Leave it out "
            "of the model's context, or draw samples over a larger area."
        )
    # float32 numbers: what JSON says is then exactly what the model is given.
    return ContextScaling(
        variables=tuple(names),
        mean=tuple(float(v) for v in mean.astype(np.float32)),
        std=tuple(float(v) for v in std.astype(np.float32)),
        low=tuple(float(v) for v in np.nanmin(values, axis=1)),
        high=tuple(float(v) for v in np.nanmax(values, axis=1)),
    )


def context_of_samples(
    samples: xr.Dataset, variables: Sequence[str] | None = None
) -> tuple[NDArray[np.float32], list[str]]:
    """Raw context of samples, (variable, sample), and the names of the variables.

    Raises
    ------
    SampleError
        If samples carry no context, or not this variable.
    """
    if CONTEXT not in samples:
        raise SampleError(
            "these samples carry no context: no variable bioclim(sample, bioclim_variable). "
            "Write it into the cube's store first (lulc_xr.write_context), then draw the samples."
        )
    table = samples[CONTEXT].transpose("bioclim_variable", "sample")
    known = [str(name) for name in table["bioclim_variable"].values]
    names = known if variables is None else list(variables)
    for name in names:
        if name not in known:
            raise SampleError(name_unknown("context variable of samples", name, known))
    return table.to_numpy()[[known.index(n) for n in names]].astype(np.float32), names


def logged(values: NDArray[Any], names: Sequence[str]) -> NDArray[np.float64]:
    """Values (variable, ...) with the logarithm log1p of amounts of precipitation."""
    made = np.array(values, np.float64)
    for number, name in enumerate(names):
        if name in PRECIPITATION:
            if (made[number] < 0).any():
                raise SampleError(
                    f"{name} is {np.nanmin(made[number]):g} mm; precipitation is never negative. "
                    "Mark what is missing by NaN."
                )
            made[number] = np.log1p(made[number])
    return made
