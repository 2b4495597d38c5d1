"""Test-time augmentation: what each view does to a block, and that the way back is right."""

import pickle

import numpy as np
import pytest

from lulc_xr.core.dates import RawDates, RegularDates
from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import Predictor
from lulc_xr.models.ensemble import load_model
from lulc_xr.models.view import View, ViewRanges, draw_view
from lulc_xr.models.views import TestTimeAugmentation
from tests.unit.models.test_monte_carlo import BANDS, DAYS, make_block, make_classifier

NETWORKS = ("tempcnn", "ltae", "resmlp", "unet", "utae")
EVEN = np.arange(0, 120, 10, dtype=np.int32)


def line(slope=0.001, start=0.1):
    """A block (12, 1, 1, 1) that rises by `slope` a day."""
    return (start + slope * EVEN).astype(np.float32)[:, None, None, None]


@pytest.mark.parametrize("name", NETWORKS)
def test_mean_of_different_views_is_what_it_predicts(name):
    classifier = make_classifier(name)
    model = TestTimeAugmentation(classifier, members=5, seed=2)
    assert isinstance(model, Predictor)
    block = make_block(17, 18)
    each = model.predict_block_members(block, DAYS)["land_cover"]
    assert np.ptp(each, axis=0).max() > 1e-3
    np.testing.assert_array_equal(each[0], classifier.predict_block(block, DAYS))
    np.testing.assert_allclose(model.predict_block(block, DAYS), each.mean(0), atol=1e-6)


def test_a_block_is_not_changed():
    block = make_block(6, 6)
    block[3:5, :, 2] = np.nan
    before = block.copy()
    for name in ("tempcnn", "utae"):
        TestTimeAugmentation(make_classifier(name), members=4).predict_block(block, DAYS)
    gaps = View(gain=(1.0,) * 3, left_out=0.5, seed=(1,), reads_gaps=True, reads_days=True)
    gaps.transform(block, DAYS)
    np.testing.assert_array_equal(block, before)


@pytest.mark.parametrize("shift", [-7.5, 4.0])
def test_a_later_season_is_the_series_some_days_before(shift):
    seen, days = View(gain=(1.0,), shift=shift).transform(line(), EVEN)
    expected = 0.1 + 0.001 * np.clip(EVEN - shift, 0, 110)  # constant beyond the ends
    np.testing.assert_allclose(seen[:, 0, 0, 0], expected, atol=1e-6)
    np.testing.assert_array_equal(days, EVEN)


def test_networks_that_read_days_get_other_days():
    view = View(gain=(1.0,), shift=4.0, reads_days=True)
    seen, days = view.transform(line(), EVEN)
    np.testing.assert_array_equal(seen, line())
    np.testing.assert_array_equal(days, EVEN + 4)
    assert days.dtype == np.int32


def test_dates_left_out_are_interpolated_or_gaps():
    block = line() + np.float32(0.2) * (np.arange(12) % 2)[:, None, None, None].astype(np.float32)
    filled = View(gain=(1.0,), left_out=0.4, seed=(3,))
    left = filled.choose_dates(12)
    assert 1 < left.sum() < 10
    seen, _ = filled.transform(block, EVEN)
    kept = block[~left, 0, 0, 0]
    np.testing.assert_allclose(seen[:, 0, 0, 0], np.interp(EVEN, EVEN[~left], kept), atol=1e-6)
    gaps, _ = View(gain=(1.0,), left_out=0.4, seed=(3,), reads_gaps=True).transform(block, EVEN)
    np.testing.assert_array_equal(np.isnan(gaps[:, 0, 0, 0]), left)


def test_a_pixel_with_no_other_date_keeps_what_it_has():
    view = View(gain=(1.0,), left_out=0.4, seed=(3,), reads_gaps=True)
    left = view.choose_dates(12)
    block = np.repeat(line(), 2, axis=3)
    block[~left, :, :, 1] = np.nan
    seen, _ = view.transform(block, EVEN)
    np.testing.assert_array_equal(seen[..., 1], block[..., 1])
    assert np.isnan(seen[left, 0, 0, 0]).all()


@pytest.mark.parametrize("number", [1, 2, 3, 4, 40])
def test_three_dates_always_stay(number):
    left = View(gain=(1.0,), left_out=0.9, seed=(0,)).choose_dates(number)
    assert (~left).sum() >= min(number, 3)


def test_beside_a_gap_values_stay():
    block = line()
    block[5] = np.nan
    seen, _ = View(gain=(2.0,), shift=4.0).transform(block, EVEN)
    np.testing.assert_array_equal(np.isnan(seen), np.isnan(block))
    assert seen[6, 0, 0, 0] == 2 * block[6, 0, 0, 0]


