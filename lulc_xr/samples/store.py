"""Samples in a Zarr store: written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import xarray as xr

from lulc_xr.core.errors import StoreError


def write_samples(
    samples: xr.Dataset, store: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """The folder that samples were written to, as a Zarr version 3 store.

    The store appears under its name once it is complete; a write that fails leaves what
    was there before. A process killed in the instant of replacing leaves the old store
    beside it, in a folder whose name begins with a dot.

    Parameters
    ----------
    samples : xr.Dataset
        Samples as :func:`lulc_xr.extract_samples` gives them.
    store : path
        Folder to make.
    overwrite : bool
        Replace a store of that name.

    Raises
    ------
    StoreError
        If the store exists and `overwrite` is False, what is there holds no samples, or it
        cannot be written.
    """
    target = Path(store)
    if target.exists() and not overwrite:
        raise StoreError(
            f"{target} exists already; nothing was written. Choose another name, or replace it "
            "with overwrite=True."
        )
    if target.exists():
        # Never replace a folder that merely has the name.
        open_samples(target)
    try:
        with tempfile.TemporaryDirectory(
            prefix=f".{target.name}-", dir=target.parent, ignore_cleanup_errors=True
        ) as folder:
            made = Path(folder, "new")
            # Encodings of where the samples were read from do not bind the new store.
            plain = samples.drop_encoding()
            plain.to_zarr(made, mode="w", zarr_format=3, consolidated=False)
            put_in_place(made, target, old=Path(folder, "old"))
    except OSError as error:
        raise StoreError(
            f"samples were not written to {target}: {error}. What was there before is unchanged. "
            "Check that its folder exists and can be written to, and the space left."
        ) from error
    return target


def open_samples(store: str | os.PathLike[str], *, lazy: bool = False) -> xr.Dataset:
    """Samples from a store, in memory.

    Parameters
    ----------
    store : path
        Folder that :func:`write_samples` or :func:`lulc_xr.extract_samples` made.
    lazy : bool
        Read values when they are used, for more samples than fit into memory.

    Raises
    ------
    StoreError
        If there is no store, or it holds no samples.
    """
    path = Path(store)
    if not (path / "zarr.json").is_file():
        raise StoreError(
            f"{path} is no Zarr version 3 store (no zarr.json in it). Write samples with "
            "lulc_xr.write_samples."
        )
    stored: xr.Dataset = xr.open_zarr(path, consolidated=False, chunks=None)
    if "tasks" not in stored.attrs or "reflectance" not in stored:
        raise StoreError(
            f"{path} holds no samples: it has variables {sorted(map(str, stored.data_vars))} "
            "and no attribute 'tasks'. If it is a cube, open it with lulc_xr.open_cube."
        )
    return stored if lazy else stored.load()


def put_in_place(made: Path, target: Path, *, old: Path) -> None:
    """Give a complete store its name; what was there goes to `old`, and back if that fails."""
    if target.exists():
        target.rename(old)
    try:
        made.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
