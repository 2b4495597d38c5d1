"""Plant types of real climates beside the zones of Koeppen, which others made from other data."""

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.clm import NATURAL_PFTS
from lulc_xr.core.lucas import lucas_codes
from lulc_xr.core.plant_climate import climate_of_bio
from lulc_xr.core.plant_groups import NATURAL_GROUPS, NEEDLELEAF
from lulc_xr.core.plant_rules import split_groups
from tests.fractions import made_fractions

# Koeppen zones of europe_halfdegree: boreal and tundra; temperate with dry, hot summers.
SNOW, DRY_SUMMER = (27, 29), (8,)


def test_iberia_has_boreal_trees_in_boreal_zones_alone(shared_data):
    """WorldClim by our rules, beside Koeppen's zones, which others made from other data."""
    with rasterio.open(shared_data / "europe_halfdegree" / "koeppen_50km.tif") as file:
        zones, at = file.read(1), file.transform
    lon = at.c + at.a * (np.arange(zones.shape[1]) + 0.5)
    lat = at.f + at.e * (np.arange(zones.shape[0]) + 0.5)
    zones = xr.DataArray(zones, {"lat": lat, "lon": lon}, ("lat", "lon"))
    zones = zones.sel(lat=slice(43.9, 36.4), lon=slice(-10, 3.6)).isel(lat=slice(None, None, -1))
    half = abs(at.a) / 2
    west, south = float(zones["lon"][0]) - half, float(zones["lat"][0]) - half
    grid = lx.lonlat_grid(
        west, south, west + 2 * half * zones.sizes["lon"], south + 2 * half * zones.sizes["lat"],
        step=2 * half,
    )  # fmt: skip
    bio = lx.read_worldclim(shared_data / "worldclim_10m_iberia" / "lacerta_climate_present_10m.nc")
    cells = lx.cell_climate(bio, grid).compute()
    legend = lx.legend("lucas_lc1_level2")
    shares = np.zeros((len(legend), 1, 1, 1))
    for name in (
        "C1_broadleaved_woodland",
        "C2_coniferous_woodland",
        "D2_shrubland_without_tree_cover",
        "E2_grassland_without_tree_shrub_cover",
    ):
        shares[legend.names.index(name)] = 0.25  # fmt: skip
    fractions = made_fractions(legend, shares, grid=grid)
    types = lx.plant_functional_types(fractions, climate=cells, on_missing="nearest")
    found = types["natural_pft_fraction"].isel(year=0) * 4
    known = (zones.values > 0) & np.isfinite(cells["coldest_month"].values)
    assert known.sum() == 255
    snow, dry = (known & np.isin(zones.values, z) for z in (SNOW, DRY_SUMMER))
    boreal = found.sel(natpft=[n for n in NATURAL_PFTS if "boreal" in n]).sum("natpft").values
    # Needleleaf trees, broadleaf trees and shrubs: three of the four.
    assert snow.sum() >= 3
    np.testing.assert_allclose(boreal[snow], 3)
    assert boreal[known & ~snow].max() == 0
    evergreen = found.sel(natpft="broadleaf_evergreen_temperate_tree").values
    assert evergreen[dry].mean() > 0.95
    assert found.sel(natpft="broadleaf_evergreen_shrub").values[dry].mean() > 0.5
    # On the coast of Biscay (Cfb) most broadleaf trees shed their leaves.
    assert evergreen[known & (zones.values == 15)].mean() < 0.5
    c4 = found.sel(natpft="c4_grass").values
    assert c4[known].mean() < 0.02


def near(values, west, north, *, step, lat, lon):
    """Cells of a coarse raster that hold places."""
    rows = np.clip(((north - lat) / step).astype(int), 0, values.shape[0] - 1)
    return values[rows, np.clip(((lon - west) / step).astype(int), 0, values.shape[1] - 1)]


