"""Yearly maps of known truth made consistent: what each rule gains, and where it loses.

``python -m benchmarks.evidence.consistency`` (about a minute)

Places change now and then; each year a classifier sees a noisy picture of the truth, and says the
exact probabilities of what it saw. So these are calibrated, as a real classifier's may not be: in
one world they are too sure, in another too unsure. In a third, half the variance of the noise is
of the place and the same in all years, and in the last, two crops follow each other year by year.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

import lulc_xr as lx

NAMES = ["crop_a", "crop_b", "grass", "wood", "water", "town"]
LEGEND = lx.Legend.from_names("made_up", NAMES)
YEARS, SIDE, FIELD = 8, 128, 4
SIGNAL = 1.0


@dataclass(frozen=True, kw_only=True)
class World:
    """How a made-up area and its classifier behave.

    Parameters
    ----------
    change : float
        Probability that a field changes its class from one year to the next.
    noise : float
        Standard deviation of what is seen, where the classes are 1 apart.
    stays : float
        Share of the variance that is of the place, and the same in all years.
    sureness : float
        Factor of the classifier's logits; 1 is calibrated.
    rotation : bool
        Whether crops a and b follow each other every year.
    """

    change: float = 0.01
    noise: float = 0.45
    stays: float = 0.0
    sureness: float = 1.0
    rotation: bool = False


WORLDS: Mapping[str, World] = {
    "1 % of fields change a year": World(),
    "5 % of fields change a year": World(change=0.05),
    "probabilities too sure": World(sureness=2.0),
    "probabilities too unsure": World(sureness=0.3),
    "half of the noise stays": World(stays=0.5),
    "crops in rotation": World(rotation=True),
}

_CROPS = {"crop_a": 0.2, "crop_b": 0.2}
RULES: Mapping[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "as mapped": lambda maps: maps,
    "minimum_duration, 2 years": lambda maps: lx.consistent(maps, method="minimum_duration"),
    "minimum_duration, 3 years": lambda maps: lx.consistent(
        maps, method="minimum_duration", minimum=3
    ),
    "hmm, persistence 0.8": lambda maps: lx.consistent(maps, persistence=0.8),
    "hmm, persistence 0.95": lx.consistent,
    "hmm, persistence 0.99": lambda maps: lx.consistent(maps, persistence=0.99),
    "hmm, 0.95 and crops 0.2": lambda maps: lx.consistent(maps, persistence=_CROPS),
}


def true_classes(world: World, rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions of the true classes, (year, y, x)."""
    fields = SIDE // FIELD
    now = rng.integers(0, len(NAMES), (fields, fields))
    made = []
    for _ in range(YEARS):
        made.append(now)
        other = (now + rng.integers(1, len(NAMES), now.shape)) % len(NAMES)
        turned = np.where(now < 2, 1 - now, now) if world.rotation else now
        now = np.where(rng.random(now.shape) < world.change, other, turned)
    return np.stack(made).repeat(FIELD, axis=1).repeat(FIELD, axis=2)


def classified(world: World, truth: NDArray[np.int64], rng: np.random.Generator) -> xr.Dataset:
    """What a classifier says of it: classes and probabilities (year, class, y, x)."""
    shape = (YEARS, len(NAMES), SIDE, SIDE)
    noise = np.sqrt(1 - world.stays) * rng.normal(size=shape)
    noise += np.sqrt(world.stays) * rng.normal(size=shape[1:])
    seen = world.noise * noise + SIGNAL * (truth[:, None] == np.arange(len(NAMES))[:, None, None])
    # The posterior of a class, for noise of this variance and classes that are equally frequent.
    logits = world.sureness * seen * SIGNAL / world.noise**2
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    dims = ("year", "y", "x")
    return xr.Dataset(
        {
            "land_cover": (dims, p.argmax(axis=1).astype(np.uint8), LEGEND.flags()),
            "land_cover_probability": (("year", "class", "y", "x"), p.astype(np.float32)),
        },
        coords={"year": np.arange(2015, 2015 + YEARS)},
    )


def scores(found: NDArray[np.integer], truth: NDArray[np.int64]) -> dict[str, float]:
    """Errors of the classes, and of the change from year to year."""
    changed, real = found[1:] != found[:-1], truth[1:] != truth[:-1]
    right = changed & real & (found[1:] == truth[1:]) & (found[:-1] == truth[:-1])
    return {
        "error": float((found != truth).mean()),
        "error, first and last year": float((found[[0, -1]] != truth[[0, -1]]).mean()),
        "change over true change": float(changed.mean() / real.mean()),
        "true changes found": float(right.sum() / real.sum()),
    }


def run(seeds: int) -> pd.DataFrame:
    """Scores of each rule in each world, one row per seed."""
    rows: list[dict[str, Any]] = []
    for seed in range(seeds):
        for name, world in WORLDS.items():
            rng = np.random.default_rng([seed, len(name)])
            truth = true_classes(world, rng)
            maps = classified(world, truth, rng)
            for rule, revise in RULES.items():
                found = revise(maps)["land_cover"].values
                rows.append({"world": name, "rule": rule, "seed": seed, **scores(found, truth)})
    return pd.DataFrame(rows)


def main() -> None:
    """Print means over seeds with their 95 % intervals."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=8)
    table = run(parser.parse_args().seeds)
    for world, rows in table.groupby("world", sort=False):
        print(f"\n{world}")
        told = pd.DataFrame(
            {
                column: own.groupby("rule", sort=False)[column].agg(
                    lambda values: "{:.3f} ± {:.3f}".format(*lx.mean_and_interval(list(values)))
                )
                for own in (rows.drop(columns="seed"),)
                for column in own.columns[2:]
            }
        )
        print(told.to_string())


if __name__ == "__main__":
    main()
