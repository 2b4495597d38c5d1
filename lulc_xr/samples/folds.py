"""Folds in space: blocks drawn once, so that what is tested lies apart from what is learnt."""

from __future__ import annotations

import warnings
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import KDTree

from lulc_xr.core.errors import SampleError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import tasks_of
from lulc_xr.samples.units import check_regions, check_units, clusters, join_units, regions_of

Method = Literal["blocked", "random", "region", "leave_one_region_out"]
METHODS = get_args(Method)
"""How samples are dealt out."""

UNUSED = -1
"""Fold of samples that lie too near to another fold; leave them out of training and test."""


def make_folds(
    samples: xr.Dataset,
    *,
    method: Method = "blocked",
    block: float | None = None,
    folds: int = 5,
    distance: float = 0.0,
    buffer: float = 0.0,
    seed: int = 0,
    group: str = "point_id",
    region: str = "region",
) -> xr.Dataset:
    """Samples with a variable `fold`, drawn once: write it with the samples, and it stays.

    What must not part is one unit: the samples of a block, of a region, of a group (repeats
    of a point), and those that chains of steps within `distance` connect. The largest units
    are dealt first, each to the fold whose class counts it brings nearest to an equal share.

    Parameters
    ----------
    samples : xr.Dataset
        Samples with `y`, `x` (metres) and the variable `group` over `sample`.
    method : {"blocked", "random", "region", "leave_one_region_out"}
        Square blocks in space; single places; whole regions, several to a fold; or one fold
        for each region, in the order of their names, which the attribute `regions` keeps.
    block : float, optional
        Side of a block in metres, for ``"blocked"``; take more than the distance over which
        land resembles itself. The seed places the grid of blocks.
    folds : int
        Number of folds, at least 2; ``"leave_one_region_out"`` has as many as regions.
    distance : float
        Samples within this distance of each other, in metres, are in one fold; for
        ``"blocked"`` and ``"random"``. Loses no sample, but joins what lies densely.
    buffer : float
        Samples of different folds lie farther apart than this, in metres: those that do
        not get fold -1, which means unused.
    seed : int
        Another seed draws other folds. The order of the samples does not matter.
    group : str
        Variable whose equal values never part.
    region : str
        Variable of regions, for the methods that need them.

    Returns
    -------
    xr.Dataset
        `samples` with `fold(sample)` int16, 0 to `folds` - 1, or -1 for unused; its
        attributes hold the settings.

    Raises
    ------
    SampleError
        If folds cannot be made of these samples.

    References
    ----------
    Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal,
    spatial, hierarchical, or phylogenetic structure. Ecography 40, 913-929.

    Examples
    --------
    >>> from lulc_xr.samples.extract import extract_samples
    >>> from lulc_xr.testing import landscape, points
    >>> cube = landscape(y=96, x=96)
    >>> samples = extract_samples(cube, points(cube, per_class=20))
    >>> make_folds(samples, block=160, folds=3).fold.values.max()
    np.int16(2)
    >>> apart = make_folds(samples, method="random", distance=20, folds=3)
    >>> apart.fold.attrs["distance"]
    20.0
    """
    by_region = method in ("region", "leave_one_region_out")
    places = _check(
        samples,
        names=("y", "x", group, *((region,) if by_region else ())),
        lengths={"block": block, "distance": distance, "buffer": buffer},
        method=method,
        folds=folds,
    )
    groups = samples[group].to_numpy()
    rng = np.random.default_rng(seed)
    classes, names = _classes(samples)
    settings: dict[str, Any] = {"method": method, "buffer": float(buffer), "seed": seed}
    if method == "leave_one_region_out":
        regions, fold = np.unique(regions_of(samples, region), return_inverse=True)
        check_regions(regions, fold, groups, region=region, group=group)
        folds = regions.size
        settings |= {"regions": [str(name) for name in regions]}
    else:
        cells: NDArray[Any]
        if method == "blocked" and block is not None:
            cells = np.floor(places / block + rng.random(2)).astype(np.int64)
            settings |= {"block": float(block), "distance": float(distance)}
        elif method == "random":
            cells = places
            settings |= {"distance": float(distance)}
        else:
            cells = np.unique(regions_of(samples, region), return_inverse=True)[1][:, None]
        near = clusters(places, distance=distance) if distance > 0 else None
        units = join_units(cells, groups, near)
        check_units(units, places, near, folds=folds, method=method, block=block, group=group)
        counts = np.zeros((int(units.max()) + 1, len(names)), np.int64)
        np.add.at(counts, (units, classes), 1)
        fold = _deal(counts, folds=folds, rng=rng)[units]
    if buffer > 0:
        fold = np.where(_near(places, fold, buffer=buffer), UNUSED, fold)
    _judge(fold, classes, names, folds=folds, buffer=buffer)
    attrs = {"long_name": "fold in space, -1 for unused", "folds": folds, **settings}
    return samples.assign(fold=("sample", fold.astype(np.int16), attrs))


