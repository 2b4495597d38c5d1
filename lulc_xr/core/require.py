"""Optional libraries: imported when needed, with the way to install them when absent."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional library or say which extra installs it.

    Parameters
    ----------
    module : str
        Import name, such as ``"matplotlib.pyplot"``.
    extra : str
        The extra of lulc_xr that brings the library.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    ImportError
        If the library is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{module!r} is needed here and could not be imported ({error}). "
            f"Install it with: pip install 'lulc_xr[{extra}]'"
        ) from error
