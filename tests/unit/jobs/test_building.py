"""A recipe builds its store, and a changed recipe brings to it what it has more."""

import dataclasses
import json
import shutil
from pathlib import Path

import dask
import geopandas
import numpy as np
import pytest
import rasterio
import xarray as xr
from shapely.geometry import box

from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.cube.stac import load_stac
from lulc_xr.cube.store import open_cube, write_cube
from lulc_xr.jobs.building import build
from lulc_xr.jobs.grids import grid_of
from lulc_xr.jobs.making import make_cube
from lulc_xr.jobs.planning import plan_recipe
from lulc_xr.jobs.recipe_files import load_recipe
from tests import scenes

LANDSCAPE = """
kind = "landscape"
title = "Fields"
years = [2018]
[landscape]
y = 40
x = 48
time = 5
bands = ["red", "nir"]
[plan]
chunks = { time = 5, y = 16, x = 16 }
shards = { time = 5, y = 32, x = 32 }
"""
CATALOGUE = """
title = "A corner of Belgium"
years = [2021]
[area]
file = "area.gpkg"
[grid]
crs = "EPSG:32631"
[source]
catalogue = "catalogue"
bands = ["blue", "nir08"]
on_error = "raise"
[plan]
chunks = { time = 2, y = 16, x = 16 }
shards = { time = 4, y = 32, x = 32 }
"""
RECIPES = Path(__file__).parents[3] / "zarr_stores"
WEST, NORTH = scenes.EAST, scenes.NORTH
DATES = ("2021-04-03", "2021-06-07", "2021-06-27", "2022-05-01", "2022-07-20")


