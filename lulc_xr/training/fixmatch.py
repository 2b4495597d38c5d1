"""FixMatch: confident pseudo-labels of a weak view, learnt on a strong one (Sohn et al. 2020)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lulc_xr.training.inputs import Inputs, call
from lulc_xr.training.methods import FixMatch, SelfTraining
from lulc_xr.training.pseudo_labels import ClassThresholds, sharpen, soft_cross_entropy
from lulc_xr.training.semi_supervised import SemiSupervisedLearner


class PseudoLabelLearner(SemiSupervisedLearner):
    """Learns the teacher's sharpened predictions where they reach the threshold of their class."""

    method: FixMatch | SelfTraining

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.thresholds = nn.ModuleDict(
            {
                task: ClassThresholds(
                    len(weights),
                    kind=self.method.threshold,
                    fixed=self.method.confidence,
                    share=self.method.share,
                )
                for task, weights in self.class_weights.items()
            }
        )

    def consistency(self, task: str, student: Tensor, taught: Tensor) -> Tensor:
        """Cross entropy (pixel,) against believed pseudo-labels, 0 where they are not."""
        thresholds = self.thresholds[task]
        assert isinstance(thresholds, ClassThresholds)
        thresholds.update(taught)
        believed = thresholds.believed(taught)
        self.log(f"pseudo_labels/{task}", believed.float().mean(), batch_size=len(taught))
        labels = sharpen(taught, self.method.temperature)
        return believed * soft_cross_entropy(student, labels)


class FixMatchLearner(PseudoLabelLearner):
    """Learns from labels, and from its own confident predictions.

    The network predicts the weak view as it would in use (running statistics of batch norm, no
    dropout); where the probability reaches the threshold of its class, the prediction is learnt
    as the label of the strong view. The average of the weights becomes the classifier, as in
    supervised training (``average_weights``).

    References
    ----------
    Sohn, K. et al. (2020). FixMatch: simplifying semi-supervised learning with consistency and
    confidence. NeurIPS 2020, https://arxiv.org/abs/2001.07685
    Wang, Y. et al. (2023). FreeMatch: self-adaptive thresholding for semi-supervised learning.
    ICLR 2023, https://arxiv.org/abs/2205.07246
    """

    method: FixMatch

    def teach(self, given: Inputs) -> dict[str, Tensor]:
        """Logits of the network itself, in the mode of prediction."""
        self.network.eval()
        try:
            return call(self.network, given)
        finally:
            self.network.train()
