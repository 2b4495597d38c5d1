"""Augmentation: what changes, what stays, and that it follows the seed."""

import pytest
import torch

from lulc_xr.training.augment import (
    augment_series,
    draw_lost,
    draw_turns,
    mix_samples,
    turn,
    turn_back,
)
from lulc_xr.training.augmentation import Augmentation

ZERO = torch.tensor([-1.0, -2.0, 0.5])
DAYS = torch.arange(10) * 30
SIDES = {"pixels": (), "patches": (9, 9), "oblong": (4, 9)}
EVERYTHING = {
    "noise": {"noise": 0.1},
    "gain": {"band_gain": 0.1},
    "dropout": {"date_dropout": 0.3},
    "jitter": {"date_jitter": 9.0},
    "clouds": {"cloud_gap": 0.6},
}


def make_series(batch=6, time=10, sides=()):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, time, 3, *sides, generator=generator)


def days_of(series):
    return DAYS[: series.shape[1]].expand(len(series), -1)


def augment(mask=None, *, seed=0, sides=(), **settings):
    torch.manual_seed(seed)
    series = make_series(sides=sides)
    return augment_series(
        series, days_of(series), mask, settings=Augmentation(**settings), zero=ZERO
    )


def full_mask(sides=()):
    return torch.ones(6, 10, *sides, dtype=torch.bool)


@pytest.mark.parametrize("sides", SIDES.values(), ids=SIDES)
def test_no_augmentation_changes_nothing_and_draws_nothing(sides):
    torch.manual_seed(0)
    expected = torch.rand(1)
    series, days, mask = augment(sides=sides)
    assert torch.equal(series, make_series(sides=sides))
    assert torch.equal(days, days_of(series))
    assert mask is None
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("sides", SIDES.values(), ids=SIDES)
@pytest.mark.parametrize("settings", EVERYTHING.values(), ids=EVERYTHING)
def test_augmentation_follows_the_seed(settings, sides):
    first, _, _ = augment(sides=sides, **settings)
    assert first.shape == make_series(sides=sides).shape
    assert first.isfinite().all()
    assert not torch.equal(first, make_series(sides=sides))
    assert torch.equal(first, augment(sides=sides, **settings)[0])
    assert not torch.equal(first, augment(sides=sides, seed=1, **settings)[0])


@pytest.mark.parametrize("sides", SIDES.values(), ids=SIDES)
def test_gain_is_one_factor_per_sample_and_band_and_keeps_zero_reflectance(sides):
    dark = ZERO.view(1, 1, -1, *[1] * len(sides)).expand(6, 10, 3, *sides)
    given, settings = make_series(sides=sides), Augmentation(band_gain=0.2)
    torch.manual_seed(0)
    series, _, _ = augment_series(given, days_of(given), None, settings=settings, zero=ZERO)
    factor = ((series - dark) / (given - dark)).flatten(3) if sides else None
    if factor is None:
        factor = ((series - dark) / (given - dark))[..., None]
    torch.testing.assert_close(factor, factor[:, :1, :, :1].expand_as(factor), rtol=5e-3, atol=5e-3)
    assert factor[:, 0, :, 0].std() > 0.05
    same, _, _ = augment_series(dark, days_of(dark), None, settings=settings, zero=ZERO)
    assert torch.equal(same, dark)


def test_lost_dates_are_interpolated_from_the_dates_around_them():
    series, _, _ = augment(date_dropout=0.3)
    original = make_series()
    changed = (series != original).any(dim=2)
    assert 0 < changed.float().mean() < 0.6
    for sample, date in changed.nonzero().tolist():
        kept = (~changed[sample]).nonzero().flatten()
        before, after = kept[kept < date], kept[kept > date]
        first = before.max() if len(before) else after.min()
        last = after.min() if len(after) else before.max()
        share = float(date - first) / max(1, int(last - first)) if first < last else 0.0
        low, high = original[sample, first], original[sample, last]
        torch.testing.assert_close(series[sample, date], low + share * (high - low))


@pytest.mark.parametrize("sides", SIDES.values(), ids=SIDES)
@pytest.mark.parametrize("settings", [{"date_dropout": 0.5}, {"cloud_gap": 1.0}])
def test_lost_dates_become_gaps_and_no_pixel_loses_all(settings, sides):
    mask = full_mask(sides)
    mask[0, 1:] = False
    for seed in range(8):
        series, days, found = augment(mask, seed=seed, sides=sides, **settings)
        assert torch.equal(series, make_series(sides=sides))
        assert torch.equal(days, days_of(series))
        assert (found <= mask).all()
        assert found.any(dim=1).all()
        assert found.sum() < mask.sum()
    assert augment(mask, sides=sides, date_dropout=1.0)[2].equal(mask)


def test_pixels_that_were_never_seen_stay_so():
    mask = full_mask((9, 9))
    mask[:, :, 2, 3] = False
    found = augment(mask, sides=(9, 9), date_dropout=0.5, cloud_gap=0.5)[2]
    assert not found[:, :, 2, 3].any()


def test_a_cloudy_spell_takes_dates_in_a_row_and_at_most_its_share():
    torch.manual_seed(0)
    lost = draw_lost(torch.zeros(500, 10, 3), settings=Augmentation(cloud_gap=0.4))
    number = lost.sum(dim=1)
    assert set(number.tolist()) == {0, 1, 2, 3, 4}
    edges = lost.int().diff(dim=1, prepend=torch.zeros(500, 1, dtype=torch.int)) == 1
    assert (edges.sum(dim=1) <= 1).all()
    assert lost.any(dim=0).all()


