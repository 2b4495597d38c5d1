"""Loops over the pixels of a block that add up what cells hold of them.

All take spans (cell, row, start, stop, weight), and the areas of pixels at nodes of each row that
are 1 << shift columns apart, the first of them `lead` columns before the block. `words` are the
classes again, eight pixels in each, or nothing: maps are patches, so that many of them are alike.
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
def add_counts(
    cell: Any,
    row: Any,
    start: Any,
    stop: Any,
    weight: Any,
    nodes: Any,
    shift: int,
    lead: int,
    classes: Any,
    words: Any,
    out: Any,
) -> None:
    """Area of each value of `classes` in each cell, to `out` (cell, 256): equal pixels."""
    area = nodes[0, 0] if nodes.shape[0] else 0.0
    eight = words.size > 0
    alike = np.uint64(0x0101010101010101)
    # Four counts in turn: a count need not wait for the one before it.
    counts = np.zeros((4, 256), np.int64)
    for s in range(cell.size):
        i, a, b = row[s], start[s], stop[s]
        if weight[s] == 1.0:
            j = a
            while j < b:
                if eight and j & 7 == 0 and j + 8 <= b:
                    c = classes[i, j]
                    if words[i, j >> 3] == np.uint64(c) * alike:
                        counts[(j >> 3) & 3, c] += 8
                    else:
                        for k in range(0, 8, 4):
                            counts[0, classes[i, j + k]] += 1
                            counts[1, classes[i, j + k + 1]] += 1
                            counts[2, classes[i, j + k + 2]] += 1
                            counts[3, classes[i, j + k + 3]] += 1
                    j += 8
                else:
                    counts[0, classes[i, j]] += 1
                    j += 1
        else:
            for j in range(a, b):
                out[cell[s], classes[i, j]] += weight[s] * area
        if s + 1 == cell.size or cell[s + 1] != cell[s]:
            for k in range(256):
                whole = counts[0, k] + counts[1, k] + counts[2, k] + counts[3, k]
                if whole:
                    out[cell[s], k] += whole * area
            counts[:] = 0


@compiled
def add_weighted(
    cell: Any,
    row: Any,
    start: Any,
    stop: Any,
    weight: Any,
    nodes: Any,
    shift: int,
    lead: int,
    classes: Any,
    words: Any,
    out: Any,
) -> None:
    """Area of each value of `classes` in each cell, to `out` (cell, 256)."""
    per_column = 1.0 / (1 << shift)
    eight = words.size > 0
    alike = np.uint64(0x0101010101010101)
    sums = np.zeros((4, 256))
    for s in range(cell.size):
        i, j, last = row[s], start[s], stop[s]
        w = weight[s]
        while j < last:
            p = (j + lead) >> shift
            end = min(last, ((p + 1) << shift) - lead)
            slope = w * (nodes[i, p + 1] - nodes[i, p]) * per_column
            base = w * nodes[i, p] + slope * (0.5 + lead - (p << shift))
            while j < end:
                if eight and j & 7 == 0 and j + 8 <= end:
                    c = classes[i, j]
                    if words[i, j >> 3] == np.uint64(c) * alike:
                        sums[(j >> 3) & 3, c] += 8 * (base + slope * (j + 3.5))
                    else:
                        for k in range(j, j + 8, 4):
                            sums[0, classes[i, k]] += base + slope * k
                            sums[1, classes[i, k + 1]] += base + slope * (k + 1)
                            sums[2, classes[i, k + 2]] += base + slope * (k + 2)
                            sums[3, classes[i, k + 3]] += base + slope * (k + 3)
                    j += 8
                else:
                    sums[0, classes[i, j]] += base + slope * j
                    j += 1
        if s + 1 == cell.size or cell[s + 1] != cell[s]:
            for k in range(256):
                total = sums[0, k] + sums[1, k] + sums[2, k] + sums[3, k]
                if total != 0.0:
                    out[cell[s], k] += total
            sums[:] = 0.0


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
