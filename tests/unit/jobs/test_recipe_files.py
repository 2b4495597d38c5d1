"""Recipes are read whole or refused with the table and key that is wrong."""

from pathlib import Path

import pytest

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.jobs.recipe_files import load_recipe

RECIPES = Path(__file__).parents[3] / "zarr_stores"
WHOLE = """
title = "A place"
years = [2019, 2018]
store = "stores/place.zarr"
[area]
bbox = [3.0, 50.8, 3.1, 50.9]
[grid]
crs = "EPSG:3035"
resolution = 20
extent = [3800000, 3100000, 3900000, 3200000]
[source]
catalogue = "https://example.org/stac"
sensors = ["sentinel-2", "landsat"]
bands = ["red", "nir"]
dilate = 2
query = { "eo:cloud_cover" = { lt = 80 } }
[composite]
freq = "MS"
method = "median"
[plan]
chunks = { time = 12, y = 64, x = 64 }
shards = { time = 12, y = 256, x = 256 }
"""


@pytest.fixture
def write(tmp_path):
    def written(text, name="place.toml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return written


def test_whole_recipe_is_read_as_written(write, tmp_path):
    recipe = load_recipe(write(WHOLE))
    assert recipe.kind == "stac"
    assert recipe.title == "A place"
    assert recipe.years == (2018, 2019)
    assert recipe.store == tmp_path / "stores" / "place.zarr"
    assert recipe.area.bbox == (3.0, 50.8, 3.1, 50.9)
    assert recipe.grid.extent == (3_800_000, 3_100_000, 3_900_000, 3_200_000)
    assert recipe.source.sensors == ("sentinel-2", "landsat")
    assert recipe.source.query == {"eo:cloud_cover": {"lt": 80}}
    assert recipe.composite.freq == "MS"
    assert recipe.plan == ChunkPlan(
        chunks={"time": 12, "y": 64, "x": 64}, shards={"time": 12, "y": 256, "x": 256}
    )


def test_paths_are_those_beside_the_recipe(write, tmp_path):
    text = WHOLE.replace(
        "bbox = [3.0, 50.8, 3.1, 50.9]", 'file = "land.gpkg"\ncolumn = "NUTS_ID"\nname = "BE25"'
    )
    recipe = load_recipe(write(text + '[climate]\nsource = "wc"\n'))
    assert recipe.area.file == tmp_path / "land.gpkg"
    assert recipe.climate.source == tmp_path / "wc"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("years =", "yeers =", "unknown key 'yeers'. Known, nearest first: years"),
        ("[source]", "[sources]", "unknown key 'sources'. Known, nearest first: source"),
        ("resolution", "resolutoin", "unknown key of [grid] 'resolutoin'. Known, nearest first: r"),
        ('"landsat"', '"lansat"', "unknown sensor 'lansat'. Known, nearest first: landsat"),
        ("3.0, 50.8, 3.1, 50.9", "3.2, 50.8, 3.1, 50.9", "left < right"),
        ("3.0, 50.8, 3.1, 50.9", "3.0, 50.8, 3.1", "[area] bbox has 3 values; expected 4"),
        ("3.0, 50.8, 3.1, 50.9", "500000, 0, 500010, 10", "is not in degrees"),
        ("bbox = [3.0, 50.8, 3.1, 50.9]", "", "give one of the two"),
        ("bbox = ", 'file = "a.gpkg"\nbbox = ', "give one of the two"),
        ("bbox = ", 'name = "BE25"\nbbox = ', "give both, beside file"),
        ('"EPSG:3035"', '"EPSG:4326"', "is in degrees; a cube has pixels of metres"),
        ('"EPSG:3035"', '"EPSG:99999999"', "is no reference system"),
        ('"EPSG:3035"', '"utm"', "name the zone"),
        ("resolution = 20", 'resolution = "20"', "[grid] resolution is '20'; expected a number"),
        ("resolution = 20", "resolution = 0", "resolution=0"),
        ("dilate = 2", "dilate = true", "[source] dilate is True; expected a whole number"),
        ("dilate = 2", 'on_error = "ignore"', "unknown on_error 'ignore'"),
        ("chunks = { time", "chunks = { tme", "unknown dimension of [plan] chunks 'tme'"),
        ("y = 256, x", "y = 200, x", "shard of 200 along 'y' is not a multiple"),
        ("years = [2019, 2018]", "years = [2018, 2018]", "give each year once"),
        ("years = [2019, 2018]", "", "needs years"),
        ("years = [2019, 2018]", 'years = ["2018"]', "years is '2018'; expected a whole number"),
        ('title = "A place"', 'kind = "landscap"', "unknown kind 'landscap'. Known, nearest"),
        ('title = "A place"', 'kind = "landscape"', "needs the table [landscape]"),
        ('catalogue = "https://example.org/stac"', "", "[source] has no 'catalogue'"),
        ('title = "A place"', "title = ", "is not TOML"),
        ('title = "A place"', "plan = 3", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named(write, old, new, said):
    assert old in WHOLE
    with pytest.raises(CubeError) as caught:
        load_recipe(write(WHOLE.replace(old, new, 1)))
    assert said in str(caught.value)


def test_error_says_in_which_recipe(write):
    with pytest.raises(CubeError) as caught:
        load_recipe(write(WHOLE.replace("dilate", "dilatation")))
    assert "place.toml" in "".join(caught.value.__notes__)


def test_table_that_is_a_value_is_refused(write):
    with pytest.raises(CubeError, match=r"'area' is 3; expected a table: \[area\]"):
        load_recipe(write("area = 3\nyears = [2018]"))


def test_recipe_that_is_not_there_says_where_they_are(tmp_path):
    with pytest.raises(StoreError, match="zarr_stores/ of its repository"):
        load_recipe(tmp_path / "none.toml")


def test_recipe_in_python_needs_both_names(write):
    with pytest.raises(CubeError, match="has no PLAN; a recipe in Python has make_cube"):
        load_recipe(write("def make_cube(raw): ...", "short.py"))
    recipe = load_recipe(write('"""A place."""\nPLAN = None\ndef make_cube(raw): ...', "place.py"))
    assert recipe.kind == "python"
    assert recipe.store.name == "place.zarr"


@pytest.mark.parametrize(
    "path",
    # The catalogue is a script that recipes read from.
    sorted({*RECIPES.glob("*.toml"), *RECIPES.glob("*.py")} - {RECIPES / "flanders_catalogue.py"}),
    ids=lambda path: path.name,
)
def test_recipes_of_the_project_are_read(path):
    assert load_recipe(path).store == path.with_suffix(".zarr")
