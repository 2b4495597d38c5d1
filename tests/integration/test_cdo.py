"""Files of fractions in cdo and ncdump; fractions against cdo remapcon and exactextract."""

import subprocess
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from exactextract import exact_extract
from pyproj import Transformer
from rasterio.transform import from_origin

import lulc_xr as lx
from lulc_xr.analysis.fractions import fractions
from lulc_xr.core.target_grid import pieces_for
from tests.european import cells_of
from tests.fractions import made_fractions
from tests.programs import require_program, run_program

pytestmark = pytest.mark.integration

LEGEND = lx.Legend.from_names("demo", ["cropland", "woodland", "water"])
# Around Bonn: EUR-11 cell (217, 195), 3 km cells in it.
CELLS = {
    "EUR-11": (range(213, 222), range(191, 200), 500),
    "EUR-0275": (range(814, 822), range(726, 735), 130),
}
TOLERANCE_OF_CDO = 2e-5
"""Largest difference to cdo, which takes latitudes for those of a sphere, and all edges for great
circles. The ratio of areas on ellipsoid and sphere varies by 2 e² sin(2 lat) d(lat): 2e-5 from
the middle to the corner of a cell of 0.11 degrees at 50 degrees. An edge along a rotated parallel
bends from a great circle by (0.11 degrees)² / 8 sin cos(rlat): 2e-6 of a cell where rlat is below
1.2 degrees, as here; an edge of a pixel of 500 m by 5 mm, 1e-5 of a pixel."""


def made_map(crs, corner, size, *, shape=(170, 170), seed=0):
    """Random classes, some pixels not mapped, as a map in memory."""
    values = np.random.default_rng(seed).choice([0, 1, 2, 255], shape, p=[0.4, 0.3, 0.2, 0.1])
    # Patches, as maps have them, beside single pixels.
    values[40:90, 30:100] = 1
    made = xr.DataArray(
        values.astype(np.uint8),
        dims=("y", "x"),
        coords={
            "y": corner[1] - size * (np.arange(shape[0]) + 0.5),
            "x": corner[0] + size * (np.arange(shape[1]) + 0.5),
            "year": 2018,
            "spatial_ref": xr.Variable((), 0, {"crs_wkt": crs}),
        },
        attrs=LEGEND.flags(),
        name="land_cover",
    )
    return made.chunk({"y": 64, "x": 64})


def wkt(code):
    return rasterio.crs.CRS.from_epsg(code).to_wkt()


def centred(grid, code, size, shape=(170, 170)):
    """Upper left corner of a map around the middle of a grid."""
    middle = [float(grid.coordinates()[n].mean()) for n in ("lon", "lat")]
    x, y = Transformer.from_crs(4326, code, always_xy=True).transform(*middle)
    return (round(x - size * shape[1] / 2), round(y + size * shape[0] / 2))


@pytest.fixture(params=list(CELLS))
def grid_and_size(request):
    rows, columns, size = CELLS[request.param]
    return cells_of(request.param, rows, columns), size


def test_cdo_and_ncdump_read_eur_11(tmp_path):
    made = made_fractions(
        LEGEND, grid=lx.core.grids.named_grid("EUR-11"), years=(2018, 2019), expected=True
    )
    path = lx.write_fractions(made, tmp_path / "f.nc", dtype="float32")
    said = run_program("cdo", "-s", "sinfon", path)
    assert "NetCDF4 zip" in said
    rows = [line.split() for line in said.splitlines() if "F32z" in line]
    levels = {row[-1]: (int(row[6]), int(row[8])) for row in rows}
    assert levels["fraction"] == (3, 174688)
    assert levels["unmapped_fraction"] == (1, 174688)
    assert {"expected_fraction", "mean_entropy", "covered_fraction"} <= set(levels)
    assert "points=174688 (424x412)" in said
    assert "mapping : rotated_latitude_longitude" in said
    assert "rlon : -28.375 to 18.155 by 0.11 degrees" in said
    assert "available : cellbounds area" in said
    assert "area_type : levels=3" in " ".join(said.split())
    assert "time : 2 steps" in " ".join(said.split())
    assert "2018-07-02 12:00:00 2019-07-02 12:00:00" in " ".join(said.split())
    described = run_program("cdo", "-s", "griddes", path)
    assert "gridtype = curvilinear" in " ".join(described.split())
    axes = run_program("cdo", "-s", "zaxisdes", path)
    assert [name in axes for name in ("cropland", "woodland", "water")] == [True] * 3
    header = run_program("ncdump", "-h", path)
    assert "float fraction(time, class, rlat, rlon)" in header
    assert 'rotated_pole:grid_mapping_name = "rotated_latitude_longitude"' in header


