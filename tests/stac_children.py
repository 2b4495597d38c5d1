"""Extends a store from STAC items in a process of its own, so that tests can kill it.

``python -m tests.stac_children STORE ITEMS``: ITEMS is an item collection on disk.
"""

import sys

import dask
import pystac

import lulc_xr as lx
from tests.servers.catalogue import CHIP
from tests.servers.processes import die_with_parent

BANDS = ("green", "red", "nir")


def load(source, **settings):
    """The chip on its own pixels."""
    return lx.load_stac(source, geobox=CHIP, bands=BANDS, **settings)


def extend(store, items):
    cube = load(pystac.ItemCollection.from_file(items))
    with dask.config.set(scheduler="threads", num_workers=2):
        report = lx.extend_cube(cube, store, progress=False)
    print(report.written, report.skipped)


if __name__ == "__main__":
    die_with_parent()
    extend(*sys.argv[1:])
