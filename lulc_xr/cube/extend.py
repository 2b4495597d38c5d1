"""Extend a cube's store by dates, an area or bands: nothing is visible before all is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr
import zarr

from lulc_xr.core.cube import check_cube
from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.core.georeference import zarr_conventions
from lulc_xr.cube.commit import discard_journal, finish_commit, note_commit, publish
from lulc_xr.cube.growth import Growth, place_cube
from lulc_xr.cube.journal import begin, begun_plan, find_begun, job_of, naming_store
from lulc_xr.cube.layout import check_sample, create_unread, plan_arrays, stored_axes, write_lines
from lulc_xr.cube.ledger import EXTENT, LEDGER, array_of, job_hash
from lulc_xr.cube.locking import writing
from lulc_xr.cube.regions import Region, holds_values, write_regions
from lulc_xr.cube.rewrite import shard_sizes
from lulc_xr.cube.shards import WriteReport
from lulc_xr.cube.store import CUBE_ID, StorePath, open_group

EXTENDED = "lulc_xr:extended"
"""Attribute of a store: hashes of the extensions that are in it, and their shards."""


def extend_cube(
    cube: xr.Dataset,
    store: StorePath,
    *,
    resume: bool = True,
    identity: str | None = None,
    progress: bool = True,
) -> WriteReport:
    """Append dates, an area or bands to a cube's store; what is there is not written again.

    New shards are written where no reader looks, and recorded in a ledger; then one file is
    replaced, and the store has its new extent. Only shards at the border that hold old cells
    as well are written again, with these unchanged. After a kill the same call does what is
    missing; the store stays readable as it was before.

    Parameters
    ----------
    cube : xr.Dataset
        A lazy cube (time, band, y, x) with one of: dates after the store's last, on the same
        grid; an area on the same pixel lattice, to the east or south of the store's corner,
        with the same dates; new bands, for the same dates and grid. Dates and bands that the
        store has already are left out, after a look at a sample of their values. An area may
        lie inside the store's extent where everything is nodata so far (see `grid` of
        :func:`build_cube`); its shards then appear one by one.
    store : str or path
        Store of a cube.
    resume : bool
        Continue an interrupted extension by the same cube. False: begin anew, and discard what
        an interrupted extension (of any cube) has written.
    identity : str, optional
        Names what decides the cube's values, if its Dask names differ from run to run; by
        default these tell an interrupted extension by this cube from that by another.
    progress : bool
        Show a progress bar.

    Returns
    -------
    WriteReport
        Numbers of shards written now, and of those written before.

    Raises
    ------
    CubeError
        If the cube does not fit to the store, or its values do not fit the encoding.
    StoreError
        If there is no store, an extension by another cube was begun there, another process
        writes into it, or it cannot be written.

    Notes
    -----
    Maps of the store grow with the area and hold no data there, and a classification of the
    larger cube is another job: it replaces them with ``overwrite=True``.

    Examples
    --------
    >>> import tempfile
    >>> import lulc_xr as lx
    >>> cube = lx.testing.landscape(y=16, x=16, time=12, bands=("red",))
    >>> store = lx.write_cube(cube.isel(time=slice(8)), tempfile.mkdtemp() + "/cube.zarr")
    >>> report = lx.extend_cube(cube, store, progress=False)
    >>> lx.open_cube(store).sizes["time"], report.written
    (12, 2)
    """
    path = Path(store).resolve()
    open_group(path)
    given = check_cube(cube)
    job = job_of(given, identity=identity)
    with writing(path, (), shape=True), naming_store(path):
        _check_complete(path)
        finish_commit(path)
        if begun_plan(path) is None:
            # A kill while the last journal was removed may have left some of it.
            discard_journal(path)
        known = _extended(path)
        if job_hash(job) in known:
            return WriteReport(written=0, skipped=known[job_hash(job)])
        begun = find_begun(path, job_hash(job), resume=resume)
        growth = place_cube(given, stored_axes(path), what=repr(str(path)))
        if growth.old is not None:
            check_sample(growth.old, path, growth.start)
        regions, shapes = plan_arrays(growth, open_group(path))
        if growth.kind == "none":
            return WriteReport(written=0, skipped=_number(regions, path))
        if not begun:
            if growth.kind == "area" and _is_there(growth, regions, path):
                return WriteReport(written=0, skipped=_number(regions, path))
            _prepare_ledgers(path)
            if create_unread(growth, path):
                regions, shapes = plan_arrays(growth, open_group(path))
            publish(path, always=True)
            begin(path, regions, job)
        report = write_regions(growth.new, regions, path, progress=progress, what="extension")
        write_lines(growth, shapes, path)
        attributes = _attributes(growth, job, path, shards=report.written + report.skipped)
        note_commit(path, shapes=shapes, attributes=attributes)
        finish_commit(path)
    return report


def _check_complete(path: Path) -> None:
    if open_group(path).attrs.get("lulc_xr:state") == "writing":
        raise StoreError(
            f"writing of cube {str(path)!r} was interrupted, so it is not whole and cannot be "
            "extended. Write it again with write_cube(..., overwrite=True)."
        )


def _extended(path: Path) -> dict[str, int]:
    found: Any = open_group(path).attrs.get(EXTENDED, {})
    return dict(found)


def _number(regions: Mapping[str, Region], path: Path) -> int:
    """Shards of an extension; those of variables with one grid of shards count once."""
    group = open_group(path)
    grids = {(r, shard_sizes(array_of(group, n))) for n, r in regions.items()}
    return sum(len(list(region.shards(sizes))) for region, sizes in grids)


def _is_there(growth: Growth, regions: Mapping[str, Region], path: Path) -> bool:
    """True if an area is in the store already; an error if something else is."""
    group = open_group(path)
    if not any(holds_values(array_of(group, n), r) for n, r in regions.items()):
        return False
    inside = all(
        growth.start[d] + growth.new.sizes[d] <= array_of(group, d).shape[0] for d in ("y", "x")
    )
    if not inside:
        raise CubeError(
            "the area overlaps pixels that the store holds already (from row "
            f"{growth.start['y']}, column {growth.start['x']} of its grid). Cut the cube to what "
            "is new: an extension never changes what is there."
        )
    check_sample(growth.new, path, growth.start)
    return True


def _prepare_ledgers(path: Path) -> None:
    """Note in ledgers of maps which extent they cover, as their arrays may grow beyond it."""
    ledgers = open_group(path, mode="r+").get(LEDGER)
    if isinstance(ledgers, zarr.Group):
        for name, ledger in ledgers.arrays():
            if EXTENT not in ledger.attrs and (path / name).exists():
                ledger.attrs.update({EXTENT: list(array_of(open_group(path), name).shape)})


def _attributes(
    growth: Growth, job: Mapping[str, Any], path: Path, *, shards: int
) -> dict[str, Any]:
    """Attributes of the store after the extension."""
    there: dict[str, Any] = open_group(path).attrs.asdict()
    # Another extent or other values are another cube to whoever classifies it.
    cube_id = job_hash({"cube": there.get(CUBE_ID, ""), "job": job_hash(job)})[:32]
    attributes: dict[str, Any] = {
        CUBE_ID: cube_id,
        EXTENDED: {**there.get(EXTENDED, {}), job_hash(job): shards},
    }
    if growth.kind == "area":
        axes = xr.Dataset(coords={d: growth.axes[d] for d in ("y", "x")})
        whole = axes.assign_coords({"spatial_ref": stored_axes(path)["spatial_ref"].variable})
        attributes |= {k: v for k, v in zarr_conventions(whole).items() if k.startswith("spatial:")}
    return attributes