def test_cdo_sums_what_we_sum(tmp_path):
    grid = cells_of("EUR-11", range(210, 220), range(190, 203))
    made = made_fractions(LEGEND, grid=grid, years=(2018, 2019))
    path = lx.write_fractions(made, tmp_path / "f.nc")
    total = run_program(
        "cdo", "-s", "-outputf,%.12e", "-fldsum", "-mul", "-selname,fraction", path,
        "-selname,cell_area", path,
    )  # fmt: skip
    found = np.array(total.split(), float).reshape(2, 3)
    expected = (made["fraction"] * made["cell_area"]).sum(("rlat", "rlon"))
    np.testing.assert_allclose(found, expected.transpose("year", "class"), rtol=1e-11)
    copied = tmp_path / "copy.nc"
    run_program("cdo", "-s", "-f", "nc4", "selyear,2019", path, copied)
    with xr.open_dataset(copied) as again:
        assert again["class_name"].values.tolist() == ["cropland", "woodland", "water"]
        np.testing.assert_array_equal(
            again["fraction"].values[0], made["fraction"].sel(year=2019).values
        )


def test_plant_types_and_other_grids_are_read(tmp_path):
    grid = lx.core.grids.named_grid("EUR-11i")
    path = lx.write_fractions(made_fractions(LEGEND, grid=grid), tmp_path / "f.nc")
    said = " ".join(run_program("cdo", "-s", "sinfon", path).split())
    assert "lonlat : points=359448 (881x408)" in said
    assert "lon : -44.8125 to 65.1875 by 0.125 degrees_east" in said


@pytest.mark.parametrize("code", [32632, 3035, 4326])
def test_fractions_are_those_of_remapcon(tmp_path, grid_and_size, code):
    grid, size = grid_and_size
    size = size / 80_000 if code == 4326 else size
    corner = centred(grid, code, size) if code != 4326 else middle_of(grid, size)
    maps = made_map(wkt(code), corner, size)
    found = fractions(maps, grid)
    path = lx.write_fractions(found, tmp_path / "f.nc")
    source, result = tmp_path / "map.nc", tmp_path / "remapped.nc"
    indicators(maps, code).to_netcdf(source)
    run_program(
        "cdo", "-s", "-b", "F64", f"remapcon,{path}", source, result, CDO_REMAP_NORM="destarea"
    )
    with xr.open_dataset(result) as remapped:
        theirs = np.stack([remapped[name].values for name in (*LEGEND.names, "covered")])
    ours = np.concatenate([found["fraction"].values[:, 0], found["covered_fraction"].values[None]])
    inside = found["covered_fraction"].values > 0
    assert (found["cell_coverage"].values == 2).sum() >= 9
    assert (found["cell_coverage"].values == 1).sum() >= 9
    # Where nothing is, cdo writes a missing value.
    assert np.isnan(theirs[:, ~inside]).all() or (theirs[:, ~inside] == 0).all()
    difference = np.abs(ours - np.nan_to_num(theirs))
    print(f"{grid.name}, EPSG:{code}: largest difference to remapcon {difference.max():.2e}")
    assert difference.max() < TOLERANCE_OF_CDO


def middle_of(grid, size):
    """The same in degrees, in thousandths."""
    lon, lat = (float(grid.coordinates()[n].mean()) for n in ("lon", "lat"))
    return (round(lon - size * 85, 3), round(lat + size * 85, 3))


