"""``lulc-xr cog`` writes files and an item of them, and says what is wrong."""

import json

import numpy as np
import pystac
import pytest
import rasterio

from lulc_xr.cube.store import open_cube
from lulc_xr.models.classifier import load_classifier


@pytest.fixture
def mapped_area(cli, place):
    assert cli("classify", place / "cube.zarr", "--model", place / "model").exit_code == 0
    return place


def test_maps_become_files_and_an_item(cli, mapped_area):
    store, out, item = mapped_area / "cube.zarr", mapped_area / "out", mapped_area / "map.json"
    told = cli(
        "cog", store, out, "--variables", "land_cover, land_cover_entropy", "--years", "2018",
        "--item", item, "--model", mapped_area / "model",
    )  # fmt: skip
    assert told.exit_code == 0, told.err
    assert "land_cover_2018.tif" in told.out
    assert "STAC item" in told.out
    with rasterio.open(out / "land_cover_2018.tif") as file:
        np.testing.assert_array_equal(file.read(1), open_cube(store)["land_cover"][0])
    made = pystac.Item.from_file(item)
    assert set(made.assets) == {"zarr", "land_cover_2018", "land_cover_entropy_2018", "model"}
    assert json.loads(item.read_text())["assets"]["zarr"]["href"] == "./cube.zarr"
    model = load_classifier(mapped_area / "model")
    assert made.properties["lulc_xr:model_hash"] == model.content_hash


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--variables", "landcover"), "unknown variable 'landcover'"),
        (("--years", "2030"), "no year 2030 in these maps; they are of 2018."),
        (("--years", "last"), "--years 'last': expected numbers"),
        (("--model", "x"), "give the item with --item"),
    ],
)
def test_bad_input_is_said(cli, mapped_area, options, said):
    found = cli("cog", mapped_area / "cube.zarr", mapped_area / "out", *options)
    assert found.exit_code == 2
    assert said in found.err
    assert not (mapped_area / "out").exists()


def test_files_are_replaced_only_when_asked(cli, mapped_area):
    arguments = ("cog", mapped_area / "cube.zarr", mapped_area / "map.tif")
    item = ("--item", mapped_area / "map.json")
    assert cli(*arguments).exit_code == 0
    refused = cli(*arguments)
    assert refused.exit_code == 2
    assert "pass --overwrite" in refused.err
    assert cli(*arguments, *item, "--overwrite").exit_code == 0
    (mapped_area / "map.tif").unlink()
    assert "map.json' exists already; pass --overwrite" in cli(*arguments, *item).err
