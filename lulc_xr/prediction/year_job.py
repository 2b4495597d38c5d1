"""What every task of one mapped year shares: sources, model, dates; and the run of one shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.blocks import Window, window
from lulc_xr.core.dates import YearDates
from lulc_xr.core.model import PredictorReference
from lulc_xr.core.regions import RegionKey
from lulc_xr.prediction.block import Block, predict_block
from lulc_xr.prediction.context import ContextSource
from lulc_xr.prediction.loading import load_once
from lulc_xr.prediction.outputs import Outputs
from lulc_xr.prediction.probe import Probe, probe_pixels
from lulc_xr.prediction.regions import RegionSource
from lulc_xr.prediction.sources import Source


@dataclass(frozen=True, kw_only=True)
class YearJob:
    """What every task of one mapped year shares."""

    reference: PredictorReference
    exact: PredictorReference | None
    reflectance: Source
    clear: Source | None
    context: ContextSource | None
    regions: tuple[RegionSource, ...]
    halo: int
    stride: int
    shape: tuple[int, int]
    shard: tuple[int, int]
    year: YearDates
    outputs: Outputs

    def run(self, rows: slice, columns: slice, *chunks: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """All variables of one shard; `chunks` are the inputs of all sources, in order."""
        place = self._window(rows, columns)
        outer = (place.outer_y, place.outer_x)
        given = iter(chunks)
        try:
            # Each source takes its own chunks from the row of all.
            read = [list(islice(given, len(s.inputs(*outer)))) if s else [] for s in self._sources]
            block = Block(
                pixels=self.reflectance.read(*outer, read[0]),
                decode=self.reflectance.decode,
                clear=self.clear.read(*outer, read[1]) if self.clear else None,
                context=self.context.read(*outer, read[2]) if self.context else None,
                regions=self._regions(outer, read[3:]),
                window=place,
            )
            return predict_block(
                block,
                load_once(self.reference),
                year=self.year,
                outputs=self.outputs,
                probe=self._probe(),
            )
        except BaseException as error:
            error.add_note(
                f"while classifying year {self.year.year}, rows {rows.start}-{rows.stop}, "
                f"columns {columns.start}-{columns.stop}"
            )
            raise

    def inputs(self, rows: slice, columns: slice) -> list[Any]:
        """Keys of the chunks that the task of one shard needs."""
        place = self._window(rows, columns)
        outer = (place.outer_y, place.outer_x)
        return [key for s in self._sources if s for key in s.inputs(*outer)]

    @property
    def identity(self) -> list[Any]:
        """All that decides the values of the inputs, JSON-able."""
        return [self.reflectance.identity, self.clear.identity if self.clear else None]

    def _regions(
        self, outer: tuple[slice, slice], chunks: Sequence[Sequence[Any]]
    ) -> dict[RegionKey, NDArray[np.int16]]:
        made: dict[RegionKey, NDArray[np.int16]] = {}
        for source, own in zip(self.regions, chunks, strict=True):
            made |= source.read(*outer, own)
        return made

    def _probe(self) -> Probe | None:
        if self.exact is None:
            return None
        return Probe(
            reference=load_once(self.exact),
            identity=self.reference.content_hash,
            pixels=probe_pixels(self.shard),
        )

    @property
    def _sources(self) -> tuple[Any, ...]:
        return (self.reflectance, self.clear, self.context, *self.regions)

    def _window(self, rows: slice, columns: slice) -> Window:
        return window(rows, columns, halo=self.halo, shape=self.shape, stride=self.stride)
