"""Regions that a rule tells apart: the variable that holds them, and their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import ModelError

UNKNOWN_REGION = -1
"""Position of a pixel or sample that lies in no known region; the rule of all regions holds."""


@dataclass(frozen=True, kw_only=True)
class RegionKey:
    """A variable that holds regions, and the names of those that are told apart.

    Parameters
    ----------
    variable : str
        Variable of samples (names) and of cubes (class ids over (y, x) with CF flags), such as
        "region" or "koeppen".
    names : tuple of str
        Names of the regions, each once; a position among them stands for a region.

    Raises
    ------
    ModelError
        If there is no name, or one is there twice.
    """

    variable: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(map(str, self.names)))
        if not self.names or len(set(self.names)) != len(self.names):
            raise ModelError(f"regions {self.names}: expected at least one, each once.")

    def positions(self, names: Iterable[object]) -> NDArray[np.int16]:
        """Position of each name, -1 for names that are not among them.

        Examples
        --------
        >>> RegionKey(variable="zone", names=("north", "south")).positions(["south", "", "north"])
        array([ 1, -1,  0], dtype=int16)
        """
        known = {name: number for number, name in enumerate(self.names)}
        return np.array([known.get(str(name), UNKNOWN_REGION) for name in names], np.int16)

    def positions_of_flags(
        self, values: NDArray[np.integer], attrs: Mapping[str, Any]
    ) -> NDArray[np.int16]:
        """Position of each class id of a variable with CF flags, -1 for others.

        Parameters
        ----------
        values : ndarray of int
            Class ids, any shape.
        attrs : mapping
            Attributes of the variable, with ``flag_values`` and ``flag_meanings``.
        """
        ids = np.asarray(attrs["flag_values"]).ravel()
        found = self.positions(str(attrs["flag_meanings"]).split())
        made: NDArray[np.int16] = np.full(values.shape, UNKNOWN_REGION, np.int16)
        for class_id, position in zip(ids, found, strict=True):
            made[values == class_id] = position
        return made

    def to_dict(self) -> dict[str, Any]:
        """The key as JSON-able values."""
        return {"variable": self.variable, "names": list(self.names)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RegionKey:
        """The key from what :meth:`to_dict` gave."""
        return cls(variable=str(values["variable"]), names=tuple(values["names"]))
