"""Place as context: where a sample or a cell lies, in numbers that a network can learn from."""

from __future__ import annotations

from itertools import product

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer

from lulc_xr.core.context import CONTEXT, CONTEXT_DIMS, CoarseGrid
from lulc_xr.core.errors import SampleError

EUROPE = "EPSG:3035"
CENTRE = (4.3, 3.0)
"""Place (x, y) that counts as 0, in 1000 km of EPSG:3035: the middle of the survey's points."""

LENGTH = 4.8
"""Longest wave in 1000 km: about the width of Europe, so that it does not repeat."""


def place_context(data: xr.Dataset | xr.DataArray, *, waves: int = 2) -> xr.Dataset | xr.DataArray:
    """Samples, or context on its grid, with the place itself among the context variables.

    Climate says what kind of place it is, not which: species, crops and habits of farming
    differ between places of one climate. Smooth functions of the place let a network learn
    that without learning single places by heart; the more waves, the nearer it comes to those.

    Parameters
    ----------
    data : xr.Dataset or xr.DataArray
        Samples with `x`, `y` in metres and the attribute `crs_wkt`, with or without
        `bioclim(sample, bioclim_variable)`; or context on its own grid,
        ``bioclim(bioclim_variable, y_bioclim, x_bioclim)``, before
        :func:`lulc_xr.write_context`, so that maps get the same.
    waves : int
        Longest waves: 4800 km, 2400 km, ... down to 4800 km / `waves`. 0: x and y alone.

    Returns
    -------
    xr.Dataset or xr.DataArray
        The same with variables ``place_x``, ``place_y`` (1000 km from the middle of Europe) and
        sines and cosines ``place_sin_10`` (first wave along x), ``place_cos_01`` (along y), ...,
        ``place_sin_11`` and ``place_sin_1m`` along the diagonals. They need no unit nor
        fitting, and reach across the whole of Europe in EPSG:3035.

    Raises
    ------
    SampleError
        If there is no place, it is there already, or `waves` is negative.

    References
    ----------
    Tancik, M. et al. (2020). Fourier features let networks learn high frequency functions in low
    dimensional domains. NeurIPS 2020, https://arxiv.org/abs/2006.10739

    Examples
    --------
    >>> places = {"x": ("sample", [4.3e6, 5.5e6]), "y": ("sample", [3.0e6, 3.0e6])}
    >>> samples = xr.Dataset(places, attrs={"crs_wkt": "EPSG:3035"})
    >>> place_context(samples, waves=1).bioclim.sel(bioclim_variable="place_sin_10").values
    array([0., 1.], dtype=float32)
    """
    if waves < 0:
        raise SampleError(f"waves={waves}; give 0 for x and y alone, or a whole number above.")
    if isinstance(data, xr.DataArray):
        grid = CoarseGrid.of(data)
        y, x = np.meshgrid(*(data[dim].values for dim in CONTEXT_DIMS[1:]), indexing="ij")
        return _extended(data, _terms(x, y, crs=grid.crs, waves=waves))
    for name in ("x", "y"):
        if name not in data:
            raise SampleError(f"these samples have no {name!r} (metres): no place to take.")
    if "crs_wkt" not in data.attrs:
        raise SampleError("these samples have no attribute 'crs_wkt'; set it: 'EPSG:3035'.")
    x, y = (np.asarray(data[name].values, np.float64) for name in ("x", "y"))
    terms = _terms(x, y, crs=str(data.attrs["crs_wkt"]), waves=waves)
    known = data.get(CONTEXT)
    if known is None:
        empty = {"bioclim_variable": np.array([], np.dtypes.StringDType())}
        known = xr.DataArray(
            np.empty((0, x.size), np.float32), empty, ("bioclim_variable", "sample")
        )
    made = _extended(known.transpose("bioclim_variable", "sample"), terms)
    return data.drop_dims("bioclim_variable", errors="ignore").assign(
        {CONTEXT: made.transpose("sample", "bioclim_variable")}
    )


def _terms(
    x: NDArray[np.float64], y: NDArray[np.float64], *, crs: str, waves: int
) -> dict[str, NDArray[np.float32]]:
    """Names and values of the terms at places in `crs`."""
    east, north = Transformer.from_crs(crs, EUROPE, always_xy=True).transform(x, y)
    place = np.asarray(east) / 1e6 - CENTRE[0], np.asarray(north) / 1e6 - CENTRE[1]
    made = {"place_x": place[0], "place_y": place[1]}
    angle_x, angle_y = (2 * np.pi * value / LENGTH for value in place)
    angles: dict[str, NDArray[np.float64]] = {}
    for number in range(1, waves + 1):
        angles |= {f"{number}0": number * angle_x, f"0{number}": number * angle_y}
    if waves:
        angles |= {"11": angle_x + angle_y, "1m": angle_x - angle_y}
    for (name, angle), (word, function) in product(
        angles.items(), (("sin", np.sin), ("cos", np.cos))
    ):
        made[f"place_{word}_{name}"] = function(angle)
    return {name: np.round(value, 6).astype(np.float32) for name, value in made.items()}


def _extended(known: xr.DataArray, terms: dict[str, NDArray[np.float32]]) -> xr.DataArray:
    """Context with more variables."""
    twice = [str(n) for n in known["bioclim_variable"].values if str(n) in terms]
    if twice:
        raise SampleError(f"context has {', '.join(twice)} already; add the place once.")
    dims = known.dims[1:]
    coords = {dim: known[dim] for dim in dims if dim in known.coords}
    more = xr.DataArray(
        np.stack(list(terms.values())),
        {"bioclim_variable": list(terms), **coords},
        ("bioclim_variable", *dims),
    )
    text = np.dtypes.StringDType()
    known, more = (
        a.assign_coords(bioclim_variable=a["bioclim_variable"].values.astype(text))
        for a in (known, more)
    )
    joined = xr.concat([known, more], dim="bioclim_variable", coords="minimal", compat="override")
    made = joined.astype(np.float32).assign_attrs(known.attrs)
    made.encoding = dict(known.encoding)
    return made