def test_boreal_needleleaf_trees_of_europe_stand_where_koeppen_has_snow_climates(shared_data):
    """The rules' numbers are from memory: over 2800 cells they draw the line that Koeppen draws."""
    coarse, half = shared_data / "bioclim_coarse", shared_data / "europe_halfdegree"
    # Mean of the coldest quarter (1.5 degrees, R raster) and of the warmest (1 degree), tenths.
    cold = np.fromfile(coarse / "bio11.gri", "<f4").reshape(94, 240).astype(float) / 10
    with rasterio.open(coarse / "bioclim_global.tif") as file:
        warm, at = file.read(2).astype(float) / 10, file.transform
    with rasterio.open(half / "koeppen_50km.tif") as file:
        zones, corner = file.read(1), file.transform
    with rasterio.open(half / "bio01_mean_50km.tif") as file:
        mean = file.read(1).astype(float) / 10
    lon = corner.c + corner.a * (np.arange(zones.shape[1]) + 0.5)
    lat = corner.f + corner.e * (np.arange(zones.shape[0]) + 0.5)
    lat, lon = np.meshgrid(lat, lon, indexing="ij")
    cold = near(cold, -180, 83.5, step=1.5, lat=lat, lon=lon)
    warm = near(warm, at.c, at.f, step=at.a, lat=lat, lon=lon)
    known = (zones > 0) & (cold > -90) & (warm > -90) & (mean > -90)
    assert known.sum() == 2894
    rain = np.full(known.sum(), 600.0)
    bio = {"bio01": mean[known], "bio10": warm[known], "bio11": cold[known], "bio12": rain,
           "bio14": rain / 20, "bio18": rain / 4, "bio19": rain / 4}  # fmt: skip
    values = list(climate_of_bio(bio).values())
    groups = np.zeros((known.sum(), len(NATURAL_GROUPS)))
    groups[:, NEEDLELEAF] = 1
    boreal = split_groups(groups, values, rules=lx.PlantClimateRules())[:, 2] == 1
    snow = np.isin(zones[known], SNOW)
    assert 0.2 < snow.mean() < 0.4
    # These figures are quoted in examples/methods/plant_types.md.
    assert (boreal == snow).mean() == pytest.approx(0.963, abs=0.001)
    assert boreal[snow].mean() == pytest.approx(0.941, abs=0.001)
    # And no boreal tree where Koeppen has a steppe or hot, dry summers.
    assert boreal[np.isin(zones[known], (7, *DRY_SUMMER))].mean() < 0.005


@pytest.fixture(scope="module")
def surveyed(shared_data):
    """Points of LUCAS 2018 with the full code of their land cover, of the soil module."""
    table = pd.read_csv(shared_data / "lucas" / "lucas_2018_lc1_lu1_19k.csv")
    table = table.rename(columns={"TH_LONG": "x", "TH_LAT": "y"})
    return table[table["LC"].str.len() == 3]


def test_woodland_is_needleleaf_by_half_in_europe_but_in_no_country_reliably(surveyed):
    wood = surveyed[surveyed["LC"].str.startswith("C")]
    needles = wood["LC"].str[:2].map({"C1": 0.0, "C2": 1.0, "C3": 0.5})
    assert needles.mean() == pytest.approx(0.54, abs=0.005)
    countries = needles.groupby(wood["NUTS_0"]).agg(["size", "mean"])
    large = countries[countries["size"] >= 40]["mean"]
    assert large.idxmin() == "HU"
    assert large.idxmax() == "AT"
    assert large.min() == pytest.approx(0.10, abs=0.005)
    assert large.max() == pytest.approx(0.75, abs=0.005)


def test_points_of_iberia_become_plant_types(shared_data, surveyed):
    """Points to fractions to plant types, by the full codes and by their first letters."""
    grid = lx.lonlat_grid(-10, 36, 3.5, 44, step=(1.35, 1.0))
    bio = lx.read_worldclim(shared_data / "worldclim_10m_iberia" / "lacerta_climate_present_10m.nc")
    cells = lx.cell_climate(bio, grid, on_missing="nearest").compute()
    points = surveyed[surveyed["NUTS_0"].isin(["ES", "PT"])]
    total = {}
    for name, length in (("lucas_lc1", 3), ("lucas_lc1_level1", 1)):
        labels = points["LC"].str[:length].map(lucas_codes(name))
        fractions = lx.fractions_from_points(
            points[["x", "y"]].assign(land_cover=labels), grid, legend=lx.legend(name),
            crs="EPSG:4326",
        ).expand_dims(year=[2018])  # fmt: skip
        types = lx.plant_functional_types(fractions, climate=cells, crops="types")
        mapped = (types["cell_area"] * (1 - types["unmapped_fraction"])).sum()
        area = {
            str(n): float((part * types["cell_area"]).sum() / mapped)
            for variable, dim in (("natural_pft_fraction", "natpft"), ("cft_fraction", "cft"))
            for n, part in types[variable].groupby(dim)
        }
        assert sum(area.values()) < 1
        total[name] = area
    full, first = total.values()
    # Quoted in examples/methods/plant_types.md.
    needles = "needleleaf_evergreen_temperate_tree"
    assert full[needles] == pytest.approx(0.093, abs=0.001)
    assert first[needles] == pytest.approx(0.137, abs=0.001)
    assert full["winter_wheat"] == pytest.approx(0.062, abs=0.001)
    crops = {k: v for k, v in full.items() if "crop" in k or k in ("winter_wheat", "barley")}
    assert first["c3_crop"] > sum(crops.values())
    for tropical in ("broadleaf_evergreen_tropical_tree", "broadleaf_deciduous_tropical_tree"):
        assert full[tropical] == 0
