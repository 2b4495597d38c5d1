"""Evaluation by design: options mean what the functions give, and bad input is named."""

import json

import numpy as np
import pandas as pd
import pytest
import rasterio

import lulc_xr as lx
from lulc_xr.core.errors import CubeError, LegendError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.cube.store import open_cube
from lulc_xr.jobs.evaluation import Judging
from lulc_xr.jobs.judging import evaluate_store
from lulc_xr.jobs.mapping import classify_store
from tests.unit.jobs.test_judging import write_tif


@pytest.fixture
def mapped(place):
    classify_store(place / "cube.zarr", place / "model")
    return place / "cube.zarr"


@pytest.fixture
def points(area, tmp_path):
    """The points of the area with a stratum, a weight, a cluster and a region."""
    table = pd.read_csv(area / "named.csv")
    table["zone"] = np.where(table["y"] > table["y"].median(), "north", "south")
    table["part"] = np.where(table["x"] > table["x"].median(), "east", "west")
    table["wgt"] = np.arange(len(table)) % 5 + 1.0
    table["psu"] = np.arange(len(table)) // 3
    path = tmp_path / "points.csv"
    table.to_csv(path, index=False)
    return path


def judged_at(mapped, points):
    maps = open_cube(mapped).isel(year=0).drop_vars("year")
    legend = Legend.from_flags(maps["land_cover"].attrs)
    return lx.judge_points(maps, pd.read_csv(points), legend=legend), maps, legend


def test_the_report_tells_what_was_printed(mapped, points, tmp_path, capsys):
    out = tmp_path / "out"
    result = evaluate_store(mapped, str(points), region="part", out=out, command="lulc-xr x")
    told = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert told["counts"]["values"] == result.counts.values.tolist()
    assert told["design"] is None
    assert told["facts"]["command"] == "lulc-xr x"
    assert len(told["facts"]["sha256 of the reference"]) == 64
    assert {row["region"] for row in told["regions"]} == {"east", "west"}
    assert "data:image/png;base64," in (out / "report.html").read_text(encoding="utf-8")
    assert len(pd.read_parquet(out / "points.parquet")) == result.total
    assert "report.html" in capsys.readouterr().out.replace("\n", "")


def test_strata_of_the_map_are_counted_on_it(mapped, points, tmp_path):
    result = evaluate_store(mapped, str(points), strata="map", out=tmp_path / "out")
    judged, maps, legend = judged_at(mapped, points)
    areas = lx.class_areas(maps["land_cover"])["area_ha"]
    design = lx.Design(strata="mapped", stratum_area=areas[areas > 0].to_dict(), unit="ha")
    expected = lx.accuracy(judged, legend=legend, design=design)
    pd.testing.assert_frame_equal(result.estimates, expected.estimates)
    told = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))
    assert told["unit"] == "ha"
    total = sum(r["estimate"] for r in told["estimates"] if r["quantity"] == "area")
    assert total == pytest.approx(areas.sum())


def test_strata_of_the_points_with_areas_from_a_file(mapped, points, tmp_path):
    file = tmp_path / "areas.csv"
    file.write_text("zone,area_km2\nnorth,30\nsouth,70\n", encoding="utf-8")
    result = evaluate_store(
        mapped, str(points), strata="zone", stratum_area=str(file), cluster=None, kappa=True
    )
    judged, _, legend = judged_at(mapped, points)
    judged["zone"] = pd.read_csv(points)["zone"]
    areas = {"north": 30.0, "south": 70.0}
    design = lx.Design(strata="zone", stratum_area=areas, unit="km2")
    expected = lx.accuracy(judged, legend=legend, design=design, kappa=True)
    pd.testing.assert_frame_equal(result.estimates, expected.estimates)
    assert (result.estimates["quantity"] == "kappa").sum() == 1


def test_weights_and_clusters(mapped, points):
    result = evaluate_store(mapped, str(points), weights="wgt", cluster="psu")
    table = pd.read_csv(points)
    judged, _, legend = judged_at(mapped, points)
    design = lx.Design(weights=table["wgt"].to_numpy(), clusters=table["psu"].to_numpy())
    expected = lx.accuracy(judged, legend=legend, design=design)
    pd.testing.assert_frame_equal(result.estimates, expected.estimates)
    right = judged["mapped"] == judged["reference"]
    assert result.overall == pytest.approx(np.average(right, weights=table["wgt"]))


