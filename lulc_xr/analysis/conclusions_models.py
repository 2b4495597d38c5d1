"""What may be concluded of a model's probabilities, its sets, its limits, and other places."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lulc_xr.analysis.findings import OVERALL, Estimate, Findings
from lulc_xr.analysis.page_words import Conclusion, listed, may, may_not, percent, plural

Told = Iterator[Conclusion]

_FEW = 30


def of_models(found: Findings) -> Told:
    """Sentences about the model behind a map, each by a rule that its own numbers decide."""
    for rule in (_calibration, _sets, _applicability, _transfer):
        yield from rule(found)


def score(found: Findings, name: str) -> Estimate:
    """One score of the calibration; NaN if it was not computed."""
    table = found.calibration.get("scores")
    rows = [] if table is None else table[table["score"] == name].to_dict("records")
    return Estimate.of(rows[0]) if rows else Estimate(value=math.nan)


def _calibration(found: Findings) -> Told:
    if not found.calibration:
        yield may_not(
            "calibration", "Whether the model's probabilities mean what they say: none were given."
        )
        return
    gap = score(found, "overconfidence")
    if gap.known:
        what = "surer" if gap.value > 0 else "less sure"
        ends = sorted((abs(gap.low), abs(gap.high)))
        apart = f"{percent(abs(gap.value))} (interval {percent(ends[0])} to {percent(ends[1])})"
        if gap.low > 0 or gap.high < 0:
            yield may_not(
                "calibration",
                f"That a probability may be taken at its word: on the average the model is {what} "
                f"than it is right, by {apart}. Calibrate it on samples of its own.",
            )
        else:
            yield may(
                "calibration",
                "On the average the model is as sure as it is right: the difference is "
                f"{percent(gap.value)}, and its interval, {percent(gap.low)} to "
                f"{percent(gap.high)}, holds zero. Single classes may be further off.",
            )
    rank = score(found, "AUROC of entropy for errors")
    if not math.isnan(rank.width):
        knows = rank.low > 0.5
        yield (may if knows else may_not)(
            "ranking",
            f"{'The' if knows else 'That the'} model knows where it is unsure: of a wrong point "
            f"and a right one, the wrong one has the higher entropy in {percent(rank.value)} of "
            f"the cases (interval {percent(rank.low)} to {percent(rank.high)}; by chance 50 %).",
        )


def _sets(found: Findings) -> Told:
    if found.sets.empty:
        return
    whole = found.sets[found.sets["group"] == "all"].to_dict("records")
    for row in whole:
        e = Estimate.of(row)
        told = (
            f"the sets hold the true class at {percent(e.value)} of {plural(e.samples, 'point')} "
            f"(interval {percent(e.low)} to {percent(e.high)})"
        )
        promised = float(row["promised"])
        if math.isnan(promised):
            yield may("sets", f"T{told[1:]}, with {row['size']:.2f} classes in the mean.")
        elif e.high < promised:
            yield may_not(
                "sets",
                f"That the conformal sets keep their promise of {percent(promised)} here: {told}. "
                "Unless that is the one case in forty that such an interval misses, these points "
                "are not like those that the sets were fitted to.",
            )
        else:
            yield may(
                "sets",
                f"The conformal sets keep their promise of {percent(promised)} within what these "
                f"points can show: {told}, with {row['size']:.2f} classes in the mean.",
            )
    parts = found.sets[found.sets["group"] != "all"]
    short = parts[(parts["high"] < parts["promised"]) & (parts["samples"] > 0)]
    if len(short):
        names = [f"{row['name']} ({percent(row['estimate'])})" for row in short.to_dict("records")]
        yield may_not(
            "sets",
            f"That the promise holds in every class and region: it does not in {listed(names)}.",
        )


def _applicability(found: Findings) -> Told:
    rows = {row["place"]: row for row in found.applicability.to_dict("records")}
    if not rows:
        return
    outside = rows.get("outside", {"share": 0.0, "samples": 0, "estimate": math.nan})
    inside = rows.get("inside", {"share": 0.0, "samples": 0, "estimate": math.nan})
    if not outside["samples"]:
        yield may(
            "applicability",
            "All points lie where the model's training samples resemble them (inside the area of "
            "applicability).",
        )
        return
    told = (
        f"{percent(outside['share'])} of the points lie outside the area of applicability, unlike "
        "anything the model has learnt from"
    )
    if inside["samples"] >= _FEW and outside["samples"] >= _FEW:
        there, here = percent(outside["estimate"]), percent(inside["estimate"])
        told += f"; there {there} are right, inside {here}"
    yield may_not("applicability", f"That the map can be trusted everywhere: {told}.")


def _transfer(found: Findings) -> Told:
    if found.transfer.empty:
        yield may_not(
            "transfer",
            "How good the model is where it has no training samples: nothing here was held out "
            "by region.",
        )
        return
    values = found.transfer["estimate"]
    yield may(
        "transfer",
        f"Models that did not see a region are right at {percent(values.min())} to "
        f"{percent(values.max())} of its points (section on transfer, "
        f"{plural(len(values), 'region')}). This speaks of places without samples; it is no "
        "accuracy of this map.",
    )
    # The one figure is of a design or of given points, the other of models that were never mapped.
    whole = found.estimate(OVERALL)
    if whole.known:
        yield may_not(
            "transfer",
            "That the overall accuracy of this map and the figures of transfer measure the same: "
            "they are never to be averaged or compared as better and worse.",
        )
