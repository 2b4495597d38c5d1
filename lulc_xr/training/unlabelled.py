"""Batches of unlabelled samples, from memory or from a cube, that go on from epoch to epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from lulc_xr.core.errors import SampleError
from lulc_xr.core.model import ModelSpec
from lulc_xr.samples.assembly import PATCH_DIMS
from lulc_xr.samples.loader import Batch, SampleBatches
from lulc_xr.samples.loader_unlabelled import UnlabelledBatches
from lulc_xr.samples.prefetch import Prefetched


class UnlabelledStream(IterableDataset[Batch]):
    """Batches without end: an epoch of few labelled samples takes the next ones, and no more.

    Parameters
    ----------
    batches : iterable
        Batches of one pass; each new iteration draws another order.
    """

    def __init__(self, batches: Iterable[Batch]) -> None:
        super().__init__()
        self._batches = batches
        self._running: Iterator[Batch] | None = None

    def __iter__(self) -> Iterator[Batch]:
        while True:
            if self._running is None:
                self._running = iter(self._batches)
            batch = next(self._running, None)
            if batch is None:
                self._running = None
            else:
                yield batch

    def skip(self, number: int) -> None:
        """Leave out so many batches, as a training that is resumed has seen them."""
        for _, _ in zip(range(number), self, strict=False):
            pass


def open_unlabelled(
    unlabelled: xr.Dataset,
    spec: ModelSpec,
    *,
    samples: xr.Dataset,
    batch_size: int,
    seed: int,
    fixed_dates: bool,
) -> UnlabelledStream:
    """Batches of unlabelled samples that a model of this specification can see.

    Parameters
    ----------
    unlabelled : xr.Dataset
        Samples in memory, whose labels are taken away; or a cube, whose pixels or patches are
        drawn shard by shard (:class:`lulc_xr.samples.loader_unlabelled.UnlabelledBatches`).
    spec : ModelSpec
        Says bands, dates, context.
    samples : xr.Dataset
        The labelled samples, whose patch and dates the others must have.
    batch_size : int
        Unlabelled samples of a batch; of fewer samples all.
    seed : int
        The order follows from it.
    fixed_dates : bool
        The network cannot see gaps: samples with gaps are refused.

    Raises
    ------
    SampleError
        If samples do not fit to the labelled ones, or fewer than two are seen.
    """
    if "sample" not in unlabelled.dims:
        side = samples.sizes.get(PATCH_DIMS[0], 1)
        drawn = UnlabelledBatches(
            unlabelled,
            dates=spec.dates,
            bands=spec.bands,
            year=_year(samples),
            patch=side,
            batch_size=batch_size,
            context=spec.context_scaling,
            seed=seed,
        )
        return UnlabelledStream(Prefetched(drawn))
    found = without_labels(unlabelled)
    _check_alike(found, spec, samples=samples)
    found = found.isel(sample=_seen(found)).sel(band=list(spec.bands))
    number = found.sizes["sample"]
    if number < 2:
        raise SampleError(
            f"{number} unlabelled samples with a clear date; expected at least 2. Draw more, or "
            "train without a method."
        )
    if fixed_dates and "patch_y" not in found.dims and bool(found["reflectance"].isnull().any()):
        raise SampleError(
            "unlabelled samples have dates that were not clear, but this network needs every "
            "date. Draw them with RegularDates(fill='linear'), as the labelled ones."
        )
    # Only full batches of one size: the last of a pass would else be small, and weigh as much.
    size = min(batch_size, number)
    return UnlabelledStream(
        _FullBatches(found, batch_size=size, seed=seed, context=spec.context_scaling)
    )


def without_labels(samples: xr.Dataset) -> xr.Dataset:
    """Samples without any label, so that none can be read by mistake."""
    tasks = str(samples.attrs.get("tasks", "")).split()
    return samples.drop_vars([*tasks, "labelled"], errors="ignore").assign_attrs(tasks="")


def describe_unlabelled(unlabelled: xr.Dataset) -> int | str:
    """What was unlabelled, for a provenance: the number of samples, or the size of the cube."""
    if "sample" in unlabelled.dims:
        return int(unlabelled.sizes["sample"])
    return f"cube of {unlabelled.sizes['y']} x {unlabelled.sizes['x']} pixels"


class _FullBatches(SampleBatches):
    """Batches of one size; what is left over in a pass is left out, other samples every time."""

    def __iter__(self) -> Iterator[Batch]:
        return (batch for batch in super().__iter__() if len(batch["weight"]) == self.batch_size)


def _seen(samples: xr.Dataset) -> NDArray[np.bool_]:
    values = samples["reflectance"]
    return np.asarray(values.notnull().any([d for d in values.dims if d != "sample"]).values)


def _year(samples: xr.Dataset) -> int | None:
    """Mapped year of the labelled samples, if it is one."""
    years = np.unique(samples["year"].values) if "year" in samples else np.empty(0)
    return int(years[0]) if years.size == 1 else None


def _check_alike(unlabelled: xr.Dataset, spec: ModelSpec, *, samples: xr.Dataset) -> None:
    missing = [band for band in spec.bands if band not in unlabelled["band"].values]
    if missing:
        raise SampleError(
            f"unlabelled samples lack band {', '.join(missing)}. Draw them with the bands of the "
            "labelled ones."
        )
    for dim in PATCH_DIMS:
        own, other = unlabelled.sizes.get(dim), samples.sizes.get(dim)
        if own != other:
            raise SampleError(
                f"unlabelled samples have {own or 'no'} pixels along {dim}, labelled ones "
                f"{other or 'none'}. Draw both with the same patch."
            )
    if unlabelled.attrs.get("dates") != samples.attrs.get("dates"):
        raise SampleError(
            f"unlabelled samples were drawn with dates {unlabelled.attrs.get('dates')}, labelled "
            f"ones with {samples.attrs.get('dates')}. Draw both with the same dates."
        )
