"""Tables of scores as a terminal shows them."""

import io

import numpy as np
import xarray as xr
from rich.console import Console

from lulc_xr.analysis.accuracy import accuracy
from lulc_xr.analysis.comparison import compare
from lulc_xr.analysis.report import format_accuracy, format_comparison
from lulc_xr.core.legend import Legend

LEGEND = Legend.from_names("demo", ["cropland", "woodland", "[red]water"])


def judged(wrong):
    """An accuracy of 100 pixels of which so many are wrong."""
    reference = np.repeat([0, 1], 50).astype(np.uint8)
    guess = reference.copy()
    guess[:wrong] = 1
    return accuracy(*(xr.DataArray(v, dims="sample") for v in (guess, reference)), legend=LEGEND)


def shown(table):
    console = Console(file=io.StringIO(), width=120)
    console.print(table)
    return console.file.getvalue()


def row(text, name):
    return next(line for line in text.splitlines() if name in line)


def test_comparison_shows_means_intervals_and_clear_differences():
    forest, network = [judged(n) for n in (30, 32, 34)], [judged(n) for n in (10, 11, 12)]
    table = compare({"forest": forest, "network": network, "twin": forest})
    text = shown(format_comparison(table, title="Test [blocks]"))
    assert "Test [blocks]" in text
    assert "Mean of 3 seeds ± half width of the 95 % t interval" in text
    overall = row(text, "overall accuracy")
    mean, interval = table.loc["overall accuracy", "forest"]
    assert f"{mean:.3f} ± {interval:.3f}" in overall
    mean, interval = table.loc["overall accuracy", "network - forest"]
    assert f"{mean:+.3f} ± {interval:.3f}*" in overall
    assert overall.count("*") == 1
    assert row(text, "[red]water").count("–") == 5


def test_one_seed_has_no_star():
    text = shown(format_comparison(compare({"forest": [judged(30)], "network": [judged(5)]})))
    assert "+0.250 " in row(text, "overall accuracy")
    assert "*" not in row(text, "overall accuracy")
    assert "±" not in row(text, "overall accuracy")


def test_accuracy_shows_every_class_and_the_statement():
    result = judged(10)
    text = shown(format_accuracy(result))
    for name, f1 in zip(LEGEND.names, result.f1, strict=True):
        assert ("–" if np.isnan(f1) else f"{f1:.3f}") in row(text, f"│ {name}")
    assert f"{result.overall:.3f}" in row(text, "overall accuracy")
    assert "Unweighted agreement of 100 labelled pixels" in text
