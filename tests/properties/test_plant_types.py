"""Laws of plant types: nothing is lost, climate splits whole, warming makes nothing boreal."""

import hypothesis.strategies as st
import numpy as np
import xarray as xr
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from lulc_xr.analysis.plant_types import plant_functional_types
from lulc_xr.core.clm import LANDUNITS, NATURAL_PFTS
from lulc_xr.core.legends import legend
from lulc_xr.core.plant_climate import climate_of_months, growing_degree_days
from lulc_xr.core.plant_crosswalks import list_plant_crosswalks
from lulc_xr.core.plant_groups import NATURAL_GROUPS, TREE
from lulc_xr.core.plant_rules import PLANT_CLIMATE, PlantClimateRules, split_groups
from tests.fractions import made_fractions

SHAPE = (2, 3)
# Needleleaf trees that shed their leaves are boreal in any climate.
BOREAL = [
    n
    for n, name in enumerate(NATURAL_PFTS)
    if ("boreal" in name or name == "c3_arctic_grass") and not name.startswith("needleleaf_dec")
]

CELLS = st.tuples(
    *(arrays(float, SHAPE, elements=st.floats(low, high, allow_subnormal=False)) for low, high in
      ((-40, 25), (-10, 40), (0, 6000), (0, 4000), (0, 3000), (0, 300)))
)  # fmt: skip
SHARES = st.one_of(st.floats(0, 1), arrays(float, SHAPE, elements=st.floats(0, 1)))


def climate_of(cells, like):
    variables = {n: (("lat", "lon"), v) for n, v in zip(PLANT_CLIMATE, cells, strict=True)}
    return xr.Dataset(variables, {d: like[d] for d in ("lat", "lon")})


def as_share(value, like):
    if isinstance(value, float):
        return value
    return xr.DataArray(value, {d: like[d] for d in ("lat", "lon")}, ("lat", "lon"))


@settings(max_examples=60)
@given(
    name=st.sampled_from(list_plant_crosswalks()),
    cells=CELLS,
    seed=st.integers(0, 2**16),
    options=st.fixed_dictionaries(
        {"crops": st.sampled_from(["generic", "types"]),
         "wetland": st.sampled_from(["landunit", "grass"])}
    ),
    shares=st.fixed_dictionaries(
        {"irrigated_share": SHARES, "needleleaf_share": SHARES},
        optional={"evergreen_share": SHARES, "land_fraction": arrays(float, SHAPE,
                  elements=st.floats(0, 1))},
    ),
    c4=st.floats(0, 1),
)  # fmt: skip
def test_parts_of_a_cell_sum_to_one(name, cells, seed, options, shares, c4):
    fractions = made_fractions(legend(name), shape=SHAPE, years=(2015, 2018), seed=seed)
    types = plant_functional_types(
        fractions,
        climate=climate_of(cells, fractions),
        climate_rules=PlantClimateRules(c4_share=c4),
        **options,
        **{k: as_share(v, fractions) for k, v in shares.items()},
    )
    apart = sum(types[f"{word}_fraction"] for word in ("ocean", "ignored", "unmapped"))
    whole = types["landunit_fraction"].sum("landunit") + apart
    np.testing.assert_allclose(whole, 1, atol=1e-9)
    units = types["landunit_fraction"]
    natural = types["natural_pft_fraction"].sum("natpft")
    crop = types["cft_fraction"].sum("cft")
    np.testing.assert_allclose(natural, units.sel(landunit="natural_vegetation"), atol=1e-9)
    np.testing.assert_allclose(crop, units.sel(landunit="crop"), atol=1e-9)
    for variable in types.data_vars.values():
        assert float(variable.min()) >= -1e-12


@given(
    shares=arrays(float, (4, len(NATURAL_GROUPS)), elements=st.floats(0, 1)),
    climate=arrays(float, (len(PLANT_CLIMATE), 4), elements=st.floats(-60, 7000)),
    needleleaf=st.floats(0, 1),
)
def test_climate_splits_every_group_whole(shares, climate, needleleaf):
    made = split_groups(shares, climate, rules=PlantClimateRules(), needleleaf_share=needleleaf)
    np.testing.assert_allclose(made.sum(axis=1), shares.sum(axis=1), rtol=1e-12, atol=1e-12)
    assert (made >= 0).all()
    for group in NATURAL_GROUPS:
        alone = np.zeros((4, len(NATURAL_GROUPS)))
        alone[:, group] = 1
        types = split_groups(alone, climate, rules=PlantClimateRules(), needleleaf_share=needleleaf)
        assert ((types > 0).sum(axis=1) <= (2 if group == TREE else 1)).all()
        np.testing.assert_array_equal(types.sum(axis=1), 1)


@given(
    months=arrays(float, (12, 5), elements=st.floats(-45, 35)),
    rain=arrays(float, (12, 5), elements=st.floats(0, 400)),
    warming=st.floats(0, 20),
    shares=arrays(float, (5, len(NATURAL_GROUPS)), elements=st.floats(0, 1)),
)
def test_warming_never_makes_a_plant_boreal(months, rain, warming, shares):
    before, after = (
        split_groups(
            shares,
            list(climate_of_months(t, rain, np.full(5, 55.0)).values()),
            rules=PlantClimateRules(),
        )
        for t in (months, months + warming)
    )
    assert (after[:, BOREAL] <= before[:, BOREAL] + 1e-12).all()


@given(
    months=arrays(float, (12, 3), elements=st.floats(-45, 35)),
    warming=st.floats(0, 10),
    turn=st.integers(1, 11),
)
def test_degree_days_grow_with_warmth(months, warming, turn):
    days = growing_degree_days(months)
    assert (days >= 0).all()
    warmer = growing_degree_days(months + warming)
    assert (warmer >= days - 1e-6).all()
    # No day is above 5 by more than the warmest month.
    assert (days <= 365 * np.maximum(months.max(axis=0) - 5, 0) + 1e-6).all()
    # Which month comes first matters little: months differ in length by three days at most.
    turned = growing_degree_days(np.roll(months, turn, axis=0))
    assert (np.abs(turned - days) <= 12 * 3 * np.maximum(months - 5, 0).max(axis=0) + 1e-6).all()


@given(data=st.data(), rows=st.integers(1, 4), years=st.integers(1, 2))
def test_any_chunks_give_the_same_plant_types(data, rows, years):
    fractions = made_fractions(legend("lucas_lc1"), shape=(4, 5), years=(2015, 2018), seed=3)
    draw = np.random.default_rng(data.draw(st.integers(0, 99)))
    cells = [draw.uniform(low, high, (4, 5)) for low, high in
             ((-25, 18), (5, 30), (200, 4000), (200, 2000), (100, 1000), (0, 60))]  # fmt: skip
    climate = climate_of(cells, fractions)
    whole = plant_functional_types(fractions, climate=climate, crops="types")
    pieces = fractions.chunk({"lat": rows, "year": years, "class": data.draw(st.integers(9, 76))})
    lazy = plant_functional_types(pieces, climate=climate.chunk({"lon": 2}), crops="types")
    assert set(whole["landunit_fraction"]["landunit"].values) == set(LANDUNITS)
    for name, expected in whole.data_vars.items():
        np.testing.assert_allclose(lazy[name], expected, atol=1e-15, err_msg=str(name))
