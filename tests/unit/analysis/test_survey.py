"""Survey samples against samplics and against sums written out: ratios, clusters, corrections."""

import warnings

import numpy as np
import pytest

from lulc_xr.analysis.rescaled_bootstrap import replicate_totals
from lulc_xr.analysis.survey import SurveySample, estimate_ratios, estimate_totals
from lulc_xr.core.errors import SampleError

with warnings.catch_warnings():
    # Upstream: samplics says on import that it is no longer developed.
    warnings.simplefilter("ignore")
    from samplics.estimation import TaylorEstimator
    from samplics.utils.types import PopParam


def drawn(seed=0, *, units=240, strata=4, clusters=None, **known):
    """A sample whose units are their own cells, with values x, y of each."""
    rng = np.random.default_rng(seed)
    stratum = np.arange(units) % strata
    sample = SurveySample(
        stratum=stratum,
        cell=np.arange(units),
        cells=units,
        weight=rng.uniform(0.5, 3, units),
        number=np.ones(units, np.int64),
        strata=tuple("abcdefgh"[:strata]),
        # Clusters lie in one stratum each.
        cluster=None if clusters is None else stratum + strata * rng.integers(0, clusters, units),
        **known,
    )
    y = rng.uniform(1, 5, (units, 3))
    return sample, rng.uniform(0, 2, (units, 3)) + 0.3 * y, y


def by_samplics(sample, x, y, *, fpc=1.0, param=PopParam.ratio):
    estimator = TaylorEstimator(param)
    ratio = {"x": y} if param is PopParam.ratio else {}
    estimator.estimate(
        y=x, samp_weight=sample.weight, stratum=sample.stratum, psu=sample.cluster, fpc=fpc, **ratio
    )
    return float(estimator.point_est), float(estimator.stderror) ** 2


