"""Judged points: places, years, legends, what is carried, what is left out, and how it is read."""

import dask
import geopandas
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from xarray.backends.common import BackendArray
from xarray.core import indexing

import lulc_xr as lx
from lulc_xr.core.cube import DecodedArray
from lulc_xr.prediction.classify import classify
from tests.predictors import Ratio

LEVEL1 = lx.legend("lucas_lc1_level1")


@pytest.fixture
def class_map():
    """60 x 80 pixels of 10 m of the classes 1 to 8, some not mapped, in EPSG:3035."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 9, (60, 80)).astype(np.uint8)
    ids[rng.random(ids.shape) < 0.05] = 255
    return as_map(ids, LEVEL1)


def as_map(ids, legend, *, crs="EPSG:3035", x0=4_000_000.0, y0=3_000_000.0, step=10.0):
    rows, columns = ids.shape[-2:]
    dims = ("year", "y", "x")[-ids.ndim :]
    made = xr.DataArray(
        ids,
        {
            "y": y0 - step * (np.arange(rows) + 0.5),
            "x": x0 + step * (np.arange(columns) + 0.5),
            "spatial_ref": xr.Variable((), np.int32(0), {"crs_wkt": crs_text(crs)}),
        },
        dims,
        attrs=legend.flags(),
    )
    return made.assign_coords(year=2018 + np.arange(len(ids))) if ids.ndim == 3 else made


def crs_text(crs):
    return geopandas.GeoSeries([], crs=crs).crs.to_wkt()


def random_points(class_map, number, *, seed=1, legend=LEVEL1):
    rng = np.random.default_rng(seed)
    x, y = class_map["x"].values, class_map["y"].values
    table = pd.DataFrame(
        {
            "x": rng.uniform(x.min() - 5, x.max() + 5, number),
            "y": rng.uniform(y.min() - 5, y.max() + 5, number),
            "land_cover": rng.choice(legend.ids, number).astype(np.uint8),
        }
    )
    table.attrs["legend"] = legend.to_dict()
    return table


def pixel(class_map, point, down=0, right=0):
    """Class id at a point, counted by hand; 255 beyond the edge."""
    row = int((class_map["y"].values[0] + 5 - point["y"]) // 10) + down
    column = int((point["x"] - class_map["x"].values[0] + 5) // 10) + right
    if not (0 <= row < class_map.sizes["y"] and 0 <= column < class_map.sizes["x"]):
        return 255
    return int(class_map.values[row, column])


def test_the_pixel_that_contains_a_point_is_taken_and_so_are_its_neighbours(class_map):
    points = random_points(class_map, 300)
    judged = lx.judge_points(class_map, points)
    assert len(judged) == 300
    for (_, point), (_, row) in zip(points.iterrows(), judged.iterrows(), strict=True):
        assert row["mapped"] == pixel(class_map, point)
        around = {pixel(class_map, point, d, r) for d in (-1, 0, 1) for r in (-1, 0, 1)}
        expected = row["reference"] if row["reference"] in around else row["mapped"]
        assert row["mapped_near"] == expected
    assert judged["mapped"].dtype == judged["reference"].dtype == np.uint8
    assert judged["mapped_near"].dtype == np.uint8
    assert (judged["mapped"] == 255).sum() == judged.attrs["counts"]["unmapped"] > 0
    exact, near = ((judged[c] == judged["reference"]).mean() for c in ("mapped", "mapped_near"))
    assert near > exact
    assert "mapped_near" not in lx.judge_points(class_map, points, tolerance=0)


def test_points_in_another_system_are_brought_to_that_of_the_map(class_map):
    points = random_points(class_map, 50)
    geometry = geopandas.points_from_xy(points["x"], points["y"], crs="EPSG:3035")
    placed = geopandas.GeoDataFrame(points.drop(columns=["x", "y"]), geometry=geometry)
    placed.attrs = points.attrs
    judged = lx.judge_points(class_map, placed.to_crs("EPSG:4326"))
    expected = lx.judge_points(class_map, points)
    np.testing.assert_allclose(judged[["x", "y"]], expected[["x", "y"]], atol=1e-6)
    pd.testing.assert_frame_equal(
        judged.drop(columns=["x", "y"]), expected.drop(columns=["x", "y"])
    )


def test_what_classify_gives_is_judged_lazily_and_as_in_memory(cube):
    outputs = ("land_cover", "entropy", "probability")
    maps = classify(cube.chunk(y=10, x=16), Ratio(), outputs=outputs)
    points = random_points(cube, 200, legend=lx.Legend.from_flags(maps["land_cover"].attrs))
    judged = lx.judge_points(maps, points)
    in_memory = lx.judge_points(maps.compute(), points)
    pd.testing.assert_frame_equal(judged, in_memory)
    names = maps["class"].values.tolist()
    shares = judged[[f"probability_{name}" for name in names]].to_numpy()
    mapped = (judged["mapped"] != 255).to_numpy()
    np.testing.assert_allclose(shares[mapped].sum(axis=1), 1, atol=1e-5)
    legend = lx.Legend.from_dict(judged.attrs["legend"])
    best = np.array(legend.ids)[shares[mapped].argmax(axis=1)]
    assert (best == judged["mapped"][mapped]).all()
    assert judged["entropy"][mapped].between(0, np.log(len(names))).all()


class Counted:
    """An array that counts how often each part of it is read."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.ndim, self.reads = values.ndim, []

    def __getitem__(self, key):
        self.reads.append(tuple((k.start, k.stop) for k in key))
        return self.values[key]