def test_clouds_over_a_patch_are_areas():
    torch.manual_seed(0)
    lost = draw_lost(torch.zeros(200, 6, 3, 32, 32), settings=Augmentation(cloud_gap=0.5))
    hidden = lost.any(dim=1).float()
    cover = hidden[hidden.flatten(1).any(dim=1)].mean(dim=(1, 2))
    assert 0 < cover.min() < 0.2 < 0.6 < cover.max() <= 0.8
    # Neighbours share their fate, unlike with single pixels drawn at random.
    alike = (hidden[:, :, 1:] == hidden[:, :, :-1]).float().mean()
    assert alike > 0.9


@pytest.mark.parametrize("sides", SIDES.values(), ids=SIDES)
def test_a_shift_in_time_moves_the_days_of_a_network_for_gaps(sides):
    series, days, mask = augment(full_mask(sides), sides=sides, date_jitter=9.0)
    assert torch.equal(series, make_series(sides=sides))
    assert mask.all()
    shift = days - DAYS
    assert (shift == shift[:, :1]).all()
    assert len(shift[:, 0].unique()) > 3
    assert days.dtype == DAYS.dtype


@pytest.mark.parametrize("sides", SIDES.values(), ids=SIDES)
def test_a_shift_in_time_interpolates_for_a_network_of_fixed_dates(sides):
    # A straight line in time stays one; within the ends it moves by the shift.
    line = (DAYS / 30.0).view(1, -1, 1, *[1] * len(sides)).expand(6, 10, 3, *sides)
    torch.manual_seed(0)
    series, days, _ = augment_series(
        line, days_of(line), None, settings=Augmentation(date_jitter=9.0), zero=ZERO
    )
    assert torch.equal(days, days_of(line))
    moved = (line - series)[:, 2:-2]
    torch.testing.assert_close(moved, moved[:, :1].expand_as(moved), rtol=1e-3, atol=1e-4)
    torch.manual_seed(0)
    expected = 9.0 * torch.randn(6) / 30
    found = moved[:, 0].flatten(1)[:, 0]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("sides", [(6, 6), (4, 7)])
def test_a_turn_is_undone(sides):
    torch.manual_seed(0)
    patches = torch.randn(40, 3, 2, *sides)
    turns = draw_turns(patches)
    turned = turn(patches, turns)
    assert torch.equal(turn_back(turned, turns), patches)
    assert len(turns.unique()) == (8 if sides[0] == sides[1] else 4)
    for one, other in zip(patches, turned, strict=True):
        assert torch.equal(one.flatten().sort().values, other.flatten().sort().values)


def test_all_turns_of_a_square_differ_and_a_flip_twice_is_nothing():
    patch = torch.arange(9.0).reshape(1, 3, 3).expand(8, 3, 3)
    turned = turn(patch, torch.arange(8))
    assert len({tuple(one.flatten().tolist()) for one in turned}) == 8
    flip = torch.full((8,), 4)
    assert torch.equal(turn(turn(patch, flip), flip), patch)
    half = torch.full((8,), 2)
    assert torch.equal(turn(turn(patch, half), half), patch)


def test_masks_and_labels_turn_with_their_patch():
    torch.manual_seed(0)
    labels = torch.randint(0, 5, (20, 6, 6))
    series = labels[:, None, None].float().expand(20, 2, 3, 6, 6)
    turns = draw_turns(series)
    assert torch.equal(turn(series, turns)[:, 0, 0].long(), turn(labels, turns))
    assert torch.equal(turn(labels == 2, turns), turn(labels, turns) == 2)


@pytest.mark.parametrize("sides", SIDES.values(), ids=SIDES)
def test_mixed_samples_lie_between_their_parents(sides):
    torch.manual_seed(0)
    series = make_series(sides=sides)
    mixed, _, share, partner = mix_samples(series, days_of(series), None, mixup=0.4)
    assert sorted(partner.tolist()) == list(range(6))
    assert ((share >= 0) & (share <= 1)).all()
    low, high = torch.minimum(series, series[partner]), torch.maximum(series, series[partner])
    assert ((mixed >= low - 1e-6) & (mixed <= high + 1e-6)).all()


def mixed_pair(series, days, mask):
    """What becomes of two samples that are partners."""
    for seed in range(5):
        torch.manual_seed(seed)
        mixed, found, share, partner = mix_samples(series, days, mask, mixup=0.4)
        if partner[0] == 1:
            return mixed, found, share
    pytest.fail("no seed made partners of the two samples")


@pytest.mark.parametrize("sides", SIDES.values(), ids=SIDES)
def test_samples_without_a_common_date_are_not_mixed(sides):
    series = make_series(batch=2, sides=sides)
    mask = torch.ones(2, 10, *sides, dtype=torch.bool)
    first = (Ellipsis, *[0] * len(sides))  # one pixel of a patch is enough
    mask[0, 5:][first], mask[1, :5][first] = False, False
    mixed, found, share = mixed_pair(series, days_of(series), mask)
    assert torch.equal(found, mask)
    assert torch.equal(share, torch.ones(2))
    assert torch.equal(mixed, series)


def test_samples_of_other_days_are_not_mixed():
    series = make_series(batch=2)
    days = torch.stack([DAYS, DAYS + 1])
    mixed, _, share = mixed_pair(series, days, None)
    assert torch.equal(share, torch.ones(2))
    assert torch.equal(mixed, series)
