"""``lulc-xr points``: a file of reference points, and the areas that go with it."""

import json

import geopandas
import pytest

from lulc_xr.cube.store import open_cube


def test_points_of_a_map_are_drawn_and_judge_it(cli, place):
    cube, points = place / "cube.zarr", place / "drawn.gpkg"
    assert cli("classify", cube, "--model", place / "model").exit_code == 0
    told = cli(
        "points", cube, "--out", points, "--number", 60, "--minimum", 10,
        "--json", place / "plan.json",
    )  # fmt: skip
    assert told.exit_code == 0, told.err
    drawn = geopandas.read_file(points)
    assert len(drawn) >= 60
    assert {"stratum", "weight", "inclusion", "point_id"} <= set(drawn.columns)
    planned = json.loads((place / "plan.json").read_text())
    mapped = int((open_cube(cube)["land_cover"] != 255).sum())
    assert drawn["weight"].sum() * 100 == pytest.approx(mapped, rel=1e-6)  # hectares of 100 pixels
    assert sum(planned["stratum_area"].values()) * 100 == pytest.approx(mapped, rel=1e-6)
    # Labelled with the truth of the landscape, they judge the map by their design.
    reference = open_cube(cube)["reference"]
    ids = [
        int(reference.sel(y=p.y, x=p.x, method="nearest"))
        for p in drawn.to_crs("EPSG:3035").geometry
    ]
    drawn.assign(land_cover=ids).drop(columns="geometry").assign(
        x=drawn.geometry.x, y=drawn.geometry.y
    ).to_csv(place / "labelled.csv", index=False)
    told = cli(
        "evaluate", cube, "--reference", place / "labelled.csv", "--strata", "map",
        "--stratum-area", "map", "--json", place / "scores.json",
    )  # fmt: skip
    assert told.exit_code == 0, told.err
    assert json.loads((place / "scores.json").read_text())


def test_a_store_without_a_map_is_refused(cli, place):
    told = cli("points", place / "cube.zarr", "--out", place / "x.gpkg", "--number", 60)
    assert told.exit_code == 2
    assert not (place / "x.gpkg").exists()
    assert "classify" in told.err
