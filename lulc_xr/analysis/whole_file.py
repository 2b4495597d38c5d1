"""A file that is there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lulc_xr.core.errors import StoreError


@contextmanager
def whole_file(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """A path to write to, whose file takes its place at the end if nothing failed.

    It is written in the same folder, brought to the disk, then renamed, which is one step. A
    process that is killed leaves the old file, or none, and a hidden one beside it.

    Parameters
    ----------
    path : path
        Where the file shall be.
    overwrite : bool
        Whether a file that is there is replaced.

    Raises
    ------
    StoreError
        If there is a file already and `overwrite` isn't set, or there is no such folder.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise StoreError(f"there is no folder {str(target.parent)!r} to write {target.name!r} to.")
    _check_free(target, overwrite)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        # mkstemp lets the owner alone read; a new file is as the user's mask has it.
        partial.chmod(target.stat().st_mode if target.exists() else 0o666 & ~_mask())
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        _check_free(target, overwrite)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _check_free(target: Path, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise StoreError(
            f"{str(target)!r} is there already. Choose another path, or pass overwrite=True."
        )


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
