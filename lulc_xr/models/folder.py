"""A model on disk: a folder of weights and JSON, written whole and read without running code."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from lulc_xr.core.cache import cache_root
from lulc_xr.core.errors import ModelError

FORMAT_VERSION = 1
WEIGHTS = "model.safetensors"
DOCUMENT = "model.json"
ARRAYS = "arrays.safetensors"
"""Arrays that belong to a model and are no weights, such as where it was trained; may be absent."""
IDENTITY = ("spec", "network", "calibration")
"""Parts of the document that, with the weights, decide what is predicted."""
ATTACHED = ("conformal", "applicability")
"""Parts that decide what else is said of a prediction, where a model has them."""

_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".joblib")
_REFUSAL = (
    "Such files can run code when they are loaded, so they are never opened. "
    "Save the model with Classifier.save(path) and load that folder."
)

Document = Mapping[str, Any]


def hash_content(document: Document, weights: Mapping[str, Tensor]) -> str:
    """Identity of a model: SHA-256 over its weights and all that decides what it predicts.

    Parameters
    ----------
    document : mapping
        Has at least the keys of `IDENTITY`, JSON-able.
    weights : mapping of str to Tensor
        The state of the network.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    identity = {key: without_provenance(document[key]) for key in IDENTITY}
    identity |= {key: without_provenance(document[key]) for key in ATTACHED if key in document}
    described = json.dumps([identity, hash_weights(weights)], sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()


def hash_weights(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of tensors."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def write_folder(
    path: Path,
    document: Document,
    weights: Mapping[str, Tensor],
    *,
    arrays: Mapping[str, NDArray[Any]] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a model folder: the whole folder appears at once, or nothing changes.

    Parameters
    ----------
    path : Path
        The folder to be.
    document : mapping
        What goes into ``model.json``.
    weights : mapping of str to Tensor
        What goes into ``model.safetensors``.
    arrays : mapping of str to ndarray, optional
        What goes into ``arrays.safetensors``.
    overwrite : bool
        Replace another model at `path`.

    Raises
    ------
    ModelError
        If another model, or something that is no model, is at `path`.
    """
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    if _is_written(path, text):
        return
    _check_replaceable(path, document, overwrite=overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A sibling is on the same file system, so that the rename at the end is one step.
    staging = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    staging.mkdir()
    try:
        # Clones, since safetensors refuses tensors that share memory, as tied weights do.
        tensors = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        (staging / WEIGHTS).write_bytes(safetensors.torch.save(tensors, {"format": "pt"}))
        write_arrays(staging, arrays or {})
        (staging / DOCUMENT).write_text(text, encoding="utf-8")
        _swap(staging, path)
    except OSError:
        # Another process may have written the same model to the cache in the meantime.
        if not _is_written(path, text):
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def read_folder(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Document and weights of a model folder, checked against the hash written with them.

    Parameters
    ----------
    path : Path
        Folder that :func:`write_folder` wrote.

    Returns
    -------
    document : dict
        ``model.json``.
    weights : dict of str to Tensor
        ``model.safetensors``, in memory.

    Raises
    ------
    ModelError
        If it is no model folder, of another format version, damaged, or tampered with.
    """
    _check_files(path)
    document = _read_document(path / DOCUMENT)
    weights = _read_weights(path / WEIGHTS)
    found, expected = hash_content(document, weights), document["content_hash"]
    if found != expected:
        raise ModelError(
            f"model in {path} was changed after it was saved: its content hash is "
            f"{found[:12]}, but {DOCUMENT} says {str(expected)[:12]}. Copy the folder again from "
            "where it came, or train the model again."
        )
    return document, weights


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays that are no weights into a folder that is not in use yet; none: no file."""
    if arrays:
        plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        (folder / ARRAYS).write_bytes(safetensors.numpy.save(plain))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays of a model folder that are no weights, by name; empty if it has none.

    Raises
    ------
    ModelError
        If their file is damaged.
    """
    try:
        return dict(safetensors.numpy.load((path / ARRAYS).read_bytes()))
    except FileNotFoundError:
        return {}
    except (SafetensorError, ValueError, KeyError) as error:
        raise ModelError(
            f"{path / ARRAYS} is damaged ({error}). Copy the model folder again."
        ) from error


def without_provenance(part: Any) -> Any:
    """A part of a document without the record of how it came about."""
    if not isinstance(part, dict):
        return part
    return {key: value for key, value in part.items() if key != "provenance"}


def cache_folder(content_hash: str) -> Path:
    """Folder, private to the user, in which a model without a folder of its own is kept.

    See :func:`lulc_xr.core.cache.cache_root`.
    """
    models = cache_root() / "models"
    models.mkdir(mode=0o700, parents=True, exist_ok=True)
    return models / content_hash


def _check_files(path: Path) -> None:
    if path.is_file():
        kind = "a pickle" if path.suffix in _PICKLES else "a file"
        raise ModelError(f"{path} is {kind}; expected a folder. {_REFUSAL}")
    if not path.is_dir():
        raise ModelError(
            f"no model folder at {path}. Give the folder that Classifier.save wrote "
            f"(with {WEIGHTS} and {DOCUMENT})."
        )
    names = sorted(item.name for item in path.iterdir())
    pickles = [name for name in names if Path(name).suffix in _PICKLES]
    if pickles:
        raise ModelError(
            f"{path} holds {', '.join(pickles)}; expected {WEIGHTS} and {DOCUMENT} only. {_REFUSAL}"
        )
    for name in (DOCUMENT, WEIGHTS):
        if name not in names:
            raise ModelError(
                f"{path} has no {name}; it holds {', '.join(names) or 'nothing'}. "
                "Copy the folder again, or train the model again."
            )


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(
            f"{path} is damaged: not JSON ({error}). Copy the model folder again."
        ) from error
    version = document.get("format_version") if isinstance(document, dict) else None
    if version != FORMAT_VERSION:
        raise ModelError(
            f"{path} has format_version {version!r}; this lulc_xr reads {FORMAT_VERSION}. "
            "Load it with the lulc_xr that wrote it, or train the model again."
        )
    missing = [key for key in (*IDENTITY, "content_hash", "provenance") if key not in document]
    if missing:
        raise ModelError(
            f"{path} is damaged: it lacks {', '.join(missing)}. Copy the model folder again."
        )
    return dict(document)


def _read_weights(path: Path) -> dict[str, Tensor]:
    # Read whole: a mapped file that somebody cuts short later would end the process.
    content = path.read_bytes()
    try:
        return safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        if content.startswith((b"PK\x03\x04", b"\x80")):
            raise ModelError(f"{path} is a pickle under another name. {_REFUSAL}") from error
        raise ModelError(
            f"{path} is damaged ({len(content)} bytes; {error}). Copy the model folder again."
        ) from error


def _is_written(path: Path, text: str) -> bool:
    """True if the very same model is there, unharmed."""
    try:
        read_folder(path)
    except (ModelError, OSError):
        return False
    return (path / DOCUMENT).read_text(encoding="utf-8") == text


def _check_replaceable(path: Path, document: Document, *, overwrite: bool) -> None:
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not (path.is_dir() and (path / DOCUMENT).is_file()):
        raise ModelError(
            f"{path} is there already and is no model folder. Give a path that is free."
        )
    if not overwrite:
        raise ModelError(
            f"{path} holds another model than the one to be saved "
            f"({document['content_hash'][:12]}), or the same one with another provenance. "
            "Give another path, or pass overwrite=True."
        )


def _swap(staging: Path, path: Path) -> None:
    if not path.exists() or not any(path.iterdir()):
        staging.rename(path)
        return
    retired = path.with_name(f"{staging.name}-old")
    path.rename(retired)
    try:
        staging.rename(path)
    except OSError:
        retired.rename(path)
        raise
    shutil.rmtree(retired)
