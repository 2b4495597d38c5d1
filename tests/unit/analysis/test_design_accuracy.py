"""Accuracy and area by design: the formulas of the literature, special cases, refusals."""

import warnings

import numpy as np
import pandas as pd
import pytest

import lulc_xr as lx

with warnings.catch_warnings():
    # Upstream: samplics says on import that it is no longer developed.
    warnings.simplefilter("ignore")
    from samplics.estimation import TaylorEstimator
    from samplics.utils.types import PopParam

NAMES = ("deforestation", "gain", "forest", "other")
COUNTS = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
SHARES = dict(zip(NAMES, (0.020, 0.015, 0.320, 0.645), strict=True))
LEGEND = lx.Legend.from_names("change", list(NAMES))


def judged(counts=COUNTS):
    mapped, reference = np.indices(counts.shape)
    columns = {"mapped": mapped, "reference": reference}
    table = pd.DataFrame(
        {k: np.repeat(v.ravel(), counts.ravel()).astype(np.uint8) for k, v in columns.items()}
    )
    table.attrs["legend"] = LEGEND.to_dict()
    return table


def estimates(table, design, **settings):
    found = lx.accuracy(table, design=design, **settings).estimates
    return found.set_index(["quantity", "class"]).sort_index()


def by_class(found, quantity, column="estimate"):
    return np.array([found.loc[(quantity, name), column] for name in NAMES])


def test_every_digit_of_the_worked_example():
    """A check of the formulas of Olofsson et al. 2014, not of the printed paper.

    The matrix is that of its worked example as it is remembered; the digits were computed from it
    with the formulas that the paper gives, by another program.
    """
    found = estimates(judged(), lx.Design(strata="mapped", stratum_area=SHARES), interval="normal")
    half = (found["high"] - found["low"]) / 2
    assert found.loc[("overall accuracy", ""), "estimate"] == pytest.approx(0.946512, abs=5e-7)
    assert half[("overall accuracy", "")] == pytest.approx(0.018484, abs=1e-6)
    expected = {
        "user's accuracy": ((0.8800, 0.7333, 0.9273, 0.9631), (0.0740, 0.1008, 0.0397, 0.0205)),
        "producer's accuracy": ((0.7487, 0.8472, 0.9345, 0.9616), (0.2133, 0.2544, 0.0343, 0.0184)),
        "proportion": (
            (0.023509, 0.012985, 0.317522, 0.645985),
            (0.006842, 0.004173, 0.017233, 0.018091),
        ),
    }
    for quantity, (values, widths) in expected.items():
        digits = 1e-6 if quantity == "proportion" else 5.1e-5
        np.testing.assert_allclose(by_class(found, quantity), values, rtol=0, atol=digits)
        spread = np.array([half[(quantity, name)] for name in NAMES])
        np.testing.assert_allclose(spread, widths, rtol=0, atol=digits)


def test_area_of_the_worked_example_and_a_plain_table():
    pixels = {name: share * 1e7 for name, share in SHARES.items()}
    table = judged().assign(stratum=lambda t: np.array(NAMES)[t["mapped"]])
    table["truth"] = np.array(NAMES)[table["reference"]]
    found = lx.estimate_area("truth", "stratum", pixels, table=table, interval="normal")
    area = found.loc["deforestation"]
    assert round(area["area"]) == 235_086
    assert round(area["area"] * 0.09) == 21_158  # pixels of 30 m, in hectares
    assert area["high"] - area["area"] == pytest.approx(0.006842 * 1e7, rel=1e-3)
    assert found["proportion"].sum() == pytest.approx(1)
    whole = estimates(judged(), lx.Design(strata="mapped", stratum_area=pixels), interval="normal")
    np.testing.assert_allclose(by_class(whole, "area"), found.loc[list(NAMES), "area"])
    np.testing.assert_allclose(
        by_class(whole, "area", "standard_error"), found.loc[list(NAMES), "standard_error"]
    )


