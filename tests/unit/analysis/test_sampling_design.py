"""How many points a campaign needs, and where they are drawn."""

import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx

NAMES = ("cropland", "woodland", "water")
LEGEND = lx.Legend.from_names("three", list(NAMES))
USERS = {"cropland": 0.7, "woodland": 0.9, "water": 0.95}


def class_map(side=240, seed=0):
    rng = np.random.default_rng(seed)
    classes = rng.choice(3, (side, side), p=(0.6, 0.38, 0.02)).astype(np.uint8)
    classes[:5] = 255
    made = xr.DataArray(
        classes, dims=("y", "x"), attrs=LEGEND.flags(), name="land_cover",
        coords={"y": 3_000_000 - 10.0 * np.arange(side), "x": 4_000_000 + 10.0 * np.arange(side)},
    )  # fmt: skip
    cube = lx.testing.landscape(y=4, x=4)
    crs = cube["spatial_ref"].copy()
    return made.assign_coords(spatial_ref=crs).assign_attrs(grid_mapping="spatial_ref")


@pytest.mark.parametrize("allocation", ["proportional", "neyman", "equal"])
def test_a_plan_meets_the_wanted_standard_error(allocation):
    areas = {"cropland": 600.0, "woodland": 380.0, "water": 20.0}
    plan = lx.plan_sample(
        areas, expected=USERS, standard_error=0.015, allocation=allocation, minimum=2
    )
    assert plan.attrs["standard_error"] <= 0.015
    # Judged many times by samples of this plan, overall accuracy varies as was promised.
    rng = np.random.default_rng(1)
    share = plan["share"].to_numpy()
    hits = rng.binomial(plan["points"].to_numpy(), list(USERS.values()), (20_000, 3))
    found = (hits / plan["points"].to_numpy()) @ share
    assert found.std() == pytest.approx(plan.attrs["standard_error"], rel=0.03)


def test_neyman_needs_the_fewest_points():
    areas = {"cropland": 600.0, "woodland": 380.0, "water": 20.0}
    needed = {
        kind: lx.plan_sample(
            areas, expected=USERS, standard_error=0.01, allocation=kind, minimum=2
        ).attrs["points"]
        for kind in ("neyman", "proportional", "equal")
    }
    assert needed["neyman"] <= needed["proportional"] < needed["equal"]


def test_points_lie_in_their_strata_and_do_not_depend_on_chunks():
    scene = class_map()
    areas = lx.class_areas(scene)
    plan = lx.plan_sample(areas["area_ha"], expected=USERS, points=300, minimum=40)
    points = lx.draw_points(scene, plan, seed=5)
    assert points["stratum"].value_counts().to_dict() == plan["points"].to_dict()
    ids = scene.sel(
        y=xr.DataArray(points["y"], dims="p"), x=xr.DataArray(points["x"], dims="p")
    ).values
    assert [NAMES[i] for i in ids] == points["stratum"].tolist()
    assert not points.duplicated(["x", "y"]).any()
    # Weights stand for the area of each stratum.
    for name, total in points.groupby("stratum")["weight"].sum().items():
        assert total == pytest.approx(areas.loc[name, "area_ha"])
    for chunks in ({"y": 37, "x": 64}, {"y": 240, "x": 11}):
        again = lx.draw_points(scene.chunk(chunks), plan, seed=5)
        assert again.equals(points)
    assert not lx.draw_points(scene, plan, seed=6)["x"].equals(points["x"])


def test_every_pixel_of_a_stratum_is_as_likely():
    scene = class_map(side=40)
    plan = lx.plan_sample(lx.class_areas(scene)["area_ha"], expected=0.8, points=60, minimum=2)
    times = np.zeros(scene.shape)
    for seed in range(300):
        drawn = lx.draw_points(scene, plan, seed=seed)
        row = ((3_000_000 - drawn["y"]) / 10).astype(int)
        column = ((drawn["x"] - 4_000_000) / 10).astype(int)
        np.add.at(times, (row, column), 1)
    inside = scene.values == 0
    expected = 300 * plan.loc["cropland", "points"] / inside.sum()
    # A binomial count per pixel: its variance is that of chance, with no pattern on top.
    ratio = times[inside].var() / (expected * (1 - expected / 300))
    assert 0.85 < ratio < 1.15
    assert times[scene.values == 255].sum() == 0


def test_distance_is_kept_and_no_room_is_said():
    scene = class_map()
    areas = lx.class_areas(scene)["area_ha"]
    plan = lx.plan_sample(areas, expected=0.8, points=120, minimum=20)
    points = lx.draw_points(scene, plan, seed=1, distance=60)
    gaps = np.hypot(*(np.subtract.outer(points[d].values, points[d].values) for d in ("x", "y")))
    assert gaps[~np.eye(len(points), dtype=bool)].min() >= 60
    with pytest.raises(lx.SampleError, match="distance"):
        lx.draw_points(scene, plan, seed=1, distance=2_000)


def test_settings_that_make_no_sense_are_refused():
    areas = {"cropland": 1.0, "water": 1.0}
    with pytest.raises(lx.SampleError, match="either"):
        lx.plan_sample(areas, expected=0.8)
    with pytest.raises(lx.SampleError, match="between 0 and 1"):
        lx.plan_sample(areas, expected=1.2, points=100)
    with pytest.raises(lx.SampleError, match="nearest first"):
        lx.plan_sample(areas, expected=0.8, points=100, allocation="neymann")
    with pytest.raises(lx.SampleError, match="units"):
        lx.plan_sample(areas, expected=0.8, points=100, population={"cropland": 1e6, "water": 9})
