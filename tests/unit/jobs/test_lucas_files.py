"""The commands on files of LUCAS: samples of land cover and use, and both figures of a filter."""

import json

import geopandas
import numpy as np
import pandas as pd
import pytest
from pyproj import CRS

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.errors import LegendError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.cube.store import open_cube, write_cube
from lulc_xr.jobs.judging import evaluate_store
from lulc_xr.jobs.point_files import read_point_file
from lulc_xr.jobs.sampling import sample_store
from lulc_xr.samples.lucas import read_lucas
from lulc_xr.samples.store import open_samples
from lulc_xr.testing import landscape

# Two of the points have no label, and in some legends classes have no point; that is said.
pytestmark = pytest.mark.filterwarnings("ignore:(of .* points|classes without)")

CODES = np.array(["B11", "E20", "C10", "A11", "D20", "F40", "G11", "H11"])
USES = np.array(["U111", "U111", "U120", "U370", "U420", "U420", "U420", "U420"])


@pytest.fixture(scope="module")
def region(tmp_path_factory, cli_once):
    """Folder with cube.zarr (40 x 56 km, pixels of 1 km), EU_2018.csv, and a map of its classes."""
    folder = tmp_path_factory.mktemp("region")
    cube = landscape(y=56, x=40, time=14, bands=("green", "red", "nir"), classes=8, seed=1)
    cube = cube.assign_coords(
        x=4_000_000.0 + 1000 * np.arange(40), y=3_100_000.0 - 1000 * np.arange(56)
    )
    cube["spatial_ref"].attrs = {"crs_wkt": CRS("EPSG:3035").to_wkt()}
    plan = ChunkPlan(chunks={"y": 56, "x": 40}, shards={"y": 56, "x": 40})
    write_cube(cube, folder / "cube.zarr", plan=plan)
    rows, columns = np.mgrid[0:56:4, 0:40:4].reshape(2, -1)
    classes = cube["reference"].values[rows, columns]
    number = (4000 + columns) * 10_000 + (3100 - rows)
    near = np.arange(number.size) % 3 > 0
    table = pd.DataFrame(
        {
            "POINT_ID": number,
            "NUTS0": "XX",
            "SURVEY_DATE": "01/07/18",
            "GPS_LAT": "88.888888",
            "GPS_EW": "8",
            "GPS_LONG": "88.888888",
            "OBS_TYPE": np.where(near, "1", "2"),
            "LC1": CODES[classes],
            "LU1": USES[classes],
        }
    )
    # What was seen from far away is often wrong; two have no land cover; one does not say how.
    wrong = np.arange(number.size) % 6 == 0
    table.loc[wrong, "LC1"] = CODES[(classes + 1) % 8][wrong]
    table.loc[[1, 2], "LC1"] = "8"
    table.loc[4, "OBS_TYPE"] = ""
    table.to_csv(folder / "EU_2018.csv", index=False)
    cli_once("sample", folder / "cube.zarr", folder / "EU_2018.csv", "--labels", "lc1",
             "--filter", "in_situ", "--out", folder / "samples.zarr")  # fmt: skip
    cli_once("train", folder / "samples.zarr", "--out", folder / "model", "--epochs", 8)
    cli_once("classify", folder / "cube.zarr", "--model", folder / "model")
    return folder


@pytest.fixture(scope="module")
def survey(region):
    return pd.read_csv(region / "EU_2018.csv", dtype=str).sort_values("POINT_ID")


