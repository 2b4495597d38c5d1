"""Yearly class maps made consistent over the years, lazily: fewer changes that never were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.prediction.derived import TaskMaps, read_tasks
from lulc_xr.prediction.kinds import CLASS_MAP, TASK_KINDS, Meaning
from lulc_xr.prediction.year_paths import most_probable_paths, without_short_runs
from lulc_xr.prediction.year_steps import USUAL, Pairs, Persistence, one_year, powers

Method = Literal["hmm", "minimum_duration"]

_METHODS = ("hmm", "minimum_duration")
_BLOCK = 256
_EMPTY = np.empty((0,) * 3, np.uint8)
_KEPT_ATTRS = ("model_hash", "precision", "year_start")
KEPT, REVISED, FILLED = 0, 1, 2
"""What became of the class of a pixel in a year."""


def consistent(
    maps: xr.Dataset,
    *,
    method: Method = "hmm",
    persistence: Persistence = USUAL,
    transition: Any = None,
    forbidden: Pairs = (),
    minimum: int = 2,
    fill: bool = False,
    tasks: Sequence[str] | None = None,
) -> xr.Dataset:
    """Class maps of several years without changes that are more probably errors, lazily.

    Maps that were made year by year differ where nothing changed. Two rules mend that. Both give
    each pixel only classes that it had in some year, and both look at one pixel at a time:

    - ``"hmm"``: a hidden Markov model, for maps with probabilities. The class of a year is
      hidden, its probabilities are the evidence, and the path through all years that is most
      probable is taken (Viterbi). Whether an odd year is kept depends on how sure the map was;
      it also decides about the first and the last year.
    - ``"minimum_duration"``: for maps without probabilities. A class that lasted fewer than
      `minimum` years between two times of one other class becomes that class; of several, the
      shortest first, then the earliest. First and last years stay.

    Take the first where there are probabilities: on made-up landscapes it left fewer errors
    (``benchmarks/evidence/consistency.py``). Neither is for classes that truly change from year
    to year, such as crops in rotation, unless `persistence` says so.

    Parameters
    ----------
    maps : xr.Dataset
        Class maps (year, y, x), years ascending, as :func:`lulc_xr.classify` gives them; with
        ``<task>_probability`` for ``"hmm"``.
    method : {"hmm", "minimum_duration"}
        The rule.
    persistence : float or mapping of class name to float
        ``"hmm"``: probability that a place keeps its class from one year to the next, above 0
        and below 1; all other classes share the rest evenly. The default is ours, not measured
        anywhere: give what is known of your area. A mapping may leave out classes, which take
        0.95.
    transition : array or pandas.DataFrame or xr.DataArray, optional
        ``"hmm"``: instead of `persistence`, the probability of each class (row) to be followed by
        each (column) a year later, in the order of the legend.
    forbidden : sequence of (str, str)
        ``"hmm"``: changes from a class to a class that cannot happen within a year, such as
        ``[("artificial_land", "woodland")]``.
    minimum : int
        ``"minimum_duration"``: years that a class lasts at least.
    fill : bool
        Whether years in which a pixel is not mapped get a class too, where it has one in another
        year. By default they stay without.
    tasks : sequence of str, optional
        Default: all tasks that have a class map.

    Returns
    -------
    xr.Dataset
        For each task the class map under its own name, and ``<task>_revised``: 0 kept, 1 revised,
        2 filled, 255 not mapped. Probabilities and entropies of single years are not carried on:
        they are not those of these classes.

    Raises
    ------
    CubeError
        If there are too few years, no probabilities, or a setting is out of range.

    Notes
    -----
    Years need not be regular: from one map to the next after g years, a class is followed by
    others as the g-th power of the matrix of one year says; a year that is not mapped is passed
    over. For ``"minimum_duration"`` a class has lasted the years that it can have lasted at most,
    so that maps six years apart are left as they are.

    Probabilities are taken as evidence, which is right for a classifier that was trained on
    about as many samples of each class; those below 0.002 count as 0.002, half a step of stored
    ones. A task holds all years of a chunk.

    References
    ----------
    Viterbi, A. (1967). Error bounds for convolutional codes and an asymptotically optimum decoding
    algorithm. IEEE Transactions on Information Theory 13(2), 260-269.

    Hidden Markov models for annual land cover mapping - increasing temporal consistency and
    completeness (2022). IEEE Transactions on Geoscience and Remote Sensing 60.
    https://doi.org/10.1109/TGRS.2021.3123738

    Examples
    --------
    >>> legend = Legend.from_names("demo", ["crop", "wood"])
    >>> ids = np.array([1, 1, 0, 1], np.uint8)[:, None, None]
    >>> p = np.array([[0.1, 0.2, 0.6, 0.1], [0.9, 0.8, 0.4, 0.9]], np.float32).T[..., None, None]
    >>> maps = xr.Dataset(
    ...     {
    ...         "land_cover": (("year", "y", "x"), ids, legend.flags()),
    ...         "land_cover_probability": (("year", "class", "y", "x"), p),
    ...     },
    ...     coords={"year": [2018, 2019, 2020, 2021]},
    ... )
    >>> consistent(maps)["land_cover"].values.ravel().tolist()
    [1, 1, 1, 1]
    """
    if method not in _METHODS:
        raise CubeError(name_unknown("method", method, _METHODS))
    if minimum < 2 or int(minimum) != minimum:
        raise CubeError(f"minimum of {minimum!r} years; give a whole number >= 2.")
    read = read_tasks(maps, _class_maps(maps) if tasks is None else tasks)
    made: dict[str, xr.Variable] = {}
    coords: dict[Any, Any] = {}
    for own in read:
        years = _years(own, least=2 if method == "hmm" else 3)
        rule: _MostProbable | _Lasting = _Lasting(years=years, minimum=int(minimum), fill=fill)
        told = f"minimum={minimum}"
        if method == "hmm":
            step = one_year(
                own.legend, persistence=persistence, transition=transition, forbidden=forbidden
            )
            rule = _MostProbable(years=years, step=step, fill=fill)
            told = f"persistence={persistence}" if transition is None else "transition=(matrix)"
            told += f", forbidden={list(forbidden)}" if forbidden else ""
        history = f"lulc_xr.consistent(method={method!r}, {told}, fill={fill})"
        made |= _variables(own, rule, history=history)
        coords |= {k: v.variable for k, v in own.classes.coords.items()}
    return xr.Dataset(made, coords)


@dataclass(frozen=True, kw_only=True)
class _MostProbable:
    """The hidden Markov model: years, the matrix of one year, whether gaps are filled."""

    years: tuple[int, ...]
    step: NDArray[np.float64]
    fill: bool

    def __call__(
        self, positions: NDArray[np.int16], probability: NDArray[np.float32]
    ) -> NDArray[np.int16]:
        return most_probable_paths(
            positions,
            probability,
            years=np.array(self.years, np.int64),
            steps=powers(self.step, self.years[-1] - self.years[0]),
            fill=self.fill,
        )


@dataclass(frozen=True, kw_only=True)
class _Lasting:
    """The rule of a minimum duration."""

    years: tuple[int, ...]
    minimum: int
    fill: bool

    def __call__(self, ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
        years = np.array(self.years, np.int64)
        return without_short_runs(ids, years=years, minimum=self.minimum, fill=self.fill)


def _class_maps(maps: xr.Dataset) -> list[str] | None:
    """Names of class maps: those whose flags are a legend."""
    return [str(n) for n, v in maps.data_vars.items() if {"flag_values", "legend"} <= set(v.attrs)
            and set(v.dims) == {"year", "y", "x"}] or None  # fmt: skip


def _years(own: TaskMaps, *, least: int) -> tuple[int, ...]:
    if "year" not in own.classes.coords:
        raise CubeError(f"class map {own.task!r} has no coordinate 'year'; assign its years first.")
    years = tuple(int(y) for y in own.classes["year"].values)
    if len(years) < least:
        raise CubeError(
            f"class map {own.task!r} of {len(years)} years ({', '.join(map(str, years))}); this "
            f"rule needs at least {least}. Join more maps, xr.concat([first, second], 'year')."
        )
    if (np.diff(years) <= 0).any():
        raise CubeError(
            f"years {', '.join(map(str, years))} of {own.task!r} do not ascend. Put them in order, "
            "maps.sortby('year'), each year once."
        )
    return years


def _variables(
    own: TaskMaps, rule: _MostProbable | _Lasting, *, history: str
) -> dict[str, xr.Variable]:
    """Class map and what became of it, with attributes written anew."""
    given, found = _lazily(own, rule)
    became = given.map_blocks(_became, found, dtype=np.uint8, meta=_EMPTY)
    kind = TASK_KINDS[CLASS_MAP]
    words = own.task.replace("_", " ")
    kept = {k: str(own.classes.attrs[k]) for k in _KEPT_ATTRS if k in own.classes.attrs}
    before = str(own.classes.attrs.get("history", ""))
    kept["history"] = f"{before}; {history}" if before else history
    name = f"{own.task}_revised"
    described = kind.describe(Meaning(words=words, legend=own.legend))
    flags = {
        "long_name": f"what became of {words}",
        "flag_values": np.array([KEPT, REVISED, FILLED], np.uint8),
        "flag_meanings": "kept revised filled",
        "comment": "revised: another class than in the map of the year; filled: not mapped in it",
    }
    dims = ("year", "y", "x")
    return {
        own.task: xr.Variable(
            dims, found, kept | {"ancillary_variables": name} | described, kind.stored()
        ),
        name: xr.Variable(dims, became, kept | flags, kind.stored()),
    }


def _lazily(own: TaskMaps, rule: _MostProbable | _Lasting) -> tuple[Any, Any]:
    """The class ids that are given and those of the rule, as Dask arrays (year, y, x)."""
    arrays = {"classes": own.classes}
    if isinstance(rule, _MostProbable):
        probability = own.need_probability("method='hmm'").rename({own.dimension: "class"})
        arrays["probability"] = probability.transpose("class", "year", "y", "x")
    bare = xr.Dataset({n: v.drop_vars(list(v.coords)).variable for n, v in arrays.items()})
    pixels = {} if own.classes.chunks else {"y": _BLOCK, "x": _BLOCK}
    whole = {dim: -1 for dim in ("year", "class") if dim in bare.dims}
    blocks = bare.chunk(whole | pixels).unify_chunks()
    given = blocks["classes"].data
    # The method of the array: with the classes first, the last three dimensions are the map's.
    if isinstance(rule, _Lasting):
        return given, given.map_blocks(rule, dtype=np.uint8, meta=_EMPTY)
    found = blocks["probability"].data.map_blocks(
        _revise, given, drop_axis=0, rule=rule, legend=own.legend, dtype=np.uint8, meta=_EMPTY
    )
    return given, found


def _revise(
    probability: NDArray[np.float32],
    ids: NDArray[np.uint8],
    *,
    rule: _MostProbable,
    legend: Legend,
) -> NDArray[np.uint8]:
    by_year = probability.swapaxes(0, 1).astype(np.float32, copy=False)
    positions = rule(legend.index_of(ids), by_year)
    # The last one is for position -1.
    found: NDArray[np.uint8] = np.array([*legend.ids, FILL_CLASS], np.uint8)[positions]
    return found


def _became(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.uint8]:
    made = np.where(before == after, np.uint8(KEPT), np.uint8(REVISED))
    made[before == FILL_CLASS] = FILLED
    made[after == FILL_CLASS] = FILL_CLASS
    return made