@pytest.fixture
def write(tmp_path):
    def written(text, name="place.toml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return load_recipe(tmp_path / name)

    return written


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """A folder of items: five dates over 96 x 96 pixels, and one over the eastern half only."""
    folder = tmp_path_factory.mktemp("stac")
    whole = scenes.grid(96)
    east = scenes.grid(48, east=WEST + 480)
    rng = np.random.default_rng(1)
    for number, day in enumerate((*DATES, "2021-05-09")):
        where = whole if number < len(DATES) else east
        numbers = rng.integers(200, 4000, where.shape.yx).astype(np.uint16)
        numbers[:3, :5] = 0
        scl = rng.choice(np.array([4, 5, 8], np.uint8), where.shape.yx)
        item = scenes.sentinel2(
            folder / "rasters", when=f"{day}T10:50:31", numbers=numbers, scl=scl, geobox=where,
            **{"eo:cloud_cover": 90 if day == DATES[0] else 30},
        )  # fmt: skip
        (folder / "catalogue").mkdir(exist_ok=True)
        (folder / "catalogue" / f"{item.id}.json").write_text(json.dumps(item.to_dict()))
    return folder / "catalogue"


@pytest.fixture
def area(tmp_path, catalogue):
    """``area(0, 32, 0, 48)`` sets the recipe's area: rows and columns of the scenes."""
    (tmp_path / "catalogue").symlink_to(catalogue)

    def draw(top, bottom, left, right):
        square = box(WEST + 10 * left, NORTH - 10 * bottom, WEST + 10 * right, NORTH - 10 * top)
        frame = geopandas.GeoDataFrame(geometry=[square], crs="EPSG:32631")
        frame.to_file(tmp_path / "area.gpkg", driver="GPKG")

    return draw


def same(stored, expected):
    """All values of a store are those of a cube, to the step of int16."""
    assert stored["time"].values.tolist() == expected["time"].values.tolist()
    for name, var in expected.data_vars.items():
        np.testing.assert_allclose(stored[name], var, atol=5.01e-5, err_msg=str(name))


def shard_files(store):
    """When and at which place on disk each shard was written."""
    found = (p for p in store.rglob("c/**/*") if p.is_file())
    return {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in found}


def test_landscape_is_built_once(write, tmp_path):
    recipe = write(LANDSCAPE)
    first = build(recipe, progress=False)
    assert first.store == tmp_path / "place.zarr"
    assert first.steps == ("5 dates of 40 × 48 pixels",)
    # 2 x 2 shards of reflectance, clear and reference.
    assert (first.written, first.skipped) == (12, 0)
    same(open_cube(first.store), make_cube(recipe))
    again = build(recipe, progress=False)
    assert (again.steps, again.written) == ((), 0)


def test_landscape_grows_by_area_years_and_bands(write, tmp_path):
    build(write(LANDSCAPE), progress=False)
    year = write(LANDSCAPE.replace("[2018]", "[2018, 2019]"))
    before = shard_files(tmp_path / "place.zarr")
    assert build(year, progress=False).steps == ("5 dates",)
    # Shards of whole years: not one that was there is written again.
    assert before.items() <= shard_files(tmp_path / "place.zarr").items()
    text = LANDSCAPE.replace("y = 40", "y = 70").replace("[2018]", "[2018, 2019]")
    recipe = write(text.replace('"nir"]', '"nir", "blue"]'))
    report = build(recipe, progress=False)
    assert report.steps == ("an area of 30 × 48 pixels", "bands blue")
    stored = open_cube(tmp_path / "place.zarr")
    same(stored, make_cube(recipe))
    assert stored["band"].values.tolist() == ["red", "nir", "blue"]
    assert build(recipe, progress=False).steps == ()


def test_catalogue_gives_the_cube_that_load_stac_gives(write, area, catalogue):
    area(8, 56, 4, 44)
    recipe = write(CATALOGUE)
    report = build(recipe, progress=False)
    stored = open_cube(report.store)
    expected = load_stac(
        catalogue, geobox=grid_of(recipe.area, recipe.grid), start="2021", end="2021",
        bands=["blue", "nir08"],
    )  # fmt: skip
    assert stored.sizes == {"time": 3, "band": 2, "y": 48, "x": 40}
    same(stored, expected)
    assert stored["platform"].values.tolist() == ["sentinel-2a"] * 3
    assert stored.attrs["title"] == "A corner of Belgium"


def test_a_year_more_is_appended(write, area):
    area(0, 40, 0, 40)
    build(write(CATALOGUE), progress=False)
    grown = write(CATALOGUE.replace("[2021]", "[2021, 2022]"))
    report = build(grown, progress=False)
    assert report.steps == ("2 dates",)
    same(open_cube(report.store), make_cube(grown))
    assert build(grown, progress=False).steps == ()


def test_area_to_the_south_and_east_is_added(write, area):
    area(0, 40, 0, 30)
    build(write(CATALOGUE), progress=False)
    area(0, 60, 0, 44)
    report = build(write(CATALOGUE), progress=False)
    assert report.steps == ("an area of 40 × 14 pixels", "an area of 20 × 44 pixels")
    same(open_cube(report.store), make_cube(write(CATALOGUE)))


def test_area_to_the_west_needs_a_declared_extent(write, area):
    area(10, 40, 20, 40)
    build(write(CATALOGUE), progress=False)
    area(10, 40, 12, 40)
    with pytest.raises(CubeError, match=r"begins 8 pixels west of the store.*extent"):
        build(write(CATALOGUE), progress=False)


def test_areas_fill_a_declared_extent(write, area, catalogue):
    extent = [WEST, NORTH - 800, WEST + 600, NORTH]
    text = CATALOGUE.replace('crs = "EPSG:32631"', f'crs = "EPSG:32631"\nextent = {extent}')
    area(30, 60, 20, 40)
    report = build(write(text), progress=False)
    stored = open_cube(report.store)
    assert (stored.sizes["y"], stored.sizes["x"]) == (80, 60)
    seen = stored["reflectance"].notnull().any(("time", "band")).values
    assert seen[30:60, 20:40].all()
    assert seen.sum() == 30 * 20
    area(10, 60, 5, 40)
    assert build(write(text), progress=False).steps == (
        "an area of 20 × 35 pixels", "an area of 30 × 15 pixels",
    )  # fmt: skip
    grown = write(text.replace("[2021]", "[2021, 2022]"))
    assert build(grown, progress=False).steps == ("2 dates",)
    expected = make_cube(grown)
    stored = open_cube(report.store)
    same(stored.isel(y=slice(10, 60), x=slice(5, 40)), expected)
    outside = stored["reflectance"].isel(y=slice(60, None)).values
    assert np.isnan(outside).all()
    assert (stored["clear"].isel(x=slice(40, None)) == 0).all()


def test_date_that_only_the_new_area_has_is_left_out_and_listed(write, area):
    area(0, 40, 0, 40)
    build(write(CATALOGUE), progress=False)
    area(0, 40, 0, 80)
    report = build(write(CATALOGUE), progress=False)
    assert [str(d)[:10] for d in report.left_out] == ["2021-05-09"]
    assert [str(d)[:10] for d in open_cube(report.store)["time"].values] == list(DATES[:3])


def test_earlier_years_and_a_smaller_area_are_refused(write, area):
    area(0, 40, 0, 40)
    build(write(CATALOGUE.replace("[2021]", "[2022]")), progress=False)
    with pytest.raises(CubeError, match=r"years \[2021\] .* lie before .* 2022-07-20"):
        build(write(CATALOGUE.replace("[2021]", "[2021, 2022]")), progress=False)
    with pytest.raises(CubeError, match="no date of the recipe is in"):
        build(write(CATALOGUE), progress=False)


def test_new_dates_need_the_whole_area(write, area):
    area(0, 40, 0, 40)
    build(write(CATALOGUE), progress=False)
    area(0, 40, 0, 20)
    assert build(write(CATALOGUE), progress=False).steps == ()
    with pytest.raises(CubeError, match=r"columns 20 to 40 .* Widen the recipe's area"):
        build(write(CATALOGUE.replace("[2021]", "[2021, 2022]")), progress=False)


def test_store_of_another_recipe_is_left_alone(write, area, tmp_path):
    area(0, 40, 0, 40)
    build(write(LANDSCAPE), progress=False)
    with pytest.raises(StoreError, match=r"holds something else than 'A corner of Belgium'.*--st"):
        build(write(CATALOGUE), progress=False)
    assert open_cube(tmp_path / "place.zarr").attrs["title"] == "Fields"


def test_composites_of_a_year_do_not_depend_on_other_years(write, area):
    area(0, 32, 0, 32)
    text = CATALOGUE + '[composite]\nfreq = "MS"\nmethod = "mean"\n'
    first = open_cube(build(write(text), progress=False).store).load()
    assert first.sizes["time"] == 12
    assert first["time"].values[[0, -1]].astype("M8[D]").astype(str).tolist() == [
        "2021-01-01", "2021-12-01",
    ]  # fmt: skip
    grown = write(text.replace("[2021]", "[2021, 2022]"))
    report = build(grown, progress=False)
    assert report.steps == ("12 dates",)
    stored = open_cube(report.store)
    assert stored.sizes["time"] == 24
    xr.testing.assert_equal(stored["reflectance"].sel(time="2021"), first["reflectance"])
    june = make_cube(write(CATALOGUE)).sel(time="2021-06")
    clear = june["reflectance"].where(june["clear"] == 1)
    expected = clear.mean("time").values
    known = ~np.isnan(expected)
    got = stored["reflectance"].sel(time="2021-06-01").values
    np.testing.assert_allclose(got[known], expected[known], atol=5.01e-5)


def test_seasons_belong_to_the_year_in_which_they_end(write, area):
    area(0, 16, 0, 16)
    text = CATALOGUE + '[composite]\nfreq = "season"\nfill = "none"\n'
    build(write(text), progress=False)
    report = build(write(text.replace("[2021]", "[2021, 2022]")), progress=False)
    stored = open_cube(report.store)
    assert stored["time"].values.astype("M8[M]").astype(str).tolist() == [
        "2020-12", "2021-03", "2021-06", "2021-09", "2021-12", "2022-03", "2022-06", "2022-09",
    ]  # fmt: skip
    seen = stored["clear_count"].max(("y", "x")).values
    assert (seen > 0).tolist() == [False, True, True, False, False, True, True, False]


def test_recipe_of_europe_builds_from_a_catalogue_on_disk(tmp_path, catalogue):
    shipped = (RECIPES / "europe.toml").read_text(encoding="utf-8")
    west, south, east, north = scenes.bbox_of(scenes.grid(32, east=WEST + 300, north=NORTH - 300))
    text = shipped.replace("[3.00, 50.80, 3.10, 50.86]", f"[{west}, {south}, {east}, {north}]")
    text = text.replace("https://earth-search.aws.element84.com/v1", str(catalogue))
    # The scenes of this test have two of the ten bands.
    text = text.replace("[source]", '[source]\nbands = ["blue", "nir08"]')
    assert text.count("\n") == shipped.count("\n") + 1
    (tmp_path / "europe.toml").write_text(text, encoding="utf-8")
    report = build(load_recipe(tmp_path / "europe.toml"), progress=False)
    stored = open_cube(report.store)
    # The first date has more cloud than the recipe takes; the fourth touches the area.
    days = [str(d)[:10] for d in stored["time"].values]
    assert days == ["2021-05-09", "2021-06-07", "2021-06-27"]
    assert stored.attrs["proj:code"] == "EPSG:3035"
    assert (stored["x"].values % 10 == 5).all()
    assert (stored["y"].values % 10 == 5).all()
    middle = stored["reflectance"].isel(y=slice(10, 20), x=slice(10, 20), time=slice(1, None))
    assert float(middle.mean()) == pytest.approx(0.21, abs=0.03)


def test_years_without_a_scene_are_named(write, area):
    area(0, 32, 0, 32)
    with pytest.raises(CubeError, match=r"has no scene of sentinel-2 in 2015 here"):
        build(write(CATALOGUE.replace("[2021]", "[2015]")), progress=False)


def test_date_that_cannot_be_read_is_listed_and_filled_later(write, area, catalogue, tmp_path):
    area(0, 40, 0, 40)
    (tmp_path / "catalogue").unlink()
    folder = shutil.copytree(catalogue.parent, tmp_path / "copy")
    for path in (folder / "catalogue").glob("*.json"):
        path.write_text(path.read_text().replace(str(catalogue.parent), str(folder)))
    (tmp_path / "catalogue").symlink_to(folder / "catalogue")
    recipe = write(CATALOGUE.replace('"raise"', '"mark"'))
    (broken,) = (folder / "rasters").glob("*20210607*/B02.tif")
    whole = broken.read_bytes()
    broken.write_bytes(b"no raster")
    report = build(recipe, progress=False)
    assert [str(d)[:10] for d in report.unread] == ["2021-06-07"]
    stored = open_cube(report.store)
    assert stored["reflectance"].sel(time="2021-06-07").isnull().all()
    assert (stored["unread"].sel(time="2021-06-07") == 1).all()
    # Still broken: marked as before, and a year more comes in all the same.
    grown = dataclasses.replace(recipe, years=(2021, 2022))
    again = build(grown, progress=False)
    assert again.steps == ("what could not be read before", "2 dates")
    assert [str(d)[:10] for d in again.unread] == ["2021-06-07"]
    broken.write_bytes(whole)
    mended = build(grown, progress=False)
    assert mended.steps == ("what could not be read before",)
    assert mended.unread == ()
    same(open_cube(report.store), make_cube(grown))


def test_what_a_smaller_recipe_cannot_fill_stays_unread(write, area, catalogue, tmp_path):
    area(0, 40, 0, 40)
    recipe = write(CATALOGUE.replace('"raise"', '"mark"'))
    cube = make_cube(recipe)
    cube["unread"][1] = 1
    cube["reflectance"][1] = np.nan
    cube["clear"][1] = 0
    write_cube(cube, recipe.store, plan=recipe.plan)
    area(0, 40, 0, 16)
    report = build(write(CATALOGUE.replace('"raise"', '"mark"')), progress=False)
    assert [str(d)[:10] for d in report.unread] == [DATES[1]]
    marks = open_cube(report.store)["unread"].values
    assert marks[1, :, 16:].all()
    assert marks.sum() == 40 * 24


@pytest.fixture
def worldclim(tmp_path):
    """Rasters named as WorldClim's, one degree a cell around Belgium; BIO k is k everywhere."""
    folder = tmp_path / "worldclim"
    folder.mkdir()
    for number in range(1, 20):
        with rasterio.open(
            folder / f"wc2.1_10m_bio_{number}.tif", "w", driver="GTiff", width=20, height=20,
            count=1, dtype="float32", crs="EPSG:4326", nodata=-3.4e38,
            transform=rasterio.Affine(1, 0, -6, 0, -1, 60),
        ) as target:  # fmt: skip
            target.write(np.full((20, 20), number, np.float32), 1)
    return folder


def test_climate_comes_along(write, worldclim):
    recipe = write(LANDSCAPE)
    build(recipe, progress=False)
    wanted = write(LANDSCAPE + '[climate]\nsource = "worldclim"\n')
    assert build(wanted, progress=False).steps == ("climate",)
    assert build(wanted, progress=False).steps == ()
    stored = open_cube(recipe.store)
    assert stored["bioclim"].sel(bioclim_variable="bio12").mean() == 12
    grown = write((LANDSCAPE + '[climate]\nsource = "worldclim"\n').replace("x = 48", "x = 60"))
    assert build(grown, progress=False).steps == ("an area of 40 × 12 pixels", "climate")


def test_climate_of_another_place_is_refused(write, shared_data):
    (path,) = (shared_data / "worldclim_10m_iberia").glob("*.nc")
    recipe = write(LANDSCAPE + f'[climate]\nsource = "{path}"\n')
    with pytest.raises(CubeError, match="has no data at the cube"):
        build(recipe, progress=False)


def test_other_sensors_of_a_catalogue_are_left_out(write, area):
    area(0, 32, 0, 32)
    text = CATALOGUE.replace("bands =", 'sensors = ["landsat"]\nbands =')
    with pytest.raises(CubeError, match="has no scene of landsat in 2021"):
        make_cube(write(text))


def test_plan_tells_what_the_store_then_has(write, area):
    area(0, 40, 0, 40)
    recipe = write(CATALOGUE.replace("[2021]", "[2021, 2022]"))
    with dask.config.set(scheduler=_no_compute):
        plan = plan_recipe(recipe)
    assert not recipe.store.exists()
    assert plan.dates == {"2021 sentinel-2a": 3, "2022 sentinel-2a": 2}
    assert plan.size == {"time": 5, "band": 2, "y": 40, "x": 40}
    assert plan.grid == "EPSG:32631, pixels of 10 m"
    report = build(recipe, progress=False)
    files = {
        n: [p for p in (report.store / n / "c").rglob("*") if p.is_file()] for n in plan.shards
    }
    stored = open_cube(report.store, raw=True)
    assert plan.bytes_raw == sum(stored[n].nbytes for n in ("reflectance", "clear"))
    assert plan.shards == {n: len(found) for n, found in files.items()}
    assert plan.shards["reflectance"] == 2 * 2 * 2
    # Five dates of two bands of 2 bytes, and at most 2 bytes of quality, for every pixel.
    assert plan.bytes_to_read == 5 * 40 * 40 * (2 * 2 + 2)
    assert "not compressed" in plan.read_from


def test_plan_counts_sizes_of_files_by_their_share_in_the_area(write, area, catalogue, tmp_path):
    area(0, 48, 0, 48)
    folder = tmp_path / "sized"
    folder.mkdir()
    for path in catalogue.glob("*.json"):
        told = json.loads(path.read_text())
        for asset in told["assets"].values():
            asset["file:size"] = 1000
        (folder / path.name).write_text(json.dumps(told))
    plan = plan_recipe(write(CATALOGUE.replace('"catalogue"', '"sized"')))
    assert "file:size" in plan.read_from
    # Three scenes with two bands and SCL; a quarter of each lies in the area.
    assert plan.bytes_to_read == pytest.approx(3 * 3 * 1000 / 4, rel=0.05)


def test_plan_of_composites_counts_the_dates_behind_them(write, area):
    area(0, 32, 0, 32)
    single = plan_recipe(write(CATALOGUE))
    plan = plan_recipe(write(CATALOGUE + "[composite]\n"))
    assert plan.size["time"] == 12
    assert plan.dates == single.dates
    assert plan.bytes_to_read == single.bytes_to_read
    assert plan.memory_per_thread > single.memory_per_thread


def test_plan_does_not_depend_on_area_for_memory(write):
    recipe = write(LANDSCAPE)
    wide = dataclasses.replace(recipe.landscape, y=4000, x=48000)
    plan = plan_recipe(dataclasses.replace(recipe, landscape=wide))
    # 5 dates x 2 bands x 32 x 32 pixels in a shard.
    assert plan.memory_per_thread == 20 * 5 * 2 * 32 * 32
    assert plan.shards["reflectance"] == 125 * 1500
    assert plan.bytes_to_read == 0


def _no_compute(*_, **__):
    raise AssertionError("a plan computes nothing")
