"""Calibration: what is done to probabilities so that they mean what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lulc_xr.core.errors import ModelError, name_unknown
from lulc_xr.core.regions import RegionKey

CalibrationMethod = Literal["temperature", "vector"]
CALIBRATION_METHODS: tuple[CalibrationMethod, ...] = ("temperature", "vector")

_TINY = np.float32(np.finfo(np.float32).tiny)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Scales, and shifts, of the logarithms of probabilities, of each task and region.

    Probabilities p become softmax(scale * ln p + shift). With one scale 1 / T for all classes
    and no shift that is temperature scaling, whether it is applied to logits or to ln p.

    Parameters
    ----------
    method : {"temperature", "vector"}
        One scale for all classes, or a scale and a shift for each.
    scale, shift : mapping of str to tuple of tuple of float
        Task to rows of (class,) values: one row per region in the order of `regions`, and a last
        one that holds for all other places. A temperature repeats 1 / T for every class.
    regions : RegionKey or None
        The regions that are told apart.
    provenance : mapping
        How it was fitted, JSON-able.

    Raises
    ------
    ModelError
        If a setting is out of range.

    References
    ----------
    Guo, C., Pleiss, G., Sun, Y., Weinberger, K. Q. (2017). On calibration of modern neural
    networks. ICML 2017, https://arxiv.org/abs/1706.04599
    Kull, M., et al. (2019). Beyond temperature scaling: obtaining well-calibrated multi-class
    probabilities with Dirichlet calibration. NeurIPS 2019, https://arxiv.org/abs/1910.12656
    """

    method: CalibrationMethod
    scale: Mapping[str, tuple[tuple[float, ...], ...]]
    shift: Mapping[str, tuple[tuple[float, ...], ...]]
    regions: RegionKey | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.method not in CALIBRATION_METHODS:
            raise ModelError(name_unknown("calibration", self.method, CALIBRATION_METHODS))
        rows = 1 + (len(self.regions.names) if self.regions else 0)
        for name in ("scale", "shift"):
            tables = {
                str(task): tuple(tuple(map(float, row)) for row in table)
                for task, table in getattr(self, name).items()
            }
            object.__setattr__(self, name, tables)
            for task, table in tables.items():
                if len(table) != rows or not np.isfinite(np.array(table)).all():
                    raise ModelError(
                        f"{name} of task {task!r} has {len(table)} rows; expected {rows} of finite "
                        "numbers: one per region, and one for all other places."
                    )
        if list(self.scale) != list(self.shift):
            raise ModelError(f"scales of tasks {list(self.scale)}, shifts of {list(self.shift)}.")
        if any(value <= 0 for table in self.scale.values() for row in table for value in row):
            raise ModelError("a scale of ln p is not positive; it would turn classes around.")

    def temperatures(self, task: str) -> dict[str, float]:
        """Temperature of each region, by name, and of "all places".

        Raises
        ------
        ModelError
            If it is no temperature scaling, or the task was not calibrated.
        """
        if self.method != "temperature":
            raise ModelError(f"a {self.method} calibration has scales of classes; see .scale.")
        if task not in self.scale:
            raise ModelError(name_unknown("calibrated task", task, self.scale))
        names = (*(self.regions.names if self.regions else ()), "all places")
        return {name: 1 / row[0] for name, row in zip(names, self.scale[task], strict=True)}

    def apply(
        self,
        probabilities: NDArray[np.float32],
        *,
        task: str,
        region: NDArray[np.integer] | None = None,
    ) -> NDArray[np.float32]:
        """Calibrated probabilities.

        Parameters
        ----------
        probabilities : ndarray of float32
            Shape (class, ...), summing to 1 over classes.
        task : str
            The task; one that was not calibrated stays as it is.
        region : ndarray of int or None
            Position of the region of each pixel, shape (...); -1, and None: no known region.

        Returns
        -------
        ndarray of float32
            Shape (class, ...), summing to 1 over classes.
        """
        if task not in self.scale:
            return probabilities
        scale = np.array(self.scale[task], np.float32).T
        shift = np.array(self.shift[task], np.float32).T
        fill = (1,) * (probabilities.ndim - 1)
        if self.regions is None or region is None:
            own_scale, own_shift = scale[:, -1].reshape(-1, *fill), shift[:, -1].reshape(-1, *fill)
        else:
            # Position -1 is the last row, which holds for all other places.
            own_scale, own_shift = scale[:, region], shift[:, region]
        logits = np.log(np.maximum(probabilities, _TINY))
        logits *= own_scale
        logits += own_shift
        logits -= logits.max(axis=0)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=0)
        return logits

    def to_dict(self) -> dict[str, Any]:
        """The calibration as JSON-able values."""
        return {
            "method": self.method,
            "scale": {task: [list(row) for row in t] for task, t in self.scale.items()},
            "shift": {task: [list(row) for row in t] for task, t in self.shift.items()},
            "regions": self.regions and self.regions.to_dict(),
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """The calibration from what :meth:`to_dict` gave."""
        return cls(
            method=values["method"],
            scale=values["scale"],
            shift=values["shift"],
            regions=RegionKey.from_dict(values["regions"]) if values["regions"] else None,
            provenance=values.get("provenance", {}),
        )
