"""The rescaled bootstrap of a survey sample: replicate totals that keep strata and clusters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lulc_xr.analysis.survey import SurveySample, variance_strata
from lulc_xr.core.errors import SampleError

Floats = NDArray[np.float64]
_VALUES_AT_ONCE = 1 << 22


def replicate_totals(
    sample: SurveySample, *, repeats: int = 1000, seed: int | np.random.Generator = 0
) -> Floats:
    """Totals of the cells in resamples, shape (repeat, cell).

    In each stratum of n primary units n - 1 are drawn with replacement, and each weight is
    multiplied by 1 - c + c × n / (n - 1) × times drawn, with c² = 1 - the sampling fraction; the
    variance of a total over the resamples is then that of the design. Known totals are met in
    every resample.

    Raises
    ------
    SampleError
        For fewer than two resamples, or as :meth:`SurveySample.variance`.

    References
    ----------
    Rao, J. N. K., Wu, C. F. J. (1988). Resampling inference with complex survey data. JASA
    83(401), 231-241.
    """
    if repeats < 2:
        raise SampleError(f"{repeats} resamples; give at least 2, better 1000.")
    rng = np.random.default_rng(seed)
    stratum = variance_strata(sample)
    unit = sample.primary_unit
    units = int(unit.max()) + 1
    of_unit = np.zeros(units, np.int64)
    of_unit[unit] = stratum
    many = np.ones(units, np.int64) if sample.cluster is not None else sample.number[_first(unit)]
    spread = _fractions(sample, stratum, of_unit)
    # Totals are scaled to known ones within bins: pairs of stratum and post-stratum.
    bins, place, known = _bins(sample)
    column = place * sample.cells + sample.cell
    values = csr_array(
        (sample.weight * sample.number / many[unit], (unit, column)),
        shape=(units, bins * sample.cells),
    )
    step = max(1, _VALUES_AT_ONCE // max(units, bins * sample.cells))
    parts = []
    for size in _sizes(repeats, step):
        times = np.empty((size, units))
        for s in range(int(stratum.max()) + 1):
            members = np.flatnonzero(of_unit == s)
            n = int(many[members].sum())
            drawn = rng.multinomial(max(n - 1, 0), many[members] / n, size=size)
            times[:, members] = (1 - spread[s]) * many[members] + spread[s] * drawn * (
                n / max(n - 1, 1)
            )
        totals = (times @ values).reshape(size, bins, sample.cells)
        parts.append(_scaled(totals, known))
    return np.concatenate(parts)


def _first(unit: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(unit, return_index=True)[1]


def _fractions(
    sample: SurveySample, stratum: NDArray[np.int64], of_unit: NDArray[np.int64]
) -> Floats:
    """Root of 1 - sampling fraction, per stratum of the variance."""
    number = int(stratum.max()) + 1
    if sample.fraction is None:
        return np.ones(number)
    joined = np.zeros(len(sample.strata), np.int64)
    joined[sample.stratum] = stratum
    drawn = np.bincount(joined, sample.primary, minlength=number)
    whole = np.bincount(joined, sample.primary / sample.fraction, minlength=number)
    return np.asarray(np.sqrt(np.maximum(1 - drawn / whole, 0)))


def _bins(
    sample: SurveySample,
) -> tuple[int, NDArray[np.int64], list[tuple[NDArray[np.int64], Floats]]]:
    """Number of bins, bin of each row, and (class of each bin, totals) of what is known."""
    known = sample.known_totals
    if not known:
        return 1, np.zeros_like(sample.stratum), []
    keys, place = np.unique(
        np.stack([position for position, _ in known]), axis=1, return_inverse=True
    )
    return (
        keys.shape[1],
        place.reshape(-1),
        [(keys[k], total) for k, (_, total) in enumerate(known)],
    )


def _scaled(totals: Floats, known: list[tuple[NDArray[np.int64], Floats]]) -> Floats:
    for position, wanted in known:
        member = (position[:, None] == np.arange(wanted.size)).astype(np.float64)
        sums = totals.sum(axis=2) @ member
        factor = np.divide(wanted, sums, out=np.zeros_like(sums), where=sums > 0)
        totals = totals * factor[:, position, None]
    found: Floats = totals.sum(axis=1)
    return found


def _sizes(repeats: int, step: int) -> Iterator[int]:
    for start in range(0, repeats, step):
        yield min(step, repeats - start)
