"""Losses of sparse labels: at labelled pixels, with a window, over an image, between neighbours."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lulc_xr.training.loss_config import ClassWeights, LossConfig, ToleranceRule

NO_LABEL = -1
"""Position in a legend that says 'no label here'."""


def class_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    weight: Tensor | None = None,
    gamma: float = 0.0,
    smoothing: float = 0.0,
) -> Tensor:
    """Focal cross entropy of every pixel, 0 where it has no label.

    Parameters
    ----------
    logits : Tensor
        (batch, class[, y, x]).
    labels : Tensor
        (batch[, y, x]) int64 positions in the legend, -1 without label.
    weight : Tensor, optional
        (class,) weight of a pixel by its class. What smoothing spreads over the other classes is
        not weighed by them: else a rare class, of a large weight, would draw all pixels to it.
    gamma : float
        Exponent of the focal factor ``(1 - p) ** gamma`` of a label of probability p; 0: cross
        entropy.
    smoothing : float
        Share of the label that is spread over all classes.

    Returns
    -------
    Tensor
        (batch[, y, x]) float32. Pixels without label have no gradient.

    References
    ----------
    Lin, T.-Y. et al. (2017). Focal loss for dense object detection. ICCV 2017.

    Examples
    --------
    >>> class_loss(torch.zeros(2, 2), torch.tensor([0, -1])).tolist()
    [0.6931471824645996, 0.0]
    """
    logits = logits.float()
    loss = functional.cross_entropy(
        logits,
        labels,
        ignore_index=NO_LABEL,
        label_smoothing=smoothing,
        reduction="none",
    )
    if weight is not None:
        loss = loss * weight.to(logits.device)[labels.clamp_min(0)]
    if gamma:
        known = labels.clamp_min(0)[:, None]
        probability = logits.log_softmax(1).gather(1, known)[:, 0].exp()
        # A small floor: the gradient of x ** gamma at 0 is infinite for gamma < 1.
        loss = loss * (1 - probability).clamp_min(1e-6) ** gamma
    return loss


def tolerant_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    tolerance: int,
    rule: ToleranceRule = "best",
    weight: Tensor | None = None,
    gamma: float = 0.0,
    smoothing: float = 0.0,
) -> Tensor:
    """Loss of every label within a window around its pixel, 0 where there is no label.

    Parameters
    ----------
    logits : Tensor
        (batch, class, y, x).
    labels : Tensor
        (batch, y, x) int64 positions in the legend, -1 without label.
    tolerance : int
        Pixels on each side of a label; 0 gives :func:`class_loss`. The window ends at the patch.
    rule : {"best", "mean"}
        The loss of the pixel of the window that fits the label best, or their mean.
    weight, gamma, smoothing
        As for :func:`class_loss`.

    Returns
    -------
    Tensor
        (batch, y, x) float32.

    References
    ----------
    Leonhardt, J., Gall, J., Roscher, R. (2026). LC-SLab. JAG 152, 105476: accuracy at tolerance
    t, where the best pixel within t pixels of a label counts.
    """
    each = partial(class_loss, weight=weight, gamma=gamma, smoothing=smoothing)
    if not tolerance:
        return each(logits, labels)
    sample, y, x = torch.nonzero(labels >= 0, as_tuple=True)
    own = labels[sample, y, x]
    height, width = labels.shape[1:]
    losses, inside = [], []
    for down, right in product(range(-tolerance, tolerance + 1), repeat=2):
        row, column = y + down, x + right
        within = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        near = logits[sample, :, row.clamp(0, height - 1), column.clamp(0, width - 1)]
        losses.append(each(near, own))
        inside.append(within)
    found, within = torch.stack(losses), torch.stack(inside)
    if rule == "best":
        chosen = found.masked_fill(~within, torch.inf).amin(0) if len(own) else found.sum(0)
    else:
        chosen = (found * within).sum(0) / within.sum(0)
    return torch.zeros(labels.shape, device=logits.device).index_put((sample, y, x), chosen)


def image_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of a patch's mean probability against the shares of its labels.

    The classes that were seen in a patch should be found in it, wherever. LC-SLab has an optional
    image-level loss beside that of the labelled pixel; this form of it is ours.

    Parameters
    ----------
    logits : Tensor
        (batch, class, y, x).
    labels : Tensor
        (batch, y, x) int64 positions in the legend, -1 without label.

    Returns
    -------
    Tensor
        (batch,) float32; 0 for a patch without label.
    """
    classes = logits.shape[1]
    area = logits.shape[2] * logits.shape[3]
    mean = logits.float().log_softmax(1).flatten(2).logsumexp(2) - float(np.log(area))
    seen = labels >= 0
    ones = functional.one_hot(labels.clamp_min(0), classes) * seen[..., None]
    count = ones.flatten(1, 2).sum(1).float()
    share = count / count.sum(1, keepdim=True).clamp_min(1)
    return -(share * mean).sum(1)


