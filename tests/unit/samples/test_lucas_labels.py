"""Labels from the codes of the survey: the right class, ready to learn from, no loss unseen."""

import json

import geopandas
import numpy as np
import pytest
import shapely

from lulc_xr.core.crosswalks import crosswalk
from lulc_xr.core.errors import LegendError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.core.legends import legend
from lulc_xr.core.lucas import lucas_codes
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.lucas import read_lucas
from lulc_xr.samples.lucas_labels import lucas_labels


def survey(codes, uses=None, **columns):
    table = {"lc1": codes, "lu1": uses or ["U111"] * len(codes), **columns}
    return geopandas.GeoDataFrame(
        table, geometry=[shapely.Point(0, 0)] * len(codes), crs="EPSG:3035"
    )


@pytest.mark.parametrize(
    "tasks", [{}, {"lu1": "lucas_lu1_level1"}, {"lc1": None, "lu1": "lucas_lu1"}]
)
def test_labelled_points_are_sampled_as_they_are(cube, tasks):
    x, y = cube["x"].values[[10, 20, 30]], cube["y"].values[[10, 20, 30]]
    points = survey(["B11", "C10", "E20"], ["U111", "U120", "U370"], point_id=[3, 4, 5])
    placed = geopandas.GeoSeries.from_xy(x, y, crs=cube["spatial_ref"].attrs["crs_wkt"])
    labelled = lucas_labels(points.set_geometry(placed.to_crs("EPSG:3035")), **tasks)
    with pytest.warns(UserWarning, match="classes without any sample"):
        samples = extract_samples(cube, labelled)
    expected = {"land_cover": [2, 3, 5], "land_use": [1, 1, 3]}
    if tasks.get("lu1") == "lucas_lu1":
        expected["land_use"] = [lucas_codes("lucas_lu1")[use] for use in points["lu1"]]
    learnt = samples.attrs["tasks"].split()
    wanted = {"land_cover": tasks.get("lc1", "lucas_lc1_level1"), "land_use": tasks.get("lu1")}
    assert learnt == [task for task, name in wanted.items() if name]
    for task in learnt:
        assert samples[task].values.tolist() == expected[task]
        assert Legend.from_flags(samples[task].attrs).names == legend(wanted[task]).names
    assert samples["point_id"].values.tolist() == [3, 4, 5]


def test_every_level_and_codes_of_other_campaigns():
    points = survey(["C22", "E01", "BX1", None, "F00", "G40"])
    levels = [
        lucas_labels(points, lc1=f"lucas_lc1{end}")["land_cover"].tolist()
        for end in ("_level1", "_level2", "")
    ]
    second, third = lucas_codes("lucas_lc1_level2"), lucas_codes("lucas_lc1")
    assert levels == [
        [3, 5, 2, 255, 6, 7],
        [second["C2"], 255, second["BX"], 255, 255, second["G4"]],
        [third["C22"], 255, third["BX1"], 255, 255, third["G40"]],
    ]
    lost = lucas_labels(points, lc1="lucas_lc1").attrs["unlabelled"]
    assert lost == {"land_cover": {"E01": 1, "F00": 1}}


def test_legends_of_maps_take_use_and_region_into_account():
    points = survey(["E20", "E20", "D10", "A11"], ["U111", "U420", "U420", None])
    assert lucas_labels(points, lc1="corine_level1")["land_cover"].tolist() == [2, 3, 3, 1]
    assert lucas_labels(points, lc1="s2glc")["land_cover"].tolist() == [5, 5, 255, 1]
    placed = points.assign(region=["alpine", "alpine", "mediterranean", None])
    assert lucas_labels(placed, lc1="s2glc")["land_cover"].tolist() == [5, 5, 7, 1]


def test_points_are_not_changed():
    points = survey(["C22"])
    labelled = lucas_labels(points)
    assert "land_cover" not in points
    assert points.attrs == {}
    assert labelled["land_cover"].dtype == np.uint8


