"""Build a cube's store: resumable, and nothing to be seen at its place until it is whole."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from lulc_xr.core.blocks import ChunkPlan, plan_chunks
from lulc_xr.core.cube import check_cube
from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.core.exchange import exchange, remove_beside
from lulc_xr.cube.commit import discard_journal, update_root
from lulc_xr.cube.extend import EXTENDED
from lulc_xr.cube.growth import Growth, place_cube
from lulc_xr.cube.journal import begin, begun_plan, job_of, naming_store
from lulc_xr.cube.ledger import job_hash
from lulc_xr.cube.locking import lock_file, writing
from lulc_xr.cube.regions import Region, write_regions
from lulc_xr.cube.shards import WriteReport
from lulc_xr.cube.store import StorePath, create_cube, open_group


def build_cube(
    cube: xr.Dataset,
    store: StorePath,
    *,
    plan: ChunkPlan | None = None,
    grid: xr.Dataset | None = None,
    resume: bool = True,
    identity: str | None = None,
    progress: bool = True,
) -> WriteReport:
    """Write a lazy cube into a new store, resumably, with room for areas still to come.

    The store grows in a hidden folder beside its place and is moved there once it is whole.
    After a kill the same call does what is missing. :func:`write_cube` is for cubes that are
    written in one go; :func:`extend_cube` adds to the store later.

    Parameters
    ----------
    cube : xr.Dataset
        A cube (time, band, y, x).
    store : str or path
        Folder of the new store; nothing may be there.
    plan : ChunkPlan, optional
        Chunk and shard sizes; by default whole series per chunk
        (see :func:`lulc_xr.core.blocks.plan_chunks`).
    grid : xr.Dataset, optional
        `y` and `x` (pixel centres) of the whole extent of the store, of which the cube is a
        part; the rest is nodata until :func:`extend_cube` brings it. A store grows to the east
        and south only, so an extent that will need more is declared here.
    resume : bool
        Continue an interrupted build by the same cube. False: begin anew, and discard what an
        interrupted one (of any cube) has written.
    identity : str, optional
        Names what decides the cube's values, if its Dask names differ from run to run.
    progress : bool
        Show a progress bar.

    Returns
    -------
    WriteReport
        Numbers of shards written now, and of those written before.

    Raises
    ------
    CubeError
        If the dataset is no cube, its values do not fit the encoding, or it is no part of
        `grid`.
    StoreError
        If something is there already, a build of another cube was begun, another process
        builds it, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import lulc_xr as lx
    >>> cube = lx.testing.landscape(y=32, x=16, time=12, bands=("red",))
    >>> store = tempfile.mkdtemp() + "/cube.zarr"
    >>> north = cube.isel(y=slice(16))
    >>> report = lx.build_cube(north, store, grid=cube[["y", "x"]], progress=False)
    >>> lx.open_cube(store).sizes["y"]
    32
    """
    target = Path(store).resolve()
    given = check_cube(cube)
    whole = _declared(given, grid)
    growth = place_cube(given, whole, what="the grid")
    _check_inside(growth, whole)
    plan = plan or plan_chunks(**{d: whole.sizes[d] for d in ("time", "band", "y", "x")})
    layout = {"chunks": dict(plan.chunks), "shards": dict(plan.shards or {})}
    extent = {d: [whole.sizes[d], growth.start[d]] for d in ("y", "x")}
    job = job_of(given, identity=identity, layout=layout, extent=extent)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"no folder can be made for {str(target)!r}: {error.strerror}. Choose another place."
        ) from error
    with writing(target, (), shape=True), naming_store(target):
        if target.exists():
            raise StoreError(
                f"{str(target)!r} exists already. Extend it with extend_cube, or choose another "
                "path; write_cube(..., overwrite=True) replaces it."
            )
        place = target.with_name(f".{target.name}.building")
        report = _finished(place, job_hash(job)) if resume else None
        if report is None:
            regions = {str(n): _region(var, whole[n], growth.start) for n, var in given.items()}
            if not _is_begun(place, job_hash(job), resume=resume, target=target):
                if place.exists():
                    remove_beside(place)
                place.mkdir()
                create_cube(whole, place, plan=plan)
                begin(place, regions, job)
            report = write_regions(given, regions, place, progress=progress, what="cube")
            done = {job_hash(job): report.written + report.skipped}
            update_root(place, {"lulc_xr:state": "complete", EXTENDED: done})
        discard_journal(place)
        exchange(place, target)
        # Of the hidden folder; nobody else has looked at it.
        lock_file(place).unlink(missing_ok=True)
    return report


def _declared(cube: xr.Dataset, grid: xr.Dataset | None) -> xr.Dataset:
    """The cube as the store will hold it, without values."""
    if grid is None:
        return cube
    axes = {d: np.asarray(grid[d].values) for d in ("y", "x")}
    made: dict[Hashable, Any] = {}
    for name, var in cube.variables.items():
        if name in axes:
            made[name] = xr.Variable((str(name),), axes[str(name)], var.attrs)
        elif {"y", "x"} & set(var.dims):
            shape = tuple(axes[d].size if d in axes else var.sizes[d] for d in map(str, var.dims))
            empty = da.zeros(shape, dtype=var.dtype, chunks=-1)
            made[name] = xr.Variable(var.dims, empty, var.attrs, var.encoding)
        else:
            made[name] = var
    coords = {n: made.pop(n) for n in list(cube.coords)}
    return check_cube(xr.Dataset(made, coords, cube.attrs))


def _check_inside(growth: Growth, whole: xr.Dataset) -> None:
    for dim in ("y", "x"):
        end = growth.start[dim] + growth.new.sizes[dim]
        if end > whole.sizes[dim]:
            raise CubeError(
                f"the cube reaches {end - whole.sizes[dim]} pixels beyond the grid along {dim!r} "
                f"(it ends at {end}, the grid at {whole.sizes[dim]}). Declare a grid that holds "
                "the cube and all areas to come."
            )


def _region(var: xr.DataArray, whole: xr.DataArray, start: Mapping[str, int]) -> Region:
    first = tuple(start.get(str(d), 0) for d in var.dims)
    stop = tuple(s + n for s, n in zip(first, var.shape, strict=True))
    return Region(start=first, stop=stop, shape=whole.shape)


def _finished(place: Path, wanted: str) -> WriteReport | None:
    """What was written, if only the move to the store's place was left to do."""
    if not (place / "zarr.json").exists():
        return None
    attributes: Any = open_group(place).attrs.asdict()
    done = attributes.get(EXTENDED, {}).get(wanted)
    complete = attributes.get("lulc_xr:state") == "complete"
    return WriteReport(written=0, skipped=done) if complete and done is not None else None


def _is_begun(place: Path, wanted: str, *, resume: bool, target: Path) -> bool:
    plan = begun_plan(place)
    if plan is None or not resume:
        return False
    if plan["job_hash"] != wanted:
        raise StoreError(
            f"building {str(target)!r} from another cube, plan or grid was interrupted (in "
            f"{place.name!r} beside it). Run that again, which does what is missing, or pass "
            "resume=False to discard it."
        )
    return True
