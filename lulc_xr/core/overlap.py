"""Which share of each pixel lies in a cell: exact areas of outlines, as spans of pixel rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.compiled import compiled
from lulc_xr.core.errors import CubeError


@dataclass(frozen=True, kw_only=True)
class Outlines:
    """Outlines of cells as closed rings of straight edges.

    Parameters
    ----------
    x, y : ndarray of float64
        Vertices of all rings, shape (vertex,): one ring after the other, the last vertex of a
        ring is joined to its first. In degrees (longitude, latitude), in units of a reference
        system, or as (column, row) of a raster; the maker says which.
    starts : ndarray of int64
        Where each ring begins, and the number of vertices: shape (ring + 1,).
    cells : ndarray of int64
        Position of the cell that each ring belongs to, ascending, shape (ring,). Rings of a cell
        do not overlap; holes run the other way round than what they are in.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    starts: NDArray[np.int64]
    cells: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.x.shape != self.y.shape or self.x.ndim != 1:
            raise CubeError(f"vertices of shapes {self.x.shape} and {self.y.shape}; expected (n,).")
        if self.starts.size != self.cells.size + 1 or self.starts[-1] != self.x.size:
            raise CubeError(
                f"{self.starts.size} starts for {self.cells.size} rings and {self.x.size} "
                "vertices; expected one per ring, and the number of vertices."
            )

    def moved(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Outlines:
        """The same rings with other coordinates."""
        return Outlines(x=x, y=y, starts=self.starts, cells=self.cells)

    def areas(self, number: int) -> NDArray[np.float64]:
        """Area that each of `number` cells encloses, in squared units of the coordinates."""
        found = np.zeros(number)
        for cell, a, b in zip(self.cells, self.starts[:-1], self.starts[1:], strict=True):
            x, y = self.x[a:b] - self.x[a], self.y[a:b] - self.y[a]
            found[cell] += (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2
        return np.abs(found)


@dataclass(frozen=True, kw_only=True)
class Spans:
    """Pixels of a block that lie in cells: runs along rows, each with the share that lies inside.

    Parameters
    ----------
    cell, row, start, stop : ndarray of int32
        Position of the cell, row of the block, first column and the one after the last, (span,).
    weight : ndarray of float64
        Share of each of these pixels that lies in the cell, 0 < weight <= 1, (span,). Inner
        pixels have exactly 1; a pixel on an edge has a span of its own in each cell it meets.
    """

    cell: NDArray[np.int32]
    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return self.cell.size

    def pixels(self, number: int) -> NDArray[np.float64]:
        """Pixels, with parts of pixels, in each of `number` cells, shape (cell,)."""
        lengths = (self.stop - self.start) * self.weight
        found: NDArray[np.float64] = np.bincount(
            self.cell, weights=lengths, minlength=number
        ).astype(np.float64)
        return found


def cover(outlines: Outlines, shape: tuple[int, int]) -> Spans:
    """Spans of a block's pixels inside each cell, with exact shares of the pixels on edges.

    Parameters
    ----------
    outlines : Outlines
        As (column, row) of the block: pixel (i, j) is the square from (j, i) to (j + 1, i + 1).
        They may reach beyond the block.
    shape : tuple of int
        Rows and columns of the block.

    Returns
    -------
    Spans
        Ordered by cell, row and column. Where cells share their edges, the weights of each pixel
        add up to 1 (within 1e-9).

    Notes
    -----
    The signed area to the right of each edge is added up pixel by pixel, as renderers of fonts
    do; along a row, the sum of what edges add so far is the share of the pixels up to the next
    edge. The work grows with the length of the outlines, not with the area of the block.

    Examples
    --------
    >>> square = Outlines(
    ...     x=np.array([0.5, 3, 3, 0.5]),
    ...     y=np.array([0, 0, 1.0, 1]),
    ...     starts=np.array([0, 4]),
    ...     cells=np.array([0]),
    ... )
    >>> found = cover(square, (2, 5))
    >>> list(zip(found.start.tolist(), found.stop.tolist(), found.weight.tolist()))
    [(0, 1, 0.5), (1, 3, 1.0)]
    """
    rows, columns = shape
    parts = _trace(outlines.x, outlines.y, outlines.starts, outlines.cells, rows, columns)
    names = ("cell", "row", "start", "stop", "weight")
    return Spans(**dict(zip(names, parts, strict=True)))


@compiled
def _trace(x: Any, y: Any, starts: Any, cells: Any, rows: int, columns: int) -> Any:
    """Arrays of :class:`Spans`; one sorted list of touched pixels for each cell."""
    tiny = 1e-9
    rings = cells.size
    # How many pixels the edges of each cell can touch, at most.
    total = 0
    most = 0
    first = 0
    while first < rings:
        last = first
        touched = 0
        while last < rings and cells[last] == cells[first]:
            for i in range(starts[last], starts[last + 1]):
                j = i + 1 if i + 1 < starts[last + 1] else starts[last]
                low, high = max(min(y[i], y[j]), 0.0), min(max(y[i], y[j]), float(rows))
                if low < high:
                    left = max(min(x[i], x[j]), 0.0)
                    right = min(max(x[i], x[j]), float(columns))
                    touched += 3 * (int(high - low) + 3) + int(max(right - left, 0.0)) + 2
            last += 1
        total += touched
        most = max(most, touched)
        first = last
    key = np.empty(most, np.int64)
    rise = np.empty(most, np.float64)
    area = np.empty(most, np.float64)
    line = np.empty(most, np.int64)
    order = np.empty(most, np.int64)
    ends = np.empty(rows, np.int64)
    cell_out = np.empty(2 * total, np.int32)
    row_out = np.empty(2 * total, np.int32)
    start_out = np.empty(2 * total, np.int32)
    stop_out = np.empty(2 * total, np.int32)
    weight_out = np.empty(2 * total, np.float64)
    made = 0
    first = 0
    while first < rings:
        count = 0
        last = first
        turn = 0.0
        while last < rings and cells[last] == cells[first]:
            begin, end = starts[last], starts[last + 1]
            for i in range(begin, end):
                j = i + 1 if i + 1 < end else begin
                turn += (x[i] - x[begin]) * (y[j] - y[begin]) - (x[j] - x[begin]) * (
                    y[i] - y[begin]
                )
                if y[i] == y[j]:
                    continue
                if y[i] < y[j]:
                    way, xa, ya, xb, yb = 1.0, x[i], y[i], x[j], y[j]
                else:
                    way, xa, ya, xb, yb = -1.0, x[j], y[j], x[i], y[i]
                low, high = max(ya, 0.0), min(yb, float(rows))
                if low >= high:
                    continue
                slope = (xb - xa) / (yb - ya)
                row = int(low)
                while row < high:
                    top, bottom = max(low, float(row)), min(high, row + 1.0)
                    height = bottom - top
                    xs, xe = xa + (top - ya) * slope, xa + (bottom - ya) * slope
                    left, right = min(xs, xe), max(xs, xe)
                    if height > 0 and left < columns:
                        if right <= 0:
                            line[count], key[count] = row, 0
                            rise[count], area[count] = way * height, 0.0
                            count += 1
                        else:
                            if left < 0:
                                part = way * height * (-left / (right - left))
                                line[count], key[count] = row, 0
                                rise[count], area[count] = part, 0.0
                                count += 1
                            column = int(max(left, 0.0))
                            stop = min(right, float(columns))
                            while True:
                                a, b = max(left, float(column)), min(right, column + 1.0)
                                part = way * height
                                if right > left:
                                    part *= (b - a) / (right - left)
                                line[count], key[count] = row, column + 1
                                rise[count] = part
                                area[count] = part * (column + 1 - (a + b) / 2)
                                count += 1
                                column += 1
                                if column >= stop:
                                    break
                    row += 1
            last += 1
        sign = 1.0 if turn > 0 else -1.0
        # In the order of rows by counting, within a row one by one: rows hold few touched pixels.
        top = rows
        bottom = 0
        for n in range(count):
            top = min(top, line[n])
            bottom = max(bottom, line[n] + 1)
        ends[top:bottom] = 0
        for n in range(count):
            ends[line[n]] += 1
        for row in range(top + 1, bottom):
            ends[row] += ends[row - 1]
        for n in range(count - 1, -1, -1):
            ends[line[n]] -= 1
            order[ends[line[n]]] = n
        begin = 0
        for row in range(top, bottom):
            end = ends[row + 1] if row + 1 < bottom else count
            ends[row] = end
            if end - begin > 24:
                order[begin:end] = order[begin:end][np.argsort(key[order[begin:end]])]
            else:
                for n in range(begin + 1, end):
                    taken = order[n]
                    place = n
                    while place > begin and key[order[place - 1]] > key[taken]:
                        order[place] = order[place - 1]
                        place -= 1
                    order[place] = taken
            begin = end
        inside = 0.0
        n = 0
        while n < count:
            row, column = line[order[n]], key[order[n]] - 1
            raised, covered = 0.0, 0.0
            while n < ends[row] and key[order[n]] == column + 1:
                raised += rise[order[n]]
                covered += area[order[n]]
                n += 1
            if column >= 0:
                share = min(sign * -(inside + covered), 1.0)
                if share > tiny:
                    cell_out[made], row_out[made] = cells[first], row
                    start_out[made], stop_out[made] = column, column + 1
                    weight_out[made] = share
                    made += 1
            inside += raised
            stop_column = key[order[n]] - 1 if n < ends[row] else columns
            share = sign * -inside
            if share > 1 - tiny:
                share = 1.0
            if share > tiny and stop_column > column + 1:
                cell_out[made], row_out[made] = cells[first], row
                start_out[made], stop_out[made] = column + 1, stop_column
                weight_out[made] = share
                made += 1
            if n == ends[row]:
                inside = 0.0
        first = last
    return (
        cell_out[:made],
        row_out[:made],
        start_out[:made],
        stop_out[:made],
        weight_out[:made],
    )
