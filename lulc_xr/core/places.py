"""Places of samples that a model has seen, so that it is not judged or calibrated on them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from scipy.spatial import KDTree

from lulc_xr.core.errors import ModelError, SampleError


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Different places, sorted; a digest tells whether they are the same as others.

    Parameters
    ----------
    x, y : ndarray of float64
        Positions in `crs`, shape (place,).
    crs : str
        Coordinate reference system, as WKT or a name such as "EPSG:3035".
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    crs: str

    def __post_init__(self) -> None:
        both = np.stack([np.asarray(self.x, np.float64), np.asarray(self.y, np.float64)], axis=1)
        if not len(both) or not np.isfinite(both).all():
            raise ModelError(f"{len(both)} places; expected at least one, with finite x and y.")
        both = np.unique(both, axis=0)
        object.__setattr__(self, "x", both[:, 0])
        object.__setattr__(self, "y", both[:, 1])

    def __len__(self) -> int:
        return len(self.x)

    @classmethod
    def of_samples(cls, samples: xr.Dataset) -> Places:
        """Places of samples with `x`, `y` and the attribute ``crs_wkt``.

        Raises
        ------
        SampleError
            If they do not say where they lie.
        """
        missing = [n for n in ("x", "y") if n not in samples.variables]
        missing += ["crs_wkt"] if "crs_wkt" not in samples.attrs else []
        if missing:
            raise SampleError(
                f"these samples do not say where they lie (no {', '.join(missing)}). Draw them "
                "with lulc_xr.extract_samples, which keeps x, y and the attribute crs_wkt."
            )
        return cls(
            x=np.asarray(samples["x"].values, np.float64).ravel(),
            y=np.asarray(samples["y"].values, np.float64).ravel(),
            crs=str(samples.attrs["crs_wkt"]),
        )

    @classmethod
    def joined(cls, several: Iterable[Places]) -> Places:
        """All places of several, in the reference system of the first."""
        given = list(several)
        first = given[0].crs
        moved = [place.positions_in(first) for place in given]
        return cls(x=np.concatenate([p[0] for p in moved]),
                   y=np.concatenate([p[1] for p in moved]), crs=first)  # fmt: skip

    @property
    def digest(self) -> str:
        """SHA-256 of the positions."""
        found = hashlib.sha256(self.x.tobytes())
        found.update(self.y.tobytes())
        return found.hexdigest()

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Positions, as they are stored beside a model."""
        return {"x": self.x, "y": self.y}

    def to_dict(self) -> dict[str, Any]:
        """All but the positions, JSON-able."""
        return {"crs": self.crs, "places": len(self), "digest": self.digest}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Places:
        """The places from what :meth:`to_dict` and :meth:`arrays` gave.

        Raises
        ------
        ModelError
            If the positions are not those that belong to it.
        """
        if not {"x", "y"} <= set(arrays):
            raise ModelError("the places of the samples are missing. Copy the model folder again.")
        made = cls(x=arrays["x"], y=arrays["y"], crs=str(values["crs"]))
        if made.digest != values["digest"]:
            raise ModelError(
                "the places of the samples were changed or damaged. Copy the model folder again."
            )
        return made

    def positions_in(self, crs: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions x, y in another reference system."""
        if _same(crs, self.crs):
            return self.x, self.y
        x, y = Transformer.from_crs(self.crs, crs, always_xy=True).transform(self.x, self.y)
        return np.asarray(x, np.float64), np.asarray(y, np.float64)

    def distance_to(self, others: Places) -> NDArray[np.float64]:
        """Distance of each place to the nearest of others, in metres, shape (place,).

        Within one projected reference system on its plane, else through the Earth: along the
        straight line between two places of the ellipsoid, which for short ways is the same.
        """
        if _same(self.crs, others.crs) and not CRS.from_user_input(self.crs).is_geographic:
            own, known = (np.stack([p.x, p.y], axis=1) for p in (self, others))
        else:
            own, known = self._in_space(), others._in_space()
        found, _ = KDTree(known).query(own)
        return np.asarray(found, np.float64)

    def _in_space(self) -> NDArray[np.float64]:
        """Metres from the centre of the Earth, shape (place, 3)."""
        lon, lat = Transformer.from_crs(self.crs, "EPSG:4326", always_xy=True).transform(
            self.x, self.y
        )
        geocentric = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
        return np.stack(geocentric.transform(lon, lat, np.zeros(len(self))), axis=1)


def _same(one: str, other: str) -> bool:
    return one == other or CRS.from_user_input(one) == CRS.from_user_input(other)