def test_what_cannot_be_labelled_is_said():
    points = survey(["C22"])
    with pytest.raises(LegendError, match=r"unknown legend for lc1 'worldcove'.*first: worldcover"):
        lucas_labels(points, lc1="worldcove")
    with pytest.raises(LegendError, match="unknown legend for lu1 'worldcover'"):
        lucas_labels(points, lu1="worldcover")
    with pytest.raises(LegendError, match="ask for no label"):
        lucas_labels(points, lc1=None)
    with pytest.raises(SampleError, match=r"unknown column 'lu1'.* lulc_xr\.read_lucas"):
        lucas_labels(points.drop(columns="lu1"), lu1="lucas_lu1")


def test_classes_of_czechia_agree_with_those_of_its_makers(shared_data):
    """Their 'label_l1' says the same as the crosswalk, but where they count fodder as grass."""
    folder = shared_data / "lucas/cz_2018"
    given = geopandas.read_file(folder / "cz_lucas_points_l1_2018.shp").sort_values("point_id")
    points = read_lucas(folder / "cz_lucas_points_l1_2018.shp")
    assert points["point_id"].tolist() == given["point_id"].tolist()
    # Their classes by name, and what they are in the legend of Pflugmacher.
    same = {
        1: {"artificial"}, 2: {"seasonal_crop"}, 3: {"perennial_crop"},
        4: {"broadleaf_forest", "coniferous_forest", "mixed_forest"}, 5: {"shrubland"},
        6: {"grassland"}, 7: {"barren"}, 8: {"wetland"}, 9: {"water"},
    }  # fmt: skip
    names = dict(zip(legend("pflugmacher").ids, legend("pflugmacher").names, strict=True))
    ours = lucas_labels(points, lc1="pflugmacher")["land_cover"].map(names)
    theirs = given["label_l1"].to_numpy()
    labelled = ~np.isnan(theirs)
    assert (~labelled).sum() == 576
    agree = np.array([t in same and o in same[t] for o, t in zip(ours, theirs, strict=True)])
    differ = points["lc1"][labelled & ~agree]
    assert set(differ) == {"B51", "B52", "B53", "B55"}
    assert set(theirs[differ.index]) == {6.0}
    # Codes for which they leave points out, some or all.
    left_out = set(points["lc1"][~labelled])
    assert left_out == {"C31", "C32", "C33", "E10", "E30", "D10", "A30"}


def test_level_1_is_the_letter_of_the_code(shared_data):
    points = read_lucas(shared_data / "lucas/lucas_2018_lc1_lu1_19k.csv")
    labelled = lucas_labels(points, lu1="lucas_lu1_level1")
    assert labelled.attrs["unlabelled"] == {"land_cover": {}, "land_use": {}}
    letters = dict(zip("ABCDEFGH", range(1, 9), strict=True))
    assert labelled["land_cover"].tolist() == points["lc1"].str[0].map(letters).tolist()
    assert labelled["land_use"].tolist() == points["lu1"].str[1].astype(int).tolist()
    groups = json.loads(
        (shared_data / "lucas/cz_2018/aggregation_lc1_h_to_level1.json").read_text()
    )
    for group, codes in groups.items():
        members = labelled["lc1"].isin([code.upper() for code in codes])
        assert set(labelled["land_cover"][members]) <= {letters[group[0]]}


def test_labels_and_the_crosswalk_are_one(shared_data):
    points = read_lucas(shared_data / "lucas/lucas_2018_lc1_lu1_19k.csv")
    fine = points["lc1"].map(lucas_codes("lucas_lc1")).to_numpy()
    for target in ("lucas_lc1_level2", "worldcover", "elc10", "pflugmacher"):
        found = crosswalk("lucas_lc1", target).map_labels(fine)
        assert (lucas_labels(points, lc1=target)["land_cover"] == found).all()
