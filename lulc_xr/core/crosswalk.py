"""From the classes of one legend to those of another, as shares, with what cannot be said left out.

A crosswalk is a matrix (source, target). A row sums to 1, or the class is *ignored*: its row is
zero, its labels become 255 and its share of a fraction is kept apart. Some rows depend on a second
key, such as the land use or the biogeographical region.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lulc_xr.core.errors import LegendError
from lulc_xr.core.legend import FILL_CLASS, Legend

ANY_OTHER = "*"
"""Key of a row that holds for every key without a row of its own."""

_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class CrosswalkRow:
    """What becomes of one class: shares of target classes, or nothing (ignored).

    Parameters
    ----------
    source : int
        Class id in the source legend.
    shares : mapping of int to float
        Shares of target class ids, which sum to 1; empty: the class is ignored.
    published : bool
        Whether `reference` is a publication or public code; otherwise it is our own proposal.
    reference : str
        Where the row is published, or why it is proposed.
    key : str, optional
        Second key for which the row holds; ``"*"`` for any that has no row of its own, None
        where the key is not known.
    """

    source: int
    shares: Mapping[int, float]
    published: bool
    reference: str
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Crosswalk:
    """Row-stochastic matrix from a source legend to a target legend.

    Parameters
    ----------
    source, target : Legend
        The two legends.
    rows : tuple of CrosswalkRow
        One row without a key for each source class, and rows for some keys.
    key : str, optional
        What the second key is, such as ``"land use (LU1)"``.

    Raises
    ------
    LegendError
        If a class has no row or two, a class id is not part of its legend, or shares do not
        sum to 1.

    Examples
    --------
    >>> from lulc_xr.core.crosswalks import crosswalk
    >>> walk = crosswalk("lucas_lc1_level1", "worldcover")
    >>> walk.map_labels(np.array([2, 3, 255])).tolist()
    [40, 10, 255]
    """

    source: Legend
    target: Legend
    rows: tuple[CrosswalkRow, ...]
    key: str | None = None
    _matrices: Mapping[str | None, NDArray[np.float64]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        found: dict[tuple[int, str | None], CrosswalkRow] = {}
        for row in self.rows:
            self._check(row)
            if (row.source, row.key) in found:
                raise LegendError(
                    f"class {row.source} of {self.source.name!r} has two rows for key {row.key!r}."
                )
            found[row.source, row.key] = row
        missing = [str(i) for i in self.source.ids if (i, None) not in found]
        if missing:
            raise LegendError(
                f"class {', '.join(missing)} of {self.source.name!r} has no row without a key. "
                "Say what becomes of it; shares={} ignores it."
            )
        matrices: dict[str | None, NDArray[np.float64]] = {}
        for key in {row.key for row in self.rows}:
            matrices[key] = np.zeros((len(self.source), len(self.target)))
            for place, class_id in enumerate(self.source.ids):
                default = found.get((class_id, ANY_OTHER), found[class_id, None])
                row = found.get((class_id, key), found[class_id, None] if key is None else default)
                for target, share in row.shares.items():
                    matrices[key][place, self.target.ids.index(target)] = share
            matrices[key].setflags(write=False)
        object.__setattr__(self, "_matrices", matrices)

    def _check(self, row: CrosswalkRow) -> None:
        for legend, ids in ((self.source, [row.source]), (self.target, list(row.shares))):
            outside = [i for i in ids if i not in legend.ids]
            if outside:
                raise LegendError(
                    f"class {outside[0]} is not part of legend {legend.name!r}, which has "
                    f"{', '.join(map(str, legend.ids))}."
                )
        total = sum(row.shares.values())
        if row.shares and (abs(total - 1) > _TOLERANCE or min(row.shares.values()) <= 0):
            raise LegendError(
                f"shares of class {row.source} of {self.source.name!r} sum to {total:g}: "
                f"{dict(row.shares)}; expected positive shares that sum to 1, or none to ignore it."
            )
        if row.key is not None and self.key is None:
            raise LegendError(
                f"class {row.source} has a row for key {row.key!r}, and the crosswalk has no "
                "second key. Name it with key=."
            )

    @property
    def keys(self) -> tuple[str, ...]:
        """Second keys that have rows of their own."""
        named = {row.key for row in self.rows if row.key is not None}
        return tuple(sorted(named - {ANY_OTHER}))

    def matrix(self, key: str | None = None) -> NDArray[np.float64]:
        """Shares of shape (source, target) for one second key; rows of ignored classes are 0."""
        if key is not None and self.key is None:
            raise LegendError(
                f"crosswalk {self.source.name!r} to {self.target.name!r} has no second key, and "
                f"key {key!r} was given."
            )
        other = ANY_OTHER if ANY_OTHER in self._matrices else None
        return self._matrices.get(key, self._matrices[other] if key else self._matrices[None])

    def ignored(self, key: str | None = None) -> NDArray[np.bool_]:
        """Whether each source class is ignored, shape (source,)."""
        nothing: NDArray[np.bool_] = self.matrix(key).sum(axis=1) == 0
        return nothing

    def map_labels(self, labels: NDArray[Any], key: Any = None) -> NDArray[np.uint8]:
        """Class ids in the target legend; 255 where a class is shared out or ignored.

        Parameters
        ----------
        labels : ndarray of int
            Class ids of the source legend, any shape; 255: no label.
        key : str or array of str, optional
            Second key of all labels, or of each (same shape; empty or missing: not known).

        Returns
        -------
        ndarray of uint8
            Same shape as `labels`.

        Raises
        ------
        LegendError
            If a label is not part of the source legend, or key and labels differ in shape.
        """
        index = self.source.index_of(labels)
        mapped = np.full(index.shape, FILL_CLASS, np.uint8)
        for one, where in self._by_key(key, index.shape):
            matrix = self.matrix(one)
            ids = np.array(self.target.ids, np.uint8)[matrix.argmax(axis=1)]
            hard = np.append(np.where(matrix.max(axis=1) == 1, ids, FILL_CLASS), FILL_CLASS)
            mapped[where] = hard[index[where]]
        return mapped

    def map_probabilities(self, probabilities: NDArray[Any], key: Any = None) -> NDArray[Any]:
        """Probabilities of target classes: ``p_target = p_source @ matrix``.

        Parameters
        ----------
        probabilities : ndarray of float
            Shape (source, ...), classes in the order of the source legend.
        key : str or array of str, optional
            Second key, one for all or of shape (...).

        Returns
        -------
        ndarray of float
            Shape (target, ...), the type of `probabilities`. They sum to what the classes that
            are not ignored had; nothing is blown up to 1.

        Raises
        ------
        LegendError
            If the first axis has not one entry per source class, or a key has another shape.
        """
        given = np.asarray(probabilities)
        if given.ndim == 0 or given.shape[0] != len(self.source):
            raise LegendError(
                f"probabilities have shape {given.shape}; expected (class, ...) with the "
                f"{len(self.source)} classes of {self.source.name!r} first."
            )
        kind = given.dtype if given.dtype.kind == "f" else np.dtype(np.float64)
        mapped = np.zeros((len(self.target), *given.shape[1:]), kind)
        for one, where in self._by_key(key, given.shape[1:]):
            mapped[:, where] = np.tensordot(self.matrix(one).T.astype(kind), given[:, where], 1)
        return mapped

    def map_fractions(
        self, fractions: NDArray[Any], key: Any = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Area fractions of target classes, and the fraction whose class is ignored.

        Parameters
        ----------
        fractions : ndarray of float
            Shape (source, ...), classes in the order of the source legend.
        key : str or array of str, optional
            Second key, one for all or of shape (...).

        Returns
        -------
        mapped : ndarray of float
            Shape (target, ...).
        ignored : ndarray of float
            Shape (...); both together sum to what `fractions` sums to.
        """
        mapped = self.map_probabilities(fractions, key)
        given = np.asarray(fractions)
        apart = np.zeros(given.shape[1:], mapped.dtype)
        for one, where in self._by_key(key, given.shape[1:]):
            apart[where] = given[self.ignored(one)][:, where].sum(axis=0)
        return mapped, apart

    def then(self, after: Crosswalk) -> Crosswalk:
        """This crosswalk followed by one from its target legend that has no second key.

        Raises
        ------
        LegendError
            If the legends do not meet, a second key is needed after, or a row is shared
            between classes of which some are ignored after.
        """
        if after.source.ids != self.target.ids or after.key is not None:
            raise LegendError(
                f"crosswalk to {self.target.name!r} cannot be followed by one from "
                f"{after.source.name!r}"
                + (f" with second key {after.key!r}." if after.key else ": other class ids.")
            )
        place = {class_id: n for n, class_id in enumerate(after.source.ids)}
        references = {row.source: row for row in after.rows}
        rows = []
        for row in self.rows:
            shares: dict[int, float] = {}
            for middle, share in row.shares.items():
                for target, part in zip(
                    after.target.ids, after.matrix()[place[middle]], strict=True
                ):
                    if part:
                        shares[target] = shares.get(target, 0.0) + share * float(part)
            if shares and abs(sum(shares.values()) - 1) > _TOLERANCE:
                raise LegendError(
                    f"class {row.source} of {self.source.name!r} is shared between classes of "
                    f"which {after.target.name!r} ignores some; say what becomes of it."
                )
            published = row.published and all(references[m].published for m in row.shares)
            rows.append(
                CrosswalkRow(
                    source=row.source,
                    shares=shares,
                    published=published,
                    reference=row.reference,
                    key=row.key,
                )
            )
        return Crosswalk(source=self.source, target=after.target, rows=tuple(rows), key=self.key)

    def table(self) -> pd.DataFrame:
        """Every share in one row: key, source, target, share, status and reference.

        An ignored class has one row with an empty target and a share of 0.
        """
        names = [dict(zip(x.ids, x.names, strict=True)) for x in (self.source, self.target)]
        records = [
            {
                "key": row.key,
                "source": names[0][row.source],
                "target": names[1].get(target, ""),
                "share": share,
                "status": "published" if row.published else "own proposal",
                "reference": row.reference,
            }
            for row in self.rows
            for target, share in (row.shares or {FILL_CLASS: 0.0}).items()
        ]
        return pd.DataFrame.from_records(records)

    def _by_key(
        self, key: Any, shape: tuple[int, ...]
    ) -> list[tuple[str | None, NDArray[np.bool_]]]:
        """Each key with a mask of where it holds."""
        if key is None or isinstance(key, str):
            return [(key or None, np.ones(shape, np.bool_))]
        given = np.asarray(key, dtype=object)
        if given.shape != shape:
            raise LegendError(f"the key has shape {given.shape}; expected {shape}, one per label.")
        known = set(self.keys)
        text = np.array([_key(value, known) for value in given.ravel()], dtype=object).reshape(
            shape
        )
        return [(one, text == (one or "")) for one in (v or None for v in set(text.ravel()))]


def _key(value: Any, known: set[str]) -> str:
    """The key as it has rows; '*' for another; '' where there is none."""
    if not isinstance(value, str) or not value:
        return ""
    return value if value in known else ANY_OTHER
