"""A grid of cells from what users have: a name, a CF file, a Dataset, polygons."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Literal

import geopandas as gpd
import xarray as xr

from lulc_xr.analysis.cf_cells import compare_centres, lattice_of, vertex_grid_of
from lulc_xr.analysis.cf_coordinates import Coordinate, find_coordinates, rotated_pole
from lulc_xr.analysis.region_tables import regions_of
from lulc_xr.core.errors import CubeError
from lulc_xr.core.grids import list_grids, named_grid
from lulc_xr.core.target_grid import TargetGrid

_ARRAYS = {".nc", ".nc4", ".cdf", ".h5", ".zarr"}
_POLYGONS = {".gpkg", ".shp", ".geojson", ".json", ".fgb", ".parquet"}


def as_grid(
    grid: str | PathLike[str] | TargetGrid | xr.Dataset | gpd.GeoDataFrame | gpd.GeoSeries,
    *,
    id_column: str | None = None,
    name: str | None = None,
) -> TargetGrid:
    """Cells to sum a map up in, from whatever describes them.

    Parameters
    ----------
    grid : str, path, TargetGrid, xr.Dataset or GeoDataFrame
        A name of :func:`lulc_xr.list_grids`; a grid; a CF file or Zarr store, or a Dataset, as
        :func:`lulc_xr.read_grid` takes; polygons, or a file of them.
    id_column : str, optional
        Column of polygons that tells them apart; `NUTS_ID` if there is one, else the index.
    name : str, optional
        What the grid is called; the file's name and the like without.

    Raises
    ------
    CubeError
        If it is none of these, or its cells are not given in full.

    Examples
    --------
    >>> as_grid("EUR-22").shape
    (206, 212)
    """
    if isinstance(grid, TargetGrid):
        return grid
    if isinstance(grid, gpd.GeoDataFrame | gpd.GeoSeries):
        return regions_of(grid, id_column=id_column, name=name)
    if isinstance(grid, xr.Dataset | xr.DataArray):
        return read_grid(grid, name=name)
    if not isinstance(grid, str | PathLike):
        raise CubeError(
            f"{type(grid).__name__} describes no grid; expected a name ({', '.join(list_grids())})"
            ", a CF file or Dataset, a GeoDataFrame, or lulc_xr.lonlat_grid(...)."
        )
    path = Path(grid)
    if path.suffix.lower() in _POLYGONS:
        _check_there(path)
        read = gpd.read_parquet if path.suffix.lower() == ".parquet" else gpd.read_file
        return regions_of(read(path), id_column=id_column, name=name or path.stem)
    if path.suffix.lower() in _ARRAYS or not isinstance(grid, str) or path.is_file():
        return read_grid(path, name=name)
    return named_grid(grid)


def read_grid(
    source: str | PathLike[str] | xr.Dataset | xr.DataArray,
    *,
    variable: str | None = None,
    cells: Literal["lattice", "vertices"] = "lattice",
    name: str | None = None,
) -> TargetGrid:
    """The grid of a CF file: rotated or regular, curvilinear, or unstructured with vertices.

    Parameters
    ----------
    source : str, path, xr.Dataset or xr.DataArray
        A NetCDF file, a Zarr store, or what was opened from one.
    variable : str, optional
        The data variable whose grid is meant, where a file has several.
    cells : {"lattice", "vertices"}
        What cells are taken from where a file has both: coordinates of one dimension each, or
        longitudes and latitudes of the vertices.
    name : str, optional
        What the grid is called; the file's name without.

    Returns
    -------
    TargetGrid
        With dimensions named as in the file, in the file's order.

    Raises
    ------
    CubeError
        If there are no cells, several grids, or an unstructured grid without vertices.

    Warns
    -----
    GridWarning
        If bounds are missing and were derived, or longitude and latitude contradict the rotated
        coordinates.

    Notes
    -----
    Edges of cells are parallels and meridians (rotated ones of a rotated grid) where coordinates
    have one dimension each, and great circles between vertices else. Cells may cross the date
    line. A cell that holds a pole is refused when a map reaches it, not before.
    """
    if cells not in ("lattice", "vertices"):
        raise CubeError(f"cells={cells!r}; expected 'lattice' or 'vertices'.")
    if isinstance(source, xr.Dataset | xr.DataArray):
        ds = source.to_dataset(name="values") if isinstance(source, xr.DataArray) else source
        return _read(ds, variable, cells=cells, name=name or str(ds.attrs.get("name", "grid")))
    path = Path(source)
    _check_there(path)
    engine = "zarr" if path.is_dir() else None
    with xr.open_dataset(path, engine=engine, decode_times=False, chunks=None) as ds:
        return _read(ds, variable, cells=cells, name=name or path.stem)


def _read(ds: xr.Dataset, variable: str | None, *, cells: str, name: str) -> TargetGrid:
    if variable is not None and variable not in ds.variables:
        raise CubeError(
            f"{name!r} has no variable {variable!r}; it has {', '.join(map(str, ds.data_vars))}."
        )
    dims = None if variable is None else ds[variable].dims
    pairs = find_coordinates(ds, dims=dims)
    pole = rotated_pole(ds)
    rotated = find_coordinates(ds, rotated=True, dims=dims) if pole is not None else []
    regular = [pair for pair in pairs if pair[0].dims != pair[1].dims]
    free = [pair for pair in pairs if pair[0].dims == pair[1].dims]
    if cells == "lattice" and pole is not None and rotated:
        east, north = _only(rotated, name)
        lattice = lattice_of(east, north, name=name, pole=pole[0], turned=pole[1])
        compare_centres(lattice, free)
        return lattice
    if regular and (cells == "lattice" or not free):
        return lattice_of(*_only(regular, name), name=name)
    if not free:
        raise CubeError(
            f"{name!r} has no longitude and latitude of cells, neither of one dimension each nor "
            "with vertices. Set standard_name 'longitude' and 'latitude' or units 'degrees_east' "
            "and 'degrees_north' on them."
        )
    with_cells = [pair for pair in free if pair[0].has_bounds] or free
    return vertex_grid_of(ds, *_only(with_cells, name), name=name)


def _only(pairs: list[tuple[Coordinate, Coordinate]], name: str) -> tuple[Coordinate, Coordinate]:
    """The only pair, or that of ICON's cells (beside its edges and vertices)."""
    if len(pairs) > 1:
        of_cells = [pair for pair in pairs if pair[0].name in ("clon", "lon")]
        pairs = of_cells if len(of_cells) == 1 else pairs
    if len(pairs) > 1:
        found = "; ".join(f"{east.name}, {north.name} ({', '.join(east.dims)})"
                          for east, north in pairs)  # fmt: skip
        raise CubeError(
            f"{name!r} has several grids: {found}. Say which by variable=, the name of a data "
            "variable on it."
        )
    return pairs[0]


def _check_there(path: Path) -> None:
    if not path.exists():
        raise CubeError(f"there is no file {path}; give the path of a CF file or of polygons.")