def test_every_chunk_that_holds_a_point_is_read_once_and_no_other(class_map):
    source = Counted(class_map.values)
    chunks = dask.array.from_array(
        DecodedArray(source), chunks=(20, 20), asarray=True, meta=np.empty((0, 0), np.uint8)
    )
    lazy = class_map.copy(data=chunks)
    left = random_points(class_map, 200).query("x < 4_000_380")
    with dask.config.set(scheduler="synchronous"):
        judged = lx.judge_points(lazy, left)
    pd.testing.assert_frame_equal(judged, lx.judge_points(class_map, left))
    # Columns of pixels from 40 on hold no point, and no neighbour of one.
    assert sorted(source.reads) == [
        ((y, y + 20), (x, x + 20)) for y in (0, 20, 40) for x in (0, 20)
    ]


class FromFile(BackendArray):
    """What xarray gives for a file without chunks."""

    def __init__(self, source):
        self.source, self.shape, self.dtype = source, source.shape, source.dtype

    def __getitem__(self, key):
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, lambda k: self.source[k]
        )


def test_a_file_without_chunks_is_read_square_by_square(class_map):
    source = Counted(class_map.values)
    lazy = class_map.copy(data=indexing.LazilyIndexedArray(FromFile(source)))
    lazy.encoding["preferred_chunks"] = {"y": 20, "x": 20}
    points = random_points(class_map, 200)
    judged = lx.judge_points(lazy, points)
    pd.testing.assert_frame_equal(judged, lx.judge_points(class_map, points))
    assert len(source.reads) == 3 * 4
    assert all(end - start <= 20 for read in source.reads for start, end in read)


def test_points_take_the_year_of_their_survey(class_map):
    ids = np.stack([class_map.values, np.where(class_map.values == 255, 255, 1)])
    maps = as_map(ids.astype(np.uint8), LEVEL1)
    points = random_points(class_map, 90)
    points["year"] = np.tile([2018, 2019, 2022], 30)
    with pytest.warns(UserWarning, match="30 of 90 points left out: 30 of years that are not map"):
        judged = lx.judge_points(maps, points, carry=("year",))
    for year in (2018, 2019):
        own = points[points["year"] == year].reset_index(drop=True)
        alone = lx.judge_points(maps.sel(year=year), own)
        found = judged[judged["year"] == year]
        assert found["mapped"].tolist() == alone["mapped"].tolist()
        assert found["mapped_near"].tolist() == alone["mapped_near"].tolist()
    assert len(lx.judge_points(maps, points, year=2019)) == 90
    # Points that say no year are judged with the last.
    last = lx.judge_points(maps, points.drop(columns="year"))
    assert set(last["mapped"]) == {1, 255}
    with pytest.raises(lx.CubeError, match=r"unknown mapped year '2031'\. Known"):
        lx.judge_points(maps, points, year=2031)
    with pytest.raises(lx.SampleError, match=r"is of a year that it maps \(2018, 2019\)"):
        lx.judge_points(maps, points.assign(year=2006))
    with pytest.warns(UserWarning, match="60 points are of another year than the map's 2018"):
        lx.judge_points(maps.sel(year=2018), points)


