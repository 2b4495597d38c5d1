"""Tables of estimates: with their intervals to read, and as JSON-able values."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from lulc_xr.analysis.matrix_scores import AREA, F1, PRODUCERS, PROPORTION, USERS

_NOTHING = "-"


def class_table(estimates: pd.DataFrame) -> pd.DataFrame:
    """Scores of each class with their intervals, to be read.

    Parameters
    ----------
    estimates : pandas.DataFrame
        `Accuracy.estimates`.

    Returns
    -------
    pandas.DataFrame
        One row per class; cells such as '0.880 (0.787-0.936)', and the labels of the class.
    """
    by = estimates.set_index(["quantity", "class"])
    area = AREA if AREA in set(estimates["quantity"]) else PROPORTION
    names = [name for quantity, name in by.index if quantity == USERS]
    columns = {
        quantity: [_cell(by.loc[(quantity, name)], area=quantity == AREA) for name in names]
        for quantity in (USERS, PRODUCERS, F1, area)
    }
    columns["samples"] = [str(int(by.loc[(PROPORTION, name), "samples"])) for name in names]
    return pd.DataFrame(columns, index=pd.Index(names, name="class"))


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as JSON-able values; None for NaN."""
    return [
        {str(key): none_if_nan(value) for key, value in row.items()}
        for row in table.to_dict(orient="records")
    ]


def none_if_nan(value: Any) -> Any:
    """The value, or None for NaN, which JSON does not have."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _cell(row: pd.Series, *, area: bool) -> str:
    estimate, low, high = (float(row[name]) for name in ("estimate", "low", "high"))
    if math.isnan(estimate):
        return _NOTHING
    text = f"{estimate:.4g}" if area else f"{estimate:.3f}"
    if math.isnan(low):
        return text
    return f"{text} ({low:.4g}-{high:.4g})" if area else f"{text} ({low:.3f}-{high:.3f})"
