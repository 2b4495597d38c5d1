"""Maps of fractions: what is drawn where, what is hatched, what is refused."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import PolyCollection, QuadMesh

import lulc_xr as lx

LAT, LON = np.array([48.5, 49.5, 50.5]), np.array([6.5, 7.5])
UNCOVERED, PARTLY = (0, 0), (1, 1)


@pytest.fixture
def made():
    """Fractions of two years on a grid of 3 x 2 cells: one not covered, one covered in part."""
    grid = lx.lonlat_grid(6, 48, 8, 51, step=1)
    rng = np.random.default_rng(0)
    shares = rng.dirichlet([3, 2, 1, 1], (2, 3, 2)).transpose(3, 0, 1, 2)
    coverage = np.full((3, 2), 2, np.uint8)
    coverage[PARTLY] = 1
    shares[:, :, *UNCOVERED] = [[0], [0], [0], [1]]
    coverage[UNCOVERED] = 0
    dims = ("class", "year", "lat", "lon")
    return xr.Dataset(
        {
            "fraction": (dims, shares[:3], {"long_name": "share of the cell"}),
            "unmapped_fraction": (dims[1:], shares[3]),
            "cell_coverage": (dims[2:], coverage),
        },
        {
            "class": np.array(["crop_land", "wood", "water"], object),
            "year": [2018, 2021],
            **grid.coordinates().coords,
        },
    )


@pytest.fixture
def pointed(made):
    """The same cells by their vertices, in one dimension."""
    rings = {
        "lon": np.array([[0, 1, 1, 0]]) + np.tile(LON, 3)[:, None] - 0.5,
        "lat": np.array([[0, 0, 1, 1]]) + np.repeat(LAT, 2)[:, None] - 0.5,
    }
    flat = made.stack(cell=("lat", "lon")).reset_index("cell", drop=True)
    places = {}
    for name, vertices in rings.items():
        attrs = {"bounds": f"{name}_vertices"}
        places[name] = ("cell", vertices.mean(axis=1), attrs)
        places[f"{name}_vertices"] = (("cell", "vertices"), vertices)
    bare = flat.drop_vars([n for n in flat.coords if n not in ("class", "year")])
    return bare.assign_coords(places)


def panels(figure):
    return [ax for ax in figure.axes if ax.get_visible() and ax.get_title()]


def meshes(figure, kind=QuadMesh):
    drawn = []
    for ax in panels(figure):
        drawn += [c for c in ax.collections if isinstance(c, kind) and c.get_array() is not None]
    return drawn


def hatched(ax):
    return [
        path.get_extents().bounds
        for c in ax.collections
        if isinstance(c, PolyCollection) and c.get_hatch()
        for path in c.get_paths()
    ]


def test_each_class_has_its_panel_of_the_last_year(made):
    figure = lx.plot_fractions(made)
    titles = [ax.get_title() for ax in panels(figure)]
    last = made.isel(year=-1).where(made.cell_coverage > 0)
    order = last.fraction.sum(("lat", "lon")).sortby(last.fraction.sum(("lat", "lon")))
    expected = [str(name) for name in order["class"].values[::-1]]
    assert titles == [*(name.replace("_", " ") for name in expected), "not mapped"]
    assert figure.get_suptitle() == "share of the cell"
    for name, mesh in zip(expected, meshes(figure), strict=False):
        values = last.fraction.sel({"class": name}).values
        np.testing.assert_array_equal(np.ma.filled(mesh.get_array(), np.nan), values)
    limits = {mesh.get_clim() for mesh in meshes(figure)}
    largest = max(float(last.fraction.max()), float(last.unmapped_fraction.max()))
    assert limits == {(0.0, np.ceil(largest * 10) / 10)}


def test_missing_cells_are_clear_and_partly_covered_ones_hatched(made):
    figure = lx.plot_fractions(made, classes=["wood"], year=2018)
    (ax,), (mesh,) = panels(figure), meshes(figure)
    assert np.ma.getmaskarray(mesh.get_array())[UNCOVERED]
    assert np.ma.getmaskarray(mesh.get_array()).sum() == 1
    assert ax.patch.get_hatch()
    row, column = PARTLY
    np.testing.assert_allclose(hatched(ax), [(LON[column] - 0.5, LAT[row] - 0.5, 1, 1)])


def test_cells_by_their_vertices_are_the_same_picture(made, pointed):
    one, other = (lx.plot_fractions(data, classes=["wood"]) for data in (made, pointed))
    values = np.ma.compressed(meshes(one)[0].get_array())
    np.testing.assert_array_equal(meshes(other, PolyCollection)[0].get_array(), values)
    assert hatched(panels(one)[0]) == hatched(panels(other)[0])
    for ends in ("get_xlim", "get_ylim", "get_aspect"):
        np.testing.assert_allclose(
            getattr(panels(one)[0], ends)(), getattr(panels(other)[0], ends)()
        )


def test_rotated_grids_are_cropped_and_show_the_globe(made):
    grid = lx.as_grid("EUR-44")
    values = np.full((1, *grid.shape), np.nan)
    values[0, 60:66, 40:50] = np.linspace(0, 1, 60).reshape(6, 10)
    found = xr.Dataset(
        {"fraction": (("class", *grid.dims), values)},
        {"class": ["crop"], **grid.coordinates().coords},
    )
    figure = lx.plot_fractions(found)
    (ax,) = panels(figure)
    centre = found.rlon.values
    np.testing.assert_allclose(ax.get_xlim(), (centre[40] - 0.22, centre[49] + 0.22))
    # Where a tick says 8 degrees east, the lowest drawn row is at 8 degrees east.
    ticks = dict(zip([t.get_text() for t in ax.get_xticklabels()], ax.get_xticks(), strict=True))
    bottom = found.lon.values[59]
    for text, place in ticks.items():
        number = float(text.split("°")[0]) * (-1 if text.endswith("W") else 1)
        assert np.interp(place, centre, bottom) == pytest.approx(number, abs=0.05)
    assert len(ticks) >= 2


def test_variables_of_other_kinds_are_drawn(made):
    plants = made[["fraction"]].rename({"class": "natpft", "fraction": "natural_pft_fraction"})
    figure = lx.plot_fractions(plants, variable="natural_pft_fraction", limit=0.5)
    assert {mesh.get_clim() for mesh in meshes(figure)} == {(0.0, 0.5)}
    alone = lx.plot_fractions(made, variable="unmapped_fraction")
    assert [ax.get_title() for ax in panels(alone)] == ["unmapped fraction"]


def test_a_large_legend_is_cut_to_the_largest_classes(made):
    many = xr.concat([made.fraction / 8] * 3, "class")
    many = many.assign_coords({"class": [f"class_{k}" for k in range(9)]})
    figure = lx.plot_fractions(many.to_dataset(name="fraction"))
    assert len(panels(figure)) == 6


def test_refusals_name_what_there_is(made):
    with pytest.raises(lx.CubeError, match=r"variable 'fractions'.*fraction"):
        lx.plot_fractions(made, variable="fractions")
    with pytest.raises(lx.CubeError, match=r"class 'woods'.*wood"):
        lx.plot_fractions(made, classes=["woods"])
    with pytest.raises(lx.CubeError, match=r"year '2020'.*2021"):
        lx.plot_fractions(made, year=2020)
    with pytest.raises(lx.CubeError, match="no cell of 'fraction' is covered"):
        lx.plot_fractions(made.assign(cell_coverage=made.cell_coverage * 0))
    bare = made.stack(region=("lat", "lon")).reset_index("region", drop=True)
    with pytest.raises(lx.CubeError, match=r"no longitude with bounds.*regions\.plot"):
        lx.plot_fractions(bare.drop_vars(["lat_bnds", "lon_bnds"]))
    one = made.isel(lon=[0]).drop_vars("lon_bnds")
    with pytest.raises(lx.CubeError, match="'lon' has one cell and no bounds"):
        lx.plot_fractions(one)


def test_edges_without_bounds_lie_halfway(made):
    bare = made.drop_vars(["lat_bnds", "lon_bnds"])
    one, other = (meshes(lx.plot_fractions(d, classes=["wood"]))[0] for d in (made, bare))
    np.testing.assert_allclose(one.get_coordinates(), other.get_coordinates())
