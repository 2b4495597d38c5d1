"""What the maps of a task consist of: its class map, and what goes with it, found by name."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lulc_xr.core.cube import decode
from lulc_xr.core.errors import CubeError, name_unknown


def class_map_of(maps: xr.Dataset, task: str) -> xr.DataArray:
    """The class map of a task.

    Parameters
    ----------
    maps : xr.Dataset
        Maps as :func:`lulc_xr.classify` and :func:`lulc_xr.open_cube` give them.
    task : str
        Its name.

    Raises
    ------
    CubeError
        If there is none over y and x; the class maps that are there come with it.
    """
    known = [
        str(name)
        for name, var in maps.data_vars.items()
        if "flag_values" in var.attrs and var.dtype != bool and {"y", "x"} <= set(var.dims)
    ]
    if task not in maps:
        raise CubeError(
            name_unknown("class map", task, known)
            + f" The dataset has {', '.join(sorted(map(str, maps.data_vars))) or 'no variables'}."
        )
    found = maps[task]
    if not {"y", "x"} <= set(found.dims):
        raise CubeError(
            f"{task!r} is over {tuple(map(str, found.dims))}; a map has the dimensions y and x."
        )
    return found


def part_of(maps: xr.Dataset, task: str, kind: str, why: str) -> xr.DataArray:
    """What goes with a class map, such as its probabilities: physical values, NaN for none.

    Parameters
    ----------
    maps : xr.Dataset
        Maps.
    task, kind : str
        The variable is ``<task>_<kind>``.
    why : str
        What it is needed for, for the message.

    Raises
    ------
    CubeError
        If it is not there, or holds whole numbers that nothing says the scale of.
    """
    name = f"{task}_{kind}"
    if name not in maps:
        raise CubeError(
            f"no variable {name!r} among these maps, which {why} needs. Ask for it: "
            f"classify(cube, model, outputs=({task!r}, {kind!r}))."
        )
    found = maps[name]
    if found.dtype.kind == "f":
        return found
    scale, fill = found.attrs.get("scale_factor"), found.attrs.get("_FillValue")
    if scale is None:
        raise CubeError(
            f"{name!r} is {found.dtype} without a scale_factor; expected physical values. Open "
            "the store with lulc_xr.open_cube(store), without raw=True."
        )
    values: xr.DataArray = xr.apply_ufunc(
        decode,
        found,
        kwargs={"scale": float(scale), "fill": fill, "dtype": np.float32},
        dask="parallelized",
        output_dtypes=[np.float32],
    )
    return values
