"""Loops over pixels, compiled by Numba when they are first called."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def compiled(loop: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code, which lets go of Python's lock while it runs.

    Numba is imported, and the code made or taken from its cache on disk, at the first call, so
    that ``import lulc_xr`` stays light. A compiled function calls no other compiled one.

    Parameters
    ----------
    loop : callable
        Written in the part of Python and NumPy that Numba knows, at the top of a module.
    """

    @functools.cache
    def machine_code() -> Any:
        numba = importlib.import_module("numba")
        try:
            return numba.njit(nogil=True, cache=True)(loop)
        except RuntimeError:
            # Neither the package's folder nor the user's cache can be written to.
            return numba.njit(nogil=True)(loop)

    @functools.wraps(loop)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        found: R = machine_code()(*args, **kwargs)
        return found

    return call
