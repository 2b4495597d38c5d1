"""Legends: class ids, names and colours, and their CF flag attributes."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import LegendError

FILL_CLASS = 255
"""Class id that means 'not mapped' or 'not labelled'; never part of a legend."""

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, kw_only=True)
class LegendClass:
    """One class of a legend: id (0-254), name, colour (``#rrggbb``), id of its parent."""

    class_id: int
    name: str
    color: str = "#808080"
    parent: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.class_id < FILL_CLASS:
            raise LegendError(
                f"class id {self.class_id} of {self.name!r} is outside 0-254. "
                "Class maps are uint8 and 255 means 'not mapped': choose another id."
            )
        if not self.name or re.search(r"\s", self.name):
            raise LegendError(
                f"class name {self.name!r} is empty or has blanks, which CF flag_meanings "
                "uses as separator. Join its words with '_'."
            )
        if not _COLOR.fullmatch(self.color):
            raise LegendError(f"colour {self.color!r} of {self.name!r} is not of the form #rrggbb.")


@dataclass(frozen=True, kw_only=True)
class Legend:
    """Classes of one task, in the order of a model's outputs.

    Parameters
    ----------
    name : str
        Name of the legend, such as ``"lucas_level1"``.
    classes : tuple of LegendClass
        The classes; ids and names are unique.

    Raises
    ------
    LegendError
        If there is no class, or an id or a name occurs twice.

    Examples
    --------
    >>> legend = Legend.from_names("demo", ["cropland", "water"])
    >>> legend.ids, legend.names
    ((0, 1), ('cropland', 'water'))
    >>> legend.flags()["flag_meanings"]
    'cropland water'
    """

    name: str
    classes: tuple[LegendClass, ...]
    _index: NDArray[np.int16] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.classes:
            raise LegendError(f"legend {self.name!r} has no class; give it at least one.")
        for what, values in (("class id", self.ids), ("class name", self.names)):
            twice = sorted({str(v) for v in values if list(values).count(v) > 1})
            if twice:
                raise LegendError(f"legend {self.name!r} has {what} {', '.join(twice)} twice.")
        index = np.full(256, -2, np.int16)
        index[list(self.ids)] = np.arange(len(self.classes))
        index[FILL_CLASS] = -1
        object.__setattr__(self, "_index", index)

    @classmethod
    def from_names(cls, name: str, names: list[str], colors: list[str] | None = None) -> Legend:
        """Legend whose ids count up from 0, with colours of a qualitative palette by default."""
        palette = colors or [_PALETTE[i % len(_PALETTE)] for i in range(len(names))]
        return cls(
            name=name,
            classes=tuple(
                LegendClass(class_id=i, name=n, color=c)
                for i, (n, c) in enumerate(zip(names, palette, strict=True))
            ),
        )

    @property
    def ids(self) -> tuple[int, ...]:
        """Class ids in the order of a model's outputs."""
        return tuple(c.class_id for c in self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in the order of a model's outputs."""
        return tuple(c.name for c in self.classes)

    @property
    def colors(self) -> tuple[str, ...]:
        """Colours (``#rrggbb``) in the order of a model's outputs."""
        return tuple(c.color for c in self.classes)

    def __len__(self) -> int:
        return len(self.classes)

    def index_of(self, labels: NDArray[Any]) -> NDArray[np.int16]:
        """Positions 0..K-1 of class ids; -1 where a label is 255 (no label).

        Parameters
        ----------
        labels : ndarray of int
            Class ids, any shape.

        Returns
        -------
        ndarray of int16
            Same shape as `labels`.

        Raises
        ------
        LegendError
            If a label is not part of the legend; the labels and their counts are named.
        """
        values = np.asarray(labels)
        inside = (values >= 0) & (values <= FILL_CLASS)
        index = np.where(inside, self._index[np.where(inside, values, 0).astype(np.int64)], -2)
        if (index == -2).any():
            unknown, counts = np.unique(values[index == -2], return_counts=True)
            found = ", ".join(f"{u} ({n} times)" for u, n in zip(unknown, counts, strict=True))
            raise LegendError(
                f"labels outside legend {self.name!r}: {found}. Its class ids are "
                f"{', '.join(map(str, self.ids))}, and 255 means 'no label'. "
                "Map or drop these labels first, or use a legend that has them."
            )
        return index.astype(np.int16)

    def flags(self) -> dict[str, Any]:
        """CF attributes of a class variable: flag_values (uint8), flag_meanings, flag_colors."""
        return {
            "flag_values": np.array(self.ids, np.uint8),
            "flag_meanings": " ".join(self.names),
            "flag_colors": " ".join(self.colors),
            "legend": self.name,
        }

    @classmethod
    def from_flags(cls, attrs: Mapping[str, Any], *, name: str = "") -> Legend:
        """Legend read back from CF attributes.

        Raises
        ------
        LegendError
            If the attributes carry no flags, or values and meanings differ in number.
        """
        if "flag_values" not in attrs or "flag_meanings" not in attrs:
            raise LegendError(
                f"no CF flag_values and flag_meanings among the attributes {sorted(attrs)}. "
                "Write the class variable with Legend.flags() as attributes."
            )
        ids = [int(v) for v in np.atleast_1d(attrs["flag_values"])]
        names = str(attrs["flag_meanings"]).split()
        colors = str(attrs.get("flag_colors", "")).split() or [
            _PALETTE[i % len(_PALETTE)] for i in range(len(ids))
        ]
        if not len(ids) == len(names) == len(colors):
            raise LegendError(
                f"{len(ids)} flag_values, {len(names)} flag_meanings and {len(colors)} "
                "flag_colors: CF wants one of each per class."
            )
        parts = zip(ids, names, colors, strict=True)
        return cls(
            name=name or str(attrs.get("legend", "")) or "unnamed",
            classes=tuple(LegendClass(class_id=i, name=n, color=c) for i, n, c in parts),
        )

    def to_dict(self) -> dict[str, Any]:
        """The legend as JSON-able values."""
        return {
            "name": self.name,
            "classes": [
                {"class_id": c.class_id, "name": c.name, "color": c.color, "parent": c.parent}
                for c in self.classes
            ],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Legend:
        """The legend from what :meth:`to_dict` gave."""
        return cls(name=values["name"], classes=tuple(LegendClass(**c) for c in values["classes"]))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='background:{c.color};width:2em'></td><td>{c.class_id}</td>"
            f"<td style='text-align:left'>{html.escape(c.name)}</td></tr>"
            for c in self.classes
        )
        return f"<b>{html.escape(self.name)}</b><table>{rows}</table>"


_PALETTE = (
    "#e8c34a", "#3f8f3a", "#a3d36c", "#3d7fd1", "#c0392b",
    "#8d6e63", "#7e57c2", "#26a69a", "#ef8d32", "#9e9e9e",
)  # fmt: skip
