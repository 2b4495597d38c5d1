"""Laws of folds: points stay whole, folds keep apart, order does not matter."""

import warnings

import numpy as np
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist

from lulc_xr.core.errors import SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.samples.folds import make_folds
from lulc_xr.samples.units import clusters

LEGEND = Legend.from_names("t", ["a", "b", "c"])


@st.composite
def scattered(draw) -> xr.Dataset:
    """Samples at up to 40 places (metres), some of them repeats of one point."""
    number = draw(st.integers(4, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns = {
        "y": rng.integers(0, 3000, number).astype(float),
        "x": rng.integers(0, 3000, number).astype(float),
        "point_id": rng.integers(0, 3 * number, number),
    }
    samples = xr.Dataset({name: ("sample", v) for name, v in columns.items()})
    labels = rng.choice(np.array([0, 1, 2, 255], np.uint8), number)
    samples["land_cover"] = ("sample", labels, LEGEND.flags())
    return samples.assign_attrs(tasks="land_cover")


def folded(samples: xr.Dataset, **how) -> np.ndarray:
    """Folds of samples that have some; others are not an example."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return make_folds(samples, **how).fold.values
        except SampleError:
            assume(False)
            raise


how = st.fixed_dictionaries(
    {
        "block": st.floats(100, 1500),
        "folds": st.integers(2, 4),
        "buffer": st.one_of(st.just(0.0), st.integers(1, 300).map(float)),
        "seed": st.integers(0, 1000),
    }
)


@given(samples=scattered(), how=how)
@settings(max_examples=60, deadline=None)
def test_folds_keep_apart_and_points_whole(samples: xr.Dataset, how: dict) -> None:
    fold = folded(samples, **how)
    assert set(range(how["folds"])) <= set(fold) <= set(range(-1, how["folds"]))
    places = np.stack([samples.y, samples.x], axis=1)
    different = (fold[:, None] != fold) & (fold[:, None] >= 0) & (fold >= 0)
    assert (cdist(places, places)[different] > how["buffer"]).all()
    for point in np.unique(samples.point_id):
        assert len({f for f in fold[samples.point_id.values == point] if f >= 0}) <= 1


@given(samples=scattered(), how=how, data=st.data())
@settings(max_examples=40, deadline=None)
def test_the_same_seed_gives_the_same_folds_in_any_order(
    samples: xr.Dataset, how: dict, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(samples.sizes["sample"])))
    fold = folded(samples, **how)
    np.testing.assert_array_equal(folded(samples, **how), fold)
    np.testing.assert_array_equal(
        folded(samples.isel(sample=list(order)), **how), fold[list(order)]
    )


@given(samples=scattered(), how=how)
@settings(max_examples=40, deadline=None)
def test_only_samples_within_the_buffer_are_left_out(samples: xr.Dataset, how: dict) -> None:
    fold, whole = folded(samples, **how), folded(samples, **{**how, "buffer": 0.0})
    places = np.stack([samples.y, samples.x], axis=1)
    distance = np.where(whole[:, None] != whole, cdist(places, places), np.inf).min(axis=1)
    kept = fold >= 0
    np.testing.assert_array_equal(fold[kept], whole[kept])
    assert (distance[~kept] <= how["buffer"] * (1 + 1e-6)).all()


joined = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["random", "blocked"]),
        "block": st.floats(100, 600),
        "folds": st.integers(2, 4),
        "distance": st.integers(0, 250).map(float),
        "seed": st.integers(0, 1000),
    }
)


@given(samples=scattered(), how=joined, data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_lies_within_the_distance_is_in_one_fold(
    samples: xr.Dataset, how: dict, data: st.DataObject
) -> None:
    fold = folded(samples, **how)
    # Every sample is in one of the folds, and each fold has some.
    assert set(fold) == set(range(how["folds"]))
    places = np.stack([samples.y, samples.x], axis=1)
    different = fold[:, None] != fold
    assert (cdist(places, places)[different] > how["distance"]).all()
    for point in np.unique(samples.point_id):
        assert len(set(fold[samples.point_id.values == point])) == 1
    order = list(data.draw(st.permutations(range(samples.sizes["sample"]))))
    np.testing.assert_array_equal(folded(samples.isel(sample=order), **how), fold[order])


@given(samples=scattered(), regions=st.integers(2, 8), folds=st.integers(2, 4), seed=st.integers(0))
@settings(max_examples=40, deadline=None)
def test_regions_are_never_parted(samples: xr.Dataset, regions: int, folds: int, seed: int) -> None:
    # The region of a place follows from its id, so that repeats agree.
    names = np.array([f"r{i}" for i in range(regions)], np.dtypes.StringDType())
    samples["region"] = ("sample", names[samples.point_id.values % regions])
    dealt = folded(samples, method="region", folds=folds, seed=seed)
    assert set(dealt) == set(range(folds))
    left_out = folded(samples, method="leave_one_region_out", seed=seed)
    given_names = np.unique(samples.region)
    for k, name in enumerate(given_names):
        inside = samples.region.values == name
        assert len(set(dealt[inside])) == 1
        np.testing.assert_array_equal(left_out == k, inside)


@given(samples=scattered(), distance=st.integers(1, 600).map(float))
@settings(max_examples=40, deadline=None)
def test_clusters_are_those_of_single_linkage(samples: xr.Dataset, distance: float) -> None:
    places = np.stack([samples.y, samples.x], axis=1)
    expected = fcluster(linkage(places, "single"), distance, "distance")
    found = clusters(places, distance=distance)
    np.testing.assert_array_equal(found[:, None] == found, expected[:, None] == expected)
