"""What is told of one run of trust across Europe: calibration, coverage, area, doubt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

import lulc_xr as lx

BLOCK = 100_000.0
PROMISED = 0.9
PARTS = {"inside": 2, "outside": 3}
"""Held-back blocks of the countries that were trained on; countries that were left out."""

CALIBRATIONS: dict[str, dict[str, Any]] = {
    "temperature": {},
    "vector": {"method": "vector"},
    "temperature by zone": {"by": "zone"},
}
SETS: dict[str, dict[str, Any]] = {
    "LAC": {"method": "lac"},
    "APS": {"method": "aps"},
    "RAPS": {"method": "raps"},
    "LAC by class": {"method": "lac", "by": "class"},
    "LAC, promised 0.95": {"method": "lac", "coverage": 0.95},
    "LAC by zone": {"method": "lac", "by": "region", "region": "zone"},
}
SCORES = {
    "ECE": "ECE, equal mass",
    "class-wise ECE": "class-wise ECE",
    "NLL": "negative log-likelihood",
    "Brier": "Brier score",
}
Rows = Iterator[dict[str, Any]]


class Said:
    """A model that says again what another one said: its bands are the probabilities."""

    def __init__(self, samples: xr.Dataset) -> None:
        own = samples.assign_attrs(tasks="land_cover")
        self.spec = lx.ModelSpec.from_samples(own)

    def predict_block(
        self, pixels: NDArray[np.float32], days: NDArray[np.int32], context: object
    ) -> NDArray[np.float32]:
        """Probabilities (class, y, x)."""
        return pixels[0]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What one model said of the points of one run."""

    said: xr.Dataset
    training: xr.Dataset
    part: NDArray[np.int8]
    dissimilarity: NDArray[np.float32]
    aleatoric: NDArray[np.float32] | None
    threshold: float

    def of(self, part: str) -> NDArray[np.int64]:
        """Positions of the points of a part; the calibration has two, of other blocks each."""
        if part in PARTS:
            return np.flatnonzero(self.part == PARTS[part])
        x, y = (np.floor(self.said[d].values / BLOCK).astype(int) for d in ("x", "y"))
        return np.flatnonzero((self.part == 1) & ((x + y) % 2 == (part == "sets")))


def read_case(samples: xr.Dataset, run: dict[str, Any], folder: Path) -> Case:
    """What was kept of a run."""
    kept = np.load(folder / f"{run['method']}-{run['fold']}-{run['seed']}.npz")
    judged = samples.isel(sample=kept["sample"])
    classes = judged["land_cover"].attrs["flag_meanings"].split()
    names = ("land_cover", "x", "y", "zone", "country", "group", "day", "point_id")
    said = judged[[name for name in names if name in judged.variables]].assign(
        reflectance=(("sample", "time", "band"), kept["probability"][:, None])
    )
    rest = np.setdiff1d(np.arange(samples.sizes["sample"]), kept["sample"])
    return Case(
        said=said.assign_coords(band=classes).assign_attrs(tasks="land_cover"),
        training=samples.isel(sample=rest),
        part=kept["part"],
        dissimilarity=kept["dissimilarity"],
        aleatoric=kept.get("aleatoric"),
        threshold=run["threshold"],
    )


def rows_of(case: Case) -> Rows:
    """All that is told of one run."""
    plain = Said(case.said)
    apart = {"trained_on": case.training}
    fit_on = case.said.isel(sample=case.of("calibration"))
    models: dict[str, Any] = {"none": plain}
    for name, settings in CALIBRATIONS.items():
        if "zone" in case.said or "zone" not in name:
            # A vector is refused where a class has fewer than ten points: no row of it then.
            with contextlib.suppress(lx.SampleError):
                models[name] = lx.calibrate(plain, fit_on, **settings, **apart)
    for rule, model in models.items():
        for part in PARTS:
            yield from _scores(case, part, rule, model)
    for rule, settings in SETS.items():
        if "zone" in rule and "zone" not in case.said:
            continue
        sets_on = case.said.isel(sample=case.of("sets"))
        model = lx.conformalize(
            models["temperature"], sets_on, **{"coverage": PROMISED} | settings, **apart
        )
        for part in PARTS:
            yield from _coverage(case, part, rule, model)
    for part in PARTS:
        yield from _area(case, part)
        yield from _surest(case, part)


def _row(question: str, part: str, rule: str, name: str, value: float, half: float = np.nan) -> Any:
    return {
        "question": question, "part": part, "rule": rule, "name": name,
        "value": float(value), "half": half,
    }  # fmt: skip


def _probabilities(model: Any, samples: xr.Dataset) -> NDArray[np.float32]:
    if isinstance(model, Said):
        return samples["reflectance"].values[:, 0]
    return model.predict(samples)["land_cover_probability"].values


def _index(samples: xr.Dataset) -> NDArray[np.int64]:
    ids = list(np.asarray(samples["land_cover"].attrs["flag_values"]))
    return np.array([ids.index(label) for label in samples["land_cover"].values])


def _scores(case: Case, part: str, rule: str, model: Any) -> Rows:
    samples = case.said.isel(sample=case.of(part))
    p = _probabilities(model, samples)
    found = _score(p, samples)
    truth = _index(samples)
    yield _row("scores", part, rule, "accuracy", (p.argmax(axis=1) == truth).mean())
    yield _row("scores", part, rule, "mean probability", p.max(axis=1).mean())
    for name, score in SCORES.items():
        yield _row("scores", part, rule, name, found[score])
    yield _row("ECE by group", part, rule, "", found[SCORES["ECE"]])
    if rule == "none":
        right = p.argmax(axis=1) == truth
        yield _row("accuracy by group", part, rule, "", right.mean(), half_width(right, samples))
    if rule == "temperature":
        each = found.scores.query("score == 'class-wise ECE' and `class` != ''")
        for name, value in zip(each["class"], each["estimate"], strict=True):
            yield _row("ECE by class", part, rule, name, value)


