"""How often intervals hold the truth: ``python -m benchmarks.evidence.coverage``.

A made-up map whose truth is known at every pixel is sampled 2000 times by each design, and judged
by :func:`lulc_xr.accuracy` each time. Prints, for every design, quantity, class and kind of
interval, the share of the samples whose interval holds the truth, and the mean width.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter

import lulc_xr as lx

NAMES = ("cropland", "woodland", "grassland", "built_up", "water", "wetland")
SHARES = (0.42, 0.28, 0.208, 0.07, 0.014, 0.008)
QUANTITIES = ("overall accuracy", "user's accuracy", "producer's accuracy", "area")
SIDE = 960
BLOCK = 12
"""Pixels along the side of a cluster."""


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """A map, its truth, strata that are not its classes, and a field that weights follow."""

    mapped: np.ndarray
    truth: np.ndarray
    strata: np.ndarray
    inclusion: np.ndarray

    @cached_property
    def legend(self) -> lx.Legend:
        return lx.Legend.from_names("world", list(NAMES))

    @cached_property
    def steps(self) -> np.ndarray:
        """Running sums of the chances of the pixels."""
        return np.cumsum(self.inclusion)

    @cached_property
    def true_values(self) -> dict[tuple[str, str], float]:
        """What the intervals should hold."""
        labels = (
            xr.DataArray(a.astype(np.uint8), dims="sample") for a in (self.mapped, self.truth)
        )
        found = lx.accuracy(*labels, legend=self.legend)
        values = {("overall accuracy", ""): found.overall}
        for j, name in enumerate(NAMES):
            values["user's accuracy", name] = float(found.users_accuracy[j])
            values["producer's accuracy", name] = float(found.producers_accuracy[j])
            values["area", name] = float((self.truth == j).mean())
        return values


def make_world(seed: int = 5) -> World:
    """A landscape of smooth patches; the map errs at borders and confuses classes in places."""
    rng = np.random.default_rng(seed)

    def field(sigma: float) -> np.ndarray:
        smooth = gaussian_filter(rng.standard_normal((SIDE, SIDE)), sigma, mode="wrap")
        return smooth / smooth.std()

    scores = np.stack([field(7.0) for _ in NAMES])
    truth = _classes(scores)
    # Errors: the map sees the same fields through noise of two scales.
    mapped = _classes(scores + 0.20 * np.stack([field(2.0) for _ in NAMES]))
    spots = rng.random((SIDE, SIDE)) < 0.03
    mapped[spots] = rng.choice(len(NAMES), int(spots.sum()), p=SHARES)
    # Strata as photo-interpreters draw them: coarse, and often wrong.
    seen = _classes(scores + 0.6 * np.stack([field(4.0) for _ in NAMES]))
    strata = np.array([0, 1, 0, 2, 3, 3])[seen]
    inclusion = np.exp(0.5 * field(30.0) + 0.4 * np.isin(truth, (3, 4, 5)))
    return World(
        mapped=mapped.ravel(), truth=truth.ravel(), strata=strata.ravel(),
        inclusion=(inclusion / inclusion.sum()).ravel(),
    )  # fmt: skip


def _classes(scores: np.ndarray) -> np.ndarray:
    """Classes of the wanted shares: rare ones where their own field is highest."""
    classes = np.full(scores.shape[1:], 0)
    free = np.ones(scores.shape[1:], bool)
    for j in (5, 4, 3, 2, 1):
        most = SHARES[j] * free.size / free.sum()
        threshold = np.quantile(scores[j][free], 1 - most)
        chosen = free & (scores[j] > threshold)
        classes[chosen] = j
        free &= ~chosen
    return classes


Draw = Callable[[World, np.random.Generator, int], tuple[np.ndarray, lx.Design]]


def simple_random(world: World, rng: np.random.Generator, size: int) -> Any:
    """Pixels without replacement; the area of the map is known."""
    chosen = rng.choice(world.truth.size, size, replace=False, shuffle=False)
    return chosen, lx.Design(weights=np.full(size, 1 / size))


def _stratified(
    drawn_in: np.ndarray, rng: np.random.Generator, sizes: np.ndarray, **design: Any
) -> Any:
    members = _members(drawn_in)
    chosen = [
        rng.choice(m, n, replace=False, shuffle=False) for m, n in zip(members, sizes, strict=True)
    ]
    names = design.pop("names")
    areas = {names[s]: m.size / drawn_in.size for s, m in enumerate(members)}
    where = np.concatenate(chosen)
    if "strata" not in design:
        design["strata"] = np.array(names, object)[drawn_in[where]]
    return where, lx.Design(stratum_area=areas, **design)


_MEMBERS: dict[int, list[np.ndarray]] = {}


def _members(strata: np.ndarray) -> list[np.ndarray]:
    if id(strata) not in _MEMBERS:
        _MEMBERS[id(strata)] = [np.flatnonzero(strata == s) for s in range(strata.max() + 1)]
    return _MEMBERS[id(strata)]


def proportional(world: World, rng: np.random.Generator, size: int) -> Any:
    """Strata are map classes, allocation by their area, two points at least."""
    shares = np.bincount(world.mapped) / world.mapped.size
    sizes = np.maximum(np.rint(size * shares).astype(int), 2)
    return _stratified(world.mapped, rng, sizes, names=NAMES, strata="mapped")


def equal(world: World, rng: np.random.Generator, size: int) -> Any:
    """Strata are map classes, the same number in each."""
    sizes = np.full(len(NAMES), size // len(NAMES))
    return _stratified(world.mapped, rng, sizes, names=NAMES, strata="mapped")


def other_strata(world: World, rng: np.random.Generator, size: int) -> Any:
    """Strata of photo-interpretation, which are not the map's classes."""
    names = ("open", "woody", "artificial", "wet")
    return _stratified(world.strata, rng, (size * np.array([4, 2, 2, 2]) // 10), names=names)


def clustered(world: World, rng: np.random.Generator, size: int) -> Any:
    """Square blocks, and five pixels in each."""
    each, along = 5, SIDE // BLOCK
    blocks = rng.choice(along**2, size // each, replace=False)
    inside = np.argpartition(rng.random((blocks.size, BLOCK**2), np.float32), each, axis=1)[
        :, :each
    ]
    row = (blocks // along)[:, None] * BLOCK + inside // BLOCK
    column = (blocks % along)[:, None] * BLOCK + inside % BLOCK
    where = (row * SIDE + column).ravel()
    design = lx.Design(
        clusters=np.repeat(np.arange(blocks.size), each),
        weights=np.full(where.size, 1 / where.size),
    )
    return where, design


def unequal_weights(world: World, rng: np.random.Generator, size: int) -> Any:
    """Pixels drawn with unequal chances; weights are one over these, and add up to the map."""
    where = np.searchsorted(world.steps, rng.random(size) * world.steps[-1])
    weights = 1 / world.inclusion[where]
    return where, lx.Design(weights=weights / weights.sum())


def post_stratified(world: World, rng: np.random.Generator, size: int) -> Any:
    """Simple random, post-stratified by the classes of the map."""
    where, _ = simple_random(world, rng, size)
    shares = np.bincount(world.mapped) / world.mapped.size
    known = dict(zip(NAMES, shares, strict=True))
    return where, lx.Design(post_strata="mapped", post_stratum_area=known)


DESIGNS: dict[str, tuple[Draw, int]] = {
    "simple random": (simple_random, 4000),
    "post-stratified": (post_stratified, 4000),
    "map classes (proportional)": (proportional, 4000),
    "map classes (equal)": (equal, 6000),
    "other strata": (other_strata, 6000),
    "clustered": (clustered, 4000),
    "unequal weights": (unequal_weights, 4000),
}
"""Each design and the number of points it draws."""


def judge(world: World, design: str, rng: np.random.Generator, size: int | None = None) -> Any:
    """An accuracy of one sample by a design."""
    draw, usual = DESIGNS[design]
    where, known = draw(world, rng, size or usual)
    labels = (
        xr.DataArray(a[where].astype(np.uint8), dims="sample") for a in (world.mapped, world.truth)
    )
    return lx.accuracy(*labels, legend=world.legend, design=known)


def simulate(
    world: World, design: str, *, repeats: int, intervals: tuple[str, ...], seed: int = 0,
    size: int | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Coverage and mean width of each quantity, class and interval under one design."""
    rng = np.random.default_rng([seed, list(DESIGNS).index(design)])
    labels, found = None, []
    for _ in range(repeats):
        result = judge(world, design, rng, size)
        for interval in intervals:
            table = replace(result, interval=interval).estimates
            if labels is None:
                wanted = np.flatnonzero(table["quantity"].isin(QUANTITIES))
                labels = table.iloc[wanted][["quantity", "class"]].reset_index(drop=True)
            found.append(table[["estimate", "low", "high", "samples"]].to_numpy()[wanted])
    values = np.stack(found).reshape(repeats, len(intervals), len(labels), 4)
    true = np.array([world.true_values[key] for key in labels.itertuples(index=False, name=None)])
    low, high = values[..., 1], values[..., 2]
    tables = []
    for k, interval in enumerate(intervals):
        # Without a label in its denominator a score has no estimate, and no interval.
        given = np.isfinite(low[:, k]).sum(axis=0)
        holds = (low[:, k] <= true) & (true <= high[:, k])
        tables.append(
            labels.assign(
                design=design, asked=interval, truth=true, coverage=holds.sum(axis=0) / given,
                width=np.nanmean(high[:, k] - low[:, k], axis=0), given=given,
                bias=np.nanmean(values[:, k, :, 0], axis=0) - true,
                labels=values[:, k, :, 3].mean(axis=0),
            )
        )  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def lines(table: pd.DataFrame) -> list[str]:
    """The coverage table as Markdown: one row per design, quantity and class."""
    kinds = list(dict.fromkeys(table["asked"]))
    wide = table.pivot_table(
        index=["design", "quantity", "class", "truth"], columns="asked",
        values=["coverage", "width"], sort=False,
    )  # fmt: skip
    labels = table.groupby(["design", "quantity", "class"])["labels"].mean()
    head = "| design | quantity | class | truth | labels | " + " | ".join(kinds) + " |"
    found = [head, "|" + "---|" * (5 + len(kinds))]
    for (design, quantity, name, truth), row in wide.iterrows():
        cells = [
            f"{100 * row['coverage', k]:.1f} ({row['width', k]:.3f})"
            if math.isfinite(row["width", k]) else "-"
            for k in kinds
        ]  # fmt: skip
        count = labels[design, quantity, name]
        found.append(
            f"| {design} | {quantity} | {name} | {truth:.3f} | {count:.0f} | {' | '.join(cells)} |"
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--designs", default=",".join(DESIGNS))
    parser.add_argument("--intervals", default="normal,wilson,logit")
    parser.add_argument("--size", type=int)
    given = parser.parse_args()
    world = make_world()
    head = True
    for design in given.designs.split(","):
        table = simulate(
            world, design, repeats=given.repeats, intervals=tuple(given.intervals.split(",")),
            size=given.size,
        )  # fmt: skip
        print("\n".join(lines(table)[0 if head else 2 :]), flush=True)
        head = False


if __name__ == "__main__":
    main()
