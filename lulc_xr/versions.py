"""Versions of lulc_xr and of what it stands on, for reports of faults."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

_LIBRARIES = (
    "lulc_xr", "xarray", "dask", "distributed", "zarr", "numcodecs", "numpy", "pandas",
    "torch", "lightning", "torchmetrics", "safetensors", "xbatcher", "flox", "numbagg",
    "odc-stac", "odc-geo", "pystac-client", "geopandas", "scikit-learn", "torchvision",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions by library name, ``"not installed"`` where one is absent."""
    found = {"python": sys.version.split()[0], "platform": platform.platform()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def show_versions() -> None:
    """Print the versions that a report of a fault needs."""
    table = versions()
    width = max(map(len, table))
    sys.stdout.write("\n".join(f"{name:<{width}}  {v}" for name, v in table.items()) + "\n")
