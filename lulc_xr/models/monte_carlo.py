"""Monte Carlo dropout: one network, several draws of what its dropout leaves out."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ClassVar

from lulc_xr.core.attachments import Attachments
from lulc_xr.models.classifier import Classifier
from lulc_xr.models.fixed_dropout import fix_dropout
from lulc_xr.models.members import finish_loading
from lulc_xr.models.one_classifier import MembersOfOne, check_members, read_members


class MonteCarloDropout(MembersOfOne):
    """Members that are draws of one network: what dropout leaves out is drawn once for each.

    A member is one function: all pixels of a map, in all blocks and years, see the same mask. So
    the map of a member holds together in space, and how an area differs between members says how
    sure its area is. Masks follow from the seed and the number of the member alone; in networks
    of patches whole channels are left out.

    Parameters
    ----------
    classifier : Classifier
        Its network has dropout. Its calibration, if it has one, is done to every member; its
        area of applicability is kept; its conformal sets are not, as they were fitted to other
        probabilities.
    members : int
        Number of draws.
    seed : int
        Another seed, other draws.
    attachments : Attachments, optional
        What is attached to the whole; by default the area of applicability of the classifier.

    Raises
    ------
    ModelError
        If the network has no dropout, or a setting is out of range.

    Notes
    -----
    Networks are changed where they hold ``nn.Dropout`` (or 1d to 3d) modules; calls of
    ``torch.nn.functional.dropout`` are not seen.

    References
    ----------
    Gal, Y., Ghahramani, Z. (2016). Dropout as a Bayesian approximation: representing model
    uncertainty in deep learning. ICML 2016, https://arxiv.org/abs/1506.02142

    Examples
    --------
    >>> from lulc_xr.testing import landscape, points
    >>> from lulc_xr.samples.extract import extract_samples
    >>> from lulc_xr.training.config import TrainConfig
    >>> from lulc_xr.training.fit import fit
    >>> cube = landscape(y=48, x=48)
    >>> samples = extract_samples(cube, points(cube, per_class=8))
    >>> classifier = fit(samples, config=TrainConfig(epochs=2))
    >>> MonteCarloDropout(classifier, members=3).network_name
    '3 draws of dropout in tempcnn'
    """

    kind: ClassVar[str] = "Monte Carlo dropout"
    document: ClassVar[str] = "monte_carlo_dropout.json"

    def __init__(
        self,
        classifier: Classifier,
        *,
        members: int = 10,
        seed: int = 0,
        attachments: Attachments | None = None,
    ) -> None:
        check_members(classifier, members, seed, kind=self.kind)
        super().__init__(
            [_draw(classifier, seed=seed, member=member) for member in range(members)],
            classifier=classifier,
            seed=seed,
            attachments=attachments,
        )

    @property
    def network_name(self) -> str:
        """What its members are, in words."""
        return f"{len(self)} draws of dropout in {self.classifier.network_name}"

    def _made_of(self, classifier: Classifier, attachments: Attachments) -> MonteCarloDropout:
        return MonteCarloDropout(
            classifier, members=len(self), seed=self.seed, attachments=attachments
        )

    @property
    def _load(self) -> Callable[..., MonteCarloDropout]:
        return load_monte_carlo_dropout


def _draw(classifier: Classifier, *, seed: int, member: int) -> Classifier:
    return classifier.with_network(
        lambda network: fix_dropout(network, seed=seed, member=member),
        name=f"draw {member} of dropout (seed {seed})",
    )


def load_monte_carlo_dropout(
    path: str | os.PathLike[str], *, device: str | None = None
) -> MonteCarloDropout:
    """The model in a folder that :meth:`MonteCarloDropout.save` wrote; no code of it is run.

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
    found = read_members(path, MonteCarloDropout, device=device)
    loaded = MonteCarloDropout(found.classifier, **found.settings)
    return finish_loading(loaded, found.path, found.document)
