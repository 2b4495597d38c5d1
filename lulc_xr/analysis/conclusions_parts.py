"""What may be concluded from parts of the points: filters, tolerance, regions."""

from __future__ import annotations

from collections.abc import Iterator

from lulc_xr.analysis.findings import OVERALL, Findings
from lulc_xr.analysis.page_words import (
    Conclusion,
    listed,
    may,
    may_not,
    percent,
    plural,
    points_of,
    spoken,
)

FEW_IN_REGION = 30

Told = Iterator[Conclusion]


def of_subsets(found: Findings) -> Told:
    """Whether a filter flatters the map, and what a tolerance would gain."""
    whole = found.estimate(OVERALL).value
    for row in found.subsets.to_dict("records"):
        value, count = float(row["estimate"]), int(row["samples"])
        if row["tolerance"] or not row["points"].startswith("pass"):
            continue
        if not count:
            yield may_not("filter", f"Anything from points that {row['points']}: there is none.")
        elif value > whole:
            yield may_not(
                "filter",
                f"That the map is right at {percent(value)}: that is its figure at the "
                f"{points_of(count, found.total)} that {row['points']}. A filter tends to keep "
                f"points that are easier to map; at all points it is {percent(whole)}.",
            )
        else:
            yield may(
                "filter",
                f"At the {points_of(count, found.total)} that {row['points']} the figure is "
                f"{percent(value)}, not higher than at all points ({percent(whole)}): here the "
                "filter does not flatter the map.",
            )
    for row in found.subsets.to_dict("records"):
        if row["tolerance"] and row["points"] == "all":
            gain = float(row["estimate"]) - whole
            yield may(
                "tolerance",
                f"With a tolerance of {plural(int(row['tolerance']), 'pixel')} the figure is "
                f"{percent(float(row['estimate']))}; the gain of {percent(gain)} comes from "
                "points whose class lies not under them but beside them. It tells errors of "
                "place from others, and is no accuracy of the map.",
            )


def of_regions(found: Findings) -> Told:
    """Whether regions have points enough, and whether they differ."""
    if found.regions.empty:
        return
    rows = found.regions.to_dict("records")
    few = [str(row["region"]) for row in rows if row["samples"] < FEW_IN_REGION]
    enough = sorted(
        (row for row in rows if row["samples"] >= FEW_IN_REGION), key=lambda row: row["estimate"]
    )
    if few:
        yield may_not(
            "regions",
            f"How good the map is in {listed(few)}: fewer than {FEW_IN_REGION} points each."
            if len(few) > 1
            else f"How good the map is in {listed(few)}: fewer than {FEW_IN_REGION} points.",
        )
    if len(enough) < 2:
        return
    worst, best = enough[0], enough[-1]
    told = (
        f"The figure runs from {percent(worst['estimate'])} ({spoken(worst['region'])}) to "
        f"{percent(best['estimate'])} ({spoken(best['region'])}) over {len(enough)} regions"
    )
    if worst["high"] < best["low"]:
        yield may(
            "regions",
            f"{told}; the intervals of these two do not overlap. They are the ends of "
            f"{len(enough)}, so that chance has its part in the gap.",
        )
    else:
        yield may_not(
            "regions",
            f"That the map is better in one region than in another. {told}, and the intervals of "
            "even these two overlap.",
        )
