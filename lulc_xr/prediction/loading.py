"""Models on workers: shipped as a path and a hash, loaded once per process."""

from __future__ import annotations

import hashlib
import os
import pickle
import threading
from collections import OrderedDict
from pathlib import Path

import cloudpickle

from lulc_xr.core.cache import cache_root
from lulc_xr.core.errors import ModelError
from lulc_xr.core.model import Precision, Predictor, PredictorReference

_KEPT = 4
_lock = threading.Lock()
_loaded: OrderedDict[tuple[str, Precision], Predictor] = OrderedDict()
_loads = 0


def model_hash(model: Predictor) -> str:
    """Identity of a model: its own ``content_hash``, else the hash of its pickle."""
    own = getattr(model, "content_hash", None)
    return str(own) if own else hashlib.sha256(_pickled(model)).hexdigest()


def make_reference(model: Predictor, *, precision: Precision) -> PredictorReference:
    """A reference that any process with access to the file can load the model from.

    A model with a ``reference()`` of its own (a classifier) names its folder. Any other
    object is pickled once into the cache folder, under the hash of its pickle.

    Raises
    ------
    ModelError
        If the precision is not one the model offers, or the object cannot be pickled.
    """
    if precision != "float32" and not hasattr(model, "with_precision"):
        raise ModelError(
            f"{type(model).__name__} offers float32 only, not {precision}. "
            "Leave out precision=, or use a classifier made by lulc_xr.fit."
        )
    if hasattr(model, "reference"):
        own: PredictorReference = model.reference()
        reference = PredictorReference(
            loader=own.loader, path=own.path, content_hash=own.content_hash, precision=precision
        )
    else:
        content = _pickled(model)
        digest = hashlib.sha256(content).hexdigest()
        path = cache_folder() / f"{digest}.pickle"
        if not path.exists():
            partial = path.with_suffix(f".{os.getpid()}.partial")
            partial.write_bytes(content)
            partial.replace(path)
        # A pickle may differ from session to session; a model's own hash does not.
        reference = PredictorReference(
            loader=load_pickled,
            path=str(path),
            content_hash=str(getattr(model, "content_hash", digest)),
            precision=precision,
        )
    _keep(reference, _at_precision(model, precision))
    return reference


def cache_folder() -> Path:
    """Folder of models that were never saved (``LULC_XR_CACHE``, else ``~/.cache/lulc_xr``)."""
    base = cache_root() / "objects"
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    return base


def load_pickled(path: str) -> Predictor:
    """A model of this user's own session, from the cache folder; its hash is its name."""
    content = Path(path).read_bytes()
    if hashlib.sha256(content).hexdigest() != Path(path).stem:
        raise ModelError(f"{path!r} was changed since it was written; classify again.")
    model: Predictor = pickle.loads(content)
    return model


def load_once(reference: PredictorReference) -> Predictor:
    """The model of a reference; the first call in a process loads it, later ones share it.

    Raises
    ------
    ModelError
        If the file is not there, or is another model than the reference names.
    """
    global _loads
    key = (reference.content_hash, reference.precision)
    with _lock:
        if key not in _loaded:
            if not Path(reference.path).exists():
                raise ModelError(
                    f"model {reference.path!r} is not there for this worker. Save the classifier "
                    "to a folder that all workers see, or set LULC_XR_CACHE to such a folder."
                )
            model = reference.loader(reference.path)
            found = getattr(model, "content_hash", reference.content_hash)
            if found != reference.content_hash and hasattr(model, "reference"):
                raise ModelError(
                    f"model {reference.path!r} has hash {found[:12]}, but this job was planned "
                    f"with {reference.content_hash[:12]}. It was changed meanwhile: classify again."
                )
            _loads += 1
            _remember(key, _at_precision(model, reference.precision))
        return _loaded[key]


def loads_in_this_process() -> int:
    """How many times a model was loaded from disk in this process."""
    return _loads


def _keep(reference: PredictorReference, model: Predictor) -> None:
    with _lock:
        _remember((reference.content_hash, reference.precision), model)


def _remember(key: tuple[str, Precision], model: Predictor) -> None:
    _loaded[key] = model
    while len(_loaded) > _KEPT:
        _loaded.popitem(last=False)


def _at_precision(model: Predictor, precision: Precision) -> Predictor:
    if not hasattr(model, "with_precision"):
        return model
    other: Predictor = model.with_precision(precision)
    return other


def _pickled(model: Predictor) -> bytes:
    try:
        content: bytes = cloudpickle.dumps(model)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise ModelError(
            f"{type(model).__name__} cannot be sent to workers: {error}. Make it picklable "
            "(no open files, locks or lazy handles), or give it a reference() of its own."
        ) from error
    return content
