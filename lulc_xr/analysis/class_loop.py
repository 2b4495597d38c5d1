"""The loop that counts classes: eight pixels at a time, each with its own area."""

from __future__ import annotations

from typing import Any

import numpy as np

from lulc_xr.core.compiled import compiled


@compiled
def add_classes(
    cell: Any,
    row: Any,
    start: Any,
    stop: Any,
    weight: Any,
    nodes: Any,
    shift: int,
    lead: int,
    first: int,
    tall: int,
    tilted: bool,
    classes: Any,
    words: Any,
    out: Any,
) -> None:
    """Area of each value of `classes` in each cell, to `out` (cell, 256).

    Spans and areas are as in :mod:`lulc_xr.analysis.fraction_loops`. Areas of the rows of a band,
    1 << tall rows of the raster whose row `first` the block begins with, are alike; `tilted` says
    whether they differ along a row. `words` are the classes again, eight in each, or nothing.

    Ids up to 15 are counted by pairs of neighbours: a word shifted by half a byte holds four
    pairs. Between two nodes the area is linear, so that the number of pixels and the sum of
    their columns are all that is needed; both are whole numbers.
    """
    per_column = 1.0 / (1 << shift)
    eight = words.size > 0
    high = np.uint64(0xF0F0F0F0F0F0F0F0)
    alike = np.uint64(0x0101010101010101)
    byte = np.uint64(255)
    second, third, fourth = np.uint64(256), np.uint64(512), np.uint64(768)
    four, sixteen, next_pair, last_pair = np.uint64(4), np.uint64(16), np.uint64(32), np.uint64(48)
    segments = nodes.shape[1] - 1
    # By position of the pair in its word, so that each has a table of its own.
    pairs = np.zeros(segments * 1024, np.int32)
    at_words = np.zeros(segments * 1024, np.int32)
    singles = np.zeros(segments * 256, np.int64)
    at_columns = np.zeros(segments * 256, np.int64)
    counted = 0
    low, top = segments, -1
    for s in range(cell.size + 1):
        ended = s == cell.size
        if counted and (
            ended
            or cell[s] != cell[s - 1]
            or (row[s] + first) >> tall != (row[s - 1] + first) >> tall
        ):
            c = cell[s - 1]
            i = row[s - 1]
            for p in range(low, top + 1):
                slope = (nodes[i, p + 1] - nodes[i, p]) * per_column
                base = nodes[i, p] + slope * (lead - (p << shift))
                # Most pairs do not occur: sixteen at a time are looked at.
                for begin in range(p * 1024, p * 1024 + 1024, 16):
                    some = 0
                    for at in range(begin, begin + 16):
                        some |= pairs[at]
                    if some == 0:
                        continue
                    for at in range(begin, begin + 16):
                        n = pairs[at]
                        if n:
                            left = n * base + slope * (
                                8 * at_words[at] + n * ((at >> 8 & 3) * 2 + 0.5)
                            )
                            out[c, at & 15] += left
                            out[c, at >> 4 & 15] += left + slope * n
                            pairs[at] = 0
                            at_words[at] = 0
                for k in range(256):
                    n = singles[p * 256 + k]
                    if n:
                        out[c, k] += n * base + slope * (at_columns[p * 256 + k] + 0.5 * n)
                        singles[p * 256 + k] = 0
                        at_columns[p * 256 + k] = 0
            counted = 0
            low, top = segments, -1
        if ended:
            break
        i, j, last = row[s], start[s], stop[s]
        if weight[s] != 1.0:
            for k in range(j, last):
                p = (k + lead) >> shift
                slope = (nodes[i, p + 1] - nodes[i, p]) * per_column
                area = nodes[i, p] + slope * (k + 0.5 + lead - (p << shift))
                out[cell[s], classes[i, k]] += weight[s] * area
            continue
        counted += last - j
        while j < last:
            p = (j + lead) >> shift
            end = min(last, ((p + 1) << shift) - lead)
            low, top = min(low, p), max(top, p)
            one = p * 256
            # Up to the first whole word, whole words, and what is left.
            begin = min(end, (j + 7) & ~7) if eight else end
            for k in range(j, begin):
                singles[one + classes[i, k]] += 1
                at_columns[one + classes[i, k]] += k
            until = begin >> 3 if begin == end else end >> 3
            table = np.uint64(p) * np.uint64(1024)
            for at in range(begin >> 3, until):
                word = words[i, at]
                if word & high == 0:
                    word |= word >> four
                    w0 = table + (word & byte)
                    w1 = table + ((word >> sixteen) & byte) + second
                    w2 = table + ((word >> next_pair) & byte) + third
                    w3 = table + ((word >> last_pair) & byte) + fourth
                    pairs[w0] += 1
                    pairs[w1] += 1
                    pairs[w2] += 1
                    pairs[w3] += 1
                    if tilted:
                        at_words[w0] += at
                        at_words[w1] += at
                        at_words[w2] += at
                        at_words[w3] += at
                elif word == np.uint64(classes[i, 8 * at]) * alike:
                    singles[one + classes[i, 8 * at]] += 8
                    at_columns[one + classes[i, 8 * at]] += 64 * at + 28
                else:
                    for k in range(8 * at, 8 * at + 8):
                        singles[one + classes[i, k]] += 1
                        at_columns[one + classes[i, k]] += k
            for k in range(max(begin, 8 * until), end):
                singles[one + classes[i, k]] += 1
                at_columns[one + classes[i, k]] += k
            j = end
