"""Markdown tables of experiments that were run: ``python -m benchmarks.evidence.tables OUT``."""

import json
import sys
from pathlib import Path

import pandas as pd

import lulc_xr as lx


def table_of(folder):
    """Lines of one experiment: macro F1 over all classes, and the difference from its reference."""
    told = json.loads((folder / "experiment.json").read_text())
    table = pd.read_parquet(folder / "results.parquet")
    summary = lx.summarise(table, reference=told["reference"])
    summary = summary[(summary["class"] == "") & (summary["region"] == "")]
    if summary.empty:
        return [f"**{told['title']}**: no seed has all its folds yet.", ""]
    wide = summary.set_index("score")
    rows = [f"**{told['title']}** (differences from: {told['reference']})", ""]
    rows.append(
        "| folds | task | budget | method | macro F1 | difference | folds better | OA | seeds |"
    )
    rows.append("|---|---|---|---|---|---|---|---|---|")
    overall = wide.loc["overall_accuracy"].reset_index()
    for (_, macro), (_, whole) in zip(
        wide.loc["macro_f1"].reset_index().iterrows(), overall.iterrows(), strict=True
    ):
        star = "*" if abs(macro["difference"]) > macro["difference_interval"] else ""
        gain = f"{macro['difference']:+.3f} ± {macro['difference_interval']:.3f}{star}"
        own = macro["method"] == told["reference"]
        better = f"{macro['folds_better']:.0f} of {macro['folds_compared']:.0f}"
        rows.append(
            f"| {macro['folds']} | {macro['task']} | {macro['budget']} | {macro['method']} "
            f"| {macro['mean']:.3f} ± {macro['interval']:.3f} | {'' if own else gain} "
            f"| {'' if own else better} | {whole['mean']:.3f} | {macro['seeds']} |"
        )
    return [*rows, ""]


if __name__ == "__main__":
    for place in sorted(Path(sys.argv[1]).glob("*_runs")):
        if (place / "results.parquet").is_file():
            sys.stdout.write("\n".join(table_of(place)) + "\n")
