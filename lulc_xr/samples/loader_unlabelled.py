"""Batches of unlabelled pixels or patches, drawn from a Zarr cube while a network learns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from lulc_xr.core.context_scaling import ContextScaling
from lulc_xr.core.cube import check_cube
from lulc_xr.core.dates import Dates, RegularDates, plan_year, years_covered
from lulc_xr.core.errors import SampleError
from lulc_xr.samples.loader import Batch
from lulc_xr.samples.loader_members import member_of_many
from lulc_xr.samples.patch_source import PatchSource, PlaceContext
from lulc_xr.samples.pieces import PieceReader, plan_pieces
from lulc_xr.samples.pool import Pool

_FLOAT32 = 4


class UnlabelledBatches(IterableDataset[Batch]):
    """Batches of a cube's pixels or patches, on the time axis of a model, without labels.

    An epoch reads each shard of the store once, in another order every time: a shard is read
    in groups of whole chunks, cut into patches in memory, and those wait in a window of a few
    shards from which batches are drawn at random. The window is all that is held in memory.

    Give it to ``torch.utils.data.DataLoader(batches, batch_size=None, num_workers=...)``, or
    iterate over it. Worker processes (and the processes of a distributed training) share
    the shards; together they give every patch once. The same seed, epoch, and number of
    workers give the same batches. Patches do not cross the borders of shards; the part of a
    patch beyond its shard's border is NaN and not observed.

    Parameters
    ----------
    cube : xr.Dataset
        Cube with `reflectance(time, band, y, x)` and, if there is one, `clear(time, y, x)`; as
        :func:`lulc_xr.open_cube` gives it, chunks are read straight from the store.
    dates : RegularDates or RawDates, optional
        Time axis of the labelled samples (``spec.dates``). Default: monthly medians.
    bands : sequence of str, optional
        Bands to take, in this order (``spec.bands``). Default: all.
    year : int, optional
        Mapped year. Default: the only one that the cube covers.
    patch : int
        Side of a patch in pixels. 1: single pixels.
    stride : int, optional
        Pixels from one patch to the next. Default: `patch`, so that every pixel comes once.
    batch_size : int
        Pixels or patches of a batch; the last batch of a worker may be short.
    share : float
        Part (above 0, to 1) of the patches that an epoch takes, others in every epoch.
    number : int, optional
        Patches after which an epoch ends (about: workers share them); the shards beyond are
        not read. Default: all.
    context : ContextScaling, optional
        Context variables that batches carry, interpolated to the middle of the patch, and
        their scaling. Where the cube has no context there is no patch.
    window : int
        Shards that are mixed with each other.
    endless : bool
        Start anew after the last shard, with another order, instead of ending the epoch.
    seed : int
        The order follows from the seed and the number of the epoch.

    Raises
    ------
    SampleError
        If a setting is out of range, a patch does not fit into a shard, or nothing is clear.
    CubeError
        If the cube breaks the contract, has no date in the year, or lacks context.

    Examples
    --------
    >>> from lulc_xr.testing import landscape
    >>> cube = landscape(y=48, x=40, chunks={"y": 24, "x": 40})
    >>> batches = UnlabelledBatches(cube, patch=16, batch_size=4)
    >>> [tuple(batch["series"].shape) for batch in batches]
    [(4, 12, 10, 16, 16), (4, 12, 10, 16, 16), (4, 12, 10, 16, 16)]
    """

    def __init__(
        self,
        cube: xr.Dataset,
        *,
        dates: Dates | None = None,
        bands: Sequence[str] | None = None,
        year: int | None = None,
        patch: int = 1,
        stride: int | None = None,
        batch_size: int = 64,
        share: float = 1.0,
        number: int | None = None,
        context: ContextScaling | None = None,
        window: int = 4,
        endless: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        dates = dates or RegularDates()
        cube = check_cube(cube, bands=bands)
        known = [str(b) for b in cube["band"].values]
        self.bands = tuple(known if bands is None else bands)
        self.patch, self.stride = patch, patch if stride is None else stride
        self.batch_size, self.share, self.number = batch_size, share, number
        self.window, self.endless, self.seed, self.epoch = window, endless, seed, 0
        self._check_settings()
        planned = plan_year(cube["time"].values, dates, year=_year(cube, dates, year))
        positions = tuple(known.index(b) for b in self.bands)
        self._source = PatchSource(
            reader=PieceReader.of(cube, bands=positions, dates=dates, year=planned),
            patch=patch,
            stride=self.stride,
            share=share,
            y=cube["y"].values,
            x=cube["x"].values,
            context=None if context is None else PlaceContext(cube, context),
        )
        self._days = np.array(planned.days, np.int32)
        longest = max(len(planned.positions), len(planned.days))
        self.shards = plan_pieces(
            self._source.reader.reader.grid,
            (cube.sizes["y"], cube.sizes["x"]),
            side=patch,
            bytes_of_pixel=_FLOAT32 * longest * len(self.bands),
        )
        self._process = os.getpid()

    @property
    def patches(self) -> int:
        """Patches (or pixels) of the whole cube, those that were never clear included."""
        return sum(self._source.count(piece) for pieces in self.shards for piece in pieces)

    @property
    def window_bytes(self) -> int:
        """Bytes of the patches that each worker holds in memory."""
        return self._capacity() * _FLOAT32 * len(self._days) * len(self.bands) * self.patch**2

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration the epoch of this number (0-based)."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        if self._process != os.getpid():
            # Another process: locks and connections belong to the one that made them.
            self._source.reader, self._process = self._source.reader.reopened(), os.getpid()
        epoch, again = self.epoch, 0
        self.epoch += 1
        member, members = member_of_many()
        while True:
            given = 0
            for batch in self._pass((self.seed, epoch, again), member, members):
                given += 1
                yield batch
            if not given and (members == 1 or self.endless):
                raise SampleError(
                    f"reader {member + 1} of {members} of this cube found no pixel that was clear "
                    f"in {self._source.reader.year.year} (and has context, if that is asked for): "
                    f"{len(self.shards)} shards, {self.patches} patches of {self.patch} pixels. "
                    "Choose another year, or fewer workers."
                )
            if not self.endless:
                return
            again += 1

    def _pass(self, key: tuple[int, ...], member: int, members: int) -> Iterator[Batch]:
        """Batches of all pieces that belong to one of `members` readers, each read once."""
        units = self.shards
        if len(units) < members:
            units = [[piece] for pieces in units for piece in pieces]
        order = np.random.default_rng(key).permutation(len(units))[member::members]
        rng = np.random.default_rng((*key, member))
        columns = self._source.columns(dates=self._days.size, bands=len(self.bands))
        pool = Pool(self._capacity(), columns, rng)
        left = None
        if self.number is not None:
            left = self.number // members + (member < self.number % members)
        for piece in (piece for place in order for piece in units[place]):
            if left == 0:
                break
            while pool.free < self._source.most(piece):
                yield self._batch(pool.draw(self.batch_size))
            put = self._source.put(pool, piece, rng, most=left)
            left = None if left is None else left - put
        while pool.filled:
            yield self._batch(pool.draw(self.batch_size))

    def _batch(self, drawn: dict[str, NDArray[Any]]) -> Batch:
        number = len(drawn["series"])
        return {
            "series": torch.from_numpy(drawn["series"]),
            "mask": torch.from_numpy(~np.isnan(drawn["series"]).any(axis=2)),  # over bands
            "days": torch.from_numpy(self._days).expand(number, -1),
            "context": torch.from_numpy(drawn["context"]) if "context" in drawn else None,
            "labels": {},
            "targets": {},
            "weight": torch.ones(number),
            "index": torch.from_numpy(drawn["index"]),
        }

    def _capacity(self) -> int:
        """Patches that the window holds."""
        most = [[self._source.most(piece) for piece in pieces] for pieces in self.shards]
        held = sum(sorted((sum(own) for own in most), reverse=True)[: self.window])
        # Room for the largest piece while less than a batch is left.
        return max(held, max(map(max, most)) + self.batch_size)

    def _check_settings(self) -> None:
        for name in ("patch", "batch_size", "window"):
            value = getattr(self, name)
            if value != int(value) or value < 1:
                raise SampleError(f"{name}={value!r}; give a whole number >= 1.")
        if not 1 <= self.stride <= self.patch:
            raise SampleError(
                f"stride={self.stride!r} of patches of {self.patch} pixels; expected 1 to "
                f"{self.patch}, so that no pixel is left out."
            )
        if not 0 < self.share <= 1:
            raise SampleError(f"share={self.share!r}; expected a part above 0, at most 1.")
        if self.number is not None and self.number < 1:
            raise SampleError(f"number={self.number!r} of patches; give >= 1, or None for all.")


def _year(cube: xr.Dataset, dates: Dates, year: int | None) -> int:
    if year is not None:
        return year
    covered = years_covered(cube["time"].values, start_month=dates.start_month)
    if len(covered) != 1:
        raise SampleError(
            f"this cube covers {len(covered)} whole mapped years "
            f"({', '.join(map(str, covered)) or 'none'}) that begin in month {dates.start_month}; "
            "expected one. Pass year=... to say of which patches are drawn."
        )
    return covered[0]
