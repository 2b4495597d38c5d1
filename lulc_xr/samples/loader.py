"""Batches of samples as PyTorch tensors, in a seeded order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from lulc_xr.core.context_scaling import ContextScaling, context_of_samples
from lulc_xr.core.errors import SampleError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import tasks_of
from lulc_xr.samples.assembly import PATCH_DIMS
from lulc_xr.samples.loader_members import rank_of_many
from lulc_xr.samples.patches import iterate_positions


class Batch(TypedDict):
    """Tensors of one batch.

    `series` (batch, time, band) float32 reflectance, NaN where missing; `mask` (batch, time)
    bool, True where observed; `days` (batch, time) int32 days since the first day of the
    mapped year; `context` (batch, context) float32, scaled, or None; `labels` task to (batch,)
    int64 positions in the legend, -1 without label; `targets` name to (batch,) float32 of what
    is regressed, NaN where missing; `weight` (batch,) float32; `index` (batch,) int64
    positions of the samples.

    Of patches, series are (batch, time, band, y, x), masks (batch, time, y, x), labels and
    targets (batch, y, x): -1 or NaN wherever the sample says nothing of a pixel.
    """

    series: Tensor
    mask: Tensor
    days: Tensor
    context: Tensor | None
    labels: dict[str, Tensor]
    targets: dict[str, Tensor]
    weight: Tensor
    index: Tensor


class SampleBatches(IterableDataset[Batch]):
    """Batches of samples; every sample comes exactly once in an epoch, the last batch is short.

    Samples are held in memory. Give it to ``torch.utils.data.DataLoader(batches,
    batch_size=None)``, or iterate over it. With worker processes each batch is made by one
    of them; those start from the epoch that this object is in, so call :meth:`set_epoch`.

    Processes of a distributed training share every batch: `batch_size` is that of all of them
    together, and each takes its part, so that steps are those of a single process. A last batch
    of fewer than two samples for each is then left out.

    Parameters
    ----------
    samples : xr.Dataset
        Samples as :func:`lulc_xr.extract_samples` gives them. Scaling is left to the learner.
    batch_size : int
        Samples of a batch.
    shuffle : bool
        Draw another order in every epoch; False keeps the order of the samples.
    seed : int
        The order follows from the seed and the number of the epoch.
    context : ContextScaling, optional
        Context variables that batches carry, and their scaling.
    regressions : sequence of str
        Variables of the samples, (sample,) or (sample, patch_y, patch_x), that batches carry as
        `targets`.
    shared : bool
        Whether processes that train together share every batch; if not, each gets all of it.

    Raises
    ------
    SampleError
        If there is no sample, `batch_size` is below 1, or samples lack context or a variable.
    LegendError
        If a label is not part of its legend.

    Examples
    --------
    >>> from lulc_xr.samples.extract import extract_samples
    >>> from lulc_xr.testing import landscape, points
    >>> cube = landscape(y=48, x=48)
    >>> batches = SampleBatches(extract_samples(cube, points(cube, per_class=4)), batch_size=8)
    >>> [tuple(batch["series"].shape) for batch in batches]
    [(8, 12, 10), (8, 12, 10), (4, 12, 10)]
    """

    def __init__(
        self,
        samples: xr.Dataset,
        *,
        batch_size: int = 256,
        shuffle: bool = True,
        seed: int = 0,
        context: ContextScaling | None = None,
        regressions: Sequence[str] = (),
        shared: bool = True,
    ) -> None:
        super().__init__()
        self.size = samples.sizes.get("sample", 0)
        if not self.size:
            raise SampleError("no sample to make batches of; check the points or the fold.")
        if batch_size < 1:
            raise SampleError(f"batch_size {batch_size}; give a whole number >= 1.")
        self.batch_size, self.shuffle, self.seed, self.epoch = batch_size, shuffle, seed, 0
        around = [dim for dim in PATCH_DIMS if dim in samples.dims]
        series = samples["reflectance"].transpose("sample", "time", "band", *around).to_numpy()
        self._series = np.ascontiguousarray(series, np.float32)
        self._mask = np.asarray(~np.isnan(self._series).any(axis=2))  # over bands
        # (time,), or (sample, time) where samples are of several years.
        self._days = np.array(samples["day"].transpose(..., "time").to_numpy(), np.int32)
        weight = samples["weight"].to_numpy() if "weight" in samples else np.ones(self.size)
        self._weight = weight.astype(np.float32)
        self._labels = {
            task: Legend.from_flags(samples[task].attrs)
            .index_of(samples[task].transpose("sample", ...).to_numpy())
            .astype(np.int64)
            for task in tasks_of(samples)
        }
        self._targets = {name: _target(samples, name) for name in regressions}
        self._known = _known(samples) if around else None
        self._context: NDArray[np.float32] | None = None
        if context is not None:
            raw, _ = context_of_samples(samples, context.variables)
            self._context = np.ascontiguousarray(context.scale(raw).T)
        self._rank, self._processes = rank_of_many() if shared else (0, 1)

    def __len__(self) -> int:
        whole, rest = divmod(self.size, self.batch_size)
        return whole + (rest >= self._smallest)

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration the epoch of this number (0-based)."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        order = np.arange(self.size)
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.size)
        self.epoch += 1
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        windows = iterate_positions({"sample": self.size}, steps={"sample": self.batch_size})
        for number, window in enumerate(windows):
            chosen = order[window["sample"]]
            if number % step == first and chosen.size >= self._smallest:
                yield self._batch(np.array_split(chosen, self._processes)[self._rank])

    def in_order(self) -> Iterator[Batch]:
        """All batches in the order of the samples, whatever the workers."""
        for first in range(0, self.size, self.batch_size):
            yield self._batch(np.arange(first, min(first + self.batch_size, self.size)))

    @property
    def _smallest(self) -> int:
        """Fewest samples of a batch that can be shared: batch norm needs two in each process."""
        return 1 if self._processes == 1 else 2 * self._processes

    def _batch(self, chosen: NDArray[np.int64]) -> Batch:
        # NumPy gathers in this thread; PyTorch would wake its threads, which costs up to 20 ms
        # a batch where the processor is busy.
        return {
            "series": torch.from_numpy(self._series[chosen]),
            "mask": torch.from_numpy(self._mask[chosen]),
            "days": torch.from_numpy(self._days).expand(len(chosen), -1)
            if self._days.ndim == 1
            else torch.from_numpy(self._days[chosen]),
            "context": None if self._context is None else torch.from_numpy(self._context[chosen]),
            "labels": {t: self._placed(v[chosen], chosen, -1) for t, v in self._labels.items()},
            "targets": {
                t: self._placed(v[chosen], chosen, np.nan) for t, v in self._targets.items()
            },
            "weight": torch.from_numpy(self._weight[chosen]),
            "index": torch.from_numpy(chosen.astype(np.int64)),
        }

    def _placed(self, values: NDArray[Any], chosen: NDArray[np.int64], nothing: float) -> Tensor:
        """Values of samples, of patches at the pixels that they hold for."""
        if self._known is not None and values.ndim == 1:
            where = self._known[chosen]
            values = np.where(where, values[:, None, None], values.dtype.type(nothing))
        return torch.from_numpy(values)


def _known(samples: xr.Dataset) -> NDArray[np.bool_]:
    """Where in its patch the label of a sample holds, (sample, y, x): at least in the middle."""
    if "labelled" in samples:
        return np.asarray(samples["labelled"].transpose("sample", *PATCH_DIMS).to_numpy() != 0)
    sides = [samples.sizes[dim] for dim in PATCH_DIMS]
    known = np.zeros((samples.sizes["sample"], *sides), np.bool_)
    known[:, sides[0] // 2, sides[1] // 2] = True
    return known


def _target(samples: xr.Dataset, name: str) -> NDArray[np.float32]:
    if name not in samples or "sample" not in samples[name].dims:
        raise SampleError(name_unknown("variable of samples to regress", name, map(str, samples)))
    return samples[name].transpose("sample", ...).to_numpy().astype(np.float32)
