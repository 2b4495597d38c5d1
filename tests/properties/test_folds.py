"""Laws of folds: points stay whole, folds keep apart, order does not matter."""

import warnings

import numpy as np
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from lulc_xr.core.errors import SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.samples.folds import make_folds

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
