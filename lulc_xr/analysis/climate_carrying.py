"""Brings climate from its places to cells: means, between four places, or from the nearest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lulc_xr.analysis.climate_inputs import VARIABLE
from lulc_xr.core.context import interpolate

Floats = NDArray[np.float64]


class Carrier(Protocol):
    """Values (variable, *places) to values (variable, *cells)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each dimension."""

    def __call__(self, values: NDArray[Any]) -> Floats:
        """Values of the cells, NaN where there are none."""


@dataclass(frozen=True, kw_only=True)
class Mean:
    """The mean of the places in each cell that have data, each of equal weight.

    Parameters
    ----------
    cells : ndarray of int64
        Cell of each place, -1 for none, shape (place,).
    shape : tuple of int
        Shape of the cells.
    """

    cells: NDArray[np.int64]
    shape: tuple[int, ...]

    def __call__(self, values: NDArray[Any]) -> Floats:
        """Means; NaN where a cell holds no place with data."""
        made = []
        for layer in values.reshape(len(values), -1).astype(np.float64):
            use = (self.cells >= 0) & np.isfinite(layer)
            size = int(np.prod(self.shape))
            total = np.bincount(self.cells[use], layer[use], minlength=size)
            number = np.bincount(self.cells[use], minlength=size)
            made.append(np.where(number > 0, total / np.maximum(number, 1), np.nan))
        return np.stack(made).reshape(len(values), *self.shape)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The value of one place for each cell."""

    index: NDArray[np.int64]
    shape: tuple[int, ...]

    @classmethod
    def nearest(
        cls,
        places: tuple[Floats, Floats],
        centres: tuple[Floats, Floats],
        *,
        shape: tuple[int, ...],
    ) -> Taken:
        """From the place that is next to each centre (longitude and latitude in degrees)."""
        _, index = cKDTree(_ball(*places)).query(_ball(*centres))
        return cls(index=np.asarray(index, np.int64), shape=shape)

    def __call__(self, values: NDArray[Any]) -> Floats:
        """Values as they are at those places."""
        flat = values.reshape(len(values), -1).astype(np.float64)
        return flat[:, self.index].reshape(len(values), *self.shape)


@dataclass(frozen=True, kw_only=True)
class Between:
    """Between the four places around fractional rows and columns, those without data left out."""

    rows: Floats
    columns: Floats
    shape: tuple[int, ...]

    def __call__(self, values: NDArray[Any]) -> Floats:
        """Interpolated values; NaN off the grid of places and where none of four has data."""
        made = interpolate(values, self.rows, self.columns).astype(np.float64)
        return made.reshape(len(values), *self.shape)


def carry(
    stacked: xr.DataArray, space: Sequence[str], carrier: Carrier, dims: Sequence[str]
) -> xr.DataArray:
    """Climate (climate_variable, ...) on the dimensions of cells, lazily where it is lazy."""
    # Places and cells may have dimensions of one name and of different sizes.
    own = [f"_place_{number}" for number in range(len(space))]
    bare = stacked.drop_vars([n for n in stacked.coords if n != VARIABLE])
    made: xr.DataArray = xr.apply_ufunc(
        _carry, bare.rename(dict(zip(space, own, strict=True))).transpose(VARIABLE, *own),
        kwargs={"carrier": carrier},
        input_core_dims=[own], output_core_dims=[list(dims)],
        dask="parallelized", output_dtypes=[np.float64],
        dask_gufunc_kwargs={
            "output_sizes": dict(zip(dims, carrier.shape, strict=True)), "allow_rechunk": True
        },
    )  # fmt: skip
    return made


def _carry(values: NDArray[Any], *, carrier: Carrier) -> Floats:
    return carrier(values)


def fill(
    made: xr.DataArray, longitude: Floats, latitude: Floats, *, dims: Sequence[str]
) -> xr.DataArray:
    """Climate (climate_variable, *dims) where each cell without takes that of the nearest with."""
    whole = made.chunk({VARIABLE: -1}) if made.chunks is not None else made
    done: xr.DataArray = xr.apply_ufunc(
        _fill, whole, kwargs={"places": _ball(longitude, latitude)},
        input_core_dims=[[VARIABLE, *dims]], output_core_dims=[[VARIABLE, *dims]],
        dask="parallelized", output_dtypes=[np.float64],
        dask_gufunc_kwargs={"allow_rechunk": True},
    )  # fmt: skip
    return done


def _fill(values: NDArray[Any], *, places: Floats) -> Floats:
    flat = values.reshape(len(values), -1).copy()
    known = np.isfinite(flat).all(axis=0)
    if known.any() and not known.all():
        _, index = cKDTree(places[known]).query(places[~known])
        flat[:, ~known] = flat[:, known][:, index]
    return flat.reshape(values.shape)


def _ball(longitude: Floats, latitude: Floats) -> Floats:
    """Places on a sphere of radius 1, so that straight distances order as great circles do."""
    a, b = np.deg2rad(longitude), np.deg2rad(latitude)
    return np.stack([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)], axis=-1)
