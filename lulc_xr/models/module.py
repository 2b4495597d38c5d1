"""A user's own torch module as a predictor."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import ModelSpec, Precision, Probabilities, check_precision
from lulc_xr.models.execution import one_thread
from lulc_xr.models.folder import hash_weights
from lulc_xr.models.plain_form import DTYPES


class ModulePredictor:
    """A torch module with a specification: all that classification needs.

    Parameters
    ----------
    module : torch.nn.Module
        Called as ``module(series)`` with float32 series (batch, time, band), giving logits
        (batch, class); or, if `spatial`, with patches (1, time, band, y, x), giving (1, class,
        y, x) with the same y and x. For several tasks it gives a dict of task to such. It is
        copied and put into evaluation mode.
    spec : ModelSpec
        What it needs and gives; its scaling, if it has one, is applied before the module.
    softmax : bool
        The module gives logits; False if it gives probabilities.
    spatial : bool, optional
        The module sees patches. Default: if ``spec.halo`` is more than 0.
    precision : {"float32", "bfloat16"}
        Arithmetic of the module.
    batch : int
        Pixels per call, for a module of single pixels.

    Raises
    ------
    ModelError
        If there is no module, or `spatial` is off although the module needs a halo.

    Notes
    -----
    Missing values reach the module as NaN. `content_hash` covers weights, structure (``repr``) and
    specification, not the code of ``forward``.

    Examples
    --------
    >>> from lulc_xr.core.dates import RegularDates
    >>> from lulc_xr.core.legend import Legend
    >>> legend = Legend.from_names("demo", ["cropland", "water"])
    >>> spec = ModelSpec(bands=("red", "nir"), legends={"land_cover": legend}, dates=RegularDates())
    >>> module = nn.Sequential(nn.Flatten(), nn.Linear(24, 2))
    >>> predictor = ModulePredictor(module, spec=spec)
    >>> block = np.zeros((12, 2, 3, 5), np.float32)
    >>> predictor.predict_block(block, np.arange(12, dtype=np.int32), None).shape
    (2, 3, 5)
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        spec: ModelSpec,
        softmax: bool = True,
        spatial: bool | None = None,
        precision: str = "float32",
        batch: int = 2048,
    ) -> None:
        if not isinstance(module, nn.Module):
            raise ModelError(f"{module!r} is no torch.nn.Module; wrap one in ModulePredictor.")
        if batch < 1:
            raise ModelError(f"batch of {batch} pixels; give 1 or more.")
        if spatial is False and spec.halo:
            raise ModelError(
                f"spatial=False, but the specification asks for a halo of {spec.halo} pixels. "
                "Leave spatial out, or give a specification with halo=0."
            )
        self.spec = spec
        self.softmax = softmax
        self.spatial = bool(spec.halo) if spatial is None else spatial
        self.precision: Precision = check_precision(precision)
        self.batch = batch
        self.content_hash = _hash(module, spec, softmax=softmax)
        self._exact = copy.deepcopy(module).cpu().eval().requires_grad_(False)
        self._module = copy.deepcopy(self._exact).to(DTYPES[self.precision])

    def predict_block(
        self,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        context: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> Probabilities:
        """Class probabilities of a block, computed on the calling thread alone.

        Parameters
        ----------
        pixels : ndarray of float32
            Reflectance, shape (time, band, y, x), NaN where missing.
        days, context
            Not passed to the module.

        Returns
        -------
        ndarray of float32, or dict of task to such
            Probabilities, shape (class, y, x).

        Raises
        ------
        ModelError
            If the block has other bands than the model, or the module gives another shape.
        """
        if pixels.ndim != 4 or pixels.shape[1] != len(self.spec.bands):
            raise ModelError(
                f"block of shape {pixels.shape}; this model expects (time, band, y, x) with "
                f"{len(self.spec.bands)} bands ({', '.join(self.spec.bands)})."
            )
        shape = pixels.shape[2:]
        found = {
            task: np.empty((len(legend), *shape), np.float32)
            for task, legend in self.spec.legends.items()
        }
        with one_thread(), torch.inference_mode():
            for place, values in self._batches(pixels):
                for task, probabilities in self._call(values).items():
                    target = found[task].reshape(len(found[task]), -1)
                    target[:, place] = probabilities.numpy()
        return found if len(found) > 1 else next(iter(found.values()))

    def with_precision(self, precision: str) -> ModulePredictor:
        """The same model in another arithmetic."""
        other = copy.copy(self)
        other.precision = check_precision(precision)
        other._module = copy.deepcopy(self._exact).to(DTYPES[other.precision])
        return other

    def __repr__(self) -> str:
        name = type(self._module).__name__
        return f"<ModulePredictor {name}, {self.precision}, {self.content_hash[:12]}>"

    def _batches(self, pixels: NDArray[np.float32]) -> Iterator[tuple[slice, Tensor]]:
        """Positions among the pixels, and what the module is called with for them."""
        flat = np.ascontiguousarray(pixels, np.float32).reshape(*pixels.shape[:2], -1)
        count = flat.shape[2]
        if self.spatial:
            # A copy, as the block may be read-only memory, of which PyTorch warns.
            yield slice(0, count), self._scaled(torch.from_numpy(pixels.copy())[None])
            return
        for start in range(0, count, self.batch):
            part = np.ascontiguousarray(flat[:, :, start : start + self.batch].transpose(2, 0, 1))
            yield slice(start, start + len(part)), self._scaled(torch.from_numpy(part))

    def _scaled(self, values: Tensor) -> Tensor:
        scaling = self.spec.scaling
        if scaling is not None:
            shape = (-1, *[1] * (values.ndim - 3))
            mean = torch.tensor(scaling.mean).view(shape)
            values = (values - mean) / torch.tensor(scaling.std).view(shape)
        return values.to(DTYPES[self.precision])

    def _call(self, values: Tensor) -> dict[str, Tensor]:
        """Task to (class, pixel) float32 probabilities."""
        given = self._module(values)
        by_task = given if isinstance(given, Mapping) else {next(iter(self.spec.legends)): given}
        result = {}
        for task, legend in self.spec.legends.items():
            tail = tuple(values.shape[3:]) if self.spatial else ()
            expected = (len(values), len(legend), *tail)
            own = by_task.get(task)
            if own is None or tuple(own.shape) != expected:
                raise ModelError(
                    f"module {type(self._module).__name__} gave "
                    f"{'nothing' if own is None else f'shape {tuple(own.shape)}'} for task "
                    f"{task!r}; expected (batch, class{', y, x' if tail else ''}) = {expected}. "
                    "Check its last layer against the legend"
                    f"{', and pad convolutions so that y and x stay' if tail else ''}."
                )
            probabilities = own.float().softmax(dim=1) if self.softmax else own.float()
            result[task] = probabilities.movedim(1, 0).reshape(len(legend), -1)
        return result


def _hash(module: nn.Module, spec: ModelSpec, *, softmax: bool) -> str:
    kind = f"{type(module).__module__}.{type(module).__qualname__}"
    described = [kind, repr(module), spec.to_dict(), softmax, hash_weights(module.state_dict())]
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
