"""Context of a block: the cells around it are read, then interpolated to its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.context import CONTEXT, CoarseGrid, context_names, edge_of, interpolate
from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError
from lulc_xr.core.georeference import affine_of
from lulc_xr.prediction.sources import Source, StoredSource, make_source


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


def _any(part: tuple[slice, slice]) -> bool:
    return all(span.stop > span.start for span in part)
