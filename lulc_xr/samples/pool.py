"""A window of samples in memory that waits for its turn and is drawn from at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Pool:
    """Rows of some arrays that are put in, and taken out in random order; memory is made once.

    Parameters
    ----------
    capacity : int
        Most rows that it holds.
    columns : mapping of str to (tuple of int, dtype)
        Shape and type of one row of each array.
    rng : numpy.random.Generator
        Decides the order.

    Examples
    --------
    >>> pool = Pool(4, {"number": ((), "int64")}, np.random.default_rng(0))
    >>> rows = pool.put(3)
    >>> pool.columns["number"][rows] = [7, 8, 9]
    >>> sorted(pool.draw(2)["number"].tolist() + pool.draw(1)["number"].tolist())
    [7, 8, 9]
    """

    def __init__(
        self,
        capacity: int,
        columns: Mapping[str, tuple[tuple[int, ...], DTypeLike]],
        rng: np.random.Generator,
    ) -> None:
        self.columns: dict[str, NDArray[Any]] = {
            name: np.empty((capacity, *shape), dtype) for name, (shape, dtype) in columns.items()
        }
        self.filled = 0
        # The first `filled` of these rows are in use.
        self._rows = np.arange(capacity)
        self._rng = rng

    @property
    def free(self) -> int:
        """Rows that can be put in."""
        return self._rows.size - self.filled

    def put(self, number: int) -> NDArray[np.int64]:
        """Rows of `columns` to write the next samples into; at most `free`."""
        rows = self._rows[self.filled : self.filled + number].copy()
        if rows.size < number:
            raise ValueError(f"{number} rows into a pool with {self.free} free ones.")
        self.filled += number
        return rows

    def draw(self, number: int) -> dict[str, NDArray[Any]]:
        """Copies of so many rows, which are free after that; fewer if there are fewer."""
        number = min(number, self.filled)
        places = self._rng.choice(self.filled, number, replace=False)
        rows = self._rows[places]
        drawn = {name: values[rows] for name, values in self.columns.items()}
        left = self.filled - number
        holes = places[places < left]
        movers = np.setdiff1d(np.arange(left, self.filled), places, assume_unique=True)
        self._rows[holes] = self._rows[movers]
        self._rows[left : self.filled] = rows
        self.filled = left
        return drawn