def _score(p: NDArray[np.float32], samples: xr.Dataset) -> lx.CalibrationScores:
    # The spread between runs is what is told; no bootstrap of each.
    legend = lx.Legend.from_flags(samples["land_cover"].attrs)
    return lx.calibration_scores(p, samples["land_cover"].values, legend=legend, repeats=0)


def half_width(hits: NDArray[Any], samples: xr.Dataset) -> float:
    """Half of the 95 % interval of a mean, the blocks of 100 km taken as what was drawn."""
    x, y = (np.floor(samples[d].values / BLOCK).astype(int) for d in ("x", "y"))
    _, block = np.unique(x * 100_000 + y, return_inverse=True)
    number = np.bincount(block)
    apart = np.bincount(block, hits) - hits.mean() * number
    count = len(number)
    if count < 2:
        return np.nan
    return float(1.96 * np.sqrt(count / (count - 1) * np.square(apart).sum()) / len(hits))


def _coverage(case: Case, part: str, rule: str, model: Any) -> Rows:
    at = case.of(part)
    samples = case.said.isel(sample=at)
    table = lx.conformal_coverage(model, samples)
    (whole,) = table[table["group"] == "all"].to_dict("records")
    sets = model.predict(samples)["land_cover_set"].values.astype(bool)
    held = sets[np.arange(len(sets)), _index(samples)]
    yield _row("coverage", part, rule, "coverage", whole["coverage"])
    yield _row("coverage", part, rule, "mean set size", whole["set_size"])
    yield _row("coverage", part, rule, "empty sets", (~sets.any(axis=1)).mean())
    yield _row("coverage", part, rule, "one class", (sets.sum(axis=1) == 1).mean())
    inside = case.dissimilarity[at] <= case.threshold
    yield _row("coverage", part, rule, "coverage inside the AOA", held[inside].mean())
    yield _row("coverage by group", part, rule, "", held.mean(), half_width(held, samples))
    if inside.any():
        within = samples.isel(sample=np.flatnonzero(inside))
        half = half_width(held[inside], within)
        yield _row("coverage by group, inside the AOA", part, rule, "", held[inside].mean(), half)
    if rule in ("LAC", "LAC by class") and part == "outside":
        countries = samples["country"].values
        for name in np.unique(countries):
            own = np.flatnonzero(countries == name)
            half = half_width(held[own], samples.isel(sample=own))
            if len(own) >= 100:
                yield _row("coverage by country", part, rule, str(name), held[own].mean(), half)
    for row in table[table["group"] == "class"].to_dict("records"):
        yield _row("coverage by class", part, rule, row["class"], row["coverage"])


def _area(case: Case, part: str) -> Rows:
    at = case.of(part)
    samples, apart = case.said.isel(sample=at), case.dissimilarity[at]
    p, truth = samples["reflectance"].values[:, 0], _index(samples)
    right, inside = p.argmax(axis=1) == truth, apart <= case.threshold
    yield _row("area", part, "", "inside the AOA", inside.mean())
    yield _row("area", part, "", "accuracy inside", right[inside].mean())
    if (~inside).any():
        yield _row("area", part, "", "accuracy outside", right[~inside].mean())
    yield _row("area by group, accuracy inside", part, "", "", right[inside].mean())
    within = _score(p[inside], samples.isel(sample=np.flatnonzero(inside)))
    yield _row("area", part, "", "ECE inside", within[SCORES["ECE"]])
    yield _row("area", part, "", "mean dissimilarity", apart.mean())
    yield _row("area by group", part, "", "", inside.mean(), half_width(inside, samples))
    # Fifths of the held-back blocks inside the training area, for both parts.
    edges = np.quantile(case.dissimilarity[case.of("inside")], [0.2, 0.4, 0.6, 0.8])
    fifth = np.searchsorted(edges, apart)
    for number in range(5):
        yield _row("fifths", part, "", f"{number + 1}: accuracy", right[fifth == number].mean())
        yield _row("fifths", part, "", f"{number + 1}: share", (fifth == number).mean())
    if case.aleatoric is not None:
        own = case.aleatoric[at]
        total = -(p * np.log(np.maximum(p, 1e-30))).sum(axis=1)
        for name, values in (("total", total), ("aleatoric", own), ("epistemic", total - own)):
            yield _row("entropy", part, "", name, values.mean())
            yield _row("entropy", part, "", f"{name}: finds errors", ranking(values, ~right))


def ranking(values: NDArray[np.floating], wrong: NDArray[np.bool_]) -> float:
    """How often a point that is wrong has a larger value than one that is right (AUROC)."""
    rank = pd.Series(values).rank().to_numpy()
    bad, good = int(wrong.sum()), int((~wrong).sum())
    return float((rank[wrong].sum() - bad * (bad + 1) / 2) / (bad * good))


def _surest(case: Case, part: str) -> Rows:
    at = case.of(part)
    samples = case.said.isel(sample=at)
    p, truth = samples["reflectance"].values[:, 0], _index(samples)
    right = p.argmax(axis=1) == truth
    total = -(p * np.log(np.maximum(p, 1e-30))).sum(axis=1)
    for rule, values in (("entropy", total), ("dissimilarity", case.dissimilarity[at])):
        order = np.argsort(values, kind="stable")
        for share in (0.25, 0.5, 0.75, 0.9, 1.0):
            chosen = order[: round(share * len(order))]
            yield _row("surest", part, rule, f"{share:.0%}", right[chosen].mean())
        yield _row("surest", part, rule, "finds errors", ranking(values, ~right))