def _check(
    samples: xr.Dataset,
    *,
    names: tuple[str, ...],
    lengths: dict[str, float | None],
    method: str,
    folds: int,
) -> NDArray[np.float64]:
    """Position (y, x) of every sample."""
    if method not in METHODS:
        raise SampleError(name_unknown("method of folds", method, METHODS))
    if folds < 2:
        raise SampleError(f"folds={folds}; expected at least 2.")
    block = lengths["block"]
    if method == "blocked" and (block is None or not (block > 0 and np.isfinite(block))):
        raise SampleError(f"block={block}; expected the side of a block in metres, > 0.")
    for name in ("distance", "buffer"):
        value = lengths[name]
        if value is None or not (value >= 0 and np.isfinite(value)):
            raise SampleError(f"{name}={value}; expected a distance in metres, >= 0.")
    if lengths["distance"] and "region" in method:
        raise SampleError(
            f"distance={lengths['distance']:g} would join regions across their borders; "
            f"method={method!r} keeps regions whole. Leave out what lies near a border: buffer=..."
        )
    for name in names:
        if name not in samples:
            raise SampleError(
                name_unknown("variable of samples", name, map(str, samples.variables))
            )
    if not samples.sizes.get("sample"):
        raise SampleError("no samples to make folds of.")
    places = np.stack([np.asarray(samples[d].values, np.float64) for d in ("y", "x")], axis=1)
    lost = ~np.isfinite(places).all(axis=1)
    if lost.any():
        raise SampleError(f"{int(lost.sum())} samples have no position; drop them first.")
    return places


def _classes(samples: xr.Dataset) -> tuple[NDArray[np.int64], list[str]]:
    """Position of each sample's class of the first task, and all names; 'no label' is the last."""
    tasks = tasks_of(samples) if "tasks" in samples.attrs else []
    if not tasks:
        return np.zeros(samples.sizes["sample"], np.int64), [""]
    legend = Legend.from_flags(samples[tasks[0]].attrs)
    index = legend.index_of(samples[tasks[0]].values).astype(np.int64)
    return np.where(index < 0, len(legend), index), [*legend.names, ""]


def _deal(counts: NDArray[np.int64], *, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Fold of each unit, shape (unit,), from the class counts of the units, (unit, class)."""
    # Weights make a rare class count as much as a common one.
    share = counts / np.maximum(counts.sum(axis=0), 1)
    shuffled = rng.permutation(len(counts))
    order = shuffled[np.argsort(-share[shuffled].sum(axis=1), kind="stable")]
    filled = np.zeros((folds, counts.shape[1]))
    size = np.zeros(folds)
    dealt = np.empty(len(counts), np.int64)
    for unit in order:
        # Growth of the sum of squares: smallest where the unit's classes are rarest so far.
        cost = (share[unit] * (2 * filled + share[unit])).sum(axis=1)
        fold = int(np.lexsort((size, cost.round(12)))[0])
        dealt[unit] = fold
        filled[fold] += share[unit]
        size[fold] += counts[unit].sum()
    return dealt


def _near(
    places: NDArray[np.float64], fold: NDArray[np.int64], *, buffer: float
) -> NDArray[np.bool_]:
    """True where a sample of another fold lies within the buffer."""
    near = np.zeros(len(fold), np.bool_)
    # A hair wider than the buffer, so that rounding never lets a pair at the buffer through.
    reach = buffer * (1 + 1e-9)
    for own in np.unique(fold):
        inside = fold == own
        if inside.all():
            continue
        distance = KDTree(places[~inside]).query(places[inside])[0]
        near[inside] = distance <= reach
    return near


def _judge(
    fold: NDArray[np.int64],
    classes: NDArray[np.int64],
    names: list[str],
    *,
    folds: int,
    buffer: float,
) -> None:
    """Raise if a fold is empty; warn of classes that a fold lacks."""
    sizes = np.bincount(fold[fold >= 0], minlength=folds)
    if (sizes == 0).any():
        raise SampleError(
            f"{int((sizes == 0).sum())} of {folds} folds are empty: {int((fold < 0).sum())} of "
            f"{fold.size} samples lie within the buffer of {buffer:g} m of another fold. "
            "Choose a smaller buffer, larger blocks, or fewer folds."
        )
    table = np.zeros((folds, len(names)), np.int64)
    np.add.at(table, (fold[fold >= 0], classes[fold >= 0]), 1)
    given = np.bincount(classes, minlength=len(names)) > 0
    lacking = [
        f"{name} in fold {', '.join(map(str, np.flatnonzero(table[:, c] == 0)))}"
        for c, name in enumerate(names)
        if name and given[c] and (table[:, c] == 0).any()
    ]
    if lacking:
        warnings.warn(
            f"classes without a sample in a fold: {'; '.join(lacking)}. Scores of these folds "
            "say nothing of them; choose smaller blocks or fewer folds, or add samples.",
            stacklevel=3,
        )
