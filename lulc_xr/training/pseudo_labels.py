"""Which predictions of a teacher are believed: thresholds that follow each class, and losses."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Threshold = Literal["adaptive", "freematch", "fixed"]
_NEAR = 1e-4  # a moving average comes to what a class reaches only in the limit
THRESHOLDS: tuple[Threshold, ...] = ("adaptive", "freematch", "fixed")


class ClassThresholds(nn.Module):
    """Confidence from which a pseudo-label is believed, one for each class.

    ``"fixed"`` is FixMatch's: the same for all classes and steps.

    ``"adaptive"`` believes the same share of the predictions of every class, its most confident
    ones (class-balanced self-training): the threshold of a class is a moving average of that
    quantile of its confidence. A class that is predicted hesitantly asks for less; and a class
    that covers little land asks for no less because of that.

    ``"freematch"`` is FreeMatch's: moving averages of how confident the network is on the whole,
    and of the mean probability of each class,
    ``threshold(c) = confidence * probability(c) / max(probability)``.

    Neither of the latter shuts a class out for ever: the thresholds follow down what the class
    reaches. The averages are buffers, so a checkpoint holds them.

    Parameters
    ----------
    classes : int
        Number of classes.
    kind : {"adaptive", "freematch", "fixed"}
        Which rule.
    fixed : float
        The threshold of ``"fixed"``.
    share : float
        Share of the predictions of a class that ``"adaptive"`` believes.
    decay : float
        Of the moving averages.

    References
    ----------
    Sohn, K. et al. (2020). FixMatch: simplifying semi-supervised learning with consistency and
    confidence. NeurIPS 2020, https://arxiv.org/abs/2001.07685
    Wang, Y. et al. (2023). FreeMatch: self-adaptive thresholding for semi-supervised learning.
    ICLR 2023, https://arxiv.org/abs/2205.07246
    Zou, Y. et al. (2018). Unsupervised domain adaptation for semantic segmentation via
    class-balanced self-training. ECCV 2018, https://arxiv.org/abs/1810.07911

    Examples
    --------
    >>> thresholds = ClassThresholds(2, kind="freematch", decay=0.0)
    >>> thresholds.update(torch.tensor([[0.9, 0.1], [0.7, 0.3]]))
    >>> [round(value, 2) for value in thresholds.values().tolist()]
    [0.8, 0.2]
    """

    confidence: Tensor
    probability: Tensor
    quantile: Tensor

    def __init__(
        self,
        classes: int,
        *,
        kind: Threshold,
        fixed: float = 0.95,
        share: float = 0.5,
        decay: float = 0.97,
    ) -> None:
        super().__init__()
        self.kind, self.fixed, self.share, self.decay = kind, fixed, share, decay
        # As of a network that knows nothing yet.
        guess = torch.full((classes,), 1 / classes, dtype=torch.float32)
        self.register_buffer("confidence", guess[0].clone())
        self.register_buffer("probability", guess)
        self.register_buffer("quantile", guess.clone())

    @torch.no_grad()
    def update(self, probability: Tensor) -> None:
        """Let the averages follow predictions (sample, class) of unlabelled samples."""
        if not len(probability):
            return
        own, probability = 1 - self.decay, probability.float()
        confidence, label = probability.max(dim=1)
        self.confidence.lerp_(confidence.mean(), own)
        self.probability.lerp_(probability.mean(dim=0), own)
        for found in label.unique().tolist():
            # A class that is not predicted in a batch keeps its threshold.
            reached = confidence[label == found].sort().values
            place = min(len(reached) - 1, int((1 - self.share) * len(reached)))
            self.quantile[found].lerp_(reached[place], own)

    def values(self) -> Tensor:
        """Thresholds (class,)."""
        if self.kind == "fixed":
            return torch.full_like(self.probability, self.fixed)
        if self.kind == "freematch":
            return self.confidence * self.probability / self.probability.max()
        return self.quantile

    def believed(self, probability: Tensor) -> Tensor:
        """True where the most probable class reaches its threshold.

        Parameters
        ----------
        probability : Tensor
            (sample, class) of weakly augmented samples.

        Returns
        -------
        Tensor
            (sample,) bool.
        """
        confidence, label = probability.max(dim=1)
        return confidence >= self.values()[label] - _NEAR


def sharpen(probability: Tensor, temperature: float) -> Tensor:
    """Probabilities (sample, class) drawn towards their largest: ``p**(1/T)``, normalised.

    Parameters
    ----------
    probability : Tensor
        (sample, class).
    temperature : float
        T; 1 leaves them as they are, 0 gives the hard label.

    References
    ----------
    Berthelot, D. et al. (2019). MixMatch. NeurIPS 2019, https://arxiv.org/abs/1905.02249

    Examples
    --------
    >>> sharpen(torch.tensor([[0.6, 0.4]]), 0.0).tolist()
    [[1.0, 0.0]]
    """
    if temperature == 0:
        classes = probability.shape[1]
        return functional.one_hot(probability.argmax(dim=1), classes).to(probability.dtype)
    # Of logarithms, which do not underflow at low temperatures.
    return (probability.clamp_min(1e-12).log() / temperature).softmax(dim=1)


def ramp_up(step: int, *, steps: float) -> float:
    """Weight of the unlabelled loss, from nearly 0 to 1: ``exp(-5 (1 - step / steps)**2)``.

    Parameters
    ----------
    step : int
        Step of the training, 0-based.
    steps : float
        Length of the rise; 0: 1 from the start.

    References
    ----------
    Laine, S., Aila, T. (2017). Temporal ensembling for semi-supervised learning. ICLR 2017,
    https://arxiv.org/abs/1610.02242

    Examples
    --------
    >>> round(ramp_up(0, steps=100), 4), ramp_up(100, steps=100)
    (0.0067, 1.0)
    """
    if step >= steps:
        return 1.0
    return math.exp(-5 * (1 - step / steps) ** 2)


def pixels_of(values: Tensor) -> Tensor:
    """Logits or probabilities (batch, class[, y, x]) as (batch * y * x, class)."""
    return values.flatten(2).transpose(1, 2).flatten(0, 1) if values.ndim > 2 else values


def soft_cross_entropy(logits: Tensor, probability: Tensor) -> Tensor:
    """Cross entropy (sample,) of logits (sample, class) against probabilities of that shape."""
    return -(probability * logits.float().log_softmax(dim=1)).sum(dim=1)
