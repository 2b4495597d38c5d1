"""Patches of the pieces of a cube, without labels: cut in memory, with context of their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.context import CONTEXT, context_at, context_names
from lulc_xr.core.context_scaling import ContextScaling
from lulc_xr.core.cube import check_scale, crs_of
from lulc_xr.core.errors import CubeError
from lulc_xr.samples.patches import iterate_positions
from lulc_xr.samples.pieces import Piece, PieceReader
from lulc_xr.samples.pool import Pool

Place = tuple[slice, slice]


class PlaceContext:
    """Scaled context of places of a cube; its coarse grid is held in memory.

    Parameters
    ----------
    cube : xr.Dataset
        A checked cube.
    scaling : ContextScaling
        Variables, and how they are scaled.

    Raises
    ------
    CubeError
        If the cube has no context, or not these variables.
    """

    def __init__(self, cube: xr.Dataset, scaling: ContextScaling) -> None:
        if CONTEXT not in cube:
            raise CubeError(
                f"this cube carries no context, and {', '.join(scaling.variables)} is asked for. "
                "Write it into the cube's store first: lulc_xr.write_context."
            )
        self.scaling, self._crs = scaling, crs_of(cube)
        chosen = context_names(cube[CONTEXT], scaling.variables)
        # Here, not in a worker: a forked pool of Dask threads would hang.
        self._values = cube[CONTEXT].isel(bioclim_variable=chosen).compute()

    def at(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float32]:
        """Context (place, variable) of places in the cube's system; NaN where there is none."""
        names = self.scaling.variables
        raw = context_at(self._values, x, y, crs=self._crs, variables=names)
        return np.ascontiguousarray(self.scaling.scale(raw).T)


@dataclass(kw_only=True)
class PatchSource:
    """Patches of a cube, piece by piece; those without any clear pixel or context are left out.

    Parameters
    ----------
    reader : PieceReader
        Reads the pieces.
    patch, stride : int
        Side of a patch, and pixels from one to the next.
    share : float
        Part of the patches to take.
    y, x : ndarray of float
        Coordinates of the cube's rows and columns.
    context : PlaceContext or None
        Gives the context of places.
    """

    reader: PieceReader
    patch: int
    stride: int
    share: float
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    context: PlaceContext | None
    _places: dict[tuple[int, int], list[Place]] = field(default_factory=dict, repr=False)

    def count(self, piece: Piece) -> int:
        """Patches of a piece, seen or not."""
        rows, columns = (
            max(1, -(-(size - self.patch + self.stride) // self.stride)) for size in piece.shape
        )
        return rows * columns

    def most(self, piece: Piece) -> int:
        """Most patches that are taken of a piece."""
        count = self.count(piece)
        return min(count, int(self.share * count) + 1)

    def columns(self, *, dates: int, bands: int) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and type of what a pool holds of a patch."""
        around = (self.patch, self.patch) if self.patch > 1 else ()
        columns: dict[str, tuple[tuple[int, ...], str]] = {
            "series": ((dates, bands, *around), "float32"),
            "index": ((), "int64"),
        }
        if self.context is not None:
            columns["context"] = ((len(self.context.scaling.variables),), "float32")
        return columns

    def put(self, pool: Pool, piece: Piece, rng: np.random.Generator, *, most: int | None) -> int:
        """Read a piece and put patches of it into a pool, at most `most`; how many there were.

        `index` is the position of the first pixel of a patch: row times the width of the cube,
        plus column.
        """
        series, seen = self.reader.read(piece)
        check_scale(series[..., ::8, ::8])
        rows, columns = self._choose(piece, seen, rng)
        context = None
        if self.context is not None:
            middle = self.patch // 2
            y = self.y[np.minimum(rows + piece.y.start + middle, piece.y.stop - 1)]
            x = self.x[np.minimum(columns + piece.x.start + middle, piece.x.stop - 1)]
            context = self.context.at(y, x)
            there = ~np.isnan(context).any(axis=1)
            rows, columns, context = rows[there], columns[there], context[there]
        rows, columns = rows[:most], columns[:most]
        put = pool.put(rows.size)
        if context is not None:
            pool.columns["context"][put] = context[:most]
        index = (rows + piece.y.start) * self.x.size + columns + piece.x.start
        pool.columns["index"][put] = index
        self._cut(series, rows, columns, put, pool.columns["series"])
        return int(put.size)

    def _choose(
        self, piece: Piece, seen: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First rows and columns of a random part of the patches, of those with a seen pixel."""
        count = self.count(piece)
        wanted = rng.permutation(count)[: int(self.share * count + rng.random())]
        if self.patch == 1:
            rows, columns = np.divmod(wanted, piece.shape[1])
            usable = seen[rows, columns]
        else:
            places = self._places_of(piece.shape)
            starts = np.array([(rows.start, columns.start) for rows, columns in places], np.int64)
            rows, columns = starts[wanted].T
            usable = np.array([bool(seen[places[i]].any()) for i in wanted], np.bool_)
        return rows[usable], columns[usable]

    def _cut(
        self,
        series: NDArray[np.float32],
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        put: NDArray[np.int64],
        into: NDArray[Any],
    ) -> None:
        """Copy patches into rows of a pool; NaN beyond the piece."""
        if self.patch == 1:
            into[put] = np.moveaxis(series[:, :, rows, columns], -1, 0)
            return
        for place, row, column in zip(put, rows, columns, strict=True):
            part = series[:, :, row : row + self.patch, column : column + self.patch]
            down, right = part.shape[-2:]
            if (down, right) != (self.patch, self.patch):
                into[place] = np.nan
            into[place, :, :, :down, :right] = part

    def _places_of(self, shape: tuple[int, int]) -> Sequence[Place]:
        """Where the patches of a piece lie in it; xbatcher works them out once per shape."""
        if shape not in self._places:
            shared = self.patch - self.stride
            windows = iterate_positions(
                {"y": shape[0], "x": shape[1]},
                steps={"y": self.patch, "x": self.patch},
                overlap={"y": shared, "x": shared},
            )
            self._places[shape] = [
                (
                    slice(int(w["y"][0]), int(w["y"][-1]) + 1),
                    slice(int(w["x"][0]), int(w["x"][-1]) + 1),
                )
                for w in windows
            ]
        return self._places[shape]
