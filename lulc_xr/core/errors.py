"""The errors users see: each names the value, the expectation and the way out."""

from __future__ import annotations

import difflib
import sys
import warnings
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


class GridWarning(UserWarning):
    """Cells of a grid are not given in full, or in two ways that differ; says what was taken."""


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


def warn_caller(message: str, kind: type[Warning]) -> None:
    """Warn at the line outside of lulc_xr that led here, however deep inside we are.

    Parameters
    ----------
    message : str
        What to say.
    kind : type of Warning
        Its class.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("lulc_xr."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, kind, stacklevel=level)