def test_samples_are_those_that_pass_and_say_so(region, survey):
    samples = open_samples(region / "samples.zarr")
    passing = survey[(survey["OBS_TYPE"] == "1") & (survey["LC1"] != "8")]
    assert samples["point_id"].values.tolist() == passing["POINT_ID"].astype(int).tolist()
    letters = [" ABCDEFGH"[i] for i in samples["land_cover"].values]
    assert letters == passing["LC1"].str[0].tolist()
    assert Legend.from_flags(samples["land_cover"].attrs).name == "lucas_lc1_level1"
    assert samples.attrs["quality_filter"] == "in_situ"
    # Each at the pixel around its theoretical location.
    number = samples["point_id"].values
    assert (samples["x"].values == number // 10_000 * 1000).all()
    assert (samples["y"].values == number % 10_000 * 1000).all()


def test_what_is_left_out_is_said(region, survey, cli, tmp_path):
    told = cli("sample", region / "cube.zarr", region / "EU_2018.csv", "--labels", "lc1",
               "--filter", "in_situ", "--out", tmp_path / "some.zarr")  # fmt: skip
    passing = int((survey["OBS_TYPE"] == "1").sum())
    failing = int((survey["OBS_TYPE"] == "2").sum())
    assert told.exit_code == 0
    assert (
        f"filter in_situ: {passing} of {len(survey)} points pass, {failing} fail, and 1 do not say"
        in told.out
    )


def test_both_figures_of_an_evaluation_stand_side_by_side(region, survey, cli, tmp_path):
    arguments = ("--reference", region / "EU_2018.csv", "--labels", "lc1")
    told = cli("evaluate", region / "cube.zarr", *arguments, "--filter", "in_situ",
               "--json", tmp_path / "scores.json")  # fmt: skip
    assert told.exit_code == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    alone = evaluate_store(region / "cube.zarr", str(region / "EU_2018.csv"), labels="lc1")
    assert {k: v for k, v in scores.items() if k != "filtered"} == json.loads(
        json.dumps(alone.to_dict())
    )
    survey[survey["OBS_TYPE"] == "1"].to_csv(tmp_path / "near.csv", index=False)
    near = evaluate_store(region / "cube.zarr", str(tmp_path / "near.csv"), labels="lc1")
    assert scores["filtered"] == {"filter": "in_situ", **json.loads(json.dumps(near.to_dict()))}
    # The points seen from far away are wrong more often: a filtered figure alone flatters.
    assert near.overall > alone.overall
    assert (
        f"overall accuracy {alone.overall:.3f} at all {alone.total:g} points, "
        f"{near.overall:.3f} at the {near.total:g} that pass in_situ"
    ) in told.out


def test_land_use_and_other_legends(region, survey, tmp_path):
    sample_store(region / "cube.zarr", region / "EU_2018.csv", tmp_path / "use.zarr", labels="lu1")
    digits = survey["LU1"].str[1].astype(int).tolist()
    assert open_samples(tmp_path / "use.zarr")["land_cover"].values.tolist() == digits
    sample_store(
        region / "cube.zarr", region / "EU_2018.csv", tmp_path / "map.zarr",
        labels="lc1", legend="worldcover",
    )  # fmt: skip
    known = dict(zip("ABCDEFGH", (50, 40, 10, 20, 30, 60, 80, 90), strict=True))
    given = survey.loc[survey["LC1"] != "8", "LC1"].str[0].map(known).tolist()
    assert open_samples(tmp_path / "map.zarr")["land_cover"].values.tolist() == given


def test_campaign_nearest_to_the_map_is_taken(region, survey, cli, tmp_path):
    early = survey.assign(year=2012, LC1="A11")
    both = pd.concat([survey.assign(year=2018), early]).rename(columns=str.lower)
    both.to_csv(tmp_path / "harmonised.csv", index=False)
    told = cli("sample", region / "cube.zarr", tmp_path / "harmonised.csv", "--labels", "lc1",
               "--out", tmp_path / "new.zarr")  # fmt: skip
    said = f"campaign of 2018, nearest to 2018: {len(survey)} visits; {len(survey)} of other"
    assert said in told.out
    labels = open_samples(tmp_path / "new.zarr")["land_cover"].values.tolist()
    known = dict(zip("ABCDEFGH", range(1, 9), strict=True))
    assert labels == survey.loc[survey["LC1"] != "8", "LC1"].str[0].map(known).tolist()
    early.rename(columns=str.lower).to_csv(tmp_path / "early.csv", index=False)
    told = cli("evaluate", region / "cube.zarr", "--reference", tmp_path / "early.csv",
               "--labels", "lc1")  # fmt: skip
    assert "points surveyed in 2012, and the year is 2018" in told.out


def test_own_classes_of_a_survey_file_come_first(region, tmp_path):
    cube = open_cube(region / "cube.zarr")
    points = read_lucas(region / "EU_2018.csv").assign(land_cover=2)
    points.to_parquet(tmp_path / "own.parquet")
    settings = {"legend": "reference", "crs": None}
    table, known = read_point_file(tmp_path / "own.parquet", cube, labels="land_cover", **settings)
    assert known.names == Legend.from_flags(cube["reference"].attrs).names
    assert set(table["land_cover"]) == {2}
    # Its columns are those of our schema: filters know them.
    judged, _ = read_point_file(
        tmp_path / "own.parquet", cube, labels="land_cover", quality="in_situ", **settings
    )
    assert judged["passes_filter"].sum() == (points["observation"] == "in situ < 100 m").sum()


def test_what_does_not_fit_is_said(region, survey, tmp_path):
    store, file = region / "cube.zarr", region / "EU_2018.csv"
    with pytest.raises(LegendError, match="unknown legend for lc1 'landscape'"):
        sample_store(store, file, tmp_path / "no.zarr", labels="lc1", legend="reference")
    with pytest.raises(SampleError, match="unknown filter 'far'"):
        sample_store(store, file, tmp_path / "no.zarr", labels="lc1", quality="far")
    with pytest.raises(SampleError, match=r"no point of .* passes filter 'parcel_half_hectare'"):
        sample_store(store, file, tmp_path / "no.zarr", labels="lc1", quality="parcel_half_hectare")
    with pytest.raises(SampleError, match="judges points of LUCAS, and 'reference' is no file"):
        evaluate_store(store, "reference", quality="in_situ")
    assert not (tmp_path / "no.zarr").exists()


def test_shapefile_of_the_survey_is_read(region, shared_data):
    path = shared_data / "lucas/cz_2018/cz_lucas_points_l1_2018.shp"
    table, known = read_point_file(
        path, open_cube(region / "cube.zarr"), labels="lc1", legend=None, crs=None
    )
    assert isinstance(table, geopandas.GeoDataFrame)
    assert known.name == "lucas_lc1_level1"
    assert np.bincount(table["lc1"])[1:].tolist() == [223, 2096, 1424, 62, 1146, 50, 15, 21]
