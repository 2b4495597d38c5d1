"""Interpolation along the dates of a batch agrees with NumPy's, pixel by pixel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lulc_xr.training.gaps import fill_lost, shift_series


@st.composite
def batches(draw):
    time, sides = draw(st.integers(1, 8)), draw(st.sampled_from([(), (2, 3)]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    series = torch.randn(3, time, 2, *sides, generator=generator)
    steps = torch.randint(1, 40, (3, time), generator=generator)
    lost = torch.rand(3, time, *sides, generator=generator) < 0.5
    lost = lost & ~lost.all(dim=1, keepdim=True)
    shift = 30 * torch.randn(3, generator=generator)
    return series, steps.cumsum(dim=1), lost, shift


@settings(max_examples=40, deadline=None)
@given(batches())
def test_lost_values_are_those_of_numpy(batch):
    series, days, lost, _ = batch
    pixels = lost[0, 0].numel()
    filled = fill_lost(series, days, lost).reshape(3, -1, 2, pixels)
    values, gone = series.reshape(3, -1, 2, pixels), lost.reshape(3, -1, pixels)
    for sample in range(3):
        day = days[sample].numpy()
        for pixel in range(values.shape[3]):
            kept = ~gone[sample, :, pixel].numpy()
            for band in range(2):
                own = values[sample, :, band, pixel].numpy()
                expected = np.interp(day, day[kept], own[kept])
                found = filled[sample, :, band, pixel].numpy()
                np.testing.assert_allclose(found, expected, atol=1e-5)
                np.testing.assert_array_equal(found[kept], own[kept])


@settings(max_examples=40, deadline=None)
@given(batches())
def test_shifted_series_is_that_of_numpy(batch):
    series, days, _, shift = batch
    moved = shift_series(series, days, shift)
    for sample in range(3):
        day = days[sample].numpy()
        for band in range(2):
            own = series[sample, :, band].reshape(len(day), -1)[:, 0].numpy()
            expected = np.interp(day - float(shift[sample]), day, own)
            found = moved[sample, :, band].reshape(len(day), -1)[:, 0].numpy()
            np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("sides", [(), (3, 2)])
def test_nothing_lost_and_no_shift_change_nothing(sides):
    series, days = torch.randn(2, 5, 3, *sides), torch.arange(5).expand(2, -1)
    assert torch.equal(fill_lost(series, days, torch.zeros(2, 5, *sides, dtype=torch.bool)), series)
    torch.testing.assert_close(shift_series(series, days, torch.zeros(2)), series)
