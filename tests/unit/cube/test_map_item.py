"""A map as a STAC item: valid by the schemas that come with pystac, and read by its extensions."""

import json
import re

import dask
import geopandas
import numpy as np
import pyproj
import pystac
import pytest
import shapely
import torch
import xarray as xr
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.mlm import MLMExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.extensions.xarray_assets import XarrayAssetsExtension
from pystac.stac_object import STACObjectType
from pystac.validation.stac_validator import JsonSchemaSTACValidator

import lulc_xr as lx
from lulc_xr.core.dates import RegularDates
from lulc_xr.core.errors import CubeError, SourceError
from lulc_xr.core.model import ModelSpec, Scaling
from lulc_xr.models.classifier import Classifier
from lulc_xr.models.ensemble import Ensemble
from lulc_xr.models.registry import make_network
from tests.predictors import LEGEND


def raising(*_, **__):
    raise AssertionError("computed")


def make_classifier(seed=0):
    spec = ModelSpec(
        bands=("green", "red", "nir"),
        legends={"land_cover": LEGEND},
        dates=RegularDates(start_month=11),
        scaling=Scaling(mean=(0.1, 0.2, 0.3), std=(0.1, 0.1, 0.1)),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make_network("tempcnn", bands=3, dates=12, classes={"land_cover": 3})
    return Classifier(network.eval(), name="tempcnn", spec=spec)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_classifier().save(tmp_path_factory.mktemp("models") / "model")


def check_valid(item):
    """The schema of items that pystac carries; those of extensions are on the web."""
    written = json.loads(json.dumps(item.to_dict(), allow_nan=False))
    JsonSchemaSTACValidator().validate_core(
        written, STACObjectType.ITEM, pystac.get_stac_version(), None
    )
    assert len(set(written["stac_extensions"])) == len(written["stac_extensions"])
    used = {key.split(":")[0] for key in written["properties"] if ":" in key} - {"lulc_xr"}
    used = {{"proj": "projection"}.get(prefix, prefix) for prefix in used}
    assert used <= {uri.split("/")[3] for uri in written["stac_extensions"]}
    return written


def test_an_item_says_where_when_and_what(mapped):
    with dask.config.set(scheduler=raising):
        item = lx.stac_item(mapped)
    written = check_valid(item)
    assert item.id == "mapped_land_cover_2018"
    assert item.datetime is None
    assert written["properties"]["start_datetime"] == "2018-01-01T00:00:00Z"
    assert written["properties"]["end_datetime"] == "2018-12-31T23:59:59Z"
    maps = lx.open_cube(mapped)
    projection = ProjectionExtension.ext(item)
    assert projection.code == "EPSG:32631"
    assert projection.shape == [37, 50]
    assert projection.transform == [10.0, 0.0, 500_000.0, 0.0, -10.0, 5_600_000.0]
    assert projection.bbox == [500_000.0, 5_599_630.0, 500_500.0, 5_600_000.0]
    footprint = shapely.geometry.shape(item.geometry)
    assert footprint.is_valid
    assert footprint.exterior.is_ccw
    placed = geopandas.GeoSeries([footprint], crs="EPSG:4326").to_crs(32631)
    box = shapely.box(*projection.bbox)
    # A hundredth of a pixel: 1e-7 degrees are a centimetre.
    assert placed[0].hausdorff_distance(box) < 0.1
    assert item.bbox == pytest.approx(footprint.bounds)
    properties = item.properties
    assert properties["lulc_xr:model_hash"] == maps["land_cover"].attrs["model_hash"]
    assert properties["processing:lineage"] == "lulc_xr.classify"
    assert properties["processing:level"] == "L4"
    classes = ClassificationExtension.ext(item.assets["zarr"]).classes
    assert [(c.value, c.name) for c in classes[:-1]] == list(
        zip(LEGEND.ids, LEGEND.names, strict=True)
    )
    assert ["#" + c.color_hint.lower() for c in classes[:-1]] == list(LEGEND.colors)
    assert classes[-1].value == 255
    assert classes[-1].nodata


def test_the_store_opens_as_the_item_says(mapped):
    item = lx.stac_item(lx.open_cube(mapped))
    asset = item.assets["zarr"]
    assert asset.href == str(mapped)
    opened = xr.open_dataset(asset.href, **XarrayAssetsExtension.ext(asset).open_kwargs)
    assert "land_cover" in opened
    assert opened["land_cover"].chunks is not None


def test_cogs_are_assets_with_bands_and_classes(mapped, tmp_path):
    maps = lx.open_cube(mapped)
    names = ["land_cover", "land_cover_entropy", "land_cover_probability"]
    files = lx.to_cog(maps, tmp_path / "cogs", variables=names)
    item = lx.stac_item(maps, cogs=files)
    check_valid(item)
    assert set(item.assets) == {"zarr", *(f"{name}_2018" for name in names)}
    classes, entropy, probability = (item.assets[f"{name}_2018"] for name in names)
    assert classes.media_type == pystac.MediaType.COG
    assert classes.title == "land cover 2018"
    assert [c.value for c in ClassificationExtension.ext(classes).classes] == [1, 3, 7, 255]
    assert not ClassificationExtension.ext(entropy).classes
    (band,) = RasterExtension.ext(entropy).bands
    assert (band.data_type, band.nodata) == ("float32", "nan")
    bands = RasterExtension.ext(probability).bands
    assert [b.properties["name"] for b in bands] == list(LEGEND.names)
    assert [b.scale for b in bands] == pytest.approx([1 / 250] * 3)
    item.set_self_href(str(tmp_path / "item.json"))
    item.make_asset_hrefs_relative()
    item.save_object()
    back = pystac.Item.from_file(tmp_path / "item.json")
    assert back.assets["land_cover_2018"].href == "./cogs/land_cover_2018.tif"
    assert back.to_dict() == item.to_dict()


def test_the_model_of_a_map_comes_with_its_terms(cube, store, model):
    # November to October: the cube has dates of one calendar year only, so composites are few.
    maps = lx.classify(lx.open_cube(store), lx.load_classifier(model), years=[2018])
    lx.write_variables(maps, store, progress=False)
    item = lx.stac_item(store, model=model)
    written = check_valid(item)
    assert written["properties"]["start_datetime"] == "2017-11-01T00:00:00Z"
    assert written["properties"]["end_datetime"] == "2018-10-31T23:59:59Z"
    terms = MLMExtension.ext(item)
    assert terms.architecture == "tempcnn"
    assert terms.tasks == ["classification"]
    assert terms.input[0].bands == ["green", "red", "nir"]
    weights = item.assets["model"]
    assert "mlm:model" in weights.roles
    assert weights.href == str(model / "model.safetensors")
    assert [b["name"] for b in weights.extra_fields["raster:bands"]] == ["green", "red", "nir"]
    assert item.properties["lulc_xr:model_hash"] == lx.load_classifier(model).content_hash


def test_an_ensemble_is_described_by_its_members(mapped, tmp_path):
    members = [make_classifier(0), make_classifier(1)]
    folder = Ensemble(members).save(tmp_path / "both")
    maps = lx.open_cube(mapped)
    maps["land_cover"].attrs["model_hash"] = lx.load_model(folder).content_hash
    item = lx.stac_item(maps, model=folder)
    check_valid(item)
    name = item.properties["mlm:name"]
    assert name == "tempcnn for land_cover with 2 members"
    # The pattern of the extension's schema.
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]", name)
    one = json.loads(next(folder.rglob("model.json")).read_text())["properties"]
    assert item.properties["mlm:total_parameters"] == 2 * one["mlm:total_parameters"]
    assert [name for name in item.assets if name.startswith("model")] == ["model_0", "model_1"]


