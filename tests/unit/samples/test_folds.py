"""Folds that can be made are balanced; those that cannot say why."""

import numpy as np
import pytest
import xarray as xr

from lulc_xr.core.errors import SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.folds import make_folds
from lulc_xr.samples.store import open_samples, write_samples
from lulc_xr.testing import landscape, points


@pytest.fixture(scope="module")
def samples():
    cube = landscape(y=200, x=200)
    return extract_samples(cube, points(cube, per_class=60))


def placed(y, x, *, classes=None, **more) -> xr.Dataset:
    """Samples that are no more than places and classes."""
    columns = {"y": y, "x": x, "point_id": np.arange(len(y)), **more}
    made = xr.Dataset({name: ("sample", np.asarray(v)) for name, v in columns.items()})
    if classes is None:
        return made
    legend = Legend.from_names("t", ["a", "b"])
    made["land_cover"] = ("sample", np.array(classes, np.uint8), legend.flags())
    return made.assign_attrs(tasks="land_cover")


def test_classes_are_balanced_across_folds(samples) -> None:
    folded = make_folds(samples, block=150, folds=4)
    counts = np.histogram2d(folded.fold, folded.land_cover, bins=(range(5), range(6)))[0]
    assert counts.sum() == 300
    assert counts.min() >= 10
    assert counts.max() <= 20


def test_settings_are_kept_beside_the_folds(samples) -> None:
    fold = make_folds(samples, block=150, folds=3, buffer=20, seed=8).fold
    settings = {"folds": 3, "block": 150.0, "buffer": 20.0, "seed": 8}
    assert settings.items() <= fold.attrs.items()
    assert fold.dtype == np.int16


def test_seeds_draw_other_folds(samples) -> None:
    assert not make_folds(samples, block=150).equals(make_folds(samples, block=150, seed=1))


def test_a_group_stays_together() -> None:
    rng = np.random.default_rng(0)
    region = rng.integers(0, 6, 200)
    spread = placed(rng.random(200) * 1e4, region * 1e5 + rng.random(200), region=region)
    folded = make_folds(spread, block=500, folds=3, group="region").fold.values
    assert [len(set(folded[region == r])) for r in range(6)] == [1] * 6


def test_too_few_blocks_are_an_error() -> None:
    with pytest.raises(SampleError, match=r"folds=5, but .* only 2 blocks of 100 m.*folds <= 2"):
        make_folds(placed([0, 1000, 1000], [0, 0, 0]), block=100)


def test_repeats_of_one_point_are_one_block() -> None:
    far = placed([0, 5000], [0, 0]).assign(point_id=("sample", [7, 7]))
    with pytest.raises(SampleError, match="only 1 blocks of 100 m that share no point_id"):
        make_folds(far, block=100, folds=2)


def test_a_buffer_that_empties_a_fold_is_an_error() -> None:
    with pytest.raises(SampleError, match="2 of 2 folds are empty: 2 of 2 samples lie within the "):
        make_folds(placed([0, 300], [0, 0]), block=100, folds=2, buffer=400)


def test_a_distance_that_joins_everything_is_an_error() -> None:
    chain = placed(np.arange(6) * 90.0, np.zeros(6))
    make_folds(chain, method="random", folds=3, distance=80)
    with pytest.raises(
        SampleError, match=r"only 1 sets .* connect 6 of 6 samples to one cluster.*buffer= instead"
    ):
        make_folds(chain, method="random", folds=2, distance=90)
    with pytest.raises(SampleError, match=r"smaller distance or smaller blocks"):
        make_folds(chain, block=50, folds=2, distance=90)


def test_each_region_is_left_out_once() -> None:
    names = np.array(["south", "north", "south", "west"], np.dtypes.StringDType())
    samples = placed([0, 0, 10, 500], [0, 500, 0, 0], region=names)
    fold = make_folds(samples, method="leave_one_region_out").fold
    assert fold.values.tolist() == [1, 0, 1, 2]
    assert fold.attrs["regions"] == ["north", "south", "west"]
    assert fold.attrs["folds"] == 3


def test_regions_that_cannot_be_folds_are_refused() -> None:
    two = np.array(["a", "b"], np.dtypes.StringDType())
    make = {"method": "leave_one_region_out"}
    with pytest.raises(
        SampleError, match=r"1 values of point_id lie in several regions, such as 7"
    ):
        make_folds(placed([0, 1], [0, 0], region=two).assign(point_id=("sample", [7, 7])), **make)
    with pytest.raises(SampleError, match=r"all samples lie in one region \(a\)"):
        make_folds(placed([0, 1], [0, 0], region=two[[0, 0]]), **make)
    with pytest.raises(SampleError, match="1 of 2 samples have no region"):
        make_folds(placed([0, 1], [0, 0], region=np.array(["a", ""])), method="region", folds=2)
    with pytest.raises(SampleError, match="unknown variable of samples 'region'"):
        make_folds(placed([0, 1], [0, 0]), method="region", folds=2)
    with pytest.raises(SampleError, match=r"folds=3, but the samples lie in only 2 regions"):
        make_folds(placed([0, 1], [0, 0], region=two), method="region", folds=3)


def test_folds_stay_as_they_were_drawn(tmp_path, samples) -> None:
    drawn = make_folds(samples, method="random", distance=30, folds=3, seed=2)
    opened = open_samples(write_samples(drawn, tmp_path / "s.zarr"))
    xr.testing.assert_identical(opened.fold, drawn.fold.drop_encoding())
    assert opened.fold.attrs["method"] == "random"


def test_a_class_missing_in_a_fold_is_reported() -> None:
    few = placed([0, 1000, 2000, 3000], [0, 0, 0, 0], classes=[0, 0, 0, 1])
    with pytest.warns(UserWarning, match=r"without a sample in a fold: b in fold [01]\.") as caught:
        make_folds(few, block=100, folds=2)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 1}, "folds=1; expected at least 2"),
        ({"block": 0}, "block=0; expected the side of a block in metres"),
        ({"buffer": -1}, "buffer=-1; expected a distance in metres"),
        ({"distance": -1}, "distance=-1; expected a distance in metres"),
        ({"method": "lucky"}, "unknown method of folds 'lucky'. Known, nearest first: "),
        ({"block": None}, "block=None; expected the side of a block"),
        ({"method": "region", "distance": 5}, "distance=5 would join regions across their borders"),
        ({"group": "place"}, "unknown variable of samples 'place'"),
    ],
)
def test_bad_settings_are_refused(samples, settings, message) -> None:
    with pytest.raises(SampleError, match=message):
        make_folds(samples, **{"block": 100, **settings})


def test_samples_without_places_are_refused() -> None:
    with pytest.raises(SampleError, match="1 samples have no position"):
        make_folds(placed([0, np.nan], [0, 0]), block=100, folds=2)
    with pytest.raises(SampleError, match="no samples to make folds of"):
        make_folds(placed([], []), block=100, folds=2)