def test_variances_are_those_of_the_closed_formulas():
    rng = np.random.default_rng(3)
    counts = rng.integers(2, 60, (4, 4))
    found = estimates(judged(counts), lx.Design(strata="mapped", stratum_area=SHARES))
    share = np.array(list(SHARES.values()))
    number = counts.sum(axis=1)
    within = counts / number[:, None]
    users = np.diag(within)
    of_users = users * (1 - users) / (number - 1)
    np.testing.assert_allclose(by_class(found, "user's accuracy"), users)
    np.testing.assert_allclose(by_class(found, "user's accuracy", "standard_error") ** 2, of_users)
    overall = (share**2 * of_users).sum()
    assert found.loc[("overall accuracy", ""), "standard_error"] ** 2 == pytest.approx(overall)
    total = share @ within
    producers = share * users / total
    spread = within * (1 - within) / (number - 1)[:, None]
    for j, name in enumerate(NAMES):
        others = np.arange(4) != j
        variance = (
            share[j] ** 2 * (1 - producers[j]) ** 2 * of_users[j]
            + producers[j] ** 2 * (share[others] ** 2 * spread[others, j]).sum()
        ) / total[j] ** 2
        row = found.loc[("producer's accuracy", name)]
        assert row["estimate"] == pytest.approx(producers[j])
        assert row["standard_error"] ** 2 == pytest.approx(variance)


def test_strata_that_are_not_the_classes_follow_the_indicator_formulas():
    """Stehman 2014: weighted means of indicators, and ratios of them, stratum by stratum."""
    rng = np.random.default_rng(7)
    table = judged(rng.integers(5, 40, (4, 4)))
    table["stratum"] = rng.choice(["north", "south", "west"], len(table))
    areas = {"north": 5.0, "south": 2.0, "west": 3.0}
    found = estimates(table, lx.Design(strata="stratum", stratum_area=areas))
    weight = np.array([areas[s] for s in areas])
    groups = [table[table["stratum"] == s] for s in areas]

    def mean(indicator):
        return sum(w * indicator(g).mean() for w, g in zip(weight, groups, strict=True)) / 10

    def variance(indicator):
        return sum(
            (w / 10) ** 2 * indicator(g).var(ddof=1) / len(g)
            for w, g in zip(weight, groups, strict=True)
        )

    def right(group):
        return (group["mapped"] == group["reference"]).astype(float)

    row = found.loc[("overall accuracy", "")]
    assert row["estimate"] == pytest.approx(mean(right))
    assert row["standard_error"] ** 2 == pytest.approx(variance(right))
    for j, name in enumerate(NAMES):

        def is_class(group, j=j):
            return (group["reference"] == j).astype(float)

        def hit(group, j=j):
            return ((group["reference"] == j) & (group["mapped"] == j)).astype(float)

        ratio = mean(hit) / mean(is_class)

        def residual(group, ratio=ratio, hit=hit, is_class=is_class):
            return hit(group) - ratio * is_class(group)

        row = found.loc[("producer's accuracy", name)]
        assert row["estimate"] == pytest.approx(ratio)
        expected = variance(residual) / mean(is_class) ** 2
        assert row["standard_error"] ** 2 == pytest.approx(expected)
        assert found.loc[("proportion", name), "estimate"] == pytest.approx(mean(is_class))


def test_without_design_it_is_unweighted_agreement():
    result = lx.accuracy(judged())
    assert "unweighted agreement" in result.statement.lower()
    assert result.overall == pytest.approx(np.trace(COUNTS) / COUNTS.sum())
    designed = lx.accuracy(judged(), design=lx.Design(strata="mapped", stratum_area=SHARES))
    assert "unweighted" not in designed.statement.lower()


def test_kappa_comes_only_if_asked():
    def kappas(result):
        return [q for q in result.estimates["quantity"] if "kappa" in q.lower()]

    assert not kappas(lx.accuracy(judged()))
    assert len(kappas(lx.accuracy(judged(), kappa=True))) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.zeros(640)}, "0"),
        ({"weights": np.r_[-1.0, np.ones(639)]}, "-1"),
        ({"strata": "mapped", "stratum_area": SHARES | {"lake": 0.1}}, "lake"),
        ({"strata": "mapped", "stratum_area": {"deforestation": 1.0}}, "gain"),
    ],
)
def test_weights_and_areas_that_make_no_sense_are_refused(change, message):
    with pytest.raises((lx.SampleError, lx.LegendError), match=message):
        _ = lx.accuracy(judged(), design=lx.Design(**change)).estimates


