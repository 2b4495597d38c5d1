"""Mean teacher: a network drawn to the average of its own weights (Tarvainen and Valpola 2017)."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from lulc_xr.samples.loader import Batch
from lulc_xr.training.inputs import Inputs, call
from lulc_xr.training.methods import MeanTeacher
from lulc_xr.training.semi_supervised import SemiSupervisedLearner
from lulc_xr.training.teacher import Teacher


class MeanTeacherLearner(SemiSupervisedLearner):
    """Learns from labels, and to give what its teacher gives for another view of a sample.

    The teacher is the exponential moving average of the network (:class:`.teacher.Teacher`) and
    becomes the classifier. The consistency is the squared difference of probabilities, summed
    over classes. Unlike in the paper the teacher predicts with averaged batch-norm statistics
    and without dropout, which is how it is used afterwards.

    References
    ----------
    Tarvainen, A., Valpola, H. (2017). Mean teachers are better role models: weight-averaged
    consistency targets improve semi-supervised deep learning results. NeurIPS 2017,
    https://arxiv.org/abs/1703.01780
    """

    averages_itself: ClassVar[bool] = True
    method: MeanTeacher

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        decay = self.method.decay
        if decay is None:
            decay = 1 - 1 / max(1.0, self.config.average_weights * self.steps)
        self.teacher = Teacher(self.network, decay=decay)

    def teach(self, given: Inputs) -> dict[str, Tensor]:
        """Logits of the averaged network."""
        return call(self.teacher.network, given)

    def consistency(self, task: str, student: Tensor, taught: Tensor) -> Tensor:
        """Squared difference of probabilities, (pixel,)."""
        return (student.softmax(dim=1) - taught).square().sum(dim=1)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Let the teacher follow the step that was just taken."""
        self.teacher.follow(self.network)

    def judged(self, given: Inputs) -> dict[str, Tensor]:
        """Logits of the teacher."""
        return call(self.teacher.network, given)

    def finished(self) -> nn.Module:
        """The teacher's network."""
        return self.teacher.network
