"""Context of a block: the cells around it are read, then interpolated to its pixels."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.context import CONTEXT, CoarseGrid, context_names, edge_of, interpolate
from lulc_xr.core.context_scaling import ContextScaling
from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import ContextRangeWarning, CubeError, ModelError
from lulc_xr.core.georeference import affine_of
from lulc_xr.core.model import ModelSpec
from lulc_xr.prediction.sources import Source, StoredSource, make_source

OUTSIDE = "context_outside"
"""Output that marks pixels whose context no training sample had."""

_warning = threading.Lock()
_warned: set[ContextScaling] = set()


@dataclass(frozen=True, kw_only=True)
class ContextSource:
    """Where a model's context of any block of one cube comes from.

    Parameters
    ----------
    names : tuple of str
        Variables, in the model's order.
    grid : CoarseGrid
        Where the cells lie.
    source : Source
        Their values.
    affine : tuple of float
        Affine coefficients of the cube.
    crs : str
        The cube's reference system.
    """

    names: tuple[str, ...]
    grid: CoarseGrid
    source: Source
    affine: tuple[float, float, float, float, float, float]
    crs: str

    @property
    def identity(self) -> list[Any]:
        """All that decides the values of a block, JSON-able."""
        return [self.names, asdict(self.grid), self.source.identity, self.affine, self.crs]

    def inputs(self, rows: slice, columns: slice) -> list[Any]:
        """Keys of the chunks that the task of a block depends on."""
        if isinstance(self.source, StoredSource):
            # Depends on no chunk: graphs of many blocks need not find their cells.
            return []
        part = self._cells(rows, columns)
        return self.source.inputs(*part) if _any(part) else []

    def read(
        self, rows: slice, columns: slice, chunks: Sequence[Any]
    ) -> dict[str, NDArray[np.float32]]:
        """Context of each pixel of a block, (y, x), NaN where there is none."""
        part = self._cells(rows, columns)
        values = (
            self.source.decode(self.source.read(*part, chunks))
            if _any(part)
            else np.empty((len(self.names), 0, 0), np.float32)
        )
        column = np.arange(columns.start, columns.stop)
        row = np.arange(rows.start, rows.stop)[:, None]
        y, x = self.grid.positions(*self._centres(column, row), crs=self.crs)
        found = interpolate(values, y - part[0].start, x - part[1].start)
        return dict(zip(self.names, found, strict=True))

    def _cells(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        # What lies farthest lies on the edge; the window has two cells to spare.
        row, column = edge_of((rows.start, rows.stop - 1), (columns.start, columns.stop - 1))
        return self.grid.window(*self.grid.positions(*self._centres(column, row), crs=self.crs))

    def _centres(
        self, column: NDArray[Any], row: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        step_x, _, left, _, step_y, top = self.affine
        return left + step_x * (column + 0.5), top + step_y * (row + 0.5)


def make_context(cube: xr.Dataset, names: Sequence[str]) -> tuple[ContextSource | None, Any]:
    """The source of a model's context, and the Dask array that tasks depend on, if any.

    Raises
    ------
    CubeError
        If the cube lacks context that the model needs.
    """
    if not names:
        return None, None
    if CONTEXT not in cube:
        raise CubeError(
            f"the model needs context {', '.join(names)}, and this cube has no {CONTEXT!r}. Add it "
            "to the cube's store, lulc_xr.write_context(bioclim, store), and open it again."
        )
    bioclim = cube[CONTEXT]
    positions = context_names(bioclim, names)
    grid = CoarseGrid.of(bioclim)
    plain = xr.DataArray(bioclim.variable.data, dims=("bioclim_variable", "y", "x"), name=CONTEXT)
    source, array = make_source(plain, [positions])
    return (
        ContextSource(
            names=tuple(names), grid=grid, source=source, affine=affine_of(cube), crs=crs_of(cube)
        ),
        array,
    )


def mark_outside(context: Mapping[str, NDArray[np.float32]], spec: ModelSpec) -> NDArray[np.uint8]:
    """1 where a pixel's context lies outside the range of the training samples, else 0, (y, x).

    The first time in a process that a model meets such pixels it warns of them.
    """
    scaling = spec.context_scaling
    values = np.stack([context[name] for name in spec.context])
    if scaling is None or scaling.low is None or scaling.high is None:
        return np.zeros(values.shape[1:], np.uint8)
    each = scaling.outside(values)
    found = np.asarray(each.any(0))
    if found.any():
        with _warning:
            first = scaling not in _warned
            _warned.add(scaling)
        if first:
            number = int(np.argmax(each.reshape(len(each), -1).any(1)))
            name, example = spec.context[number], values[number][each[number]][0]
            warnings.warn(
                f"context outside the range of the training samples at {int(found.sum())} of "
                f"{found.size} pixels of a block: {name} is {example:g}, and was "
                f"{scaling.low[number]:g} to {scaling.high[number]:g}. The map is an extrapolation "
                "there; outputs=[..., 'context_outside'] marks such pixels.",
                ContextRangeWarning,
                stacklevel=2,
            )
    marked: NDArray[np.uint8] = found.astype(np.uint8)
    return marked


def check_range(spec: ModelSpec) -> None:
    """Raise ModelError unless a model knows the range of the context it was trained on."""
    if not spec.context:
        raise ModelError(
            "output 'context_outside' of a model that takes no context. Leave it out of outputs."
        )
    if spec.context_scaling is None or spec.context_scaling.low is None:
        raise ModelError(
            f"output 'context_outside' of a model that does not know the range of its context "
            f"({', '.join(spec.context)}). Give its ModelSpec a context_scaling "
            "(lulc_xr.fit_context_scaling), or train it again."
        )


def _any(part: tuple[slice, slice]) -> bool:
    return all(span.stop > span.start for span in part)
