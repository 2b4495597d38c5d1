"""Quality filters of survey points by name: which points are good enough to learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from lulc_xr.core.errors import SampleError, name_unknown
from lulc_xr.samples.lucas_codes import PARCEL_AREAS

_HALF_HECTARE = 0.5


def quality_filter(points: pd.DataFrame, name: str) -> pd.Series[bool]:
    """Whether each point passes a filter of the literature.

    Filters are for *training*. They change the mix of classes, as small and scattered parcels
    vanish: report the accuracy at all points too, as ``lulc-xr evaluate --filter`` does.

    A point passes if what is known of it meets the rule. Where a column is missing or empty and
    the answer hangs on it, the point does not pass and is counted as *unknown*.

    Parameters
    ----------
    points : GeoDataFrame or DataFrame
        What :func:`lulc_xr.read_lucas` gave.
    name : str
        One of these, or several joined by ``+``, all of which must be met:

        ``pflugmacher_2019``
            The first land cover takes at least half of what was looked at, and its parcel is
            larger than 0.5 ha; artificial land (A) passes without either. At the theoretical
            location. Pflugmacher et al. (2019), as re-implemented in public code; not compared
            with the paper.
        ``in_situ``
            Seen in the field from less than 100 m. General practice.
        ``on_the_point``
            Looked at on the point; not beside it, as where a point lies on a border or a
            line of less than 3 m. General practice.
        ``parcel_half_hectare``
            A parcel of 0.5 ha or more. General practice.

    Returns
    -------
    pandas.Series of bool
        With the index of `points`. ``attrs``: the filter, and how many points ``passed``,
        ``failed`` and are ``unknown``.

    Raises
    ------
    SampleError
        If a filter is not known, or the points have none of the columns that it needs.

    References
    ----------
    Pflugmacher, D. et al. (2019). Mapping pan-European land cover using Landsat spectral-temporal
    metrics and the European LUCAS survey. Remote Sensing of Environment 221, 583-595.

    Examples
    --------
    >>> import pandas as pd
    >>> points = pd.DataFrame({"observation": ["in situ < 100 m", "not possible", None]})
    >>> passed = quality_filter(points, "in_situ")
    >>> passed.tolist(), passed.attrs["unknown"]
    ([True, False, False], 1)
    """
    answer = pd.Series(True, index=points.index, dtype="boolean")
    for part in name.split("+"):
        if part not in _FILTERS:
            raise SampleError(
                name_unknown("filter", part, list_filters())
                + " Join several with '+', such as in_situ+on_the_point."
            )
        needed, rule = _FILTERS[part]
        if not any(column in points for column in needed):
            raise SampleError(
                f"filter {part!r} needs {' and '.join(needed)}, and these points have "
                f"{', '.join(map(str, points.columns))}. Read them with lulc_xr.read_lucas."
            )
        # Of a missing answer and 'no' the whole is 'no'; of a missing one and 'yes', missing.
        answer &= rule(points)
    unknown = int(answer.isna().sum())
    passed = answer.fillna(False).astype(bool)
    count = int(passed.sum())
    passed.attrs = {
        "filter": name,
        "passed": count,
        "failed": len(passed) - count - unknown,
        "unknown": unknown,
    }
    return passed


def list_filters() -> tuple[str, ...]:
    """Names that :func:`quality_filter` knows, sorted."""
    return tuple(sorted(_FILTERS))


def _column(points: pd.DataFrame, name: str) -> pd.Series:
    return points[name].astype(object) if name in points else pd.Series(None, points.index, object)


def _equals(name: str, value: str) -> Callable[[pd.DataFrame], pd.Series]:
    def rule(points: pd.DataFrame) -> pd.Series:
        given = _column(points, name)
        return (given == value).astype("boolean").mask(given.isna())

    return rule


def _is_large(points: pd.DataFrame) -> pd.Series:
    """Whether a parcel has half a hectare, from the lower bound of its class."""
    area = _column(points, "parcel_area")
    large = area.map({name: low >= _HALF_HECTARE for name, (low, _) in PARCEL_AREAS.items()})
    return large.astype("boolean")


def _covers_half(points: pd.DataFrame) -> pd.Series:
    share = _column(points, "lc1_percent_class")
    by_class = share.isin(["50 - 75", "> 75"]).astype("boolean").mask(share.isna())
    number = _column(points, "lc1_percent").astype("Float64")
    return (number >= 50).fillna(by_class)


def _pflugmacher(points: pd.DataFrame) -> pd.Series:
    code = _column(points, "lc1")
    artificial = code.str.startswith("A").astype("boolean").mask(code.isna())
    return artificial | (_covers_half(points) & _is_large(points))


_FILTERS: Mapping[str, tuple[tuple[str, ...], Callable[[pd.DataFrame], pd.Series]]] = {
    "pflugmacher_2019": (("lc1", "lc1_percent_class", "parcel_area"), _pflugmacher),
    "in_situ": (("observation",), _equals("observation", "in situ < 100 m")),
    "on_the_point": (("observation_direction",), _equals("observation_direction", "on the point")),
    "parcel_half_hectare": (("parcel_area",), _is_large),
}
