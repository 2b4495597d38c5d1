"""Outputs: one pass whatever is asked, lazily; described by CF; refused with the way out."""

import threading
from dataclasses import replace

import dask
import numpy as np
import pytest

import lulc_xr as lx
from lulc_xr.core.attachments import Attachments
from lulc_xr.core.dates import RawDates, RegularDates
from lulc_xr.core.errors import ModelError
from lulc_xr.prediction import year_job
from lulc_xr.prediction.kinds import PLACE_KINDS, TASK_KINDS
from lulc_xr.prediction.outputs import plan_outputs
from tests.predictors import LEGEND, Giving, Ratio
from tests.several import EVERY, Several, make_applicability, make_conformal

QUARTERS = RegularDates(freq="QS")
RULES = Attachments(conformal=make_conformal(), applicability=make_applicability(8))
FLOATS = (
    "entropy", "probability", "aleatoric", "epistemic", "margin", "least_confidence",
    "max_probability",
)  # fmt: skip


def raising(*_, **__):
    raise AssertionError("something was computed")


@pytest.fixture
def model():
    return Several(attachments=RULES, dates=QUARTERS)


def test_every_output_is_lazy(store, cube, model):
    for given in (cube, cube.chunk({"y": 10}), lx.open_cube(store)):
        with dask.config.set(scheduler=raising):
            maps = lx.classify(given, model, outputs=EVERY)
            with pytest.raises(AssertionError, match="something was computed"):
                maps.compute()
    assert sum(model.runs) == 0


def test_one_shard_is_read_once_and_each_member_runs_once_per_patch(store, monkeypatch):
    read = []
    lock = threading.Lock()
    whole = year_job.Block

    def counting(**parts):
        with lock:
            read.append(parts["window"].shape)
        return whole(**parts)

    monkeypatch.setattr(year_job, "Block", counting)
    model = Several(4, attachments=RULES, dates=QUARTERS)
    maps = lx.classify(lx.open_cube(store), model, outputs=EVERY)
    maps.compute()
    # 3 x 4 shards, each smaller than a patch.
    assert len(read) == 12
    assert model.runs == [12] * 4
    assert len(maps["land_cover_set"].data.__dask_graph__()) == 2 * 12


def test_many_patches_of_a_block_are_each_predicted_once_by_each_member():
    cube = lx.testing.landscape(y=100, x=300, time=12, bands=("red", "nir"))
    model = Several(2, attachments=RULES, dates=QUARTERS)
    lx.classify(cube, model, outputs=EVERY).compute(scheduler="synchronous")
    # Strips of whole rows of at most 4096 pixels: 13 of 300.
    assert model.runs == [8, 8]


def test_a_map_has_one_name_whatever_else_is_asked(cube, model):
    alone = lx.classify(cube, model, outputs=["land_cover"])["land_cover"]
    among = lx.classify(cube, model, outputs=EVERY)["land_cover"]
    assert alone.data.name == among.data.name
    np.testing.assert_array_equal(alone, among)
    # Without members asked for, the model is run as a whole.
    maps = lx.classify(cube, model, outputs=("entropy", "margin")).compute()
    np.testing.assert_array_equal(
        maps["land_cover_entropy"], lx.classify(cube, model)["land_cover_entropy"]
    )


def test_what_needs_no_model_does_not_run_it(cube, model):
    maps = lx.classify(cube, model, outputs=("dissimilarity", "applicable"))
    assert list(maps.data_vars) == ["dissimilarity", "applicable"]
    maps.compute()
    assert sum(model.runs) == 0


def test_unseen_pixels_are_fill_in_every_output(cube, model):
    maps = lx.classify(cube, model, outputs=EVERY).compute()
    never = ~cube["clear"].any("time").values
    assert 0 < never.sum() < never.size
    for name, var in maps.data_vars.items():
        missing = var == 255 if var.dtype == np.uint8 else var.isnull()
        wanted = np.broadcast_to(never, missing.shape)
        np.testing.assert_array_equal(missing, wanted, err_msg=str(name))


