"""Sentences of what may be concluded: each only where the figures say so."""

import numpy as np
import pandas as pd
import pytest

from lulc_xr.analysis.assess import assess
from lulc_xr.analysis.design import Design
from tests.unit.analysis.judged_points import EVERYTHING, NAMES, judged_points


def told(judged, topic, **settings):
    """(allowed, text) of the sentences on one topic."""
    found = assess(judged, repeats=60, **settings)
    return [(c.allowed, c.text) for c in found.conclusions if c.topic == topic]


def texts(judged, topic, **settings):
    return [text for _, text in told(judged, topic, **settings)]


def test_without_a_design_it_is_unweighted_agreement():
    judged = judged_points()
    assert "unweighted agreement" in assess(judged).verdict
    assert [allowed for allowed, _ in told(judged, "design")] == [False]
    assert [allowed for allowed, _ in told(judged, "area")] == [False]
    design = Design(weights=np.ones(len(judged)))
    assert "unweighted" not in assess(judged, design=design).verdict
    assert told(judged, "design", design=design) == []
    assert [allowed for allowed, _ in told(judged, "area", design=design)] == [True]


def test_classes_with_wide_intervals_are_named_and_no_others():
    judged = judged_points(3000)
    found = assess(judged)
    (text,) = texts(judged, "rare") or ("",)
    for name in NAMES:
        widths = [found.estimate(q, name).width for q in ("user's accuracy", "producer's accuracy")]
        assert (name.replace("_", " ") + " (" in text) == (max(widths) > 0.2)
    (few,) = texts(judged_points(100), "rare")
    assert "bare land" in few
    assert "cropland" not in few or "cropland" in few.split("wider than")[1]


def test_absent_classes_and_classes_never_mapped():
    judged = judged_points()
    judged.loc[judged["reference"] == 4, "reference"] = 1
    judged.loc[judged["mapped"] == 3, "mapped"] = 1
    (absent,) = texts(judged, "absent")
    assert absent.startswith("How much of bare land the map misses")
    (never,) = texts(judged, "never")
    assert (
        f"shrubland at none of the points; the reference does at {(judged.reference == 3).sum()}."
        in never
    )
    whole = judged_points()
    assert texts(whole, "absent") == texts(whole, "never") == []


def test_the_most_frequent_confusion_is_that_of_the_counts():
    judged = judged_points(right=1.0)
    assert texts(judged, "confusion") == ["No point is mapped as another class than its own."]
    wrong = np.flatnonzero(judged["reference"] == 2)[:5]
    judged.loc[wrong, "mapped"] = 0
    (text,) = texts(judged, "confusion")
    assert (
        "artificial land on the map where the reference has woodland: 5 of 5 wrong points" in text
    )
    judged.loc[wrong, "mapped"] = 255
    assert texts(judged, "confusion") == []
    (unmapped,) = texts(judged, "not mapped")
    assert unmapped.startswith("5 points with a label lie where the map has no class")


def test_a_filter_flatters_only_where_its_figure_is_higher():
    judged = judged_points(extra=("filter",))
    right = judged["mapped"] == judged["reference"]
    whole = assess(judged).estimate("overall accuracy").value
    flattered = judged.assign(passes_filter=right | (np.arange(len(judged)) % 2 == 0))
    ((allowed, text),) = told(flattered, "filter")
    assert not allowed
    assert f"at all points it is {100 * whole:.1f}\xa0%" in text
    ((allowed, text),) = told(judged.assign(passes_filter=True), "filter")
    assert allowed
    assert "does not flatter" in text
    ((allowed, text),) = told(judged.assign(passes_filter=False), "filter")
    assert not allowed
    assert "there is none" in text


def test_neighbours_and_blocks():
    judged = judged_points(600)
    judged["mapped"] = judged["reference"]
    west = judged["x"] < 4.02e6
    judged.loc[west, "mapped"] = (judged.loc[west, "reference"] + 1) % 5
    ((allowed, text),) = told(judged, "neighbours")
    assert not allowed
    assert "err alike" in text
    ((allowed, text),) = told(judged.drop(columns=["x", "y"]), "neighbours")
    assert not allowed
    assert "could not be seen" in text
    # In a probability sample it does not matter how the map errs in space.
    design = Design(weights=np.ones(len(judged)))
    assert told(judged, "neighbours", design=design) == []
    few = judged.assign(block=np.arange(len(judged)) % 12)
    assert [allowed for allowed, _ in told(few, "blocks", block=1e4)] == [True, False]
    many = judged.assign(block=np.arange(len(judged)) % 100)
    assert [allowed for allowed, _ in told(many, "blocks", block=1e4)] == [True]
    assert told(many, "neighbours", block=1e4) == []


