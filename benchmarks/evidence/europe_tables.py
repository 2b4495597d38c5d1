"""Tables of what was measured on Europe: ``python -m benchmarks.evidence.europe_tables FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from benchmarks.evidence import runs

AGAINST = "lightgbm+context"
CLASSES = (
    "artificial", "cropland", "woodland", "shrubland", "grassland", "bare", "water", "wetland",
)  # fmt: skip


def main() -> None:
    """Means, 95 % intervals, and paired differences to the best trees, by folds and budget."""
    table = with_members(runs.Runs(Path(sys.argv[1])).table())
    pd.set_option("display.width", 200, "display.max_columns", 20)
    for (folds, budget), rows in table.groupby(["folds", "budget"]):
        methods = sorted(rows["method"].unique())
        against = AGAINST if AGAINST in methods else methods[0]
        made = runs.compared(rows, methods, against=against)
        whole = rows.dropna(subset=["counts"]).groupby("method")
        made["pooled"] = pd.Series({name: runs.pooled_f1(own) for name, own in whole})
        print(f"\n{folds}, budget {budget or 'all'}: gains are against {against}")
        print(made.round(4))
        if budget == runs.ALL:
            each = pd.DataFrame(
                {name: pd.DataFrame(own["f1"].tolist()).mean() for name, own in whole}
            )
            each.index = pd.Index(CLASSES)
            print(each.round(3).T)


def with_members(table: pd.DataFrame) -> pd.DataFrame:
    """The rows, and for each ensemble one more: the mean score of its members alone."""
    rows = [table]
    if "member_f1" in table:
        members = table.dropna(subset=["member_f1"]).copy()
        members["macro_f1"] = [sum(f1) / len(f1) for f1 in members["member_f1"]]
        members["method"] = "members of " + members["method"]
        rows.append(members.assign(counts=None, f1=None))
    return pd.concat(rows, ignore_index=True)


if __name__ == "__main__":
    main()