def test_every_output_says_what_it_is(cube, model):
    maps = lx.classify(cube, model, outputs=EVERY)
    assert {str(n) for n in maps.data_vars} == {
        "land_cover",
        *(f"land_cover_{kind}" for kind in EVERY[1:-2]),
        "dissimilarity",
        "applicable",
    }
    for name, var in maps.data_vars.items():
        attrs, kind = var.attrs, str(name).removeprefix("land_cover_")
        assert attrs["long_name"]
        assert attrs["model_hash"] == model.content_hash
        assert attrs["history"] == "lulc_xr.classify"
        assert var.encoding["grid_mapping"] == "spatial_ref"
        assert var.dtype == (np.float32 if kind in (*FLOATS, "dissimilarity") else np.uint8)
        if var.dtype == np.uint8:
            assert var.encoding["_FillValue"] == 255
        if "flag_values" in attrs:
            assert attrs["flag_values"].dtype == np.uint8
            assert len(attrs["flag_values"]) == len(attrs["flag_meanings"].split())
        else:
            assert attrs["units"] == "1"
        if "valid_min" in attrs:
            found = var.astype(float).where(var != 255)
            assert attrs["valid_min"] - 1e-6 <= float(found.min())
            assert float(found.max()) <= attrs.get("valid_max", np.inf) + 1e-6
    assert maps["land_cover_set"].dims == ("year", "class", "y", "x")
    assert maps["land_cover_members"].dims == ("year", "member", "y", "x")
    assert maps["member"].values.tolist() == [0, 1, 2]
    assert lx.Legend.from_flags(maps["land_cover_members"].attrs) == LEGEND
    linked = maps["land_cover"].attrs["ancillary_variables"].split()
    assert set(linked) == {str(n) for n in maps.data_vars} - {"land_cover"}
    assert maps["land_cover_set_size"].attrs["coverage"] == 0.9
    assert "90% of places" in maps["land_cover_set_size"].attrs["comment"]
    assert maps["applicable"].attrs["flag_meanings"] == "outside inside"
    assert maps["dissimilarity"].attrs["threshold"] == 0.5


def test_every_output_is_written_and_a_second_run_finds_all_done(store, model):
    maps = lx.classify(lx.open_cube(store), model, outputs=EVERY)
    first = lx.write_variables(maps, store, progress=False)
    # Variables over (year, y, x) and those with classes or members, of 12 shards each; the model
    # ran once for both.
    assert (first.written, first.skipped) == (24, 0)
    assert model.runs == [12] * 3
    again = lx.classify(lx.open_cube(store), model, outputs=EVERY)
    assert lx.write_variables(again, store, progress=False).written == 0
    read, expected = lx.open_cube(store), maps.compute()
    for name, var in expected.data_vars.items():
        if name == "land_cover_probability":
            np.testing.assert_allclose(read[name], var, atol=1 / 500 + 1e-6)
        else:
            np.testing.assert_array_equal(read[name], var, err_msg=str(name))
    assert lx.verify(store).ok


def test_other_rules_are_another_job(cube):
    names = {
        lx.classify(cube, Several(attachments=rules, dates=QUARTERS), outputs=["set_size"])[
            "land_cover_set_size"
        ].data.name
        for rules in (RULES, Attachments(conformal=make_conformal(thresholds=(0.8,))))
    }
    assert len(names) == 2


@pytest.mark.parametrize("kind", ["aleatoric", "epistemic", "members"])
def test_members_of_a_single_model_are_refused(cube, kind):
    with (
        dask.config.set(scheduler=raising),
        pytest.raises(
            ModelError,
            match=rf"output '{kind}' needs a model with several members, and Ratio is a single "
            r"one\. .*lulc_xr\.fit_ensemble.*lulc_xr\.MonteCarloDropout",
        ),
    ):
        lx.classify(cube, Ratio(), outputs=("land_cover", kind))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("set_size", r"needs conformal sets, and none are attached.*conformalize\("),
        ("set", r"needs conformal sets.*leave 'set' out"),
        ("dissimilarity", r"needs an area of applicability.*fit_applicability\("),
        ("applicable", r"needs an area of applicability.*leave 'applicable' out"),
    ],
)
def test_what_needs_a_rule_is_refused_without_it(cube, kind, message):
    with pytest.raises(ModelError, match=message):
        lx.classify(cube, Several(), outputs=("land_cover", kind))


