"""Folds in space: blocks drawn once, so that what is tested lies apart from what is learnt."""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from lulc_xr.core.errors import SampleError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import tasks_of

UNUSED = -1
"""Fold of samples that lie too near to another fold; leave them out of training and test."""


def make_folds(
    samples: xr.Dataset,
    *,
    block: float,
    folds: int = 5,
    buffer: float = 0.0,
    seed: int = 0,
    group: str = "point_id",
) -> xr.Dataset:
    """Samples with a variable `fold`: square blocks in space, dealt out so that classes balance.

    Blocks that share a group (repeats of a point) stay together. The largest blocks are
    dealt first, each to the fold whose class counts it brings nearest to an equal share.

    Parameters
    ----------
    samples : xr.Dataset
        Samples with `y`, `x` (metres) and the variable `group` over `sample`.
    block : float
        Side of a block in metres; take more than the distance over which land resembles
        itself. The seed places the grid of blocks.
    folds : int
        Number of folds, at least 2.
    buffer : float
        Samples of different folds lie farther apart than this, in metres: those that do
        not get fold -1, which means unused.
    seed : int
        Another seed draws other folds. The order of the samples does not matter.
    group : str
        Variable whose equal values never part.

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
    """
    places = _check(samples, block=block, folds=folds, buffer=buffer, group=group)
    rng = np.random.default_rng(seed)
    cells = np.floor(places / block + rng.random(2)).astype(np.int64)
    units = _units(cells, samples[group].to_numpy())
    number = int(units.max()) + 1
    if number < folds:
        raise SampleError(
            f"folds={folds}, but the samples lie in only {number} blocks of {block:g} m that "
            f"share no {group} (extent {np.ptp(places[:, 0]):g} m by {np.ptp(places[:, 1]):g} m). "
            f"Choose folds <= {number}, a smaller block, or samples of a larger area."
        )
    classes, names = _classes(samples)
    counts = np.zeros((number, len(names)), np.int64)
    np.add.at(counts, (units, classes), 1)
    fold = _deal(counts, folds=folds, rng=rng)[units]
    if buffer > 0:
        fold = np.where(_near(places, fold, buffer=buffer), UNUSED, fold)
    _judge(fold, classes, names, folds=folds, buffer=buffer, block=block)
    settings = {"folds": folds, "block": float(block), "buffer": float(buffer), "seed": seed}
    attrs = {"long_name": "fold in space, -1 for unused", **settings}
    return samples.assign(fold=("sample", fold.astype(np.int16), attrs))


def _check(
    samples: xr.Dataset, *, block: float, folds: int, buffer: float, group: str
) -> NDArray[np.float64]:
    """Position (y, x) of every sample."""
    if folds < 2:
        raise SampleError(f"folds={folds}; expected at least 2.")
    if not (block > 0 and np.isfinite(block)):
        raise SampleError(f"block={block}; expected the side of a block in metres, > 0.")
    if not (buffer >= 0 and np.isfinite(buffer)):
        raise SampleError(f"buffer={buffer}; expected a distance in metres, >= 0.")
    for name in ("y", "x", group):
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


def _units(cells: NDArray[np.int64], groups: NDArray[np.generic]) -> NDArray[np.int64]:
    """Number of the unit (blocks joined by shared groups) of each sample.

    Units are numbered by their first block in space, not by the order of the samples.
    """
    blocks = np.unique(cells, axis=0, return_inverse=True)[1].ravel()
    members = np.unique(groups, return_inverse=True)[1].ravel()
    total = int(blocks.max()) + 1 + int(members.max()) + 1
    links = coo_array(
        (np.ones(blocks.size), (blocks, int(blocks.max()) + 1 + members)), shape=(total, total)
    )
    joined = connected_components(links, directed=False)[1][: int(blocks.max()) + 1]
    # Blocks are sorted by (row, column), so the first of a unit orders the units.
    first = np.unique(joined, return_index=True)[1]
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return np.asarray(rank[joined][blocks], np.int64)


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
    block: float,
) -> None:
    """Raise if a fold is empty; warn of classes that a fold lacks."""
    sizes = np.bincount(fold[fold >= 0], minlength=folds)
    if (sizes == 0).any():
        raise SampleError(
            f"{int((sizes == 0).sum())} of {folds} folds are empty: {int((fold < 0).sum())} of "
            f"{fold.size} samples lie within the buffer of {buffer:g} m of another fold (blocks "
            f"of {block:g} m). Choose a smaller buffer, larger blocks, or fewer folds."
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
