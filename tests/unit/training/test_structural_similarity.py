"""Structural similarity against scikit-image, and the loss against its formula."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity as of_skimage

from lulc_xr.core.errors import ModelError
from lulc_xr.training.structural_similarity import reconstruction_loss, structural_similarity


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("data_range", [1.0, 4.0])
def test_equals_scikit_image(data_range):
    first = draw(24, 19) * data_range
    second = (first + 0.3 * draw(24, 19, seed=1)).clamp(0, data_range)
    expected, windows = of_skimage(
        first.numpy(),
        second.numpy(),
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    found = structural_similarity(first, second, data_range=data_range)
    torch.testing.assert_close(found, torch.tensor(windows)[5:-5, 5:-5])
    assert float(found.mean()) == pytest.approx(expected)


@given(seed=st.integers(0, 1000))
def test_is_symmetric_and_at_most_one(seed):
    first, second = draw(2, 3, 12, 13, seed=seed), draw(2, 3, 12, 13, seed=seed + 1)
    found = structural_similarity(first, second)
    torch.testing.assert_close(found, structural_similarity(second, first))
    assert float(found.max()) <= 1
    torch.testing.assert_close(structural_similarity(first, first), torch.ones_like(found))


@pytest.mark.parametrize("window", [10, 13])
def test_window_that_does_not_fit_is_refused(window):
    with pytest.raises(ModelError, match=rf"windows of {window} pixels over images of \(12, 12\)"):
        structural_similarity(draw(12, 12), draw(12, 12), window=window)


def test_loss_is_the_formula_of_the_paper():
    made, true = draw(2, 4, 16, 16), draw(2, 4, 16, 16, seed=1)
    l1 = (made - true).abs().mean()
    similarity = structural_similarity(made, true).mean()
    expected = 0.9 * l1 + 0.1 * (1 - similarity)
    torch.testing.assert_close(reconstruction_loss(made, true), expected)


def test_unknown_pixels_do_not_count():
    made, true = draw(1, 2, 16, 16), draw(1, 2, 16, 16, seed=1)
    observed = draw(1, 2, 16, 16, seed=2) > 0.3
    with_gaps = torch.where(observed, true, torch.nan)
    other = torch.where(observed, made, 7.0)
    found = reconstruction_loss(made, with_gaps, observed)
    torch.testing.assert_close(found, reconstruction_loss(other, with_gaps, observed))
    assert float(reconstruction_loss(true, with_gaps, observed)) == pytest.approx(0)
    nothing = torch.zeros_like(observed)
    assert float(reconstruction_loss(made, true, nothing)) == 0


def test_images_smaller_than_the_window_have_a_smaller_one():
    made, true = draw(1, 2, 8, 9), draw(1, 2, 8, 9, seed=1)
    expected = 1 - structural_similarity(made, true, window=7).mean()
    torch.testing.assert_close(reconstruction_loss(made, true, share=0.0), expected)
