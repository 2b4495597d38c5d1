"""Loops over the pixels of a block that add up what cells hold of them.

All take spans (cell, row, start, stop, weight), and the areas of pixels at nodes of each row that
are 1 << shift columns apart, the first of them `lead` columns before the block.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lulc_xr.core.compiled import compiled


@compiled
def add_areas(
    cell: Any,
    row: Any,
    start: Any,
    stop: Any,
    weight: Any,
    nodes: Any,
    shift: int,
    lead: int,
    out: Any,
) -> None:
    """Area of each cell, to `out` (cell, 1)."""
    per_column = 1.0 / (1 << shift)
    for s in range(cell.size):
        i, j = row[s], start[s]
        total = 0.0
        while j < stop[s]:
            p = (j + lead) >> shift
            end = min(stop[s], ((p + 1) << shift) - lead)
            slope = (nodes[i, p + 1] - nodes[i, p]) * per_column
            total += (end - j) * (nodes[i, p] + slope * ((j + end) / 2 + lead - (p << shift)))
            j = end
        out[cell[s], 0] += weight[s] * total


@compiled
def add_shares(
    cell: Any,
    row: Any,
    start: Any,
    stop: Any,
    weight: Any,
    nodes: Any,
    shift: int,
    lead: int,
    shares: Any,
    out: Any,
) -> None:
    """Area times the share of each class, which add up to 1 in every pixel that has them."""
    per_column = 1.0 / (1 << shift)
    classes = shares.shape[0]
    part = np.empty(shares.shape[2])
    for s in range(cell.size):
        i, a, b = row[s], start[s], stop[s]
        part[a:b] = 0.0
        for k in range(classes):
            for j in range(a, b):
                part[j] += shares[k, i, j]
        for j in range(a, b):
            p = (j + lead) >> shift
            slope = (nodes[i, p + 1] - nodes[i, p]) * per_column
            area = weight[s] * (nodes[i, p] + slope * (j + 0.5 + lead - (p << shift)))
            # No number: not mapped.
            part[j] = area / part[j] if part[j] > 0.0 else 0.0
        for k in range(classes):
            total = 0.0
            for j in range(a, b):
                if part[j] > 0.0:
                    total += part[j] * shares[k, i, j]
            out[cell[s], k] += total


@compiled
def add_values(
    cell: Any,
    row: Any,
    start: Any,
    stop: Any,
    weight: Any,
    nodes: Any,
    shift: int,
    lead: int,
    values: Any,
    out: Any,
) -> None:
    """Area times the value, and the area of the pixels that have one."""
    per_column = 1.0 / (1 << shift)
    for s in range(cell.size):
        i = row[s]
        for j in range(start[s], stop[s]):
            if not np.isnan(values[i, j]):
                p = (j + lead) >> shift
                slope = (nodes[i, p + 1] - nodes[i, p]) * per_column
                area = weight[s] * (nodes[i, p] + slope * (j + 0.5 + lead - (p << shift)))
                out[cell[s], 0] += area * values[i, j]
                out[cell[s], 1] += area
