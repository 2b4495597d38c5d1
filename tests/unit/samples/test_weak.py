"""Samples labelled by a map: places, dense labels, legends, and maps that do not fit."""

import numpy as np
import pytest

from lulc_xr.core.crosswalk import Crosswalk, CrosswalkRow
from lulc_xr.core.errors import LegendError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.samples.weak import draw_weak_samples
from lulc_xr.testing import landscape, weak_labels


@pytest.fixture(scope="module")
def cube():
    made = landscape(y=48, x=40, classes=4)
    made["weak"] = weak_labels(made)
    return made


@pytest.mark.parametrize("patch", [1, 9])
def test_labels_are_those_of_the_map(cube, patch):
    samples = draw_weak_samples(cube, "weak", number=30, patch=patch, seed=2)
    labels = samples["land_cover"]
    middle = labels if patch == 1 else labels.sel(patch_y=0, patch_x=0)
    expected = cube["weak"].sel(y=samples["y"], x=samples["x"])
    np.testing.assert_array_equal(middle, expected)
    places = set(zip(samples["y"].values.tolist(), samples["x"].values.tolist(), strict=True))
    assert len(places) == samples.sizes["sample"] == 30
    if patch > 1:
        offset = {"patch_y": 3, "patch_x": -2}
        there = labels.sel(offset).values
        y, x = samples["y"].values - 30, samples["x"].values - 20
        for at_y, at_x, found in zip(y, x, there, strict=True):
            inside = at_y in cube["y"].values and at_x in cube["x"].values
            assert found == (int(cube["weak"].sel(y=at_y, x=at_x)) if inside else 255)


def test_seed_draws_the_places(cube):
    first = draw_weak_samples(cube, "weak", number=10)
    assert first.identical(draw_weak_samples(cube, "weak", number=10))
    assert not first.identical(draw_weak_samples(cube, "weak", number=10, seed=1))


def test_balanced_draws_rare_classes_as_often(cube):
    rare = cube["weak"].copy(deep=True)
    rare[:, 6:] = 1
    samples = draw_weak_samples(cube, rare, number=40, balanced=True)
    assert np.unique(samples["land_cover"], return_counts=True)[1].tolist() == [10] * 4


def test_pixels_without_label_are_no_place(cube):
    some = cube["weak"].copy(deep=True)
    some[:, 8:] = 255
    samples = draw_weak_samples(cube, some, number=1000, patch=5)
    assert (samples["land_cover"].sel(patch_y=0, patch_x=0) != 255).all()
    assert (samples["land_cover"] == 255).any()
    some[:] = 255
    with pytest.raises(SampleError, match=r"none of 1920 pixels has a label"):
        draw_weak_samples(cube, some)


def test_unseen_pixels_are_not_labelled(cube):
    dark = cube.copy(deep=True)
    dark["reflectance"][..., 10:14] = np.nan
    dark["clear"][..., 10:14] = 0
    samples = draw_weak_samples(dark, "weak", number=40, patch=7)
    unseen = samples["reflectance"].isnull().all(("time", "band")).values
    assert unseen.any()
    assert (samples["land_cover"].values[unseen] == 255).all()


def test_crosswalk_gives_the_legend_of_the_points(cube):
    source = Legend.from_flags(cube["weak"].attrs)
    target = Legend.from_names("two", ["green", "other"])
    rows = tuple(
        CrosswalkRow(source=i, shares={int(i < 2): 1.0}, published=False, reference="made up")
        for i in source.ids
    )
    walk = Crosswalk(source=source, target=target, rows=rows)
    samples = draw_weak_samples(cube, "weak", number=30, crosswalk=walk, patch=5)
    assert Legend.from_flags(samples["land_cover"].attrs).names == ("green", "other")
    assert set(np.unique(samples["land_cover"])) <= {0, 1, 255}


def test_maps_that_do_not_fit_are_refused(cube):
    with pytest.raises(SampleError, match="unknown variable of the cube 'week'"):
        draw_weak_samples(cube, "week")
    with pytest.raises(SampleError, match=r"labels over \('year', 'y', 'x'\)"):
        draw_weak_samples(cube, cube["weak"].expand_dims(year=[2018]))
    with pytest.raises(SampleError, match="not on the grid of the cube"):
        draw_weak_samples(cube, cube["weak"].isel(x=slice(0, 30)))
    with pytest.raises(LegendError, match="no CF flag_values"):
        draw_weak_samples(cube, cube["weak"].drop_attrs())
    with pytest.raises(SampleError, match="number=0 of weak samples"):
        draw_weak_samples(cube, "weak", number=0)