def test_stratum_weight_and_others_come_along(class_map):
    points = random_points(class_map, 40)
    points["stratum"] = np.where(np.arange(40) % 2, "a", "b")
    points["weight"] = np.linspace(1, 2, 40)
    points["nuts"] = np.repeat(["AT", "DE"], 20)
    points["lu1"] = "U111"
    judged = lx.judge_points(class_map, points, region="nuts", carry=("lu1",), block=100)
    assert judged["region"].tolist() == points["nuts"].tolist()
    assert judged["weight"].tolist() == points["weight"].tolist()
    assert judged["point_id"].tolist() == list(range(40))
    assert set(judged["lu1"]) == {"U111"}
    # Points share a block where both coordinates share a hundred metres.
    place = (judged[["x", "y"]] // 100).astype(int)
    assert (
        judged.groupby("block").ngroups == len(place.drop_duplicates()) == judged["block"].nunique()
    )
    for _, part in place.groupby(judged["block"]):
        assert len(part.drop_duplicates()) == 1
    with pytest.raises(lx.SampleError, match="unknown column to carry 'lu2'"):
        lx.judge_points(class_map, points, carry=("lu2",))
    with pytest.raises(lx.SampleError, match="column 'mapped' cannot be carried"):
        lx.judge_points(class_map, points.assign(mapped=1), carry=("mapped",))
    with pytest.raises(lx.SampleError, match="block=0; expected the side of a block in metres"):
        lx.judge_points(class_map, points, block=0)


def test_blocks_of_a_map_in_degrees_are_counted_in_metres():
    ids = np.full((40, 40), 3, np.uint8)
    maps = as_map(ids, LEVEL1, crs="EPSG:4326", x0=10.0, y0=50.0, step=0.01)
    points = pd.DataFrame({"x": [10.05, 10.06, 10.35], "y": [49.9] * 3, "land_cover": [3] * 3})
    judged = lx.judge_points(maps, points, legend=LEVEL1, block=10_000)
    # 0.3 degrees there are about 21 km.
    assert judged["block"].nunique() == 2


def test_points_outside_and_without_label_are_counted_and_left_out(class_map):
    points = random_points(class_map, 20)
    points["land_cover"] = points["land_cover"].astype(float)
    points.loc[0, "land_cover"] = np.nan
    points.loc[1, "x"] += 1e6
    points.loc[2, "y"] = np.nan
    with pytest.warns(UserWarning, match="3 of 20 points left out: 2 outside the map, 1 without"):
        judged = lx.judge_points(class_map, points)
    assert judged.attrs["counts"] | {"unmapped": 0} == {
        "given": 20, "judged": 17, "outside": 2, "year_not_mapped": 0, "of_another_year": 0,
        "unlabelled": 1, "unmapped": 0, "ambiguous": 0,
    }  # fmt: skip
    assert judged["point_id"].tolist() == list(range(3, 20))
    kept = lx.judge_points(class_map, points, keep=("outside", "unlabelled", "unmapped"))
    assert len(kept) == 20
    assert kept["mapped"][1] == kept["mapped"][2] == kept["reference"][0] == 255


def test_no_overlap_names_both_extents(class_map):
    points = random_points(class_map, 5)
    points["x"] -= 3_999_990
    with pytest.raises(lx.SampleError) as caught:
        lx.judge_points(class_map, points)
    message = str(caught.value)
    assert "none of the 5 points lies on the map. In ETRS89-extended / LAEA Europe" in message
    assert "the map x 4000005 to 4000795, y 2999405 to 2999995" in message
    assert "a GeoDataFrame is reprojected" in message
    points["x"] = np.nan
    with pytest.raises(lx.SampleError, match="the points span x nowhere"):
        lx.judge_points(class_map, points)


def test_a_map_of_another_legend_offers_the_crosswalk(class_map):
    worldcover = lx.legend("worldcover")
    codes = np.array([*worldcover.ids, 255], np.uint8)
    ids = codes[np.random.default_rng(3).integers(0, codes.size, class_map.shape)]
    maps, points = as_map(ids, worldcover), random_points(class_map, 200)
    with pytest.raises(lx.LegendError) as caught:
        lx.judge_points(maps, points)
    assert "the map's legend is 'worldcover' (10 tree_cover" in str(caught.value)
    assert "crosswalk=('lucas_lc1_level1', 'worldcover')" in str(caught.value)
    judged = lx.judge_points(maps, points, crosswalk=("lucas_lc1_level1", "worldcover"))
    assert judged.attrs["legend"]["name"] == "worldcover"
    assert judged.attrs["crosswalk"] == [["lucas_lc1_level1", "worldcover"]]
    walk = lx.crosswalk("lucas_lc1_level1", "worldcover")
    assert judged["reference"].tolist() == walk.map_labels(points["land_cover"].values).tolist()
    with pytest.raises(lx.LegendError, match="starts from neither the map's legend"):
        lx.judge_points(maps, points, crosswalk=("lucas_lu1", "lucas_lu1_level1"))
    with pytest.raises(lx.LegendError, match="expected the names of two legends"):
        lx.judge_points(maps, points, crosswalk="worldcover")


def test_a_legend_that_no_crosswalk_knows_says_so(class_map):
    other = lx.Legend.from_names("mine", ["farm", "lake"])
    points = random_points(class_map, 5, legend=other)
    with pytest.raises(lx.LegendError, match="No crosswalk between them is known"):
        lx.judge_points(class_map, points)


def test_both_sides_may_go_to_a_coarser_legend():
    fine = lx.legend("lucas_lc1_level2")
    ids = np.random.default_rng(5).choice(fine.ids, (30, 30)).astype(np.uint8)
    maps = as_map(ids, fine)
    points = random_points(maps, 100, legend=fine)
    judged = lx.judge_points(maps, points, crosswalk=("lucas_lc1_level2", "lucas_lc1_level1"))
    assert judged.attrs["legend"]["name"] == "lucas_lc1_level1"
    exact = lx.judge_points(maps, points)
    walk = lx.crosswalk("lucas_lc1_level2", "lucas_lc1_level1")
    for column in ("mapped", "reference"):
        assert judged[column].tolist() == walk.map_labels(exact[column].to_numpy()).tolist()


def test_labels_that_the_crosswalk_cannot_place_are_counted_by_class():
    corine = lx.legend("corine_level2")
    ids = np.random.default_rng(5).choice(corine.ids, (30, 30)).astype(np.uint8)
    maps, codes = as_map(ids, corine), lx.legend("lucas_lc1")
    points = random_points(maps, 300, legend=codes)
    points["lu1"] = np.where(np.arange(300) % 2, "U111", "U420")
    with pytest.warns(UserWarning, match=r"The crosswalk says nothing of labels [A-Z]"):
        judged = lx.judge_points(maps, points, crosswalk=("lucas_lc1", "corine_level2"))
    lost = judged.attrs["ambiguous"]["reference"]
    assert sum(lost.values()) == judged.attrs["counts"]["unlabelled"] == 300 - len(judged)
    with pytest.warns(UserWarning, match="points left out"):
        told = lx.judge_points(maps, points, crosswalk=("lucas_lc1", "corine_level2"), key="lu1")
    # The use tells pasture from natural grass.
    assert len(told) > len(judged)
    assert not {n for n in told.attrs["ambiguous"]["reference"] if n.startswith("E")}
    with pytest.raises(lx.SampleError, match="unknown column of the second key 'use'"):
        lx.judge_points(maps, points, crosswalk=("lucas_lc1", "corine_level2"), key="use")
    walks = [("lucas_lc1", "lucas_lc1_level1"), ("corine_level2", "corine_level1")]
    with pytest.raises(lx.LegendError, match="forest_and_semi_natural_areas"):
        lx.judge_points(maps, points, crosswalk=walks)
    level1 = as_map(np.ones((9, 9), np.uint8), LEVEL1)
    with pytest.raises(lx.LegendError, match="no crosswalk of the points has one"):
        lx.judge_points(level1, points, crosswalk=walks[0], key="lu1")


def test_map_classes_that_the_crosswalk_cannot_place_count_as_not_mapped_or_are_left_out():
    legend = lx.Legend.from_names("mine", ["forest", "mosaic"])
    level1 = lx.legend("lucas_lc1_level1")
    walk = lx.Crosswalk(
        source=legend,
        target=level1,
        rows=(
            lx.CrosswalkRow(source=0, shares={3: 1.0}, published=False, reference="test"),
            lx.CrosswalkRow(source=1, shares={2: 0.5, 5: 0.5}, published=False, reference="test"),
        ),
    )
    ids = np.random.default_rng(2).choice([0, 1, 255], (20, 20)).astype(np.uint8)
    maps = as_map(ids, legend)
    points = random_points(maps, 200)
    with pytest.warns(UserWarning, match=r"says nothing of mosaic \(\d+\) on the map"):
        judged = lx.judge_points(maps, points, crosswalk=walk)
    counts = judged.attrs["counts"]
    assert len(judged) == 200
    assert (judged["mapped"] == 255).sum() == counts["unmapped"] + counts["ambiguous"]
    assert judged.attrs["ambiguous"]["map"] == {"mosaic": counts["ambiguous"]}
    with pytest.warns(UserWarning, match="points left out"):
        strict = lx.judge_points(maps, points, crosswalk=walk, keep=())
    assert len(strict) == 200 - counts["unmapped"] - counts["ambiguous"]
    assert set(strict["mapped"]) == {3}


def test_classes_that_only_one_side_has_are_named(class_map):
    some = lx.Legend(name="some", classes=LEVEL1.classes[:5])
    ids = np.where(class_map.values > 5, 1, class_map.values).astype(np.uint8)
    points = random_points(class_map, 100)
    with pytest.warns(UserWarning, match=r"Classes that the map cannot have: .*bare_land \(\d+\)"):
        judged = lx.judge_points(as_map(ids, some), points)
    assert judged.attrs["only_reference"] == ["bare_land", "water", "wetland"]
    assert judged.attrs["only_map"] == []
    points = random_points(class_map, 100, legend=some)
    with pytest.warns(UserWarning, match="Classes that the reference cannot have: .*bare_land"):
        judged = lx.judge_points(class_map, points)
    assert judged.attrs["legend"]["name"] == "lucas_lc1_level1"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda m: m.astype(np.float32), lx.CubeError, "is float32; expected class ids as uint8"),
        (lambda m: m.expand_dims(band=2), lx.CubeError, r"dimensions \('band', 'y', 'x'\)"),
        (lambda m: m.drop_attrs(), lx.LegendError, "has no CF flag_values.*open_class_map"),
        (lambda m: m.drop_vars("y"), lx.CubeError, "dimension 'y' has no coordinate"),
        (
            lambda m: m.assign_coords(y=np.geomspace(1, 100, m.sizes["y"])),
            lx.CubeError,
            "'y' is not evenly spaced",
        ),
        (
            lambda m: m.to_dataset(name="crops"),
            lx.CubeError,
            "unknown class map 'land_cover'.*crops",
        ),
    ],
)
def test_maps_that_cannot_be_judged(class_map, change, error, message):
    with pytest.raises(error, match=message):
        lx.judge_points(change(class_map), random_points(class_map, 5))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda p: p.drop(columns="x"), lx.SampleError, "unknown column 'x'"),
        (
            lambda p: p.drop(columns="land_cover"),
            lx.SampleError,
            "unknown label column 'land_cover'",
        ),
        (lambda p: p.assign(land_cover=99), lx.LegendError, "labels outside legend"),
        (lambda p: p.assign(land_cover="C10"), lx.LegendError, "holds no class ids"),
        (lambda p: p.assign(land_cover=1.5), lx.LegendError, "class ids are whole numbers"),
        (lambda p: p.values, lx.SampleError, "points are a ndarray"),
    ],
)
def test_points_that_cannot_be_judged(class_map, change, error, message):
    points = random_points(class_map, 5)
    changed = change(points)
    with pytest.raises(error, match=message):
        lx.judge_points(class_map, changed)