@pytest.mark.parametrize("clusters", [None, 6])
def test_ratios_means_and_totals_are_those_of_samplics(clusters):
    sample, x, y = drawn(clusters=clusters)
    ones = np.ones_like(y)
    ratio, variance = estimate_ratios(sample, x, y)
    mean, mean_variance = estimate_ratios(sample, x, ones)
    total, total_variance = estimate_totals(sample, x)
    for k in range(3):
        args = (sample, x[:, k], y[:, k])
        expected = by_samplics(*args)
        assert (ratio[k], variance[k, k]) == pytest.approx(expected, rel=1e-9)
        expected = by_samplics(*args, param=PopParam.mean)
        assert (mean[k], mean_variance[k, k]) == pytest.approx(expected, rel=1e-9)
        expected = by_samplics(*args, param=PopParam.total)
        assert (total[k], total_variance[k, k]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("clusters", [None, 6])
def test_finite_population_correction_is_that_of_samplics(clusters):
    fraction = np.array([0.1, 0.5, 0.25, 0.9])
    sample, x, y = drawn(clusters=clusters, fraction=fraction)
    _, variance = estimate_ratios(sample, x, y)
    # samplics takes the factor 1 - f itself.
    _, expected = by_samplics(
        sample, x[:, 0], y[:, 0], fpc=dict(enumerate((1 - fraction).tolist()))
    )
    assert variance[0, 0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("clusters", [None, 6])
def test_variances_are_the_diagonal_and_differences_follow_from_covariances(clusters):
    sample, x, _ = drawn(clusters=clusters)
    _, covariance = estimate_totals(sample, x)
    np.testing.assert_allclose(sample.variance(x), np.diag(covariance))
    _, difference = estimate_totals(sample, x[:, :1] - x[:, 1:2])
    by_parts = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert difference[0, 0] == pytest.approx(by_parts)


def test_post_stratification_is_the_regression_on_groups():
    rng = np.random.default_rng(3)
    group = rng.integers(0, 3, 240)
    totals = np.array([100.0, 300.0, 250.0])
    sample, x, _ = drawn(strata=1, group=group, group_total=totals)
    found, covariance = estimate_totals(sample, x[:, :1])
    weight, rest, expected = sample.weight, np.empty(240), 0.0
    for g in range(3):
        inside = group == g
        mean = np.average(x[inside, 0], weights=weight[inside])
        expected += totals[g] * mean
        factor = totals[g] / weight[inside].sum()
        rest[inside] = factor * weight[inside] * (x[inside, 0] - mean)
    assert found[0] == pytest.approx(expected)
    assert covariance[0, 0] == pytest.approx(240 * rest.var(ddof=1))


def test_known_stratum_totals_are_met_and_a_whole_stratum_has_no_variance():
    totals = np.array([10.0, 20.0, 30.0, 40.0])
    sample, x, _ = drawn(stratum_total=totals, fraction=np.ones(4))
    sums = np.bincount(sample.stratum, sample.weights)
    np.testing.assert_allclose(sums, totals)
    np.testing.assert_array_equal(sample.variance(x), 0)


@pytest.mark.parametrize("clusters", [None, 6])
def test_bootstrap_has_the_variance_of_the_linearisation(clusters):
    fraction = np.array([0.1, 0.5, 0.25, 0.6])
    sample, x, _ = drawn(clusters=clusters, fraction=fraction)
    totals = replicate_totals(sample, repeats=4000, seed=1) @ x
    np.testing.assert_allclose(totals.mean(axis=0), sample.totals() @ x, rtol=0.005)
    # The standard deviation of a variance over 4000 resamples is 2.2 % of it.
    np.testing.assert_allclose(totals.var(axis=0), sample.variance(x), rtol=0.1)


def test_bootstrap_meets_known_totals():
    group = np.arange(240) // 4 % 3
    totals = np.array([100.0, 300.0, 250.0])
    sample, _, _ = drawn(group=group, group_total=totals)
    replicates = replicate_totals(sample, repeats=20, seed=1)
    for g in range(3):
        np.testing.assert_allclose(replicates[:, group == g].sum(axis=1), totals[g])


def test_folding_changes_no_estimate():
    rng = np.random.default_rng(0)
    sample = SurveySample(
        stratum=np.arange(100) % 2, cell=rng.integers(0, 5, 100), cells=5,
        weight=rng.choice([1.0, 2.0], 100), number=np.ones(100, np.int64), strata=("a", "b"),
    )  # fmt: skip
    folded = sample.folded()
    assert folded.stratum.size <= 20
    np.testing.assert_allclose(folded.totals(), sample.totals())
    np.testing.assert_allclose(folded.variance(np.eye(5)), sample.variance(np.eye(5)))


def lonely(**settings):
    return SurveySample(
        stratum=np.array([0, 0, 1, 2, 2]), cell=np.arange(5), cells=5, weight=np.ones(5),
        number=np.ones(5, np.int64), strata=("plain", "hills", "coast"), **settings,
    )  # fmt: skip


def test_stratum_of_one_unit_is_refused_or_joined_with_its_neighbour():
    with pytest.raises(SampleError, match=r"'hills' has one sampled unit.*lonely='collapse'"):
        lonely().variance(np.eye(5))
    values = np.array([[1.0], [2.0], [4.0], [3.0], [7.0]])
    expected = 2 * values[:2].var(ddof=1) + 3 * values[2:].var(ddof=1)
    assert lonely(lonely="collapse").variance(values)[0] == pytest.approx(expected)


def test_one_unit_in_all_is_refused():
    sample = SurveySample(
        stratum=np.zeros(1, np.int64), cell=np.zeros(1, np.int64), cells=1, weight=np.ones(1),
        number=np.ones(1, np.int64), strata=("all",), lonely="collapse",
    )  # fmt: skip
    with pytest.raises(SampleError, match="no variance can be estimated from it"):
        sample.variance(np.ones((1, 1)))


def test_too_few_resamples_are_refused():
    with pytest.raises(SampleError, match="1 resamples; give at least 2"):
        replicate_totals(drawn()[0], repeats=1)