def test_an_area_of_applicability_needs_a_fixed_number_of_features(cube):
    rules = Attachments(applicability=make_applicability(8))
    varying = Several(attachments=rules, dates=RawDates(maximum=40))
    with pytest.raises(ModelError, match=r"number of dates varies.*minimum equal to maximum"):
        lx.classify(cube, varying, outputs=["dissimilarity"])
    with pytest.raises(ModelError, match=r"is of 8 features; its pixels have 24 \(12 dates of 2"):
        lx.classify(cube, Several(attachments=rules), outputs=["applicable"])
    fixed = Several(
        attachments=Attachments(applicability=make_applicability(24)),
        dates=RawDates(maximum=12, minimum=12),
    )
    assert lx.classify(cube, fixed, outputs=["applicable"]).compute()["applicable"].max() == 255


def test_sets_of_another_task_are_refused(cube):
    sets = make_conformal(thresholds=(0.7,))
    other = Attachments(
        conformal=replace(sets, thresholds={"land_use": sets.thresholds["land_cover"]})
    )
    with pytest.raises(ModelError, match=r"task 'land_cover': the conformal sets .* of land_use"):
        lx.classify(cube, Several(attachments=other), outputs=["set"])
    few = Attachments(conformal=replace(sets, thresholds={"land_cover": ((0.5, 0.5),)}))
    with pytest.raises(ModelError, match="sets of 2 classes for task 'land_cover' of 3"):
        lx.classify(cube, Several(attachments=few), outputs=["set"])


def test_members_must_be_as_many_as_they_say(cube):
    class Lying(Several):
        def __len__(self):
            return 5

        def __reduce__(self):
            return Several, ()

    maps = lx.classify(cube, Lying(3), outputs=["members"])
    with pytest.raises(ModelError, match="gave 3 members, but its length is 5"):
        maps.compute(scheduler="synchronous")

    class Silent(Ratio):
        def each_member(self, pixels, days, context):
            yield {"land_cover": self.predict_block(pixels, days, context)}

    with pytest.raises(ModelError, match="does not say how many members it has"):
        lx.classify(cube, Silent(), outputs=["members"])


def test_what_a_member_gives_is_checked(cube):
    class Spoiled(Several):
        def each_member(self, pixels, days, context):
            for given in super().each_member(pixels, days, context):
                yield {"land_cover": given["land_cover"] * 2}

    maps = lx.classify(cube, Spoiled(), outputs=["members"])
    with pytest.raises(ModelError, match="a sum over classes of 2"):
        maps.compute(scheduler="synchronous")


def test_a_name_of_an_output_is_told_by_its_neighbours(cube):
    with pytest.raises(ModelError, match=r"unknown output 'sets'\. Known, nearest first: set, "):
        lx.classify(cube, Ratio(), outputs=["sets"])


def test_each_task_has_outputs_of_its_own(cube):
    use = lx.Legend.from_names("use", ["used", "unused"])
    model = Giving(
        lambda p: {"land_cover": p, "land_use": np.stack([p[0] + p[1], p[2]])},
        legends={"land_cover": LEGEND, "land_use": use},
    )
    model.content_hash = "margins of two tasks"
    maps = lx.classify(cube, model, outputs=("margin", "max_probability")).compute()
    assert list(maps.data_vars) == [
        "land_cover_margin",
        "land_cover_max_probability",
        "land_use_margin",
        "land_use_max_probability",
    ]
    assert maps["land_use_max_probability"].attrs["valid_min"] == 0.5
    # Of two classes the margin follows from the larger one.
    np.testing.assert_allclose(
        maps["land_use_margin"], 2 * maps["land_use_max_probability"] - 1, atol=1e-6
    )


def test_every_kind_can_be_asked_for(model):
    asked = [k for k in (*TASK_KINDS, *PLACE_KINDS) if k not in ("class", "context_outside")]
    planned = plan_outputs(asked, model)
    assert planned.members == 3
    assert [o.kind for o in planned.each] == asked
    assert set(asked) == set(EVERY) - {"land_cover"}


def test_a_model_with_a_halo_tells_members_and_dissimilarity_of_the_pixel_itself(cube):
    wide = Several(attachments=RULES, dates=QUARTERS, halo=2)
    narrow = Several(attachments=RULES, dates=QUARTERS)
    names = ("dissimilarity", "applicable", "members")
    found = lx.classify(cube, wide, outputs=names, shard=16).compute()
    expected = lx.classify(cube, narrow, outputs=names, shard=16).compute()
    np.testing.assert_allclose(found["dissimilarity"], expected["dissimilarity"], atol=1e-4)
    assert (found["land_cover_members"] != expected["land_cover_members"]).any()
