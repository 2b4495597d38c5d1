"""Bootstrap by blocks: sums from blocks are those of samples, strata and refusals."""

import numpy as np
import pytest

from lulc_xr.analysis.resampling import bootstrap, bootstrap_sums, percentile_interval
from lulc_xr.core.errors import SampleError

RNG = np.random.default_rng(7)
NUMBER = 500
CELL = RNG.integers(0, 6, NUMBER)
BLOCK = RNG.integers(0, 40, NUMBER)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("blocked", [False, True])
def test_sums_of_blocks_are_those_of_the_samples_drawn(weighted, stratified, blocked):
    amounts = RNG.uniform(0, 3, NUMBER) if weighted else None
    blocks = BLOCK if blocked else None
    strata = (BLOCK // 10 if blocked else CELL) if stratified else None
    settings = {"blocks": blocks, "strata": strata, "repeats": 30, "seed": 3}
    found = bootstrap_sums(CELL, 6, amounts=amounts, **settings)
    weight = np.ones(NUMBER) if amounts is None else amounts
    slowly = bootstrap(lambda times: np.bincount(CELL, times * weight, 6), NUMBER, **settings)
    np.testing.assert_allclose(found, slowly, atol=1e-9)


def test_strata_keep_their_number_of_blocks():
    strata = BLOCK // 10
    sums = bootstrap_sums(strata, 4, strata=strata, repeats=20)
    np.testing.assert_array_equal(sums, np.tile(np.bincount(strata), (20, 1)))


def test_the_spread_of_a_share_is_the_one_of_theory():
    right = (RNG.random(2000) < 0.8).astype(int)
    sums = bootstrap_sums(right, 2, repeats=2000, seed=1)
    share = sums[:, 1] / sums.sum(axis=1)
    expected = np.sqrt(right.mean() * (1 - right.mean()) / right.size)
    assert share.std() == pytest.approx(expected, rel=0.06)
    low, high = percentile_interval(share[:, None])
    assert (high - low)[0] == pytest.approx(2 * 1.96 * expected, rel=0.1)


def test_several_columns_of_a_sample_are_drawn_together():
    both = np.stack([CELL, CELL + 6], axis=1)
    sums = bootstrap_sums(both, 12, blocks=BLOCK, repeats=10)
    np.testing.assert_array_equal(sums[:, :6], sums[:, 6:])
    np.testing.assert_array_equal(sums[:, :6], bootstrap_sums(CELL, 6, blocks=BLOCK, repeats=10))


def test_many_blocks_are_drawn_in_parts_that_fit_into_memory(monkeypatch):
    whole = bootstrap_sums(CELL, 6, repeats=25)
    monkeypatch.setattr("lulc_xr.analysis.resampling._VALUES_AT_ONCE", 3 * NUMBER)
    np.testing.assert_array_equal(bootstrap_sums(CELL, 6, repeats=25), whole)


@pytest.mark.parametrize("draw", [bootstrap_sums, bootstrap])
def test_what_cannot_be_drawn(draw):
    def run(**settings):
        if draw is bootstrap:
            return bootstrap(lambda times: times.sum(), NUMBER, **settings)
        return bootstrap_sums(CELL, 6, **settings)

    with pytest.raises(SampleError, match="500 samples in 1 block: a bootstrap needs at least two"):
        run(blocks=np.zeros(NUMBER, int))
    with pytest.raises(SampleError, match="1 resamples; give at least 2"):
        run(repeats=1)
    with pytest.raises(SampleError, match="holds samples of two strata or more"):
        run(blocks=BLOCK, strata=CELL)
