"""Land cover and crop type of one real chip: trained together, mapped together, read back."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lulc_xr as lx
from lulc_xr.jobs.recipe_files import load_script

RECIPE = load_script(Path(__file__).parents[3] / "zarr_stores" / "flanders.py")
RAW = Path(RECIPE.__file__).parent / "raw"
DATES = lx.RegularDates(start_month=11)


@pytest.fixture(scope="module")
def cube():
    return RECIPE.make_cube(RAW)


@pytest.fixture(scope="module")
def crops():
    return RECIPE.make_crop_type(RAW)


@pytest.fixture(scope="module")
def samples(cube, crops):
    """Twenty points of each land cover; their crop type, where they lie in a parcel."""
    rng, cover = np.random.default_rng(0), cube["reference"].values
    chosen = np.concatenate(
        [rng.permutation(np.argwhere(cover == i))[:20] for i in RECIPE.LEGEND.ids]
    )
    rows, columns = chosen.T
    points = pd.DataFrame(
        {
            "x": cube["x"].values[columns], "y": cube["y"].values[rows],
            "cover": cover[rows, columns], "crop": crops.values[rows, columns],
        }
    )  # fmt: skip
    labels = {"land_cover": ("cover", RECIPE.LEGEND), "crop_type": ("crop", RECIPE.CROPS)}
    return lx.extract_samples(cube, points, dates=DATES, labels=labels)


@pytest.fixture(scope="module")
def model(samples):
    config = lx.TrainConfig(sizes={"filters": 16, "dense": 32}, allow_missing_classes=True)
    return lx.fit(samples, config=config)


def test_labels_of_a_task_may_be_missing(samples, model):
    outside = samples["crop_type"].values == 255
    assert 30 < outside.sum() < samples.sizes["sample"]
    counts = model.provenance["samples"]["classes"]
    assert sum(counts["crop_type"].values()) == (~outside).sum()
    assert sum(counts["land_cover"].values()) == samples.sizes["sample"] == 80
    found = model.predict(samples)
    assert (found["land_cover"].values == samples["land_cover"].values).mean() > 0.8
    right = found["crop_type"].values == samples["crop_type"].values
    assert right[~outside].mean() > 0.85


def test_every_task_gets_its_group_of_variables(tmp_path, cube, crops, model):
    whole = cube.copy()
    # A corner that was never clear: fill in the maps of both tasks.
    whole["clear"] = cube["clear"].copy()
    whole["clear"][:, :9, :7] = 0
    store = lx.write_cube(whole, tmp_path / "flanders.zarr", plan=RECIPE.PLAN)
    outputs = ["land_cover", "crop_type", "entropy", "probability"]
    lx.write_variables(
        lx.open_cube(store).lulc.classify(model, outputs=outputs), store, progress=False
    )
    maps = lx.open_cube(store)
    assert lx.verify(store).ok
    for task, legend in (("land_cover", RECIPE.LEGEND), ("crop_type", RECIPE.CROPS)):
        found = maps[task].isel(year=0).values
        assert lx.Legend.from_flags(maps[task].attrs) == legend
        assert (found[:9, :7] == 255).all()
        assert np.isin(found[9:], legend.ids).all()
        assert maps[f"{task}_probability"].sizes[
            f"{task}_class" if task != "land_cover" else "class"
        ] == len(legend)
        assert float(maps[f"{task}_entropy"].max()) <= np.log(len(legend)) + 1e-6
        assert maps[task].attrs["ancillary_variables"].split() == [
            f"{task}_entropy",
            f"{task}_probability",
        ]
    judged = lx.accuracy(maps["crop_type"], crops.assign_coords(y=maps["y"], x=maps["x"]))
    assert judged.overall > 0.75
    # Outside of parcels there is a prediction and no reference: it does not count.
    assert judged.total == (crops.values != 255).sum()


def test_one_task_of_two_may_be_asked_for(cube, model):
    maps = lx.classify(cube, model, outputs=["crop_type", "entropy"])
    assert list(maps.data_vars) == ["crop_type", "crop_type_entropy"]