def total_variation(logits: Tensor) -> Tensor:
    """Mean total variation distance between the probabilities of neighbouring pixels.

    Parameters
    ----------
    logits : Tensor
        (batch, class, y, x).

    Returns
    -------
    Tensor
        (batch,) float32 from 0 (a constant map) to 1 (no two neighbours have a class in common).

    References
    ----------
    Rudin, L., Osher, S., Fatemi, E. (1992). Nonlinear total variation based noise removal
    algorithms. Physica D 60, 259-268 (the anisotropic form).
    """
    p = logits.float().softmax(1)
    parts = [(p.diff(dim=dim).abs().sum(1) / 2).flatten(1) for dim in (2, 3)]
    pairs = torch.cat(parts, dim=1)
    return pairs.sum(1) / max(1, pairs.shape[1])


def sample_losses(
    logits: Tensor,
    labels: Tensor,
    *,
    config: LossConfig,
    weight: Tensor | None = None,
    smoothing: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Loss of each sample of one task, and which samples have a label of it.

    Parameters
    ----------
    logits : Tensor
        (batch, class[, y, x]).
    labels : Tensor
        (batch[, y, x]) int64 positions in the legend, -1 without label.
    config : LossConfig
        Settings.
    weight : Tensor, optional
        (class,) weight of each class.
    smoothing : float
        Share of the label that is spread over all classes.

    Returns
    -------
    loss : Tensor
        (batch,) the mean over a sample's labelled pixels, and the image-level term; 0 without
        label.
    labelled : Tensor
        (batch,) bool.
    """
    gamma = config.focal_gamma
    if logits.ndim == 2:
        loss = class_loss(logits, labels, weight=weight, gamma=gamma, smoothing=smoothing)
        return loss, labels >= 0
    pixels = tolerant_loss(
        logits,
        labels,
        tolerance=config.tolerance,
        rule=config.tolerance_rule,
        weight=weight,
        gamma=gamma,
        smoothing=smoothing,
    )
    count = (labels >= 0).flatten(1).sum(1)
    loss = pixels.flatten(1).sum(1) / count.clamp_min(1)
    if config.image_level:
        loss = loss + config.image_level * image_loss(logits, labels)
    return loss, count > 0


def regression_losses(predicted: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Squared error of each sample, and which samples have a target.

    Parameters
    ----------
    predicted : Tensor
        (batch, 1[, y, x]) output of a head.
    target : Tensor
        (batch[, y, x]) standardised target, NaN where there is none.

    Returns
    -------
    loss : Tensor
        (batch,) the mean over a sample's pixels with a target; 0 without. What has no target has
        no gradient.
    known : Tensor
        (batch,) bool.
    """
    there = torch.isfinite(target)
    error = (predicted[:, 0].float() - torch.where(there, target, 0.0)) * there
    squares = error**2
    if squares.ndim == 1:
        return squares, there
    count = there.flatten(1).sum(1)
    return squares.flatten(1).sum(1) / count.clamp_min(1), count > 0


def weigh_counts(
    counts: NDArray[Any], rule: ClassWeights | None, *, beta: float = 0.999
) -> NDArray[np.float64]:
    """Weight of each class in the loss, 1 on average over the labels.

    Parameters
    ----------
    counts : ndarray of float
        (class,) number of labels.
    rule : {"balanced", "effective", None}
        Inverse of the number, inverse of the effective number
        ``(1 - beta ** n) / (1 - beta)``, or 1.
    beta : float
        0 <= beta < 1.

    Returns
    -------
    ndarray of float
        (class,); 0 for a class without label, unless all weights are 1.

    References
    ----------
    Cui, Y. et al. (2019). Class-balanced loss based on effective number of samples. CVPR 2019.
    (There the weights sum to the number of classes; here the loss keeps its size.)

    Examples
    --------
    >>> weigh_counts(np.array([30.0, 10.0, 0.0]), "balanced").tolist()
    [0.6666666666666666, 2.0, 0.0]
    """
    if rule is None:
        return np.ones(len(counts))
    present = counts > 0
    if not present.any():
        return np.zeros(len(counts))
    n = np.where(present, counts, 1.0)
    if rule == "effective" and beta == 0:
        number = np.ones(len(n))
    elif rule == "effective":
        number = -np.expm1(n * np.log(beta)) / (1 - beta)
    else:
        number = n
    raw = present / number
    weights: NDArray[np.float64] = raw * (counts.sum() / (counts * raw).sum())
    return weights
