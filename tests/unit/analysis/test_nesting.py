"""Fractions summed up to a lattice that theirs nests in."""

import dask
import numpy as np
import pyproj
import pytest
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.lattice_grid import LatticeGrid
from tests.unit.analysis.lattices import class_map

CLASSES = ["forest", "water", "crop"]


def made(grid, *, years=(2018, 2021), seed=3, chunks=None):
    """Fractions as lx.fractions makes them, of made-up numbers; some cells lie outside the map."""
    rng = np.random.default_rng(seed)
    parts = rng.dirichlet(np.ones(4), size=(len(years), *grid.shape)).transpose(3, 0, 1, 2)
    parts[:, :, :3] = 0
    parts[3, :, :3] = 1
    covered = rng.uniform(0.2, 1, grid.shape).round() * (parts[3, 0] < 1)
    entropy = np.where(parts[3] < 1, rng.uniform(0, 1, parts[3].shape), np.nan)
    dims = grid.dims
    places = grid.coordinates()
    ds = xr.Dataset(
        {
            "fraction": (("class", "year", *dims), parts[:3], {"units": "1", "long_name": "share"}),
            "unmapped_fraction": (("year", *dims), parts[3]),
            "covered_fraction": (dims, covered),
            "cell_coverage": (dims, (covered > 0).astype(np.uint8) + (covered == 1)),
            "mean_entropy": (("year", *dims), entropy),
            "cell_area": (dims, grid.areas().reshape(grid.shape), {"units": "m2"}),
        },
        coords={"class": CLASSES, "class_id": ("class", [1, 2, 7]), "year": list(years),
                **places.coords},
        attrs={"legend": "mine", "history": "made up"},
    )  # fmt: skip
    for each in ds.data_vars.values():
        each.attrs["grid_mapping"] = places.attrs["grid_mapping"]
    return ds if chunks is None else ds.chunk(chunks)


def small(step=0.25, nx=10, ny=6, **other):
    """A small rotated lattice from the corner (2, 4)."""
    given = {
        "name": f"{step} degrees",
        "nx": nx,
        "ny": ny,
        "first_x": 2 + step / 2,
        "first_y": 4 + step / 2,
        "step_x": step,
        "step_y": step,
        "pole": (-162.0, 39.25),
    }
    return LatticeGrid(**(given | other))


def by_hand(values, fine, coarse, row, column):
    """Area-weighted sum of the fine cells whose centres lie in a coarse one, and its share."""
    x, y = np.meshgrid(fine.x, fine.y)
    inside = (np.floor(coarse.columns_of(x)) == column) & (np.floor(coarse.rows_of(y)) == row)
    areas = fine.areas().reshape(fine.shape)
    whole = coarse.areas().reshape(coarse.shape)[row, column]
    return (values * areas)[..., inside].sum(axis=-1) / whole


# Aligned with the first, begun in the middle of a cell, larger than the fine one, and turned.
COARSE = {
    "aligned": small(0.5, 5, 3),
    "shifted": small(0.5, 6, 4, first_x=2.0, first_y=4.0),
    "larger": small(1.0, 8, 9, first_x=-0.5, first_y=0.5),
    "inside": small(0.5, 2, 2, first_x=2.75, first_y=4.75),
    "turned": small(0.5, 5, 3, first_y=5.25, step_y=-0.5),
}


@pytest.mark.parametrize("coarse", COARSE.values(), ids=COARSE)
@pytest.mark.parametrize("flip", [False, True])
def test_sums_are_those_made_by_hand(coarse, flip):
    fine = small(step_y=-0.25, first_y=5.375) if flip else small()
    given = made(fine)
    found = lx.aggregate_fractions(given, coarse)
    assert found["fraction"].dims == given["fraction"].dims
    assert found["fraction"].shape == (3, 2, *coarse.shape)
    for row in range(coarse.ny):
        for column in range(coarse.nx):
            cell = {"rlat": row, "rlon": column}
            for name in ("fraction", "covered_fraction"):
                expected = by_hand(given[name].values, fine, coarse, row, column)
                np.testing.assert_allclose(found[name].isel(cell), expected, atol=1e-12)
            mapped = 1 - given["unmapped_fraction"].values
            weighted = np.nan_to_num(given["mean_entropy"].values) * mapped
            share = by_hand(mapped, fine, coarse, row, column)
            expected = by_hand(weighted, fine, coarse, row, column)
            with np.errstate(invalid="ignore"):
                expected = np.where(share > 0, expected / share, np.nan)
            np.testing.assert_allclose(found["mean_entropy"].isel(cell), expected, atol=1e-12)
    total = found["fraction"].sum("class") + found["unmapped_fraction"]
    np.testing.assert_allclose(total, 1, atol=1e-6)
    np.testing.assert_allclose(found["cell_area"].values.ravel(), coarse.areas())


