"""Where models are kept that have no folder of their own."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """The user's cache folder of lulc_xr: ``LULC_XR_CACHE``, else ``~/.cache/lulc_xr``.

    The variable moves it, for instance to a disk that all workers of a cluster see.
    """
    default = Path.home() / ".cache" / "lulc_xr"
    return Path(os.environ.get("LULC_XR_CACHE") or default).expanduser()
