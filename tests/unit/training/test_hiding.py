"""Hidden dates and bands: how many, and that nothing of them is seen."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lulc_xr.training.hiding import draw_hidden, fill_dates, hide

DAYS = torch.arange(0, 120, 10)


@given(
    seed=st.integers(0, 1000),
    date_share=st.floats(0, 1),
    band_share=st.floats(0, 1),
    seen=st.floats(0.05, 1),
)
def test_one_observed_date_and_one_band_stay(seed, date_share, band_share, seen):
    torch.manual_seed(seed)
    observed = torch.rand(5, 12) < seen
    observed[:, 3] = True
    hidden = draw_hidden(observed, bands=4, date_share=date_share, band_share=band_share)
    assert (observed[..., None] & ~hidden).any(dim=(1, 2)).all()


def test_shares_hold_on_average():
    torch.manual_seed(0)
    observed = torch.rand(400, 12) < 0.7
    observed[:, 0] = True
    dates = draw_hidden(observed, bands=5, date_share=0.3, band_share=0.0)
    assert float(dates[..., 0].sum() / observed.sum()) == pytest.approx(0.3, abs=0.02)
    assert not (dates.all(dim=2) & ~observed).any()
    bands = draw_hidden(observed, bands=5, date_share=0.0, band_share=0.25)
    assert float(bands.all(dim=1).float().mean()) == pytest.approx(0.25, abs=0.02)


@given(seed=st.integers(0, 1000), patches=st.booleans(), gaps=st.booleans())
def test_hidden_values_are_never_seen(seed, patches, gaps):
    torch.manual_seed(seed)
    shape = (3, 12, 4, 2, 2) if patches else (3, 12, 4)
    series = torch.randn(shape)
    observed = torch.rand(3, 12) < 0.8
    observed[:, 5] = True
    hidden = draw_hidden(observed, bands=4, date_share=0.4, band_share=0.3)
    ones = (1,) * (len(shape) - 3)
    mask = observed.view(3, 12, *ones).expand(3, 12, *shape[3:]) if gaps else None
    spread = hidden.view(3, 12, 4, *ones)
    other = torch.where(spread, torch.nan, series)
    found, found_mask = hide(series, hidden, mask=mask, days=DAYS)
    changed, changed_mask = hide(other, hidden, mask=mask, days=DAYS)
    assert torch.equal(found, changed)
    assert torch.isfinite(found).all()
    kept = ~spread.expand(shape)
    assert torch.equal(found[kept], series[kept])
    if gaps:
        assert torch.equal(found_mask, changed_mask)
        assert not (found_mask & hidden.all(2).view(3, 12, *ones)).any()
    else:
        assert found_mask is None


def test_lost_dates_are_filled_in_days_not_in_positions():
    days = torch.tensor([[0, 10, 40], [0, 30, 40]])
    series = torch.tensor([[0.0, 99.0, 4.0], [0.0, 99.0, 4.0]])[..., None]
    kept = torch.tensor([[True, False, True]] * 2)
    assert fill_dates(series, kept, days)[..., 0].tolist() == [[0, 1, 4], [0, 3, 4]]


def test_dates_before_the_first_and_after_the_last_take_the_nearest():
    series = torch.tensor([[9.0, 2.0, 9.0, 9.0]])[..., None]
    kept = torch.tensor([[False, True, False, False]])
    assert fill_dates(series, kept, torch.arange(4))[0, :, 0].tolist() == [2, 2, 2, 2]