def test_settings_that_mean_nothing_are_refused(class_map):
    points = random_points(class_map, 5)
    with pytest.raises(lx.SampleError, match=r"tolerance=2; expected 0, or \(0, 1\)"):
        lx.judge_points(class_map, points, tolerance=2)
    with pytest.raises(lx.SampleError, match="unknown kind of points to keep 'all'"):
        lx.judge_points(class_map, points, keep=("all",))
    del points.attrs["legend"]
    with pytest.raises(lx.LegendError, match="say nothing of the legend of 'land_cover'"):
        lx.judge_points(class_map, points)


def test_geometries_need_the_systems_of_both(class_map):
    points = random_points(class_map, 5)
    placed = geopandas.GeoDataFrame(
        points, geometry=geopandas.points_from_xy(points["x"], points["y"])
    )
    placed.attrs = points.attrs
    with pytest.raises(lx.SampleError, match="no coordinate reference system"):
        lx.judge_points(class_map, placed)
    placed = placed.set_crs("EPSG:3035")
    placed.attrs = points.attrs
    with pytest.raises(lx.SampleError, match="nothing says which reference system the map has"):
        lx.judge_points(class_map.drop_vars("spatial_ref"), placed)


def test_the_points_of_czechia_on_a_map_of_thirteen_million_pixels(shared_data):
    """Real points, a made-up map: every chunking and scheduler gives the same table."""
    points = lx.lucas_labels(
        lx.read_lucas(shared_data / "lucas/cz_2018/cz_lucas_points_l1_2018.shp", location="gps")
    )
    x0, y0, x1, y1 = points.total_bounds
    rows, columns = int((y1 - y0) / 100) + 2, int((x1 - x0) / 100) + 2
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 9, (rows, columns), np.uint8)
    maps = as_map(ids, LEVEL1, x0=x0 - 50, y0=y1 + 50, step=100.0)
    expected = lx.judge_points(maps, points, block=20_000)
    assert len(expected) == 5037
    assert expected["reference"].value_counts().to_dict() == {
        1: 223, 2: 2096, 3: 1424, 4: 62, 5: 1146, 6: 50, 7: 15, 8: 21,
    }  # fmt: skip
    for side, scheduler in ((512, "threads"), (700, "synchronous"), (2000, "threads")):
        with dask.config.set(scheduler=scheduler):
            found = lx.judge_points(maps.chunk(y=side, x=side), points, block=20_000)
        pd.testing.assert_frame_equal(found, expected)
        pd.testing.assert_frame_equal(
            lx.bootstrap_accuracy(found, repeats=20), lx.bootstrap_accuracy(expected, repeats=20)
        )


