"""An assessment: its figures are those of accuracy, and parts of it never share a number."""

import json

import numpy as np
import pandas as pd
import pytest

import lulc_xr as lx
from lulc_xr.analysis.accuracy import accuracy
from lulc_xr.analysis.assess import assess
from lulc_xr.analysis.design import Design
from lulc_xr.core.errors import LegendError, SampleError
from lulc_xr.testing import landscape, points
from tests.unit.analysis.judged_points import EVERYTHING, LEGEND, NAMES, judged_points


def test_figures_are_those_of_accuracy():
    judged = judged_points(extra=EVERYTHING)
    found, plain = assess(judged, repeats=50), accuracy(judged, legend=LEGEND)
    estimates = plain.estimates[plain.estimates["quantity"] != "area"]
    pd.testing.assert_frame_equal(
        found.estimates.reset_index(drop=True), estimates.reset_index(drop=True)
    )
    assert found.counts.values.tolist() == plain.counts.values.tolist()
    assert found.estimate("overall accuracy").value == pytest.approx(plain.overall)
    whole = found.subsets[(found.subsets["points"] == "all") & (found.subsets["tolerance"] == 0)]
    assert whole["estimate"].item() == pytest.approx(plain.overall)


def test_subsets_and_regions_are_scores_of_their_points():
    judged = judged_points(extra=EVERYTHING)
    found = assess(judged, repeats=50)
    right = judged["mapped"] == judged["reference"]
    near = judged["mapped_near"] == judged["reference"]
    rows = found.subsets.set_index(["points", "tolerance"])["estimate"]
    passed = judged["passes_filter"]
    assert rows["pass in_situ", 0] == pytest.approx(right[passed].mean())
    assert rows["do not pass in_situ", 0] == pytest.approx(right[~passed].mean())
    assert rows["all", 1] == pytest.approx(near.mean())
    for row in found.regions.to_dict("records"):
        part = judged["region"] == row["region"]
        assert row["estimate"] == pytest.approx(right[part].mean())
        assert row["samples"] == part.sum()
        assert row["low"] < row["estimate"] < row["high"]


def test_cells_of_a_row_are_its_counts_and_add_up():
    found = assess(judged_points())
    for row, name in enumerate(NAMES):
        own = found.cells[found.cells["mapped"] == name]
        counts = found.counts.values[row]
        assert own["samples"].tolist() == counts.tolist()
        assert own["estimate"].sum() == pytest.approx(1)
        hit = own[own["reference"] == name].iloc[0]
        users = found.estimate("user's accuracy", name)
        # The reader sees both, one beside the other.
        assert (hit["low"], hit["high"]) == pytest.approx((users.low, users.high))


def test_weights_of_a_design_hold_for_every_part():
    judged = judged_points(extra=("region", "filter"))
    rng = np.random.default_rng(1)
    judged["weight"] = rng.uniform(1, 20, len(judged))
    found = assess(judged, design=Design(weights="weight"))
    right = judged["mapped"] == judged["reference"]
    for row in found.regions.to_dict("records"):
        part = judged["region"] == row["region"]
        mean = np.average(right[part], weights=judged["weight"][part])
        assert row["estimate"] == pytest.approx(mean)
    cells = found.cells.set_index(["mapped", "reference"])["estimate"]
    for name in NAMES:
        assert cells[name, name] == pytest.approx(found.estimate("user's accuracy", name).value)
    assert found.design == "weighted sample without strata"
    assert (found.estimates["quantity"] == "area").any()


def test_map_strata_weigh_points_by_the_area_of_their_class():
    judged = judged_points()
    areas = dict(zip(NAMES, [50.0, 900.0, 30.0, 10.0, 10.0], strict=True))
    found = assess(judged, design=Design(strata="mapped", stratum_area=areas, unit="ha"))
    counts = found.counts.values[:-1]
    users = np.diag(counts) / counts.sum(axis=1)
    expected = (users * np.array(list(areas.values()))).sum() / 1000
    assert found.estimate("overall accuracy").value == pytest.approx(expected)
    weights = found.judged["weight_of_point"].groupby(found.judged["mapped"]).sum()
    np.testing.assert_allclose(weights, list(areas.values()))
    total = sum(e.value for _, e in found.per_class("area"))
    assert total == pytest.approx(1000)
    assert found.unit == "ha"


def test_blocks_are_the_units_of_intervals():
    judged = judged_points()
    # Copies of points in one place are no new points.
    many = pd.concat([judged] * 9, ignore_index=True)
    many["block"] = np.tile(np.arange(len(judged)), 9)
    many.attrs = judged.attrs
    blocked, naive = assess(many, block=1000.0), assess(many)
    once = assess(judged).estimate("overall accuracy")
    assert blocked.estimate("overall accuracy").width == pytest.approx(once.width, rel=0.01)
    assert naive.estimate("overall accuracy").width < 0.5 * once.width
    assert blocked.blocks == (len(judged), 1000.0)
    assert not blocked.design
    assert not (blocked.estimates["quantity"] == "area").any()


def test_transfer_stands_apart():
    judged = judged_points(extra=EVERYTHING)
    rng = np.random.default_rng(3)
    transfer = pd.DataFrame(
        {
            "region": np.repeat(["north", "south"], 60),
            "reference": np.tile(NAMES[:3], 40),
            "mapped": rng.choice(NAMES, 120),
        }
    )
    without, found = assess(judged, repeats=50), assess(judged, transfer=transfer, repeats=50)
    assert found.transfer["region"].tolist() == ["north", "south"]
    rows = transfer["mapped"] == transfer["reference"]
    expected = rows.groupby(transfer["region"]).mean()
    np.testing.assert_allclose(found.transfer["estimate"], expected)
    first, second = without.to_dict(), found.to_dict()
    changed = {key for key in first if first[key] != second[key]}
    assert changed == {"transfer", "conclusions"}


