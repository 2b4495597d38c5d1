"""The decoder of series: every pixel alone, and a loss over what counts."""

import torch

from lulc_xr.training.reconstruct import SeriesDecoder, masked_loss


def test_patches_are_decoded_as_their_pixels_alone():
    torch.manual_seed(0)
    decoder = SeriesDecoder(6, bands=3)
    features = torch.randn(2, 6, 4, 5)
    days = torch.tensor([[0, 30, 60], [5, 31, 90]])
    made = decoder(features, days)
    assert made.shape == (2, 3, 3, 4, 5)
    for row, column in [(0, 0), (3, 4)]:
        alone = decoder(features[:, :, row, column], days)
        torch.testing.assert_close(made[:, :, :, row, column], alone)


def test_days_of_all_samples_equal_days_of_each():
    decoder = SeriesDecoder(6, bands=3)
    features, days = torch.randn(2, 6), torch.tensor([0, 30, 60])
    torch.testing.assert_close(decoder(features, days), decoder(features, days.expand(2, -1)))


def test_loss_is_smooth_l1_over_what_counts():
    made = torch.tensor([[[2.0, 0.5], [5.0, 5.0]]])
    true = torch.tensor([[[0.0, 0.0], [torch.nan, 0.0]]])
    counted = torch.tensor([[[True, True], [False, False]]])
    assert masked_loss(made, true, counted).item() == (1.5 + 0.125) / 2
    assert masked_loss(made, true, torch.zeros_like(counted)).item() == 0
