"""Augmentation: what changes, what stays, and that it follows the seed."""

import pytest
import torch

from lulc_xr.training.augment import augment_series, mix_samples
from lulc_xr.training.config import Augmentation

ZERO = torch.tensor([-1.0, -2.0, 0.5])


def make_series(batch=6, time=10):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, time, 3, generator=generator)


def augment(mask=None, *, seed=0, **settings):
    torch.manual_seed(seed)
    return augment_series(make_series(), mask, settings=Augmentation(**settings), zero=ZERO)


def test_no_augmentation_changes_nothing():
    series, mask = augment()
    assert torch.equal(series, make_series())
    assert mask is None


@pytest.mark.parametrize("settings", [{"noise": 0.1}, {"band_gain": 0.1}, {"date_dropout": 0.3}])
def test_augmentation_follows_the_seed(settings):
    first, _ = augment(**settings)
    assert not torch.equal(first, make_series())
    assert torch.equal(first, augment(**settings)[0])
    assert not torch.equal(first, augment(seed=1, **settings)[0])


def test_gain_is_one_factor_per_sample_and_band_and_keeps_zero_reflectance():
    series, _ = augment(band_gain=0.2)
    factor = (series - ZERO) / (make_series() - ZERO)
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor), rtol=1e-3, atol=1e-3)
    assert factor[:, 0].std() > 0.05


def test_lost_dates_become_the_mean_of_their_neighbours():
    series, _ = augment(date_dropout=0.3)
    original = make_series()
    changed = (series != original).any(dim=2)
    assert 0 < changed.float().mean() < 0.6
    for sample, date in changed.nonzero().tolist():
        before, after = original[sample, max(date - 1, 0)], original[sample, min(date + 1, 9)]
        torch.testing.assert_close(series[sample, date], (before + after) / 2)


def test_lost_dates_become_gaps_and_no_sample_loses_all():
    mask = torch.ones(6, 10, dtype=torch.bool)
    mask[0, 1:] = False
    series, found = augment(mask, date_dropout=0.5)
    assert torch.equal(series, make_series())
    assert (found <= mask).all()
    assert found.sum() < mask.sum()
    assert found.any(dim=1).all()
    assert augment(mask, date_dropout=1.0)[1].equal(mask)


def test_mixed_samples_lie_between_their_parents():
    torch.manual_seed(0)
    series = make_series()
    mixed, _, share, partner = mix_samples(series, None, mixup=0.4)
    assert sorted(partner.tolist()) == list(range(6))
    assert ((share >= 0) & (share <= 1)).all()
    low, high = torch.minimum(series, series[partner]), torch.maximum(series, series[partner])
    assert ((mixed >= low - 1e-6) & (mixed <= high + 1e-6)).all()


def test_samples_without_a_common_date_are_not_mixed():
    series = make_series(batch=2)
    mask = torch.zeros(2, 10, dtype=torch.bool)
    mask[0, :5], mask[1, 5:] = True, True
    for seed in range(5):
        torch.manual_seed(seed)
        mixed, found, share, partner = mix_samples(series, mask, mixup=0.4)
        if partner[0] == 1:
            assert torch.equal(found, mask)
            assert torch.equal(share, torch.ones(2))
            assert torch.equal(mixed, series)
            return
    pytest.fail("no seed made partners of the two samples")
