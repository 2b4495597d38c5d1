"""The errors users see: each names the value, the expectation and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LulcError(Exception):
    """Base of every error that lulc_xr raises on purpose."""


class CubeError(LulcError, ValueError):
    """A data cube breaks the contract, or does not hold what is asked of it."""


class LegendError(LulcError, ValueError):
    """A legend is inconsistent, or a label is not part of it."""


class ModelError(LulcError, ValueError):
    """A model specification, a classifier folder or a prediction breaks the contract."""


class SampleError(LulcError, ValueError):
    """Points, samples or folds cannot be used as asked."""


class ExperimentError(LulcError, ValueError):
    """An experiment is inconsistent, or is not the one that its folder was begun with."""


class StoreError(LulcError, OSError):
    """A Zarr store cannot be read or written as asked; nothing was half replaced."""


class SourceError(LulcError, OSError):
    """A source of pixels could not be read; the message names item, asset and address."""


class IncompleteMapWarning(UserWarning):
    """A class map in a store was begun and not finished."""


class ContextRangeWarning(UserWarning):
    """A model is asked for places whose climate none of its training samples has."""


def name_unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """Say that a name is unknown and list the known ones, nearest first.

    Parameters
    ----------
    kind : str
        What the name stands for, such as ``"band"``.
    name : object
        The unknown name.
    known : iterable of str
        All names that would have been right.

    Returns
    -------
    str
        One sentence for an error message.

    Examples
    --------
    >>> name_unknown("band", "nir8", ["blue", "nir08"])
    "unknown band 'nir8'. Known, nearest first: nir08, blue."
    """
    names = [str(item) for item in known]
    ratio = {item: difflib.SequenceMatcher(None, str(name), item).ratio() for item in names}
    ordered = sorted(names, key=lambda item: -ratio[item])
    return f"unknown {kind} {str(name)!r}. Known, nearest first: {', '.join(ordered) or 'none'}."