def indicators(maps, code):
    """1 where a pixel is of a class, on a curvilinear grid with corners, as cdo takes it."""
    to_degrees = Transformer.from_crs(code, 4326, always_xy=True)
    steps = {d: float(maps[d][1] - maps[d][0]) for d in ("y", "x")}
    centres = to_degrees.transform(*np.meshgrid(maps["x"].values, maps["y"].values))
    edges = [
        np.append(maps[d].values, maps[d].values[-1] + steps[d]) - steps[d] / 2 for d in ("x", "y")
    ]
    corners = to_degrees.transform(*np.meshgrid(*edges))
    coords = {}
    for name, centre, corner, units in zip(
        ("lon", "lat"), centres, corners, ("degrees_east", "degrees_north"), strict=True
    ):
        ring = (corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:], corner[:-1, :-1])
        coords[name] = (("y", "x"), centre, {"units": units, "bounds": f"{name}_vertices"})
        coords[f"{name}_vertices"] = (("y", "x", "vertices"), np.stack(ring, axis=-1))
    values = maps.values
    made = {
        name: (("y", "x"), (values == n).astype(float), {"coordinates": "lon lat"})
        for n, name in enumerate(LEGEND.names)
    }
    made["covered"] = (("y", "x"), np.ones(values.shape), {"coordinates": "lon lat"})
    return xr.Dataset({**made, **coords})


def test_fractions_are_those_of_exactextract(tmp_path, grid_and_size):
    """Of cells as polygons in the map's own equal-area system: to the rounding of float32."""
    grid, size = grid_and_size
    code = 3035
    corner = centred(grid, code, size)
    maps = made_map(wkt(code), corner, size)
    found = fractions(maps, grid).compute()
    values = maps.values
    with rasterio.open(
        tmp_path / "map.tif", "w", driver="GTiff", dtype="uint8", count=1, height=values.shape[0],
        width=values.shape[1], crs=code, transform=from_origin(*corner, size, size),
    ) as target:  # fmt: skip
        target.write(values, 1)
    polygons = polygons_of(grid, code)
    given = exact_extract(
        tmp_path / "map.tif", polygons, ["unique", "frac", "count"], include_cols=["cell"],
        output="pandas",
    )  # fmt: skip
    classes = np.zeros((len(LEGEND), grid.size))
    covered = np.zeros(grid.size)
    for row in given.itertuples():
        area = row.count * size**2 / polygons.geometry.area[row.cell]
        covered[row.cell] = area
        for value, share in zip(row.unique, row.frac, strict=True):
            if value != 255:
                classes[int(value), row.cell] = share * area
    ours = found["fraction"].values[:, 0].reshape(len(LEGEND), -1)
    largest = np.abs(ours - classes).max()
    print(f"{grid.name}: largest difference to exactextract {largest:.2e}")
    assert largest < 1e-6
    assert np.abs(found["covered_fraction"].values.ravel() - covered).max() < 1e-6


def polygons_of(grid, code):
    part = grid.part(np.arange(grid.size)).outlines(pieces_for(grid.width()))
    x, y = Transformer.from_crs(4326, code, always_xy=True).transform(part.x, part.y)
    rings = [
        shapely.Polygon(np.column_stack([x[a:b], y[a:b]]))
        for a, b in zip(part.starts[:-1], part.starts[1:], strict=True)
    ]
    return gpd.GeoDataFrame({"cell": part.cells}, geometry=rings, crs=code)


def test_where_a_program_is_missing_the_tests_skip_and_ci_fails(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"not installed.*bash \.ci/install_servers"):
        require_program("no-such-program")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"not installed.*bash \.ci/install_servers"):
        require_program("no-such-program")


def test_servers_and_programs_are_asked_for_where_nobody_may_install(tmp_path):
    """As a user that isn't root, on a machine without them."""
    for name, says in (("id", "1000"), ("apt-get", "must not be called")):
        stub = tmp_path / name
        stub.write_text(f"#!/bin/sh\necho {says}\n")
        stub.chmod(0o755)
    script = Path(__file__).parents[2] / ".ci" / "install_servers"
    done = subprocess.run(
        ["/bin/bash", script], env={"PATH": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "cdo netcdf-bin. As root, run:" in done.stderr
    assert "must not be called" not in done.stdout