def test_coverage_is_flagged_again():
    fine, coarse = small(), COARSE["larger"]
    given = made(fine)
    given["covered_fraction"][:] = 1.0
    found = lx.aggregate_fractions(given, coarse)
    assert found["cell_coverage"].dtype == np.uint8
    expected = np.zeros(coarse.shape, np.uint8)
    # From (2, 4), 2.5 degrees wide and 1.5 high; the coarse lattice begins at (-1, 0).
    expected[4:6, 3:6] = 1
    expected[4, 3:5] = 2
    assert (found["cell_coverage"].values == expected).all()


def test_eur_0275_summed_up_is_eur_11():
    fine = lx.as_grid("EUR-0275")
    shares = np.random.default_rng(4).uniform(size=(1, *fine.shape))
    places = {name: fine.coordinates()[name] for name in ("rlat", "rlon", "rotated_pole")}
    given = xr.Dataset(
        {
            "fraction": (("class", *fine.dims), shares),
            "unmapped_fraction": (fine.dims, 1 - shares[0]),
        },
        coords={"class": ["forest"], **places},
    )
    found = lx.aggregate_fractions(given, "EUR-11")
    assert found["fraction"].shape == (1, 412, 424)
    areas = fine.areas().reshape(fine.shape)
    sums = (shares[0] * areas).reshape(388, 4, 400, 4).sum((1, 3))
    expected = sums / areas.reshape(388, 4, 400, 4).sum((1, 3))
    np.testing.assert_allclose(found["fraction"][0, 13:-11, 13:-11], expected, atol=1e-9)
    assert (found["unmapped_fraction"][:13] == 1).all()
    total = found["fraction"].sum("class") + found["unmapped_fraction"]
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize("crs", ["EPSG:3035", "EPSG:4326"])
def test_fractions_of_a_map_are_the_same_by_way_of_the_fine_lattice(crs):
    big = lx.as_grid("EUR-11")
    # Cells of EUR-11 around Bonn, and the 4 x 4 of EUR-0275 in each.
    coarse = LatticeGrid(name="part of EUR-11", nx=6, ny=5, first_x=big.x[193], step_x=0.11,
                         first_y=big.y[215], step_y=0.11, pole=big.pole)  # fmt: skip
    fine = LatticeGrid(name="its cells", nx=24, ny=20, first_x=big.x_edges[193] + 0.01375,
                       step_x=0.0275, first_y=big.y_edges[215] + 0.01375, step_y=0.0275,
                       pole=big.pole)  # fmt: skip
    rng = np.random.default_rng(6)
    values = rng.integers(0, 3, (120, 100)).astype(np.uint8)
    values[rng.random(values.shape) < 0.1] = 255
    into = pyproj.Transformer.from_crs(4326, crs, always_xy=True)
    west, north = into.transform(6.9, 50.9)
    step = 300.0 if crs == "EPSG:3035" else 0.004
    maps = class_map(values, crs, (west, north), step, years=(2018, 2020))
    direct, by_way = lx.fractions(maps, coarse), lx.fractions(maps, fine)
    found = lx.aggregate_fractions(by_way, coarse)
    assert set(found) == set(direct)
    assert set(np.unique(direct["cell_coverage"])) >= {0, 1}
    for name in direct:
        np.testing.assert_allclose(found[name], direct[name], atol=1e-6, rtol=1e-6, err_msg=name)
        assert found[name].dims == direct[name].dims
        assert found[name].dtype == direct[name].dtype
        assert found[name].attrs == direct[name].attrs
        assert found[name].encoding.get("grid_mapping") == "rotated_pole"
    assert found.attrs.pop("history").startswith(direct.attrs.pop("history"))
    xr.testing.assert_identical(found.drop_vars(list(found)), direct.drop_vars(list(direct)))


def test_standard_errors_are_made_again_from_members():
    fine, coarse = small(), COARSE["aligned"]
    given = made(fine)
    members = xr.concat(
        [made(fine, seed=seed)["fraction"] for seed in (3, 4, 5)], "member", coords="minimal",
        compat="override", join="outer",
    )  # fmt: skip
    given = given.assign(member_fraction=members, fraction_standard_error=given["fraction"])
    found = lx.aggregate_fractions(given, coarse)
    expected = np.std(
        [by_hand(each.values, fine, coarse, 1, 2) for each in members], axis=0, ddof=1
    )
    np.testing.assert_allclose(found["fraction_standard_error"][..., 1, 2], expected, atol=1e-12)