def test_bands_of_a_group_share_a_factor_and_others_stay():
    spec = make_classifier().spec
    spec = type(spec)(bands=("red", "blue", "nir", "vv"), legends=spec.legends, dates=spec.dates)
    settings = {"fixed_dates": True, "spatial": False}
    ranges = ViewRanges(brightness=0.1)
    views = [draw_view(spec, ranges, seed=0, member=m, **settings) for m in range(200)]
    assert views[0] == View(gain=(1.0,) * 4)
    gains = np.array([view.gain for view in views[1:]])
    assert (gains[:, 0] == gains[:, 1]).all()
    assert (gains[:, 0] != gains[:, 2]).all()
    assert (gains[:, 3] == 1).all()
    assert 0.9 <= gains[:, 0].min() < 0.92
    assert 1.08 < gains[:, 0].max() <= 1.1
    assert max(abs(view.shift) for view in views) <= 5


@pytest.mark.parametrize(
    ("dates", "fixed", "chance", "gaps"),
    [
        (RegularDates(), True, 0.1, False),
        (RegularDates(), False, 0.1, False),
        (RegularDates(max_gap=60), True, 0.0, False),
        (RegularDates(fill=None), False, 0.1, True),
        (RawDates(maximum=9), False, 0.1, True),
        (RawDates(maximum=9, fill="linear"), False, 0.1, False),
        (RawDates(minimum=9, maximum=9), True, 0.0, False),
    ],
)
def test_dates_are_left_out_as_the_time_axis_allows(dates, fixed, chance, gaps):
    spec = make_classifier().spec
    spec = type(spec)(bands=BANDS, legends=spec.legends, dates=dates)
    view = draw_view(spec, ViewRanges(), seed=0, member=1, fixed_dates=fixed, spatial=False)
    assert (view.left_out, view.reads_gaps, view.reads_days) == (chance, gaps, not fixed)
    assert view.turn == 0


@pytest.mark.parametrize("turn", range(8))
@pytest.mark.parametrize("stride", [1, 4])
def test_turning_back_undoes_turning(turn, stride):
    view = View(gain=(1.0,) * 3, turn=turn, stride=stride)
    block = make_block(6, 11)
    turned, _ = view.transform(block, DAYS)
    np.testing.assert_array_equal(view.back(turned[0], (6, 11)), block[0])
    if turn and stride > 1:
        assert not any(size % stride for size in turned.shape[2:])


def test_eight_turns_differ():
    square = np.arange(9, dtype=np.float32).reshape(3, 3)
    found = {View(gain=(1.0,), turn=turn).turned(square).tobytes() for turn in range(8)}
    assert len(found) == 8


def test_all_turns_are_drawn_for_networks_of_patches():
    spec = make_classifier("unet").spec
    given = {"fixed_dates": True, "spatial": True}
    views = [draw_view(spec, ViewRanges(), seed=0, member=m, **given) for m in range(100)]
    assert {view.turn for view in views} == set(range(8))
    still = ViewRanges(flips=False)
    assert {draw_view(spec, still, seed=0, member=m, **given).turn for m in range(9)} == {0}


def test_seed_decides_and_folder_and_pickle_give_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("LULC_XR_CACHE", str(tmp_path / "cache"))
    classifier, block = make_classifier("unet"), make_block(8, 9)
    ranges = ViewRanges(brightness=0.2, shift=9, left_out=0.3)
    model = TestTimeAugmentation(classifier, members=3, seed=4, ranges=ranges)
    expected = model.predict_block(block, DAYS)
    folder = model.save(tmp_path / "model")
    loaded = load_model(folder)
    assert isinstance(loaded, TestTimeAugmentation)
    assert loaded.ranges == ranges
    for found in (loaded, pickle.loads(pickle.dumps(model))):
        assert found.content_hash == model.content_hash
        np.testing.assert_array_equal(found.predict_block(block, DAYS), expected)
    for change in ({"seed": 5}, {"ranges": ViewRanges()}, {"members": 4}):
        settings = {"members": 3, "seed": 4, "ranges": ranges} | change
        other = TestTimeAugmentation(classifier, **settings)
        assert other.content_hash != model.content_hash
        assert np.abs(other.predict_block(block, DAYS) - expected).max() > 1e-5
    assert sorted(p.name for p in folder.iterdir()) == ["classifier", "test_time_augmentation.json"]


def test_settings_out_of_range_are_refused():
    with pytest.raises(ModelError, match=r"brightness 0.6; give one from 0 to 0.5"):
        ViewRanges(brightness=0.6)
    with pytest.raises(ModelError, match=r"left_out 1; give one from 0 to 0.9"):
        ViewRanges(left_out=1)
    with pytest.raises(ModelError, match="members 0; give 1 or more"):
        TestTimeAugmentation(make_classifier(), members=0)
