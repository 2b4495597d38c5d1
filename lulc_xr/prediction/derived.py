"""Maps made of other maps: what is read of those, and the new probabilities as variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.legend import Legend
from lulc_xr.core.probability import entropy, fill_unseen, most_probable
from lulc_xr.prediction.kinds import CLASS_MAP, Meaning
from lulc_xr.prediction.outputs import Output, Outputs
from lulc_xr.prediction.variables import class_dimension, describe

_KINDS = (CLASS_MAP, "entropy", "probability")
_KEPT = ("model_hash", "precision", "year_start")


@dataclass(frozen=True, kw_only=True)
class TaskMaps:
    """The maps of one task: its class map, its probabilities if there are any, its legend."""

    task: str
    legend: Legend
    classes: xr.DataArray
    probability: xr.DataArray | None

    @property
    def dimension(self) -> str:
        """Dimension of its classes."""
        return class_dimension(self.task)

    def need_probability(self, why: str) -> xr.DataArray:
        """Its probabilities (year, class, y, x).

        Raises
        ------
        CubeError
            If there are none; the message says for what they are needed.
        """
        if self.probability is None:
            raise CubeError(
                f"no variable '{self.task}_probability' among these maps, which {why} needs. Ask "
                f"for it: classify(cube, model, outputs=({self.task!r}, 'probability'))."
            )
        return self.probability.transpose("year", self.dimension, "y", "x")


def read_tasks(maps: xr.Dataset, tasks: Sequence[str] | None) -> list[TaskMaps]:
    """The maps of some tasks, by default of all that have a class map.

    Parameters
    ----------
    maps : xr.Dataset
        Maps as :func:`lulc_xr.classify` gives them.
    tasks : sequence of str or None
        Names of tasks.

    Raises
    ------
    CubeError
        If a task has no class map with CF flags over (year, y, x).
    """
    known = [
        str(name)
        for name, var in maps.data_vars.items()
        if "flag_values" in var.attrs
        # Masks have flags too, and are no class maps.
        and var.dtype != bool
        and set(var.dims) == {"year", "y", "x"}
    ]
    wanted = known if tasks is None else list(tasks)
    for task in wanted:
        if task not in known:
            raise CubeError(name_unknown("task", task, known))
    if not wanted:
        raise CubeError(
            f"no class map (year, y, x) with CF flags among {sorted(map(str, maps.data_vars))}. "
            "Ask classify for the class map too, such as outputs=('land_cover', 'probability')."
        )
    return [
        TaskMaps(
            task=task,
            legend=Legend.from_flags(maps[task].attrs),
            classes=maps[task].transpose("year", "y", "x"),
            probability=maps.get(f"{task}_probability"),
        )
        for task in wanted
    ]


def as_maps(
    found: Mapping[str, xr.DataArray], tasks: Sequence[TaskMaps], *, history: str
) -> xr.Dataset:
    """New probabilities as class map, entropy and probabilities, lazily, attributes written anew.

    Parameters
    ----------
    found : mapping of str to xr.DataArray
        Task to probabilities (year, class, y, x), NaN where not mapped; all classes in one chunk.
    tasks : sequence of TaskMaps
        The maps that they were made of.
    history : str
        What was done.
    """
    made: dict[str, xr.Variable] = {}
    coords: dict[Any, Any] = {}
    for own in tasks:
        values = found[own.task].astype(np.float32)
        dim = own.dimension
        outputs = Outputs(each=tuple(Output(kind=k, task=own.task) for k in _KINDS))
        arrays = {
            own.task: _reduce(_classes_of, values, dim, np.uint8, ids=own.legend),
            f"{own.task}_entropy": _reduce(_entropy_of, values, dim, np.float32),
            f"{own.task}_probability": values.transpose("year", dim, "y", "x").data,
        }
        kept = {k: str(own.classes.attrs[k]) for k in _KEPT if k in own.classes.attrs}
        before = str(own.classes.attrs.get("history", ""))
        provenance = kept | {"history": f"{before}; {history}" if before else history}
        meaning = Meaning(words=own.task.replace("_", " "), legend=own.legend)
        for output in outputs.each:
            array = arrays[output.name]
            made[output.name] = describe(
                output, array, outputs, meaning=meaning, provenance=provenance
            )
        coords |= {k: v.variable for k, v in own.classes.coords.items()}
        coords[dim] = np.array(own.legend.names, dtype=np.dtypes.StringDType())
    return xr.Dataset(made, coords=coords)


def _reduce(function: Any, values: xr.DataArray, dim: str, dtype: type, **settings: Any) -> Any:
    reduced = xr.apply_ufunc(
        function,
        values,
        input_core_dims=[[dim]],
        kwargs=settings,
        dask="parallelized",
        output_dtypes=[dtype],
    )
    return reduced.transpose("year", "y", "x").data


def _classes_of(values: NDArray[np.float32], *, ids: Legend) -> NDArray[Any]:
    """Class ids of probabilities (..., class)."""
    by_class = np.moveaxis(values, -1, 0)
    seen = np.isfinite(by_class[0])
    return fill_unseen(most_probable(np.nan_to_num(by_class), ids), seen)


def _entropy_of(values: NDArray[np.float32]) -> NDArray[Any]:
    """Entropy of probabilities (..., class)."""
    by_class = np.moveaxis(values, -1, 0)
    seen = np.isfinite(by_class[0])
    return fill_unseen(entropy(np.nan_to_num(by_class)), seen)
