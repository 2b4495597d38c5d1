"""Bioclimatic variables BIO1 to BIO19 from daily or monthly climate, as WorldClim defines them."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.context import BIOCLIM_UNITS, CONTEXT
from lulc_xr.core.errors import CubeError
from lulc_xr.core.require import require
from lulc_xr.cube.context import context_attrs

_MONTHS = 12
_NAMES = tuple(name for name in BIOCLIM_UNITS if name.startswith("bio"))
_SUM_OF_MONTH = re.compile(r"(mm|kg m-2)( per |/| )month(-1)?$")


def bioclim(
    tas: xr.DataArray | None, tasmin: xr.DataArray, tasmax: xr.DataArray, pr: xr.DataArray
) -> xr.DataArray:
    """BIO1 to BIO19 of daily or monthly climate, lazily if the input is lazy.

    The months of all whole years are averaged to one climatology of twelve months; the
    variables are those of that climatology. A year is any twelve whole months in a row,
    counted from the first whole month. A quarter is three months in a row and may wrap from
    December to January; of equal ones the first counts. BIO4 and BIO15 use the sample
    standard deviation (of 12 values over 11), and BIO15 divides by 1 mm plus the mean.

    Parameters
    ----------
    tas, tasmin, tasmax : xr.DataArray
        Mean, lowest and highest temperature over `time` and space, daily, or monthly means of
        these, with attribute ``units``. `tas` None: the middle of the other two, as
        WorldClim's own program takes it.
    pr : xr.DataArray
        Precipitation: a rate ("kg m-2 s-1", "mm/day"), the amount of each day or month ("mm"),
        or "mm/month" (the sum of a month).

    Returns
    -------
    xr.DataArray
        ``bioclim(bioclim_variable, ...)`` float32 in WorldClim's units: degC, mm, BIO3 and
        BIO15 in percent, BIO4 in degC times 100. NaN where any month misses a value.

    Raises
    ------
    CubeError
        If units, dates or grids do not fit, or there is no whole year.

    Warns
    -----
    UserWarning
        If days or months at the ends make no whole year and are left out.

    References
    ----------
    The formulas of ``biovars`` in the R package dismo (R. Hijmans, after Nix 1986 and
    ANUCLIM): https://github.com/rspatial/dismo. xclim converts units and rates.

    Examples
    --------
    >>> import numpy as np, pandas as pd, xarray as xr
    >>> time = pd.date_range("2001-01-01", periods=12, freq="MS")
    >>> wave = -np.cos(2 * np.pi * np.arange(12) / 12)
    >>> tas = xr.DataArray(10 + 8 * wave, {"time": time}, "time", attrs={"units": "degC"})
    >>> pr = xr.DataArray(50 + 0 * wave, {"time": time}, "time", attrs={"units": "mm/month"})
    >>> made = bioclim(tas, tas - 5, tas + 5, pr)
    >>> made.sel(bioclim_variable=["bio01", "bio05", "bio07", "bio12"]).values.round(2)
    array([ 10.,  23.,  26., 600.], dtype=float32)
    """
    given = {"tas": tas, "tasmin": tasmin, "tasmax": tasmax, "pr": pr}
    present = {name: values for name, values in given.items() if values is not None}
    step = _check_dates(present)
    monthly = {
        name: _amounts(values, step) if name == "pr" else _degrees(values, name)
        for name, values in present.items()
    }
    if step == "day":
        monthly = {name: _by_month(v, total=name == "pr") for name, v in monthly.items()}
    year = {name: v.groupby("time.month").mean("time", skipna=False) for name, v in monthly.items()}
    if tas is None:
        year["tas"] = (year["tasmin"] + year["tasmax"]) / 2
    parts = [v.chunk({"month": -1}) if v.chunks is not None else v for v in year.values()]
    aligned = dict(zip(year, xr.align(*parts, join="exact"), strict=True))
    made: xr.DataArray = xr.apply_ufunc(
        _variables,
        *(aligned[name] for name in ("tas", "tasmin", "tasmax", "pr")),
        input_core_dims=[["month"]] * 4,
        output_core_dims=[["bioclim_variable"]],
        dask="parallelized",
        output_dtypes=[np.float32],
        dask_gufunc_kwargs={"output_sizes": {"bioclim_variable": len(_NAMES)}},
    )
    made = made.transpose("bioclim_variable", ...).rename(CONTEXT)
    made.attrs = context_attrs(_NAMES)
    return made.assign_coords(bioclim_variable=np.array(_NAMES, np.dtypes.StringDType()))


def _variables(
    tas: NDArray[Any], tasmin: NDArray[Any], tasmax: NDArray[Any], pr: NDArray[Any]
) -> NDArray[np.float32]:
    """The variables of climatologies (..., month), as (..., variable)."""
    tas, tasmin, tasmax, pr = (np.asarray(v, np.float64) for v in (tas, tasmin, tasmax, pr))
    warm, wet = _quarters(tas) / 3, _quarters(pr)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (tasmax - tasmin).mean(-1)
        highest, lowest = tasmax.max(-1), tasmin.min(-1)
        made = [
            tas.mean(-1),
            spread,
            100 * spread / (highest - lowest),
            100 * tas.std(-1, ddof=1),
            highest,
            lowest,
            highest - lowest,
            _pick(warm, wet.argmax(-1)),
            _pick(warm, wet.argmin(-1)),
            warm.max(-1),
            warm.min(-1),
            pr.sum(-1),
            pr.max(-1),
            pr.min(-1),
            # 1 mm keeps the variation of deserts finite.
            100 * pr.std(-1, ddof=1) / (1 + pr.mean(-1)),
            wet.max(-1),
            wet.min(-1),
            _pick(wet, warm.argmax(-1)),
            _pick(wet, warm.argmin(-1)),
        ]
    stacked = np.stack(made, axis=-1)
    missing = np.isnan(tas + tasmin + tasmax + pr).any(-1, keepdims=True)
    return np.where(missing, np.nan, stacked).astype(np.float32)


def _quarters(months: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of three months in a row, from January-March to December-February."""
    return months + np.roll(months, -1, axis=-1) + np.roll(months, -2, axis=-1)


