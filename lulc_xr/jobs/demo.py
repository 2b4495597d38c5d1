"""``lulc-xr demo``: raw files to a cube, a model, a map in the store, scores and a report."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lulc_xr.analysis.accuracy import Accuracy, accuracy
from lulc_xr.analysis.assess import assess
from lulc_xr.analysis.assessment import Assessment
from lulc_xr.analysis.comparison import compare
from lulc_xr.analysis.report import format_comparison
from lulc_xr.core.dates import RegularDates
from lulc_xr.core.errors import StoreError
from lulc_xr.core.model import ModelSpec, Predictor
from lulc_xr.core.require import require
from lulc_xr.cube.store import open_cube, open_group, write_cube
from lulc_xr.cube.write import write_variables
from lulc_xr.jobs.blocks import draw_points, split_blocks
from lulc_xr.jobs.evaluation import judge_pixels
from lulc_xr.jobs.recipe_files import load_script
from lulc_xr.jobs.sampling import count_table
from lulc_xr.jobs.terminal import console
from lulc_xr.models.classifier import Classifier
from lulc_xr.plotting import plot_overview
from lulc_xr.prediction.classify import classify
from lulc_xr.prediction.estimator import EstimatorPredictor, features_of
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.store import write_samples
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fit import fit

NETWORK, FOREST = "TempCNN", "random forest"
PER_CLASS, TREES = 60, 500
DATES = RegularDates(start_month=11)
"""Twelve months that end when the maize of 2018 is harvested: November 2017 to October 2018."""

_DPI = 110
_BLOCK = 8


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """What one seed decides: where to test, the samples, the network learnt from them."""

    seed: int
    test: xr.DataArray
    samples: xr.Dataset
    classifier: Classifier


def run_demo(
    *, recipe: Path, raw: Path | None, store: Path, out: Path, seeds: int = 5
) -> pd.DataFrame:
    """Do the main job on real data and say where everything is.

    Parameters
    ----------
    recipe : Path
        Python file with ``make_cube(raw)`` and ``PLAN``.
    raw : Path or None
        Folder of the raw files; None: ``raw`` beside the recipe.
    store : Path
        The cube to make; one that this recipe made before is replaced.
    out : Path
        Folder for the model, the picture, the report and the scores.
    seeds : int
        Times to train and score: each with other blocks, points and initial weights.

    Returns
    -------
    pandas.DataFrame
        Scores of network and random forest, as :func:`lulc_xr.compare` gives them.

    Raises
    ------
    StoreError
        If the recipe or its raw files are not there, or `store` holds something else.
    """
    screen, begun = console(), time.perf_counter()
    forest = require("sklearn.ensemble", extra="demo").RandomForestClassifier
    samples = store.with_name(f"{store.stem}_samples.zarr")

    screen.rule("1 of 5: a cube from raw files", align="left")
    _make_store(recipe, raw or recipe.parent / "raw", store)
    out.mkdir(parents=True, exist_ok=True)
    cube = open_cube(store)
    screen.print(f"{cube.attrs.get('history', '')}; {cube.sizes['band']} bands")

    screen.rule("2 of 5: samples and a temporal CNN", align="left")
    with screen.status("training"):
        first = _learn(cube, seed=0)
    write_samples(first.samples, samples, overwrite=True)
    screen.print(count_table(first.samples["land_cover"]))
    first.classifier.save(out / "model", overwrite=True)

    screen.rule("3 of 5: the map, shard by shard into the cube's store", align="left")
    write_variables(classify(cube, first.classifier), store)

    screen.rule(f"4 of 5: scores on test blocks, {seeds} seeds", align="left")
    results = _score(cube, first, seeds=seeds, forest=forest)
    table = compare(results)
    screen.print(format_comparison(table))
    _write_scores(table, results, out)

    screen.rule("5 of 5: a picture, and a report of the first seed", align="left")
    _draw(store, first.test, out / "flanders.png")
    _assess(cube, first, store).write_html(out / "report.html")
    _say_where(screen, store=store, samples=samples, out=out)
    screen.print(f"done in {time.perf_counter() - begun:.0f} s")
    return table


def _make_store(path: Path, raw: Path, store: Path) -> None:
    """Write the cube of a recipe; replaces what the same recipe made before, and nothing else."""
    recipe = load_script(path)
    cube = recipe.make_cube(raw)
    if store.exists() and open_group(store).attrs.get("title") != cube.attrs["title"]:
        raise StoreError(
            f"{str(store)!r} holds something else than {cube.attrs['title']!r}, so it is left "
            "alone. Choose another place with --store."
        )
    store.parent.mkdir(parents=True, exist_ok=True)
    write_cube(cube, store, plan=recipe.PLAN, overwrite=True, progress=True)


def _learn(cube: xr.Dataset, *, seed: int) -> _Trial:
    """Blocks, points, samples and a network of one seed."""
    reference = cube["reference"].compute()
    rng = np.random.default_rng(seed)
    split = split_blocks(reference, rng=rng, side=_BLOCK)
    points = draw_points(reference, split.training, per_class=PER_CLASS, rng=rng)
    samples = extract_samples(cube, points, dates=DATES)
    classifier = fit(samples, "tempcnn", config=TrainConfig(seed=seed))
    return _Trial(seed=seed, test=split.test, samples=samples, classifier=classifier)


def _score(
    cube: xr.Dataset, first: _Trial, *, seeds: int, forest: Any
) -> dict[str, list[Accuracy]]:
    """Accuracies of random forest and network on the test blocks of every seed."""
    results: dict[str, list[Accuracy]] = {FOREST: [], NETWORK: []}
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    with Progress(*columns) as bar:
        for seed in bar.track(range(seeds), description="seeds"):
            trial = first if seed == 0 else _learn(cube, seed=seed)
            features, labels = features_of(trial.samples)
            grown = forest(TREES, random_state=seed).fit(features, labels)
            spec = ModelSpec.from_samples(trial.samples)
            models: dict[str, Predictor] = {
                FOREST: EstimatorPredictor(grown, spec=spec),
                NETWORK: trial.classifier,
            }
            for name, model in models.items():
                results[name].append(_judge(cube, model, trial.test))
    return results


def _judge(cube: xr.Dataset, model: Predictor, test: xr.DataArray) -> Accuracy:
    made = classify(cube, model, outputs=["land_cover"])["land_cover"]
    return accuracy(made, cube["reference"], mask=test)


def _assess(cube: xr.Dataset, trial: _Trial, store: Path) -> Assessment:
    """All that the test blocks of a seed tell of its map, with its probabilities."""
    made = classify(cube, trial.classifier, outputs=["land_cover", "entropy", "probability"])
    maps = made.isel(year=-1).drop_vars("year").compute()
    side = _BLOCK * abs(float(cube["x"][1] - cube["x"][0]))
    judged = judge_pixels(maps, cube["reference"], task="land_cover", mask=trial.test, block=side)
    facts = {
        "map": f"land_cover of {store.name}",
        "reference": f"declared parcels of 2018, in the test blocks of seed {trial.seed}",
        "model hash": trial.classifier.content_hash,
        "training samples": f"at least {side:g} m away from every pixel judged here",
        "command": "lulc-xr demo",
    }
    return assess(judged, block=side, facts=facts, picture=maps)


def _write_scores(table: pd.DataFrame, results: dict[str, list[Accuracy]], out: Path) -> None:
    flat = table.copy()
    flat.columns = pd.Index([", ".join(map(str, column)) for column in table.columns])
    flat.to_csv(out / "scores.csv", float_format="%.4f")
    told = {
        "seeds": list(range(len(results[NETWORK]))),
        "points_per_class": PER_CLASS,
        "interval": "half width of the 95 % t interval over the seeds",
        "summary": json.loads(flat.to_json(orient="index", double_precision=6)),
        "each": {name: [a.to_dict() for a in found] for name, found in results.items()},
    }
    (out / "scores.json").write_text(json.dumps(told, indent=1), encoding="utf-8")


def _draw(store: Path, test: xr.DataArray, path: Path) -> None:
    cube = open_cube(store)
    figure = plot_overview(
        cube, reference=cube["reference"], title="Flanders, 640 m: test blocks outlined"
    )
    for ax in figure.axes[1:3]:
        _outline(ax, test)
    figure.savefig(path, dpi=_DPI)


def _outline(ax: Any, mask: xr.DataArray) -> None:
    """Draw the border of the pixels of a mask."""
    half = {d: float(mask[d][1] - mask[d][0]) / 2 for d in ("y", "x")}
    for dim, other in (("y", "x"), ("x", "y")):
        inside = mask.transpose(dim, other).astype("int8")
        changes = inside.pad({dim: 1}, constant_values=0).diff(dim).values
        edges = [*(mask[dim].values - half[dim]), float(mask[dim][-1]) + half[dim]]
        for edge, row in zip(edges, changes, strict=True):
            for start, stop in _runs(row):
                ends = [
                    float(mask[other][start]) - half[other],
                    float(mask[other][stop - 1]) + half[other],
                ]
                line = ([edge, edge], ends) if dim == "x" else (ends, [edge, edge])
                ax.plot(*line, color="black", linewidth=1.4, solid_capstyle="projecting")


def _runs(row: Sequence[int]) -> list[tuple[int, int]]:
    """First and last + 1 of each stretch of one value other than 0."""
    found: list[tuple[int, int]] = []
    for i, value in enumerate(row):
        if value and found and found[-1][1] == i and row[i - 1] == value:
            found[-1] = (found[-1][0], i + 1)
        elif value:
            found.append((i, i + 1))
    return found


def _say_where(screen: Console, *, store: Path, samples: Path, out: Path) -> None:
    table = Table(box=None, show_header=False)
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    table.add_row("cube and map", str(store))
    table.add_row("samples", str(samples))
    table.add_row("model", str(out / "model"))
    table.add_row("picture", str(out / "flanders.png"))
    table.add_row("report", str(out / "report.html"))
    table.add_row("scores", f"{out / 'scores.json'}, {out / 'scores.csv'}")
    table.add_row("look again", f"lulc-xr info {store}")
    screen.print(table)
