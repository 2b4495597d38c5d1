"""Maps of years made consistent: no class that no year had, lazily, in any chunks."""

import itertools

import dask
import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given

import lulc_xr as lx
from lulc_xr.core.errors import CubeError
from lulc_xr.prediction.year_steps import one_year, powers

LEGEND = lx.Legend(
    name="demo",
    classes=tuple(
        lx.LegendClass(class_id=n, name=name)
        for n, name in ((3, "crop"), (7, "grass"), (9, "wood"), (254, "town"))
    ),
)
IDS = np.array(LEGEND.ids, np.uint8)
METHODS = ("hmm", "minimum_duration")


def raising(*args, **kwargs):
    raise AssertionError("computed")


def as_maps(classes, probability=None, *, years=None):
    classes = np.asarray(classes, np.uint8)
    made = xr.Dataset(
        {"land_cover": (("year", "y", "x"), classes, LEGEND.flags())},
        coords={"year": list(years or range(2015, 2015 + len(classes)))},
    )
    if probability is not None:
        made["land_cover_probability"] = (("year", "class", "y", "x"), probability)
    return made


def drawn(seed, *, years=6, y=7, x=9, gaps=0.2, dates=None):
    """Maps at random: probabilities, their most probable class, and pixels without either."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(4, 0.7), (years, y, x)).astype(np.float32)
    p = np.moveaxis(p, -1, 1)
    classes = IDS[p.argmax(axis=1)]
    lacking = rng.random(classes.shape) < gaps
    classes[lacking] = 255
    p[np.broadcast_to(lacking[:, None], p.shape)] = np.nan
    return as_maps(classes, p, years=dates)


def series(*labels, years=None):
    """Maps of a single pixel."""
    return as_maps(np.array(labels)[:, None, None], years=years)


def revised(*labels, years=None, **settings):
    found = lx.consistent(series(*labels, years=years), method="minimum_duration", **settings)
    return found["land_cover"].values.ravel().tolist()


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 2**32 - 1), fill=st.booleans())
def test_no_class_is_invented_and_mapped_stays_mapped(method, seed, fill):
    maps = drawn(seed)
    given_ = maps["land_cover"].values
    found = lx.consistent(maps, method=method, fill=fill).compute()
    classes, became = found["land_cover"].values, found["land_cover_revised"].values
    for y, x in np.ndindex(given_.shape[1:]):
        had = set(given_[:, y, x]) - {255}
        assert set(classes[:, y, x]) - {255} <= had
    mapped = given_ != 255
    anywhere = mapped.any(axis=0)
    expected = np.broadcast_to(anywhere, mapped.shape) if fill else mapped
    np.testing.assert_array_equal(classes != 255, expected)
    np.testing.assert_array_equal(became == 255, ~expected)
    np.testing.assert_array_equal(became == 2, expected & ~mapped)
    np.testing.assert_array_equal(became == 1, mapped & (classes != given_))


@pytest.mark.parametrize("method", METHODS)
@given(
    seed=st.integers(0, 2**32 - 1),
    chunks=st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 9), st.integers(1, 4)),
)
def test_any_chunking_gives_the_same(method, seed, chunks):
    maps = drawn(seed)
    whole = lx.consistent(maps, method=method).compute()
    sizes = dict(zip(("year", "y", "x", "class"), chunks, strict=True))
    found = lx.consistent(maps.chunk(sizes), method=method)
    assert found["land_cover"].chunks[0] == (6,)
    xr.testing.assert_identical(found.compute(), whole)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_computed_before_it_is_asked_for(method):
    maps = drawn(0).chunk({"year": 1, "y": 3})
    with dask.config.set(scheduler=raising):
        found = maps.lulc.consistent(method=method)
    assert (found["land_cover_revised"].values == 1).any()


@given(
    seed=st.integers(0, 2**32 - 1),
    dates=st.lists(st.integers(2000, 2012), min_size=2, max_size=5, unique=True).map(sorted),
    persistence=st.floats(0.3, 0.99),
    fill=st.booleans(),
)
def test_the_path_is_the_most_probable_of_all(seed, dates, persistence, fill):
    maps = drawn(seed, years=len(dates), y=2, x=3, dates=dates)
    found = lx.consistent(maps, persistence=persistence, fill=fill)["land_cover"].values
    step = one_year(LEGEND, persistence=persistence, forbidden=[("town", "wood")])
    maps_ = lx.consistent(maps, persistence=persistence, forbidden=[("town", "wood")], fill=fill)
    forbidding = maps_["land_cover"].values
    free = one_year(LEGEND, persistence=persistence)
    for matrix, classes in ((free, found), (step, forbidding)):
        many = powers(matrix, dates[-1] - dates[0])
        for y, x in np.ndindex(2, 3):
            own = maps.isel(y=y, x=x)
            labels = own["land_cover"].values
            used = [n for n in range(len(dates)) if fill or labels[n] != 255]
            had = sorted({LEGEND.ids.index(label) for label in labels if label != 255})
            if not had:
                continue

            def score(path, own=own, labels=labels, used=used, many=many):
                total = 0.0
                for place, n in enumerate(used):
                    if place:
                        gap = dates[n] - dates[used[place - 1]]
                        with np.errstate(divide="ignore"):
                            total += np.log(many[gap, path[place - 1], path[place]])
                    if labels[n] != 255:
                        p = float(own["land_cover_probability"].values[n, path[place]])
                        total += np.log(max(p, 0.002))
                return total

            best = max(score(path) for path in itertools.product(had, repeat=len(used)))
            taken = [LEGEND.ids.index(label) for label in classes[used, y, x]]
            assert score(taken) == pytest.approx(best, rel=1e-12)


def test_an_unsure_odd_year_goes_and_a_sure_one_stays():
    labels = np.array([7, 7, 3, 7, 7])[:, None, None]
    for sure, expected in ((0.6, 7), (0.999, 3)):
        p = np.full((5, 4, 1, 1), 0.001, np.float32)
        p[:, 1], p[2, 1], p[2, 0] = 0.9, 1 - sure, sure
        found = lx.consistent(as_maps(labels, p), persistence=0.8)
        assert found["land_cover"].values[2].item() == expected


def test_a_change_that_cannot_happen_is_not_made():
    labels = np.array([254, 254, 254, 9, 9])[:, None, None]
    p = np.full((5, 4, 1, 1), 0.02, np.float32)
    p[:3, 3], p[3:, 2] = 0.9, 0.9
    maps = as_maps(labels, p)
    assert lx.consistent(maps)["land_cover"].values.ravel().tolist() == [254, 254, 254, 9, 9]
    found = lx.consistent(maps, forbidden=[("town", "wood")])
    assert found["land_cover"].values.ravel().tolist() == [254] * 5


def test_classes_in_rotation_may_change_when_it_is_said():
    labels = np.array([3, 7, 3, 7, 3])[:, None, None]
    p = np.full((5, 4, 1, 1), 0.05, np.float32)
    for n, label in enumerate((0, 1, 0, 1, 0)):
        p[n, label], p[n, 1 - label] = 0.6, 0.3
    maps = as_maps(labels, p)
    assert len(set(lx.consistent(maps)["land_cover"].values.ravel())) == 1
    often = lx.consistent(maps, persistence={"crop": 0.3, "grass": 0.3})
    np.testing.assert_array_equal(often["land_cover"], labels)


def test_a_matrix_may_be_given():
    maps = drawn(1)
    matrix = one_year(LEGEND, persistence=0.8)
    found = lx.consistent(maps, transition=matrix)
    expected = lx.consistent(maps, persistence=0.8)
    xr.testing.assert_equal(found.compute(), expected.compute())


def test_a_class_that_lasts_too_short_becomes_that_around_it():
    assert revised(7, 7, 3, 7, 7) == [7, 7, 7, 7, 7]
    assert revised(7, 3, 3, 7, 7) == [7, 3, 3, 7, 7]
    assert revised(7, 3, 3, 7, 7, minimum=3) == [7, 7, 7, 7, 7]
    # Between two others, and at either end, nothing says what is right.
    assert revised(7, 7, 3, 9, 9) == [7, 7, 3, 9, 9]
    assert revised(3, 7, 7, 7, 3) == [3, 7, 7, 7, 3]


def test_of_several_short_runs_the_shortest_goes_first_then_the_earliest():
    assert revised(7, 3, 7, 3) == [7, 7, 7, 3]
    assert revised(7, 7, 3, 3, 7, 3, 3, minimum=3) == [7, 7, 3, 3, 3, 3, 3]


def test_years_far_apart_may_hold_true_changes():
    assert revised(7, 3, 7, years=[2006, 2012, 2018]) == [7, 3, 7]
    assert revised(7, 3, 7, years=[2016, 2017, 2018]) == [7, 7, 7]
    # With a year between that is not mapped, the class may have lasted two.
    assert revised(7, 3, 255, 7) == [7, 3, 255, 7]
    assert revised(7, 3, 255, 7, minimum=3) == [7, 7, 255, 7]


def test_gaps_are_filled_only_when_asked():
    assert revised(255, 7, 255, 255, 255, 3, 255) == [255, 7, 255, 255, 255, 3, 255]
    assert revised(255, 7, 255, 255, 255, 3, 255, fill=True) == [7, 7, 7, 7, 3, 3, 3]
    assert revised(255, 255, 255, fill=True) == [255, 255, 255]


@given(seed=st.integers(0, 2**32 - 1), minimum=st.integers(2, 4))
def test_a_second_pass_of_the_minimum_duration_finds_nothing(seed, minimum):
    once = lx.consistent(drawn(seed), method="minimum_duration", minimum=minimum)
    twice = lx.consistent(once, method="minimum_duration", minimum=minimum, tasks=["land_cover"])
    np.testing.assert_array_equal(once["land_cover"], twice["land_cover"])
    assert not (twice["land_cover_revised"] == 1).any()


def test_attributes_are_written_anew_and_go_on_into_transitions():
    maps = drawn(0, gaps=0)
    maps["land_cover"].attrs |= {"history": "lulc_xr.classify", "model_hash": "abc", "mine": 1}
    maps["applicable"] = ("year", "y", "x"), np.ones((6, 7, 9), np.uint8)
    maps["applicable"].attrs = {"flag_values": [0, 1], "flag_meanings": "outside inside"}
    found = lx.consistent(maps)
    assert set(found) == {"land_cover", "land_cover_revised"}
    attrs = found["land_cover"].attrs
    assert lx.Legend.from_flags(attrs) == LEGEND
    assert attrs["model_hash"] == "abc"
    assert "mine" not in attrs
    assert attrs["history"] == (
        "lulc_xr.classify; lulc_xr.consistent(method='hmm', persistence=0.95, fill=False)"
    )
    assert attrs["ancillary_variables"] == "land_cover_revised"
    assert found["land_cover"].encoding["_FillValue"] == 255
    assert found["land_cover_revised"].attrs["flag_meanings"] == "kept revised filled"


def test_consistent_maps_are_written_beside_the_others_and_compared(tmp_path):
    years = (2018, 2019, 2020)
    cube = lx.testing.landscape(y=40, x=50, time=12, bands=("green", "red"), classes=4, years=years)
    maps = drawn(3, years=3, y=40, x=50, dates=years)
    maps = maps.assign_coords({name: cube[name].variable for name in ("y", "x", "spatial_ref")})
    steady = maps.chunk({"y": 20}).lulc.consistent()
    store = cube.lulc.write_cube(tmp_path / "cube.zarr")
    named = {name: f"{name}_steady" for name in steady.data_vars}
    steady.rename(named).lulc.write_variables(store, progress=False)
    opened = lx.open_cube(store)
    np.testing.assert_array_equal(opened["land_cover_steady"], steady["land_cover"])
    found = lx.transitions(opened, task="land_cover_steady").compute()
    xr.testing.assert_equal(found, lx.transitions(steady).compute())


@pytest.mark.parametrize(
    ("change", "settings", "said"),
    [
        (lambda m: m, {"method": "median"}, "unknown method 'median'"),
        (lambda m: m.isel(year=[0]), {}, r"of 1 years \(2015\); this rule needs at least 2"),
        (lambda m: m.isel(year=[0, 1]), {"method": "minimum_duration"}, "at least 3"),
        (lambda m: m.isel(year=[1, 0, 2]), {}, "2016, 2015, 2017 of 'land_cover' do not ascend"),
        (lambda m: m.drop_vars("year"), {}, "no coordinate 'year'"),
        (lambda m: m[["land_cover"]], {}, "no variable 'land_cover_probability'.*method='hmm'"),
        (lambda m: m, {"persistence": 1.0}, "persistence 1.0; give the probability"),
        (lambda m: m, {"persistence": {"woods": 0.9}}, "unknown class 'woods'.*wood"),
        (lambda m: m, {"forbidden": [("town", "woods")]}, "unknown class 'woods'"),
        (lambda m: m, {"forbidden": [("town", "town")]}, "give pairs of two class names"),
        (lambda m: m, {"transition": np.eye(3)}, r"shape \(3, 3\); expected \(4, 4\)"),
        (lambda m: m, {"transition": np.full((4, 4), 0.5)}, "rows that sum to 2 to 2"),
        (lambda m: m, {"transition": np.eye(4)[::-1]}, "probability 0 that crop, grass"),
        (lambda m: m, {"method": "minimum_duration", "minimum": 1}, "minimum of 1 years"),
        (lambda m: m, {"tasks": ["land_use"]}, "unknown task 'land_use'"),
    ],
)
def test_what_cannot_be_made_consistent_is_refused(change, settings, said):
    with pytest.raises(CubeError, match=said):
        lx.consistent(change(drawn(0)), **settings)
