"""What a reader sees of a store: all metadata in one file, which is replaced in one step."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lulc_xr.cube.ledger import EXTENT
from lulc_xr.cube.locking import publishing
from lulc_xr.cube.staging import STAGING

EXTENSION = "extension"
"""Group of a store with the plan, the ledger and the journal of an unfinished extension."""

Document = dict[str, Any]

_COMMIT = "commit"
_METADATA = "zarr.json"
_CONSOLIDATED = "consolidated_metadata"


def publish(store: Path, *, always: bool = False) -> None:
    """Renew the root's copy of all metadata, so that readers see what is there now.

    Readers of that copy (Xarray by default, and :func:`lulc_xr.open_cube`) see one whole
    state of the store, while the metadata of its arrays are replaced one after the other.

    Parameters
    ----------
    store : Path
        A local store.
    always : bool
        Also where the root has no copy yet; by default such a store is left as it is.
    """
    with publishing(store):
        root = _read(store)
        if always or _CONSOLIDATED in root:
            _replace_root(store, root)


def withdraw(store: Path) -> bool:
    """Take the copy of all metadata out of the root; True if there was one."""
    with publishing(store):
        root = _read(store)
        had = root.pop(_CONSOLIDATED, None) is not None
        if had:
            _replace(store, root)
    return had


def update_root(store: Path, attributes: Mapping[str, Any]) -> None:
    """Set attributes of the root group, and renew its copy of all metadata."""
    with publishing(store):
        root = _read(store)
        root["attributes"] = {**root.get("attributes", {}), **attributes}
        _replace_root(store, root)


def note_commit(
    store: Path,
    *,
    shapes: Mapping[str, Sequence[int]],
    attributes: Mapping[str, Any],
    extents: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Write down which arrays get which shape, ledgers which extent, the root which attributes.

    From here on the extension counts as done: :func:`finish_commit` makes it visible, now or
    after an interruption.
    """
    journal = _read(store / EXTENSION)
    journal["attributes"][_COMMIT] = {
        "shapes": {name: list(shape) for name, shape in shapes.items()},
        "attributes": dict(attributes),
        "extents": {name: list(extent) for name, extent in (extents or {}).items()},
    }
    _replace(store / EXTENSION, journal)


def commit_is_due(store: Path) -> bool:
    """True if an extension is complete, but not yet visible as a whole."""
    return _noted(store) is not None


def finish_commit(store: Path) -> None:
    """Make a noted extension visible; does nothing if there is none. Needs the store's lock."""
    noted = _noted(store)
    if noted is None:
        return
    for name, shape in noted["shapes"].items():
        array = _read(store / name)
        if name in noted["extents"]:
            array["attributes"][EXTENT] = noted["extents"][name]
        if array["shape"] != shape:
            _replace(store / name, {**array, "shape": shape})
    # The one step that readers notice.
    update_root(store, noted["attributes"])
    discard_journal(store)


def discard_journal(store: Path) -> None:
    """Remove plan, ledger and journal of an extension."""
    # Without its metadata the rest is rubbish, whatever stops the removal.
    (store / EXTENSION / _METADATA).unlink(missing_ok=True)
    shutil.rmtree(store / EXTENSION, ignore_errors=True)


def _noted(store: Path) -> Document | None:
    if not (store / EXTENSION / _METADATA).exists():
        return None
    noted: Document | None = _read(store / EXTENSION).get("attributes", {}).get(_COMMIT)
    return noted


def _replace_root(store: Path, root: Document) -> None:
    # The layout of zarr.consolidate_metadata. That one would list the hidden groups as well,
    # and warns that the copy is not part of the Zarr 3 specification (readers may ignore it).
    copy = {"kind": "inline", "must_understand": False, "metadata": dict(_members(store))}
    _replace(store, {**root, _CONSOLIDATED: copy})


def _members(folder: Path, prefix: str = "") -> Iterator[tuple[str, Document]]:
    """Metadata of all arrays and groups below a group, parents first."""
    for child in sorted(folder.iterdir()):
        if not prefix and child.name in (STAGING, EXTENSION):
            continue
        if not (child / _METADATA).is_file():
            continue
        found = _read(child)
        if found["node_type"] == "array":
            yield prefix + child.name, found
            continue
        empty = {"kind": "inline", "must_understand": False, "metadata": {}}
        yield prefix + child.name, {**found, _CONSOLIDATED: empty}
        yield from _members(child, f"{prefix}{child.name}/")


def _read(folder: Path) -> Document:
    found: Document = json.loads((folder / _METADATA).read_text())
    return found


def _replace(folder: Path, document: Document) -> None:
    partial = folder / f"zarr.{uuid.uuid4().hex}.partial"
    try:
        partial.write_text(json.dumps(document, indent=2))
        partial.replace(folder / _METADATA)
    finally:
        partial.unlink(missing_ok=True)
