"""The scene that all benchmarks share: the real chip of Flanders, tiled, with seeded noise."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import xarray as xr

import lulc_xr as lx

ROOT = Path(__file__).resolve().parents[1]
SIDE = int(os.environ.get("LULC_XR_BENCH_SIDE", "512"))
"""Pixels a side of the scene that asv uses; its test sets a small one."""

DATES = 24
NOISE = 50
"""Standard deviation of the noise in stored units: 0.005 reflectance."""

PER_CLASS = 60

SEED = 2
"""Of points and weights. bfloat16 changes 0.03 % of this model's classes; the model of seed 0 is
refused on a probe of 4096 pixels, as it should be."""


def load_recipe(name: str = "flanders") -> ModuleType:
    """A recipe of zarr_stores/, which is a folder of scripts and not a package."""
    path = ROOT / "zarr_stores" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"recipe_{name}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def half_months() -> xr.Dataset:
    """The chip as 24 half-month medians of November 2017 to October 2018, gaps filled."""
    recipe = load_recipe()
    chip = recipe.make_cube(ROOT / "zarr_stores" / "raw")
    medians = lx.composite(chip, freq="SMS").sel(time=slice("2017-11-01", "2018-10-31"))
    cube = medians.isel(time=slice(0, DATES)).compute()
    # Days in one calendar year make the mapped year of a model without start_month.
    cube["time"] = pd.date_range("2018-01-01", periods=DATES, freq="15D")
    cube["clear"] = xr.ones_like(cube["clear"])
    cube["reference"] = chip["reference"].compute()
    return cube


def tile(chip: xr.Dataset, side: int, *, seed: int = 0) -> xr.Dataset:
    """A cube of `side` x `side` pixels: the chip side by side, each copy with other noise."""
    times = -(-side // chip.sizes["y"])
    raw = np.rint(chip["reflectance"].values / 1e-4).astype(np.int16)
    raw = np.tile(raw, (1, 1, times, times))[:, :, :side, :side]
    noise = np.random.default_rng(seed).normal(0, NOISE, raw.shape).astype(np.float32)
    raw = np.clip(raw + noise, 0, 12000).astype(np.int16)
    x0, y0 = float(chip["x"][0]), float(chip["y"][0])
    cube = xr.Dataset(
        {
            "reflectance": (("time", "band", "y", "x"), raw),
            "clear": (("time", "y", "x"), np.ones((DATES, side, side), np.uint8)),
        },
        coords={
            "time": chip["time"],
            "band": chip["band"],
            "y": y0 - 10.0 * np.arange(side),
            "x": x0 + 10.0 * np.arange(side),
            "spatial_ref": chip["spatial_ref"],
        },
    )
    cube["reflectance"].attrs = {"scale_factor": 1e-4, "_FillValue": -9999}
    return cube


def make_store(folder: Path, *, side: int, plan: lx.ChunkPlan | None = None) -> Path:
    """The tiled cube as a Zarr store in `folder`."""
    store = folder / f"scene_{side}.zarr"
    lx.write_cube(tile(half_months(), side), store, plan=plan, overwrite=True)
    return store


def train(folder: Path, *, network: str = "tempcnn", seed: int = SEED) -> Path:
    """A classifier of 64 filters trained on points of the chip, saved in `folder`."""
    chip = half_months()
    points = lx.testing.points(chip, per_class=PER_CLASS, seed=seed)
    dates = lx.RawDates(maximum=DATES, minimum=DATES, fill="linear")
    samples = lx.extract_samples(chip, points, dates=dates)
    config = lx.TrainConfig(seed=seed, progress=False)
    path = folder / f"{network}_{seed}"
    lx.fit(samples, network, config=config).save(path, overwrite=True)
    return path


def forget_maps(store: str | Path) -> None:
    """Remove the maps of a store, so that a run starts from the cube alone."""
    for name in ("land_cover", "land_cover_entropy", "land_cover_probability"):
        shutil.rmtree(Path(store) / name, ignore_errors=True)
        shutil.rmtree(Path(store) / "ledger" / name, ignore_errors=True)