def test_regions_with_few_points_are_not_compared():
    judged = judged_points(extra=("region",))
    assert len(told(judged, "regions")) == 1
    few = judged["region"].where(np.arange(len(judged)) > 10, "island")
    ((allowed, text), _) = told(judged.assign(region=few), "regions")
    assert not allowed
    assert text == "How good the map is in island: fewer than 30 points."
    judged["mapped"] = np.where(judged["region"] == "west", 4, judged["reference"])
    judged["mapped"] = judged["mapped"].astype(np.uint8)
    ((allowed, text),) = told(judged, "regions")
    assert allowed
    assert "do not overlap" in text


@pytest.mark.parametrize(("sure", "word"), [(0.99, "surer"), (0.55, "less sure")])
def test_probabilities_that_say_too_much_or_too_little(sure, word):
    judged = judged_points(800, extra=("probability",))
    rest = (1 - sure) / 4
    for k, name in enumerate(NAMES):
        judged[f"probability_{name}"] = np.where(judged["mapped"] == k, sure, rest)
    ((allowed, text),) = told(judged, "calibration")
    assert not allowed
    assert f"the model is {word} than it is right" in text
    ends = [
        float(e.split("\xa0")[0]) for e in text.split("(interval ")[1].split(")")[0].split(" to ")
    ]
    assert 0 <= ends[0] <= ends[1]


def test_exact_probabilities_may_be_taken_at_their_word():
    judged = judged_points(2000, extra=("probability",))
    right = (judged["mapped"] == judged["reference"]).mean()
    for k, name in enumerate(NAMES):
        judged[f"probability_{name}"] = np.where(judged["mapped"] == k, right, (1 - right) / 4)
    ((allowed, _),) = told(judged, "calibration")
    assert allowed
    ((allowed, text),) = told(judged_points(), "calibration")
    assert not allowed
    assert "none were given" in text


@pytest.mark.parametrize("useful", [True, False])
def test_a_model_that_knows_where_it_is_unsure(useful):
    judged = judged_points(900, extra=("probability",))
    right = judged["mapped"] == judged["reference"]
    dealt = np.random.default_rng(4).permutation(right)
    sure = np.where(right if useful else dealt, 0.9, 0.4)
    for k, name in enumerate(NAMES):
        judged[f"probability_{name}"] = np.where(judged["mapped"] == k, sure, (1 - sure) / 4)
    ((allowed, text),) = told(judged, "ranking")
    assert allowed == useful
    assert text.startswith("The model knows" if useful else "That the model knows")


def test_sets_keep_or_break_their_promise():
    judged = judged_points(2000, extra=("set",))
    assert told(judged, "sets", promised=0.5)[0][0]
    assert not told(judged, "sets", promised=0.999)[0][0]
    names = texts(judged, "sets", promised=0.999)[-1]
    found = assess(judged, promised=0.999, repeats=60).sets
    for row in found[found["group"] == "class"].to_dict("records"):
        assert (row["name"].replace("_", " ") in names) == (row["high"] < 0.999)


def test_transfer_is_never_the_accuracy_of_the_map():
    judged = judged_points()
    ((allowed, text),) = told(judged, "transfer")
    assert not allowed
    assert "nothing here was held out" in text
    table = pd.DataFrame({"region": ["a"] * 5, "mapped": [1] * 5, "reference": [1] * 5})
    first, second = told(judged, "transfer", transfer=table)
    assert first[0]
    assert "no accuracy of this map" in first[1]
    assert not second[0]


def test_what_is_always_unknown_is_always_said():
    judged = judged_points(extra=EVERYTHING)
    assert not told(judged, "reference")[0][0]
    assert not told(judged, "training")[0][0]
    assert told(judged, "training", facts={"training samples": "apart by 10 km"}) == []
    (text,) = texts(judged, "left out")
    assert "4 outside the map and 3 without a label, of 407 given" in text


def test_limits_are_said_with_their_share():
    judged = judged_points(extra=("applicable",))
    ((allowed, text),) = told(judged, "applicability")
    outside = (judged["applicable"] == 0).mean()
    assert not allowed
    assert f"{100 * outside:.1f}\xa0% of the points lie outside" in text
    ((allowed, _),) = told(judged.assign(applicable=np.uint8(1)), "applicability")
    assert allowed
