"""The made-up landscape of climates: its rule, its best scores, and what conditioning gains."""

import geopandas
import numpy as np
import pytest

from lulc_xr.core.context import context_at
from lulc_xr.core.errors import CubeError
from lulc_xr.core.legend import Legend
from lulc_xr.samples.extract import extract_samples
from lulc_xr.testing_climate import FIELD, PEAKS, REGIONS, best_accuracy, climate_landscape
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fit import fit


def greenest(cube):
    """Day on which each pixel is greenest, from a parabola through the highest three dates."""
    green = (cube["reflectance"].sel(band="nir") - cube["reflectance"].sel(band="red")).values
    days = (cube["time"].values - np.datetime64("2018-01-01")) / np.timedelta64(1, "D")
    top = green.argmax(axis=0).clip(1, len(days) - 2)
    before, at, after = (
        np.log(np.take_along_axis(green, top[None] + k, axis=0)[0] + 0.03).astype(float)
        for k in (-1, 0, 1)
    )
    step = days[1] - days[0]
    return days[top] + step * (before - after) / 2 / (before - 2 * at + after)


def temperature(cube):
    x, y = cube["x"].values, cube["y"].values[:, None]
    crs = cube["spatial_ref"].attrs["crs_wkt"]
    return context_at(cube["bioclim"], x, y, crs=crs, variables=["bio01"])[0]


def samples_of(cube):
    middle = cube[["reference", "region"]].isel(
        y=slice(FIELD // 2, None, FIELD), x=slice(FIELD // 2, None, FIELD)
    )
    flat = middle.stack(place=("y", "x"))
    points = geopandas.GeoDataFrame(
        {"land_cover": flat["reference"].values},
        geometry=geopandas.points_from_xy(flat["x"].values, flat["y"].values),
        crs=cube["spatial_ref"].attrs["crs_wkt"],
    )
    samples = extract_samples(cube, points, legend=Legend.from_flags(cube["reference"].attrs))
    return samples, flat["region"].values[samples["point_id"].values]


def test_seasons_follow_the_rule():
    cube = climate_landscape(y=400, x=80)
    late = greenest(cube) - np.array(list(PEAKS.values()))[cube["reference"].values]
    slope, level = np.polyfit(temperature(cube).ravel() - 9, late.ravel(), 1)
    assert slope == pytest.approx(-10, abs=0.5)
    assert level == pytest.approx(0, abs=2)


def test_temperature_does_not_matter_if_asked():
    cube = climate_landscape(y=400, x=80, days_per_degree=0)
    late = greenest(cube) - np.array(list(PEAKS.values()))[cube["reference"].values]
    assert np.polyfit(temperature(cube).ravel() - 9, late.ravel(), 1)[0] == pytest.approx(0, abs=1)


def test_best_accuracy_is_that_of_the_best_rule():
    """Who knows the rule and the temperature reaches it in the landscape itself."""
    cube = climate_landscape(y=800, x=160, seed=3)
    at_nine = greenest(cube) + 10 * (temperature(cube) - 9)
    chosen = np.abs(at_nine[..., None] - np.array(list(PEAKS.values()))).argmin(axis=-1)
    assert (chosen == cube["reference"].values).mean() == pytest.approx(best_accuracy(0), abs=0.015)


def test_best_accuracy_without_climate_is_lower_only_where_it_matters():
    for region in range(REGIONS):
        assert best_accuracy(region, context=False) < 0.5 < best_accuracy(region)
        assert best_accuracy(region, context=False, days_per_degree=0) == pytest.approx(
            best_accuracy(region, days_per_degree=0), abs=2e-3
        )


def test_too_few_rows_are_refused():
    with pytest.raises(CubeError, match="y=10, x=5: give at least 20 rows"):
        climate_landscape(y=10, x=5)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("days_per_degree", "gain"), [(-10.0, 0.3), (0.0, -0.03)])
def test_conditioning_wins_where_it_must_and_does_not_lose_elsewhere(days_per_degree, gain):
    """In an unseen region, over five seeds: not by luck."""
    with_climate, without, best = [], [], []
    for seed in range(5):
        cube = climate_landscape(y=200, x=120, days_per_degree=days_per_degree, seed=seed)
        samples, region = samples_of(cube)
        learnt, judged = (
            samples.isel(sample=np.flatnonzero(where)) for where in (region != seed, region == seed)
        )
        for conditioning, scores in (("none", without), ("cbn", with_climate)):
            config = TrainConfig(
                conditioning=conditioning, seed=seed, epochs=12, sizes={"filters": 16}
            )
            found = fit(learnt, config=config).predict(judged)["land_cover"].values
            scores.append((found == judged["land_cover"].values).mean())
        best.append(best_accuracy(seed, days_per_degree=days_per_degree))
    assert np.mean(with_climate) > np.mean(without) + gain
    assert np.mean(with_climate) <= np.mean(best) + 0.03
