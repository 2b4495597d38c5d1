"""What may and may not be concluded of a map from the points that it was compared with."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lulc_xr.analysis.conclusions_parts import of_regions, of_subsets
from lulc_xr.analysis.findings import (
    ALLOCATION,
    AREA,
    OVERALL,
    PRODUCERS,
    QUANTITY,
    USERS,
    Findings,
)
from lulc_xr.analysis.page_words import (
    Conclusion,
    listed,
    may,
    may_not,
    number,
    percent,
    plural,
    spoken,
)

WIDE = 0.2
"""An interval wider than this leaves open whether a class is good or poor."""
FEW_BLOCKS = 30
"""Fewer blocks than this make an interval by resampling uncertain itself."""


Told = Iterator[Conclusion]


def of_map(found: Findings) -> Told:
    """Sentences about a map, each by a rule that its own numbers decide."""
    for rule in (
        _overall, _areas, _classes, _confusion, _left_out, of_subsets, _neighbours, of_regions,
        _always,
    ):  # fmt: skip
        yield from rule(found)


def verdict(found: Findings) -> str:
    """The first sentence of a report: how much agrees, and of what that is a share."""
    overall = found.estimate(OVERALL)
    around = ""
    if not math.isnan(overall.width):
        level = percent(found.level, digits=0)
        around = f" ({level} interval {percent(overall.low)} to {percent(overall.high)})"
    if found.design:
        return (
            f"The map is right for {percent(overall.value)}{around} of what the sample stands "
            f"for, as estimated from {plural(found.total, 'point')} by their sampling design."
        )
    return (
        f"The map agrees with the reference at {percent(overall.value)}{around} of "
        f"{plural(found.total, 'point')}. This is unweighted agreement: no sampling design is "
        "known, so it is not an estimate for the whole map."
    )


def _overall(found: Findings) -> Told:
    overall = found.estimate(OVERALL)
    if found.design:
        yield may("overall", f"{verdict(found)} Design: {found.design}.")
    else:
        yield may(
            "overall",
            f"At {percent(overall.value)} of these {plural(found.total, 'point')} map and "
            "reference name the same class.",
        )
        drawn = "points" if found.blocks is None else "blocks"
        yield may_not(
            "design",
            "How accurate the map is as a whole: no weights and no strata were given, so every "
            f"point counts alike, and the intervals hold only for {drawn} that were drawn at "
            "random and independently of each other.",
        )
    quantity, allocation = found.estimate(QUANTITY), found.estimate(ALLOCATION)
    if quantity.known and allocation.known and quantity.value + allocation.value > 0:
        whole = quantity.value + allocation.value
        yield may(
            "disagreement",
            f"The disagreement of {percent(whole)} is one of {percent(quantity.value)} in the "
            f"amounts of the classes (quantity) and of {percent(allocation.value)} in their places "
            "(allocation).",
        )


def _areas(found: Findings) -> Told:
    if (found.estimates["quantity"] == AREA).any():
        yield may(
            "area",
            "The area of each class with its interval, as estimated from the reference points; "
            "it is not the number of mapped pixels, which carries the errors of the map.",
        )
    else:
        yield may_not(
            "area",
            "The area of any class: the areas of the strata were not given, and counting mapped "
            "pixels instead would carry the errors of the map.",
        )


def _classes(found: Findings) -> Told:
    names = found.legend.names
    absent = [n for n, count in zip(names, found.labelled, strict=True) if not count]
    there = [n for n, count in zip(names, found.labelled, strict=True) if count]
    never = [n for n, k in zip(names, found.mapped, strict=True) if not k and n in there]
    if absent:
        yield may_not(
            "absent",
            f"How much of {listed(absent)} the map misses: no reference point has "
            f"{'this class' if len(absent) == 1 else 'these classes'}, and the macro F1 leaves "
            f"{'it' if len(absent) == 1 else 'them'} out.",
        )
    if never:
        count = sum(int(found.labelled[names.index(n)]) for n in never)
        yield may(
            "never",
            f"The map names {listed(never)} at none of the points; the reference does at {count}.",
        )
    unsure = list(filter(None, (_unsure(found, n) for n in range(len(names)))))
    if unsure:
        yield may_not(
            "rare",
            "How good the map is at the following, whose intervals are wider than "
            f"{percent(WIDE, digits=0)}: {'; '.join(unsure)}.",
        )


def _unsure(found: Findings, position: int) -> str:
    """A class and its intervals that are wide; empty if none is."""
    name = found.legend.names[position]
    wide = [
        f"{what} {percent(e.low, digits=0)} to {percent(e.high, digits=0)} from "
        f"{plural(int(counts[position]), 'point')}"
        for what, quantity, counts in (
            ("user's accuracy", USERS, found.mapped),
            ("producer's accuracy", PRODUCERS, found.labelled),
        )
        if (e := found.estimate(quantity, name)).width > WIDE
    ]
    return f"{spoken(name)} ({', '.join(wide)})" if wide else ""


def _confusion(found: Findings) -> Told:
    counts = found.counts.values[:-1].copy()
    hits = range(len(found.legend))
    counts[hits, hits] = 0
    wrong = found.total - int(sum(found.counts.values[i, i] for i in hits))
    if not counts.max(initial=0):
        if not wrong:
            yield may("confusion", "No point is mapped as another class than its own.")
        return
    row, column = divmod(int(counts.argmax()), len(found.legend))
    names = [spoken(name) for name in found.legend.names]
    yield may(
        "confusion",
        f"The most frequent confusion is {names[row]} on the map where the reference has "
        f"{names[column]}: {int(counts[row, column])} of {plural(wrong, 'wrong point')}.",
    )


def _left_out(found: Findings) -> Told:
    out = {
        k: n for k, n in found.points.items() if k not in ("given", "judged", "not mapped") and n
    }
    if out:
        reasons = listed([f"{number(n)} {reason}" for reason, n in out.items()], plain=False)
        yield may_not(
            "left out",
            f"Anything about the points that were left out: {reasons}, of "
            f"{number(found.points['given'])} given.",
        )
    unmapped = int(found.counts.values[-1].sum())
    if unmapped:
        yield may(
            "not mapped",
            f"{plural(unmapped, 'point')} with a label {'lies' if unmapped == 1 else 'lie'} where "
            "the map has no class; they count as wrong.",
        )


def _neighbours(found: Findings) -> Told:
    near = found.correlation
    if found.blocks is not None:
        count, size = found.blocks
        yield may(
            "blocks",
            f"Intervals that allow for neighbours that err alike: their units are {number(count)} "
            f"blocks of {number(size)} m, not single points.",
        )
        if count < FEW_BLOCKS:
            yield may_not(
                "blocks",
                f"That these intervals are exact: {count} blocks are few, and intervals from so "
                "few tend to be too narrow.",
            )
        return
    if found.design:
        # In a probability sample the draw makes the intervals, however the map errs in space.
        return
    if math.isnan(near["correlation"]):
        yield may_not(
            "neighbours",
            "Whether points that lie together err alike: it could not be seen. If they do, the "
            "intervals are too narrow.",
        )
    elif near["correlation"] > near["bound"]:
        yield may_not(
            "neighbours",
            "That the intervals are wide enough: points that lie together err alike (correlation "
            f"of the errors of nearest neighbours {near['correlation']:.2f}, at a median distance "
            f"of {number(near['distance'])} m). Give blocks, or the clusters of the design.",
        )
    else:
        yield may(
            "neighbours",
            f"Nearest neighbours, {number(near['distance'])} m apart in the median, do not err "
            f"alike more than chance would have it (correlation {near['correlation']:.2f}).",
        )


def _always(found: Findings) -> Told:
    yield may_not(
        "reference",
        "That every disagreement is an error of the map: the reference is taken as true, and its "
        "own errors, its age and its place count as errors of the map.",
    )
    if not found.facts.get("training samples"):
        yield may_not(
            "training",
            "That these points are new to the model: whether it was trained on some of them is "
            "not known here. If it was, all figures flatter it.",
        )