def test_corine_of_north_italy_against_points_of_lucas(shared_data):
    """By hand: the raster at the points' pixels, the codes through their first digits."""
    maps = lx.open_class_map(shared_data / "north_italy_2010/clc_32632.tif", legend="corine_level3")
    points = lx.read_lucas(shared_data / "lucas/lucas_2018_lc1_lu1_19k.csv")
    labelled = lx.lucas_labels(points)
    with pytest.raises(lx.LegendError) as caught:
        lx.judge_points(maps, labelled)
    assert "crosswalk=('corine_level3', 'lucas_lc1_level1')" in str(caught.value)
    with pytest.warns(UserWarning, match="14820 outside the map"):
        judged = lx.judge_points(
            maps, labelled, crosswalk=("corine_level3", "lucas_lc1_level1"), keep=("unmapped",)
        )
    placed = points.to_crs(32632)
    column = np.floor((placed.geometry.x - 499_980) / 100)
    row = np.floor((5_100_000 - placed.geometry.y) / 100)
    on_map = ((column >= 0) & (column < 1098) & (row >= 0) & (row < 1098)).to_numpy()
    assert on_map.sum() == 47
    raw = maps.values[row[on_map].astype(int), column[on_map].astype(int)]
    ids = lx.crosswalk("corine_level3", "lucas_lc1_level1").map_labels(raw)
    told = ids != 255
    assert judged["mapped"].tolist() == ids[told].tolist()
    letters = points["lc1"].to_numpy()[on_map][told]
    expected = ["ABCDEFGH".index(code[0]) + 1 for code in letters]
    assert judged["reference"].tolist() == expected
    assert judged["point_id"].tolist() == points["point_id"].to_numpy()[on_map][told].tolist()
    assert sum(judged.attrs["ambiguous"]["map"].values()) == 47 - len(judged)
