"""Segments and what is made with them: what do they cost beside reading the cube?"""

from __future__ import annotations

import dask
import numpy as np
import xarray as xr

import lulc_xr as lx
from benchmarks import scene

_CLASSES = 5


def _cube() -> xr.Dataset:
    side = scene.SIDE
    return lx.testing.landscape(
        y=side, x=side, time=12, bands=("blue", "green", "red", "nir"), classes=_CLASSES
    ).chunk({"y": min(side, 256), "x": min(side, 256)})


def _maps(cube: xr.Dataset) -> xr.Dataset:
    """Maps of made-up probabilities: the time of a network is not asked for here."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(_CLASSES), (cube.sizes["y"], cube.sizes["x"])).astype(np.float32)
    legend = lx.Legend.from_flags(cube["reference"].attrs)
    coords = {"year": [2018], "y": cube["y"], "x": cube["x"]}
    classes = np.array(legend.ids, np.uint8)[p.argmax(axis=-1)]
    return xr.Dataset(
        {
            "land_cover": (("year", "y", "x"), classes[None], legend.flags()),
            "land_cover_probability": (("year", "class", "y", "x"), np.moveaxis(p, -1, 0)[None]),
        },
        coords=coords,
    ).chunk({"y": 256, "x": 256})


class Segments:
    """How long does a segmentation take, and how much memory?"""

    params = ("felzenszwalb", "slic")
    param_names = ("method",)
    timeout = 600

    def setup(self, method: str) -> None:
        self.cube = _cube().persist()

    def time_segment(self, method: str) -> None:
        """Yearly medians of four bands, cut into tiles of 256 pixels."""
        with dask.config.set(scheduler="synchronous"):
            lx.segment(self.cube, method=method).compute()

    def peakmem_segment(self, method: str) -> None:
        """The same, as memory."""
        self.time_segment(method)


class Maps:
    """How long does it take to make a map of objects, or a smooth one, of a map of pixels?"""

    params = ("vote", "mean", "smooth", "fragmentation")
    param_names = ("what",)
    timeout = 600

    def setup(self, what: str) -> None:
        cube = _cube()
        self.maps = _maps(cube).persist()
        self.segments = lx.segment(cube).persist()

    def time_make(self, what: str) -> None:
        """One year, five classes."""
        with dask.config.set(scheduler="synchronous"):
            if what == "fragmentation":
                lx.fragmentation(self.maps["land_cover"]).compute()
            elif what == "smooth":
                lx.smooth(self.maps)["land_cover"].compute()
            else:
                lx.aggregate(self.maps, self.segments, how=what)["land_cover"].compute()

    def peakmem_make(self, what: str) -> None:
        """The same, as memory."""
        self.time_make(what)