def test_a_calendar_year_is_taken_where_nothing_is_said(mapped):
    maps = lx.open_cube(mapped)
    del maps["land_cover"].attrs["year_start"]
    item = lx.stac_item(maps.isel(year=0))
    assert item.properties["start_datetime"] == "2018-01-01T00:00:00Z"
    two = maps.reindex(year=[2018, 2021], fill_value=255)
    found = lx.stac_item(two)
    assert found.properties["end_datetime"] == "2021-12-31T23:59:59Z"
    assert found.properties["lulc_xr:years"] == [2018, 2021]
    assert lx.stac_item(two, year=2021).properties["lulc_xr:years"] == [2021]


def test_a_map_in_degrees_and_in_a_system_without_code_is_described(mapped):
    maps = lx.open_cube(mapped)[["land_cover"]]
    place = {"y": 50 - np.arange(37) / 1e4, "x": 4 + np.arange(50) / 1e4}
    crs = "+proj=longlat +R=6371229"
    wkt = pyproj.CRS(crs).to_wkt()
    degrees = maps.assign_coords(place)
    degrees["spatial_ref"].attrs = {"crs_wkt": wkt}
    item = lx.stac_item(degrees)
    check_valid(item)
    assert item.properties["proj:code"] is None
    assert item.properties["proj:wkt2"] == wkt
    assert "gsd" not in item.properties


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"task": "land_use"}, CubeError, "no class map 'land_use' over y and x here; there are"),
        ({"year": 2020}, CubeError, "no year 2020 in these maps; they are of 2018."),
        ({"cogs": ["nowhere.tif"]}, SourceError, "cannot open COG 'nowhere.tif'"),
        ({"model": "nowhere"}, SourceError, "no model at"),
    ],
)
def test_bad_input_is_said(mapped, change, error, said):
    with pytest.raises(error) as caught:
        lx.stac_item(mapped, **change)
    assert said in str(caught.value)


def test_another_model_is_refused(mapped, model):
    with pytest.raises(CubeError, match=r"was made by model .*; .*model' holds"):
        lx.stac_item(mapped, model=model)


def test_a_map_without_files_says_its_classes_itself(mapped):
    item = lx.stac_item(lx.open_cube(mapped)[["land_cover"]].load().copy().drop_encoding())
    check_valid(item)
    assert not item.assets
    assert [c.value for c in ClassificationExtension.ext(item).classes] == [1, 3, 7, 255]


def test_a_map_without_a_year_or_across_the_date_line_is_refused(mapped):
    maps = lx.open_cube(mapped).isel(year=0, drop=True)[["land_cover"]]
    with pytest.raises(CubeError, match="'land_cover' says no year"):
        lx.stac_item(maps)
    place = {"y": 50 - np.arange(37) / 1e4, "x": 179.998 + np.arange(50) / 1e4}
    across = maps.expand_dims(year=[2018]).assign_coords(place)
    across["spatial_ref"].attrs = {"crs_wkt": pyproj.CRS("EPSG:4258").to_wkt()}
    with pytest.raises(CubeError, match="crosses the date line"):
        lx.stac_item(across)
