"""Structural similarity of images as a loss, and the reconstruction loss made of it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lulc_xr.core.errors import ModelError

WINDOW, SIGMA = 11, 1.5
"""Side of the Gaussian window in pixels, and its standard deviation (Wang et al. 2004)."""

_K1, _K2 = 0.01, 0.03


def structural_similarity(
    first: Tensor, second: Tensor, *, data_range: float = 1.0, window: int = WINDOW
) -> Tensor:
    """How alike two images are in brightness, contrast and structure, window by window.

    Parameters
    ----------
    first, second : Tensor
        (..., y, x) images without gaps.
    data_range : float
        Largest value minus smallest value that the images can have.
    window : int
        Side of the Gaussian window, odd; y and x must not be smaller.

    Returns
    -------
    Tensor
        (..., y - window + 1, x - window + 1), from -1 to 1; 1 where the images are equal.

    Raises
    ------
    ModelError
        If the window is even, or larger than the images.

    References
    ----------
    Wang, Z., Bovik, A. C., Sheikh, H. R., Simoncelli, E. P. (2004). Image quality assessment: from
    error visibility to structural similarity. IEEE Transactions on Image Processing 13(4), 600-612.
    https://doi.org/10.1109/TIP.2003.819861

    Examples
    --------
    >>> image = torch.rand(2, 3, 16, 16)
    >>> structural_similarity(image, image).shape
    torch.Size([2, 3, 6, 6])
    >>> bool(torch.isclose(structural_similarity(image, image).mean(), torch.tensor(1.0)))
    True
    """
    if window % 2 == 0 or window < 1 or window > min(first.shape[-2:]):
        raise ModelError(
            f"structural similarity in windows of {window} pixels over images of "
            f"{tuple(first.shape[-2:])} pixels. Give an odd window that fits into them."
        )
    maps = torch.stack([first, second, first * first, second * second, first * second])
    means = _gaussian_means(maps, window)
    mean1, mean2 = means[0], means[1]
    variance1, variance2 = means[2] - mean1**2, means[3] - mean2**2
    covariance = means[4] - mean1 * mean2
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    alike = (2 * mean1 * mean2 + c1) * (2 * covariance + c2)
    return alike / ((mean1**2 + mean2**2 + c1) * (variance1 + variance2 + c2))


def reconstruction_loss(
    made: Tensor, true: Tensor, observed: Tensor | None = None, *, share: float = 0.9
) -> Tensor:
    """``share * L1 + (1 - share) * (1 - SSIM)``, the loss of the group's autoencoder.

    Parameters
    ----------
    made, true : Tensor
        (batch, channel, y, x) reflectance from 0 to 1.
    observed : Tensor or None
        Bool of the same shape; False where `true` is unknown. Such pixels count neither in L1 nor
        as the middle of a window, and within other windows they count as equal.
    share : float
        Weight of L1.

    Returns
    -------
    Tensor
        One number. Images smaller than the window of 11 pixels are compared in the largest odd
        window that fits.

    References
    ----------
    Leonhardt, J., Drees, L., Gall, J., Roscher, R. (2023). Leveraging bioclimatic context for
    supervised and self-supervised land cover classification. DAGM GCPR 2023, LNCS 14264.
    https://doi.org/10.1007/978-3-031-54605-1_15

    Examples
    --------
    >>> image = torch.full((1, 1, 12, 12), 0.5)
    >>> round(float(reconstruction_loss(image + 0.1, image, share=1.0)), 4)
    0.1
    """
    if observed is None:
        observed = torch.ones_like(true, dtype=torch.bool)
    true = torch.where(observed, true, 0.0)
    made = torch.where(observed, made, 0.0)
    far = (made - true).abs().sum() / observed.sum().clamp_min(1)
    side = min(true.shape[-2:])
    window = min(WINDOW, side if side % 2 else side - 1)
    edge = window // 2
    middle = observed[..., edge : observed.shape[-2] - edge, edge : observed.shape[-1] - edge]
    alike = structural_similarity(made, true, window=window)
    unlike = ((1 - alike) * middle).sum() / middle.sum().clamp_min(1)
    return share * far + (1 - share) * unlike


def _gaussian_means(images: Tensor, window: int) -> Tensor:
    """Gaussian means over whole windows, one axis after the other."""
    offset = torch.arange(window, dtype=images.dtype, device=images.device) - window // 2
    weight = torch.exp(-(offset**2) / (2 * SIGMA**2))
    weight = weight / weight.sum()
    flat = images.reshape(-1, 1, *images.shape[-2:])
    flat = functional.conv2d(flat, weight.view(1, 1, -1, 1))
    flat = functional.conv2d(flat, weight.view(1, 1, 1, -1))
    return flat.view(*images.shape[:-2], *flat.shape[-2:])