def test_uneven_lattices_keep_their_bounds():
    edges = np.array([40.0, 41, 43, 44, 50])
    given = xr.Dataset(
        {"fraction": (("lat", "lon"), np.arange(8.0).reshape(4, 2))},
        coords={
            "lat": ("lat", (edges[1:] + edges[:-1]) / 2, {"bounds": "lat_bnds"}),
            "lat_bnds": (("lat", "bnds"), np.stack([edges[:-1], edges[1:]], 1)),
            "lon": ("lon", [0.5, 1.5], {"bounds": "lon_bnds"}),
            "lon_bnds": (("lon", "bnds"), [[0.0, 1], [1, 2]]),
        },
    )
    coarse = lx.lonlat_grid(0, 40, 2, 50, step=(2, 10))
    found = lx.aggregate_fractions(given, coarse)
    low = np.sin(np.radians(edges))
    weights = np.diff(low) / (low[-1] - low[0])
    expected = given["fraction"].mean("lon").values @ weights
    np.testing.assert_allclose(found["fraction"].values, expected, rtol=5e-3)
    with pytest.raises(lx.CubeError, match="uneven steps, and 'lat' has no bounds"):
        lx.aggregate_fractions(given.drop_vars("lat_bnds"), coarse)


def test_nothing_is_computed():
    fine, coarse = small(), COARSE["aligned"]
    given = made(fine, chunks={"class": 1, "rlat": 2, "rlon": 3})

    def refuse(*_, **__):
        raise AssertionError("something was computed")

    kept = given.assign_coords(fine.coordinates().coords)
    with dask.config.set(scheduler=refuse):
        found = lx.aggregate_fractions(kept, coarse)
    assert found["fraction"].chunks is not None
    expected = lx.aggregate_fractions(made(fine), coarse)
    xr.testing.assert_allclose(found["fraction"].compute(), expected["fraction"])
    xr.testing.assert_allclose(found["mean_entropy"].compute(), expected["mean_entropy"])


def test_what_describes_the_map_stays_and_the_places_are_new():
    fine, coarse = small(), COARSE["aligned"]
    found = lx.aggregate_fractions(made(fine), coarse)
    xr.testing.assert_identical(lx.as_grid(found).coordinates(), coarse.coordinates())
    assert found["class_id"].values.tolist() == [1, 2, 7]
    assert found["class"].values.tolist() == CLASSES
    assert found["fraction"].attrs == {"units": "1", "long_name": "share",
                                       "grid_mapping": "rotated_pole"}  # fmt: skip
    assert found.attrs["legend"] == "mine"
    assert found.attrs["history"].startswith("made up\nsummed up to 0.5 degrees")


def test_regular_lattices_over_the_date_line():
    fine = lx.lonlat_grid(178, 0, 182, 2, step=0.5)
    coarse = lx.lonlat_grid(-182, 0, -178, 2, step=1.0)
    given = made(fine)
    found = lx.aggregate_fractions(given, coarse)
    expected = by_hand(given["fraction"].values, fine, coarse, 1, 3)
    np.testing.assert_allclose(found["fraction"][..., 1, 3], expected, atol=1e-12)
    assert (found["fraction"].sum("class")[:, 1] > 0).all()


@pytest.mark.parametrize(
    ("coarse", "message"),
    [
        (small(0.5, 5, 3, first_x=2.3), r"in '0.5 degrees': that from 2 to 2.25 degrees of long"),
        (small(0.4, 5, 3), "don't nest"),
        (small(0.1, 50, 50), "don't nest"),
        (small(0.5, 5, 3, pole=(-162.0, 39.0)), r"has its north pole at \(-162.0, 39.25\)"),
        (small(0.5, 5, 3, pole=None), "at None: cells don't nest"),
        # The older grid of TSMP lies 0.004 degrees beside EUR-11.
        (small(0.5, 5, 3, first_x=2.2463), "don't nest"),
    ],
)
def test_lattices_that_do_not_nest_are_refused(coarse, message):
    with pytest.raises(lx.CubeError, match=message):
        lx.aggregate_fractions(made(small()), coarse)


def test_other_grids_and_variables_are_refused():
    fine, coarse = small(), COARSE["aligned"]
    places = small().coordinates()
    ds = xr.Dataset(coords={n: places[n].variable for n in ("lon", "lat", "lon_vertices",
                                                            "lat_vertices")})  # fmt: skip
    with pytest.raises(lx.CubeError, match=r"is no lattice of longitude and latitude \(6 x 10"):
        lx.aggregate_fractions(made(fine), ds)
    given = made(fine)
    with pytest.raises(lx.CubeError, match="'height' is neither a share"):
        lx.aggregate_fractions(given.assign(height=given["cell_area"]), coarse)
    with pytest.raises(lx.CubeError, match="'name' does not lie on 6 x 10"):
        lx.aggregate_fractions(given.assign(name=("class", [1, 2, 3])), coarse)
    with pytest.raises(lx.CubeError, match="'mean_entropy' can't be summed up without 'unmapped"):
        lx.aggregate_fractions(given.drop_vars("unmapped_fraction"), coarse)


def test_standard_errors_are_left_out_and_that_is_said():
    given = made(small())
    given = given.assign(fraction_standard_error=given["fraction"])
    with pytest.warns(lx.GridWarning, match="'fraction_standard_error' was left out"):
        found = lx.aggregate_fractions(given, COARSE["aligned"])
    assert "fraction_standard_error" not in found