def test_sets_and_limits_are_counted():
    judged = judged_points(extra=EVERYTHING)
    found = assess(judged, promised=0.9, repeats=50)
    sets = judged[[f"set_{name}" for name in NAMES]].to_numpy()
    held = sets[np.arange(len(judged)), judged["reference"]]
    whole = found.sets[found.sets["group"] == "all"].iloc[0]
    assert whole["estimate"] == pytest.approx(held.mean())
    assert whole["size"] == pytest.approx(sets.sum(axis=1).mean())
    assert set(found.sets["group"]) == {"all", "class", "region"}
    inside = judged["applicable"] == 1
    assert found.applicability["share"].tolist() == pytest.approx(
        [inside.mean(), 1 - inside.mean()]
    )
    right = judged["mapped"] == judged["reference"]
    assert found.applicability["estimate"].iloc[1] == pytest.approx(right[~inside].mean())


def test_neighbours_that_err_alike_are_found():
    judged = judged_points(600, right=1.0)
    assert np.isnan(assess(judged).correlation["correlation"])
    west = judged["x"] < 4.02e6
    judged.loc[west, "mapped"] = (judged.loc[west, "reference"] + 1) % 5
    alike = assess(judged).correlation
    assert alike["correlation"] > 0.5
    assert alike["correlation"] > alike["bound"]
    dealt = np.random.default_rng(5).random(len(judged)) < 0.2
    judged["mapped"] = np.where(dealt, (judged["reference"] + 1) % 5, judged["reference"])
    judged["mapped"] = judged["mapped"].astype(np.uint8)
    random = assess(judged).correlation
    assert abs(random["correlation"]) < 0.15


def test_a_map_and_points_are_judged_on_the_way():
    cube = landscape(y=40, x=40, classes=3)
    maps = cube["reference"].to_dataset(name="land_cover")
    drawn = points(cube, per_class=10)
    found = assess(maps, drawn)
    assert found.estimate("overall accuracy").value == 1.0
    assert found.points["judged"] == len(drawn)
    judged = lx.judge_points(maps, drawn)
    assert assess(judged).counts.values.tolist() == found.counts.values.tolist()


def test_values_are_json_and_tables_come_back(tmp_path):
    judged = judged_points(extra=EVERYTHING)
    # A class without a reference point has scores that are not defined.
    judged.loc[judged["reference"] == 4, "reference"] = 1
    found = assess(judged, promised=0.9, repeats=50)
    folder = found.write(tmp_path / "out")
    read = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    assert read == found.to_dict()
    assert read["verdict"] == found.verdict
    estimates = pd.read_parquet(folder / "estimates.parquet")
    pd.testing.assert_frame_equal(estimates, found.estimates, check_dtype=False)
    points_ = pd.read_parquet(folder / "points.parquet")
    assert points_["mapped"].tolist() == judged["mapped"].tolist()
    assert (folder / "report.html").read_text(encoding="utf-8") == found.to_html()
    assert {p.stem for p in folder.glob("calibration_*.parquet")} >= {
        "calibration_scores", "calibration_reliability",
    }  # fmt: skip


def test_what_cannot_be_assessed_is_refused(tmp_path):
    judged = judged_points()
    with pytest.raises(SampleError, match="unknown column 'reference'"):
        assess(judged.drop(columns="reference"))
    with pytest.raises(SampleError, match="none of 400 judged points has a label"):
        assess(judged.assign(reference=np.uint8(255)))
    bare = judged.copy()
    bare.attrs = {}
    with pytest.raises(LegendError, match="say nothing of their legend"):
        assess(bare)
    with pytest.raises(SampleError, match=r"block=500 with a design"):
        assess(judged.assign(w=1.0), design=Design(weights="w"), block=500)
    with pytest.raises(SampleError, match="no column 'block'"):
        assess(judged, block=500)
    with pytest.raises(SampleError, match="lie in one block"):
        assess(judged.assign(block=1), block=500)
    with pytest.raises(SampleError, match="hold all of that already; leave region out"):
        assess(judged, region="region")
    with pytest.raises(SampleError, match="a map and no points"):
        assess(landscape(y=20, x=20)["reference"])
    with pytest.raises(SampleError, match=r"table of transfer: unknown column 'region'"):
        assess(judged, transfer=judged)
    other = pd.DataFrame({"region": ["a"], "mapped": ["forest"], "reference": ["woodland"]})
    with pytest.raises(LegendError, match="unknown class 'forest'"):
        assess(judged, transfer=other)
    part = judged_points(extra=("probability",)).drop(columns="probability_cropland")
    part.attrs = judged.attrs
    with pytest.raises(SampleError, match="lack probability_cropland"):
        assess(part)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(SampleError, match="is a file; give a folder"):
        assess(judged).write(file)


def test_words_for_notebooks_and_terminals():
    found = assess(judged_points(extra=EVERYTHING), repeats=50)
    told, shown = repr(found), found._repr_html_()
    assert found.verdict in told
    assert "May not be concluded:" in told
    assert "<style" not in shown
    assert "<script" not in shown
    for text in (c.text for c in found.conclusions):
        assert text in told