def test_a_stratum_of_one_point_is_refused_or_joined():
    counts = COUNTS.copy()
    counts[1] = (0, 1, 0, 0)
    alone = lx.Design(strata="mapped", stratum_area=SHARES)
    with pytest.raises(lx.SampleError, match="gain"):
        _ = lx.accuracy(judged(counts), design=alone).estimates
    joined = lx.Design(strata="mapped", stratum_area=SHARES, lonely="collapse")
    found = estimates(judged(counts), joined)
    assert np.isfinite(found.loc[("overall accuracy", ""), "standard_error"])


def test_points_on_a_map_are_judged_in_one_call():
    cube = lx.testing.landscape(y=64, x=48, seed=2)
    truth = cube["reference"].compute()
    flags = {k: v for k, v in truth.attrs.items() if k.startswith("flag_")}
    ids = flags["flag_values"]
    wrong = truth.where(truth["x"] < truth["x"][40], ids[0]).astype(np.uint8)
    class_map = wrong.assign_attrs(flags).assign_coords(spatial_ref=cube["spatial_ref"])
    points = lx.testing.points(cube, per_class=25)
    whole = lx.accuracy(class_map, points)
    judged = lx.judge_points(class_map, points)
    assert whole.overall == pytest.approx((judged["mapped"] == judged["reference"]).mean())
    assert 0.5 < whole.overall < 1
    # Strata that are classes of the map: its areas are counted.
    designed = lx.accuracy(class_map, points, design=lx.Design(strata="mapped"))
    areas = lx.class_areas(class_map)["area_ha"]
    by_hand = lx.accuracy(judged, design=lx.Design(strata="mapped", stratum_area=areas.to_dict()))
    found, expected = (
        r.estimates.set_index(["quantity", "class"])["estimate"] for r in (designed, by_hand)
    )
    np.testing.assert_allclose(found, expected)
    with pytest.raises(lx.SampleError, match="table of points"):
        lx.accuracy(class_map, points, mask=truth > 0)


def test_accuracy_by_strata_clusters_and_weights_is_that_of_samplics():
    rng = np.random.default_rng(11)
    table = judged(rng.integers(8, 40, (4, 4))).sample(frac=1, random_state=0)
    number = len(table)
    table["stratum"] = rng.choice(["north", "south", "west"], number)
    table["cluster"] = table["stratum"] + rng.integers(0, 12, number).astype(str)
    table["weight"] = rng.uniform(0.5, 4, number)
    design = lx.Design(strata="stratum", clusters="cluster", weights="weight")
    found = estimates(table, design)
    right = (table["mapped"] == table["reference"]).to_numpy(float)
    ratios = {("overall accuracy", ""): (right, np.ones(number))}
    for j, name in enumerate(NAMES):
        mapped, true = (table[c].to_numpy() == j for c in ("mapped", "reference"))
        ratios["user's accuracy", name] = (right * mapped, mapped.astype(float))
        ratios["producer's accuracy", name] = (right * true, true.astype(float))
        ratios["F1", name] = (2.0 * right * true, mapped + true.astype(float))
        ratios["proportion", name] = (true.astype(float), np.ones(number))
    for key, (above, below) in ratios.items():
        known = TaylorEstimator(PopParam.ratio)
        known.estimate(
            y=above, x=below, samp_weight=table["weight"].to_numpy(),
            stratum=table["stratum"].to_numpy(), psu=table["cluster"].to_numpy(),
        )  # fmt: skip
        row = found.loc[key]
        assert row["estimate"] == pytest.approx(float(known.point_est), rel=1e-6)
        assert row["standard_error"] == pytest.approx(float(known.stderror), rel=1e-6)
