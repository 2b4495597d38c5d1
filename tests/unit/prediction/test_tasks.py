"""Several tasks of one model: a group of variables each, with a legend of its own."""

import numpy as np
import pytest

import lulc_xr as lx
from tests.predictors import LEGEND, Ratio, make_spec

USE = lx.Legend.from_names("use", ["used", "unused"])


class TwoTasks(Ratio):
    """Land cover of three classes and land use of two, from the same sums."""

    def __init__(self):
        self.spec = make_spec(legends={"land_cover": LEGEND, "land_use": USE})

    def predict_block(self, pixels, days, context):
        cover = super().predict_block(pixels, days, context)
        return {"land_cover": cover, "land_use": np.stack([cover[0] + cover[1], cover[2]])}


@pytest.fixture
def written(store):
    outputs = ("land_cover", "land_use", "entropy", "probability")
    maps = lx.open_cube(store).lulc.classify(TwoTasks(), outputs=outputs)
    lx.write_variables(maps, store, progress=False)
    return lx.open_cube(store)


def test_every_task_is_written_with_its_own_classes(store, written):
    assert written["land_cover_probability"].dims == ("year", "class", "y", "x")
    assert written["land_use_probability"].dims == ("year", "land_use_class", "y", "x")
    assert [str(c) for c in written["class"].values] == list(LEGEND.names)
    assert [str(c) for c in written["land_use_class"].values] == list(USE.names)
    assert lx.Legend.from_flags(written["land_use"].attrs) == USE
    assert lx.verify(store).ok


def test_a_task_gets_what_a_model_of_this_task_alone_gives(store, written):
    alone = lx.open_cube(store).lulc.classify(Ratio()).compute()
    np.testing.assert_array_equal(written["land_cover"].values, alone["land_cover"].values)
    np.testing.assert_array_equal(
        written["land_cover_entropy"].values, alone["land_cover_entropy"].values
    )


def test_use_follows_cover_as_the_model_says(written):
    cover = written["land_cover_probability"].values
    use = written["land_use_probability"].values
    # Stored in steps of 1/250, so a sum of two may be off by one and a half.
    np.testing.assert_allclose(use[:, 0], cover[:, 0] + cover[:, 1], atol=1.5 / 250 + 1e-6)


def test_a_second_run_finds_all_done(store, written):
    outputs = ("land_cover", "land_use", "entropy", "probability")
    maps = lx.open_cube(store).lulc.classify(TwoTasks(), outputs=outputs)
    assert lx.write_variables(maps, store, progress=False).written == 0


def test_several_tasks_in_one_array_are_refused(store):
    class Confused(TwoTasks):
        def predict_block(self, pixels, days, context):
            return super().predict_block(pixels, days, context)["land_cover"]

    with pytest.raises(lx.ModelError, match="one array for tasks"):
        lx.open_cube(store).lulc.classify(Confused()).compute()