def test_a_raster_of_classes_is_judged_as_the_store_it_came_from(mapped, points, tmp_path):
    cube = open_cube(mapped)
    values = cube["land_cover"].isel(year=0).values
    tif = write_tif(tmp_path / "map.tif", values, cube, nodata=255)
    legend = Legend.from_flags(cube["land_cover"].attrs)
    (tmp_path / "legend.json").write_text(json.dumps(legend.to_dict()), encoding="utf-8")
    result = evaluate_store(
        tif, str(points), legend=str(tmp_path / "legend.json"), out=tmp_path / "out"
    )
    assert (
        result.counts.values.tolist() == evaluate_store(mapped, str(points)).counts.values.tolist()
    )
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_crosswalk_joins_a_product_and_the_survey(tmp_path):
    codes = np.array([[10, 40], [50, 80]], np.uint8)
    path = tmp_path / "product.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=2, width=2, count=1, dtype="uint8", crs="EPSG:3035",
        transform=rasterio.Affine(10, 0, 4_000_000, 0, -10, 3_000_020),
    ) as file:  # fmt: skip
        file.write(codes, 1)
    names = ["woodland", "cropland", "artificial_land", "water"]
    table = pd.DataFrame(
        {"x": [4_000_005, 4_000_015] * 2, "y": [3_000_015] * 2 + [3_000_005] * 2, "kind": names}
    )
    table.to_csv(tmp_path / "points.csv", index=False)
    reference = str(tmp_path / "points.csv")
    pair = ("worldcover", "lucas_lc1_level1")
    result = evaluate_store(path, reference, labels="kind", legend="worldcover", crosswalk=pair)
    assert (result.overall, result.total) == (1.0, 4)
    assert result.legend.name == "lucas_lc1_level1"
    with pytest.raises(LegendError, match="worldcover:lucas_lc1_level1"):
        evaluate_store(path, reference, labels="kind", legend="worldcover")
    with pytest.raises(SampleError, match="counts the classes of the map"):
        evaluate_store(
            path, reference, labels="kind", legend="worldcover", crosswalk=pair, strata="map"
        )


def test_transfer_is_told_apart(mapped, points, tmp_path):
    _, _, legend = judged_at(mapped, points)
    name = legend.names[0]
    table = pd.DataFrame({"region": ["a", "a", "b"], "mapped": name, "reference": name})
    table.to_csv(tmp_path / "transfer.csv", index=False)
    evaluate_store(
        mapped, str(points), transfer=tmp_path / "transfer.csv", out=tmp_path / "out", block=100
    )
    told = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))
    assert [row["estimate"] for row in told["transfer"]] == [1.0, 1.0]
    assert told["blocks"]["metres"] == 100


def test_pixels_of_a_reference_have_a_report_too(mapped, tmp_path):
    result = evaluate_store(mapped, "reference", out=tmp_path / "out")
    told = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))
    assert told["points"]["judged"] == result.total == 56 * 40
    assert told["counts"]["values"] == result.counts.values.tolist()


def test_the_command_is_told_as_it_can_be_typed(cli, mapped, points, tmp_path):
    out = tmp_path / "a report"
    done = cli(
        "evaluate", mapped, "--reference", points, "--weights", "wgt", "--kappa", "--tolerance",
        "0", "--out", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.err
    told = json.loads((out / "scores.json").read_text(encoding="utf-8"))["facts"]["command"]
    expected = f"lulc-xr evaluate {mapped} --reference {points} --weights wgt --tolerance 0"
    assert told == f"{expected} --kappa --out '{out}'"


def test_bad_input_is_named(mapped, points, tmp_path, cli):
    with pytest.raises(SampleError, match=r"unknown column 'wgd'"):
        evaluate_store(mapped, str(points), weights="wgd")
    with pytest.raises(SampleError, match="with a design"):
        Judging(block=100.0, weights="wgt")
    with pytest.raises(SampleError, match=r"--region is for points"):
        evaluate_store(mapped, "reference", region="part")
    with pytest.raises(LegendError, match="carries its own"):
        evaluate_store(mapped, str(points), legend="worldcover")
    tif = write_tif(tmp_path / "m.tif", np.zeros((56, 40), np.uint8), open_cube(mapped))
    with pytest.raises(LegendError, match="does not say what its class ids mean"):
        evaluate_store(tif, str(points))
    areas = tmp_path / "areas.csv"
    for text, said in (
        ("zone,area\nnorth,0\nsouth,1\n", "stratum 'north' is not a number above 0"),
        ("zone,a,b\nnorth,0,1\n", "expected two"),
    ):
        areas.write_text(text, encoding="utf-8")
        with pytest.raises(SampleError, match=said):
            evaluate_store(mapped, str(points), strata="zone", stratum_area=str(areas))
    with pytest.raises(SampleError, match="is no file that is there"):
        evaluate_store(mapped, str(points), transfer=tmp_path / "no.csv", out=tmp_path / "o")
    with pytest.raises(CubeError, match="unknown class map 'none'"):
        evaluate_store(mapped, str(points), task="none")
    refused = cli("evaluate", mapped, "--reference", points, "--crosswalk", "worldcover")
    assert refused.exit_code == 2
    assert "give two legends" in " ".join(refused.err.split())