def _pick(values: NDArray[np.float64], index: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.take_along_axis(values, index[..., None], axis=-1)[..., 0]


def _check_dates(given: dict[str, xr.DataArray]) -> str:
    """Step of the data, ``"day"`` or ``"month"``; cuts them to whole years, in place."""
    start, first = next(iter(given.items()))
    for name, values in given.items():
        if "time" not in values.dims or values["time"].dtype.kind != "M":
            raise CubeError(
                f"{name!r} has dimensions {values.dims} without a 'time' of datetime64. Rename "
                "the dimension, or convert other calendars: .convert_calendar('standard')."
            )
        if not values["time"].equals(first["time"]):
            raise CubeError(
                f"{name!r} has other dates than {start!r}; select the dates that all share "
                "first: xarray.align(..., join='inner')."
            )
    times = pd.DatetimeIndex(first["time"].values).normalize()
    step = _step(times)
    months = times.to_period("M")
    counts = months.value_counts().sort_index()
    found = pd.PeriodIndex(counts.index)
    whole = found[counts.to_numpy() == (found.days_in_month if step == "day" else 1)]
    years = len(whole) // _MONTHS
    if not years:
        raise CubeError(
            f"{len(whole)} whole months from {times[0].date()} to {times[-1].date()}: a "
            "climatology needs twelve in a row at least. Give whole years."
        )
    kept = whole[: years * _MONTHS]
    wanted = pd.period_range(kept[0], periods=len(kept), freq="M")
    if not kept.equals(wanted):
        absent = wanted.difference(kept)
        raise CubeError(
            f"month {absent[0]} is missing or not whole (and {len(absent) - 1} more up to "
            f"{wanted[-1]}). Fill the gap, or select whole years without it."
        )
    inside = np.asarray(months.isin(kept))
    if not inside.all():
        warnings.warn(
            f"{int((~inside).sum())} of {inside.size} {step}s make no whole year and are left "
            f"out: the climatology is that of {kept[0]} to {kept[-1]}.",
            stacklevel=3,
        )
    # Whatever hour or day stands for a day or month: xclim tells the step from the dates.
    dates = (times if step == "day" else months.to_timestamp())[inside].to_numpy()
    for name, values in given.items():
        given[name] = values.isel(time=np.flatnonzero(inside)).assign_coords(time=dates)
    return step


def _step(times: pd.DatetimeIndex) -> str:
    if not times.is_monotonic_increasing or not times.is_unique:
        raise CubeError("dates are not strictly ascending; sort by time and drop duplicates.")
    if len(times) > 1:
        steps = np.diff(times.to_numpy()) / np.timedelta64(1, "D")
        if (steps == 1).mean() > 0.5:
            return "day"
        if times.to_period("M").is_unique and np.median(steps) >= 28:
            return "month"
    raise CubeError(
        f"{len(times)} dates from {times[0] if len(times) else 'none'}: expected daily or monthly "
        "data. Resample first: .resample(time='D').mean() for temperatures, .sum() for amounts."
    )


def _degrees(values: xr.DataArray, name: str) -> xr.DataArray:
    units = _units(values, name)
    if dict(units.dimensionality) != {"[temperature]": 1}:
        raise CubeError(_wrong(values, name, "a temperature such as 'degC' or 'K'"))
    convert = require("xclim.core.units", extra="climate").convert_units_to
    made: xr.DataArray = convert(values, "degC")
    return made


def _amounts(values: xr.DataArray, step: str) -> xr.DataArray:
    """Precipitation of each day or month in mm."""
    if _SUM_OF_MONTH.match(str(values.attrs.get("units", ""))):
        if step == "day":
            raise CubeError(_wrong(values, "pr", "a rate or amount of a day: dates are daily"))
        return values
    units = _units(values, "pr")
    kind = {k: v for k, v in dict(units.dimensionality).items() if v}
    rate = kind.pop("[time]", None) == -1
    if kind not in ({"[length]": 1}, {"[mass]": 1, "[length]": -2}):
        raise CubeError(_wrong(values, "pr", "'kg m-2 s-1', 'mm/day', 'mm' or 'mm/month'"))
    module = require("xclim.core.units", extra="climate")
    amount = module.rate2amount(values) if rate else values
    made: xr.DataArray = module.convert_units_to(amount, "mm", context="hydro")
    return made


def _units(values: xr.DataArray, name: str) -> Any:
    module = require("xclim.core.units", extra="climate")
    try:
        return module.units2pint(values.attrs["units"])
    except KeyError as error:
        raise CubeError(
            f"{name!r} has no attribute 'units', so its values cannot be told. Set it, for "
            f"instance {name}.attrs['units'] = {'mm/day' if name == 'pr' else 'degC'!r}."
        ) from error
    except Exception as error:  # pint and xclim raise many kinds
        raise CubeError(_wrong(values, name, "units that xclim knows")) from error


def _wrong(values: xr.DataArray, name: str, expected: str) -> str:
    return (
        f"{name!r} has units {values.attrs['units']!r}; expected {expected}. Correct the "
        "attribute if it is wrong; convert the values if it is right."
    )


def _by_month(values: xr.DataArray, *, total: bool) -> xr.DataArray:
    months = values.resample(time="MS")
    return months.sum(skipna=False) if total else months.mean(skipna=False)
