"""Test-time augmentation: one model, which sees every block in several ways."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.attachments import Attachments
from lulc_xr.core.errors import ModelError, name_unknown
from lulc_xr.core.model import Probabilities
from lulc_xr.models.classifier import Classifier
from lulc_xr.models.members import finish_loading, intact
from lulc_xr.models.one_classifier import MembersOfOne, check_members, read_members
from lulc_xr.models.registry import is_spatial, load_network, needs_fixed_dates
from lulc_xr.models.view import View, ViewRanges, draw_view, turn_context


class TestTimeAugmentation(MembersOfOne):
    """Members that are one classifier, each of which sees the block in another way.

    The first one sees it as it is. Each other one sees one transformation that is the same for
    all pixels, blocks and years: reflectance a little brighter or darker, the season some days
    earlier or later, some dates left out, for networks of patches also flipped and turned. What
    differs between members is what of the answer hangs on such accidents.

    Parameters
    ----------
    classifier : Classifier
        Its calibration, if it has one, is done to every member; its area of applicability is
        kept; its conformal sets are not, as they were fitted to other probabilities.
    members : int
        Number of views.
    seed : int
        Another seed, other views.
    ranges : ViewRanges, optional
        How far they lie from what was seen.
    attachments : Attachments, optional
        What is attached to the whole; by default the area of applicability of the classifier.

    Raises
    ------
    ModelError
        If it is no classifier, or a setting is out of range.

    Notes
    -----
    What is done in time depends on what the network sees. One that reads the days of its dates
    (L-TAE, U-TAE) sees shifted days; for one of fixed dates (TempCNN, ResMLP, U-Net) values are
    interpolated between dates, and constant beyond the first and last. With
    ``fill="linear"`` a date that is left out is interpolated from its neighbours, as the rule of
    the model does; without a rule it becomes a gap, where the network sees gaps and the pixel has
    other dates. With `max_gap`, and for networks of fixed dates without a rule, no date is left
    out.

    References
    ----------
    Wang, G., Li, W., Aertsen, M., Deprest, J., Ourselin, S., Vercauteren, T. (2019). Aleatoric
    uncertainty estimation with test-time augmentation for medical image segmentation with
    convolutional neural networks. Neurocomputing 338, 34-45. https://arxiv.org/abs/1807.07356

    Examples
    --------
    >>> from lulc_xr.testing import landscape, points
    >>> from lulc_xr.samples.extract import extract_samples
    >>> from lulc_xr.training.config import TrainConfig
    >>> from lulc_xr.training.fit import fit
    >>> cube = landscape(y=48, x=48)
    >>> samples = extract_samples(cube, points(cube, per_class=8))
    >>> classifier = fit(samples, config=TrainConfig(epochs=2))
    >>> TestTimeAugmentation(classifier, members=3).network_name
    '3 views of tempcnn'
    """

    __test__ = False  # pytest takes classes of such names for tests
    kind: ClassVar[str] = "test-time augmentation"
    document: ClassVar[str] = "test_time_augmentation.json"

    def __init__(
        self,
        classifier: Classifier,
        *,
        members: int = 8,
        seed: int = 0,
        ranges: ViewRanges | None = None,
        attachments: Attachments | None = None,
    ) -> None:
        check_members(classifier, members, seed, kind=self.kind)
        self.ranges = ranges or ViewRanges()
        network = load_network(classifier.network_name)
        views = [
            draw_view(
                classifier.spec,
                self.ranges,
                seed=seed,
                member=member,
                fixed_dates=needs_fixed_dates(network),
                spatial=is_spatial(network),
            )
            for member in range(members)
        ]
        super().__init__(
            [Viewer(classifier, view) for view in views],
            classifier=classifier,
            seed=seed,
            attachments=attachments,
        )

    @property
    def network_name(self) -> str:
        """What its members are, in words."""
        return f"{len(self)} views of {self.classifier.network_name}"

    def _made_of(self, classifier: Classifier, attachments: Attachments) -> TestTimeAugmentation:
        return TestTimeAugmentation(
            classifier,
            members=len(self),
            seed=self.seed,
            ranges=self.ranges,
            attachments=attachments,
        )

    @property
    def _settings(self) -> dict[str, Any]:
        return {**super()._settings, "ranges": self.ranges.to_dict()}

    @property
    def _load(self) -> Callable[..., TestTimeAugmentation]:
        return load_test_time_augmentation


class Viewer:
    """A classifier that sees every block through one view."""

    def __init__(self, classifier: Classifier, view: View) -> None:
        self.classifier, self.view, self.spec = classifier, view, classifier.spec
        described = f"{classifier.content_hash} {view}"
        self.content_hash = hashlib.sha256(described.encode()).hexdigest()

    def predict_block(
        self,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        context: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> Probabilities:
        """Class probabilities of a block; see :meth:`Classifier.predict_block`."""
        shape = (pixels.shape[2], pixels.shape[3])
        seen, when = self.view.transform(pixels, days)
        found = self.classifier.predict_block(seen, when, turn_context(self.view, context, shape))
        if isinstance(found, Mapping):
            return {task: self.view.back(values, shape) for task, values in found.items()}
        return self.view.back(found, shape)


def load_test_time_augmentation(
    path: str | os.PathLike[str], *, device: str | None = None
) -> TestTimeAugmentation:
    """The model in a folder that :meth:`TestTimeAugmentation.save` wrote; no code of it is run.

    Parameters
    ----------
    path : path-like
        The folder.
    device : str, optional
        As for :func:`lulc_xr.load_classifier`.

    Raises
    ------
    ModelError
        If there is no such folder, or it is damaged or was changed.
    """
    found = read_members(path, TestTimeAugmentation, device=device)
    with intact(found.path):
        ranges = dict(found.document["ranges"])
    for name in ranges:
        if name not in ViewRanges.__dataclass_fields__:
            raise ModelError(name_unknown("range of views", name, ViewRanges.__dataclass_fields__))
    loaded = TestTimeAugmentation(found.classifier, ranges=ViewRanges(**ranges), **found.settings)
    return finish_loading(loaded, found.path, found.document)
