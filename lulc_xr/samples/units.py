"""What must not part in folds: cells in space, groups, regions, and what lies close together."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from lulc_xr.core.errors import SampleError

_MOST_PAIRS = 50_000_000


def clusters(places: NDArray[np.float64], *, distance: float) -> NDArray[np.int64]:
    """Cluster of each place, (place,): chains of steps of at most `distance` stay together.

    Raises
    ------
    SampleError
        If there are too many pairs within the distance.
    """
    # A hair wider, so that rounding never parts a pair at the distance.
    reach = distance * (1 + 1e-9)
    unique, which = np.unique(places, axis=0, return_inverse=True)
    tree = KDTree(unique)
    pairs = (int(tree.count_neighbors(tree, reach)) - len(unique)) // 2
    if pairs > _MOST_PAIRS:
        raise SampleError(
            f"distance={distance:g} m has {pairs} pairs of {len(unique)} places within it; at most "
            f"{_MOST_PAIRS} fit. Choose a smaller distance, or method='blocked' with larger blocks."
        )
    found = tree.query_pairs(reach, output_type="ndarray")
    links = coo_array((np.ones(len(found)), (found[:, 0], found[:, 1])), shape=(len(unique),) * 2)
    joined = connected_components(links, directed=False)[1]
    return np.asarray(joined[which.ravel()], np.int64)


def regions_of(samples: xr.Dataset, region: str) -> NDArray[Any]:
    """Region of every sample; raises SampleError where one has none."""
    values: NDArray[Any] = samples[region].to_numpy()
    lacking = np.isnan(values) if values.dtype.kind == "f" else values.astype(object) == ""
    if lacking.any():
        raise SampleError(
            f"{int(lacking.sum())} of {values.size} samples have no {region}; give them one, or "
            "drop them first."
        )
    return values


def check_regions(
    regions: NDArray[Any],
    fold: NDArray[np.int64],
    groups: NDArray[Any],
    *,
    region: str,
    group: str,
) -> None:
    """Raise SampleError unless each of several regions can be a fold of its own."""
    if regions.size < 2:
        raise SampleError(
            f"all samples lie in one {region} ({regions[0]}); leaving it out leaves nothing. "
            "Take samples of more regions, or method='blocked'."
        )
    known, member = np.unique(groups, return_inverse=True)
    pairs = np.unique(np.stack([member.ravel(), fold.ravel()]), axis=1)[0]
    spread = known[np.unique(pairs[1:][np.diff(pairs) == 0])]
    if spread.size:
        raise SampleError(
            f"{spread.size} values of {group} lie in several {region}s, such as {spread[0]}; they "
            f"cannot stay in one fold. Give all samples of a {group} the same {region}, or use "
            "method='region', which joins such regions."
        )


def check_units(
    units: NDArray[np.int64],
    places: NDArray[np.float64],
    near: NDArray[np.int64] | None,
    *,
    folds: int,
    method: str,
    block: float | None,
    group: str,
) -> None:
    """Raise SampleError if there are fewer units than folds, and say what joins them."""
    number = int(units.max()) + 1
    if number >= folds:
        return
    kind = {"blocked": f"blocks of {block:g} m" if block else "", "random": "places"}
    if near is not None:
        largest = int(np.bincount(near).max())
        raise SampleError(
            f"folds={folds}, but only {number} sets of samples are apart: steps within the "
            f"distance connect {largest} of {units.size} samples to one cluster. Choose a "
            f"smaller distance{' or smaller blocks' if method == 'blocked' else ''}, "
            f"folds <= {number}, or buffer= instead, which leaves out samples between folds."
        )
    raise SampleError(
        f"folds={folds}, but the samples lie in only {number} {kind.get(method, 'regions')} that "
        f"share no {group} (extent {np.ptp(places[:, 0]):g} m by {np.ptp(places[:, 1]):g} m). "
        f"Choose folds <= {number}, a smaller block, or samples of a larger area."
    )


def join_units(cells: NDArray[Any], *joining: NDArray[Any] | None) -> NDArray[np.int64]:
    """Number of the unit (cells joined by shared groups or clusters) of each sample.

    Units are numbered by their first cell in space, not by the order of the samples.
    """
    blocks = np.unique(cells, axis=0, return_inverse=True)[1].ravel()
    number = total = int(blocks.max()) + 1
    ends = []
    for labels in joining:
        if labels is not None:
            members = np.unique(labels, return_inverse=True)[1].ravel()
            ends.append(total + members)
            total += int(members.max()) + 1
    links = coo_array(
        (np.ones(blocks.size * len(ends)), (np.tile(blocks, len(ends)), np.concatenate(ends))),
        shape=(total, total),
    )
    joined = connected_components(links, directed=False)[1][:number]
    # Cells are sorted by (row, column), so the first of a unit orders the units.
    first = np.unique(joined, return_index=True)[1]
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return np.asarray(rank[joined][blocks], np.int64)
