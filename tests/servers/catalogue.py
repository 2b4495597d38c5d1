"""Static catalogues of real chips as COGs, their items copies of real items of each catalogue.

Only what says where, when and which file is replaced in a copy; names of assets, scale, offset,
baseline and the way the projection is written stay as the catalogue publishes them.
"""

import copy
import importlib.util
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pystac
import rasterio
import rasterio.warp
from odc.geo.geobox import GeoBox

ROOT = Path(__file__).parents[2]
RAW = ROOT / "zarr_stores" / "raw"
CHIP = GeoBox.from_bbox((501360, 5629040, 502000, 5629680), crs="EPSG:32631", resolution=10)
"""Grid of the Flanders chip, 64 x 64 pixels."""
LANDSAT = "LC08_L2SP_008059_20191201_20200825_02_T1"


def load_recipe(name):
    """A script of zarr_stores/, which is a folder of recipes and not a package."""
    spec = importlib.util.spec_from_file_location(f"recipe_{name}", ROOT / f"zarr_stores/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECIPE = load_recipe("flanders_catalogue")
COMMON = {band: name for band, name in RECIPE.ASSETS.items() if band != "SCL"}
"""Band of Sentinel-2 to its common name."""


def read_whole():
    """All raw bands of the Flanders chip, numbers as stored, pixels of 20 m repeated 2 x 2."""
    fine, coarse = (RECIPE.read_raw(RAW, metres) for metres in (10, 20))
    near = coarse.sel(y=fine["y"], x=fine["x"], method="nearest", tolerance=10)
    return fine.assign({b: near[b].variable for b in RECIPE.ASSETS if b not in fine})


@dataclass(frozen=True, kw_only=True)
class Style:
    """How one catalogue writes a scene of Sentinel-2."""

    item: str
    """File of the real item in stac_items."""
    common: bool
    """Whether assets have common names (blue) or those of ESA (B02)."""
    added: int = 0
    """What ESA has added to every number since baseline 04.00, so what is added here too."""
    properties: dict = field(default_factory=dict)
    """Properties that differ from those of the real item."""
    stored: dict = field(default_factory=dict)
    """Fields of raster:bands that differ."""

    def asset_of(self, band):
        name = RECIPE.ASSETS[band]
        return name if self.common else name.upper() if band == "SCL" else band


PC = "S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531"
STYLES = {
    # Real items, copied as they are.
    "earth search v0": Style(item="S2A_28QCH_20200714_0_L2A", common=False),
    "planetary computer": Style(item=PC, common=False),
    "planetary computer, raster:bands": Style(item=f"{PC}_raster_ext", common=False),
    "stactools, baseline 04.00": Style(item="S2B_T33XWJ_20220413_L2A", common=True, added=1000),
    "stactools, proj:code": Style(item="S2A_T34VEL_20240108_L2A", common=True, added=1000),
    # Planetary Computer serves numbers as ESA wrote them and no raster:bands, also since 04.00.
    "planetary computer, baseline 04.00": Style(
        item=PC, common=False, added=1000, properties={"s2:processing_baseline": "04.00"}
    ),
    # Earth Search took the offset off some scenes when it made COGs of them.
    "earth search v1, offset applied": Style(
        item="S2B_T33XWJ_20220413_L2A",
        common=True,
        properties={"earthsearch:boa_offset_applied": True},
        stored={"offset": 0},
    ),
}


def make_styled(style, items, folder, *, dates):
    """Path of `catalog.json`: so many first scenes of the Flanders chip in one style."""
    fine, coarse = (RECIPE.read_raw(RAW, metres).isel(timestamp=dates) for metres in (10, 20))
    real = json.loads((items / f"{style.item}.json").read_text())
    made = []
    for number, time in enumerate(fine["timestamp"].values):
        scenes = [data.isel(timestamp=number) for data in (fine, coarse)]
        item = copied(real, f"{real['id']}_{number}", str(time.astype("datetime64[s]")) + "Z")
        item["geometry"], item["bbox"] = RECIPE.footprint(scenes[0]["B02"])
        placed(item["properties"], 32631)
        item["properties"] |= style.properties
        for band in RECIPE.ASSETS:
            name = style.asset_of(band)
            values = scenes[band not in scenes[0]][band]
            asset = item["assets"][name] = copy.deepcopy(real["assets"][name])
            if band != "SCL" and style.added:
                values = (values + np.uint16(style.added)).where(values > 0, 0).astype(np.uint16)
            if band != "SCL" and "raster:bands" in asset:
                asset["raster:bands"][0] |= style.stored
            path = folder / item["id"] / f"{band}.tif"
            asset |= RECIPE.write_cog(path, values)
            pointed(asset, path, folder)
        made.append(item)
    return written(made, folder)


def make_landsat(style, shared, folder):
    """Path of `catalog.json`: the Landsat 8 scene of landsat_c2 in the style of a real item.

    Its numbers and QA_PIXEL are genuine Collection 2, its pixels decimated to about 450 m.
    """
    real = json.loads((shared / "stac_items" / f"{style}.json").read_text())
    item = copied(real, LANDSAT, "2019-12-01T15:10:00Z")
    genuine = shared / "landsat_c2" / "chip_008059"
    own = json.loads((genuine / f"{LANDSAT}_SR_stac.json").read_text())
    item["geometry"], item["bbox"] = own["geometry"], own["bbox"]
    item["properties"]["platform"] = real["properties"]["platform"].replace("9", "8")
    placed(item["properties"], 32618)
    for band, name in LANDSAT_BANDS.items():
        path = folder / f"{LANDSAT}_{band}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(genuine / f"{LANDSAT}_{band}.TIF") as source:
            profile = {**source.profile, "driver": "COG", "compress": "deflate"}
            with rasterio.open(path, "w", **without_tiles(profile)) as target:
                target.write(source.read())
            place = {"proj:shape": list(source.shape), "proj:transform": list(source.transform)}
        asset = item["assets"][name] = copy.deepcopy(real["assets"][name])
        asset |= place
        pointed(asset, path, folder)
    for name in ("proj:shape", "proj:transform"):
        item["properties"].pop(name, None)
    return written([item], folder)


LANDSAT_BANDS = {
    "SR_B2": "blue",
    "SR_B3": "green",
    "SR_B4": "red",
    "SR_B5": "nir08",
    "SR_B6": "swir16",
    "SR_B7": "swir22",
    "QA_PIXEL": "qa_pixel",
}


def read_landsat(shared, band):
    """Numbers of one band of that scene as the agency stored them, (y, x), and their grid."""
    path = shared / "landsat_c2" / "chip_008059" / f"{LANDSAT}_{band}.TIF"
    with rasterio.open(path) as source:
        return source.read(1), GeoBox.from_rio(source)


def copied(real, name, time):
    """A real item under another name and time, without assets and links."""
    item = copy.deepcopy(real) | {"id": name, "assets": {}, "links": []}
    item.pop("collection", None)
    item["properties"]["datetime"] = time
    return item


def placed(properties, epsg):
    """Another projection, written as the item wrote its own: proj:code or proj:epsg."""
    if "proj:code" in properties:
        properties["proj:code"] = f"EPSG:{epsg}"
    else:
        properties["proj:epsg"] = epsg
    properties.pop("proj:centroid", None)


def pointed(asset, path, folder):
    """The asset at the file of its copy; what told of the former file is gone."""
    asset["href"] = f"./{path.relative_to(folder).as_posix()}"
    asset["type"] = "image/tiff; application=geotiff; profile=cloud-optimized"
    for name in ("proj:bbox", "alternate", "file:checksum", "file:size"):
        asset.pop(name, None)


def without_tiles(profile):
    """A profile of GeoTIFF without what the COG driver decides itself."""
    own = ("tiled", "blockxsize", "blockysize", "interleave", "photometric")
    return {name: value for name, value in profile.items() if name not in own}


def written(items, folder):
    """A catalogue of items beside it, as JSON that no library has touched."""
    links = [{"rel": "item", "href": f"./{item['id']}.json"} for item in items]
    catalogue = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": folder.name,
        "description": "Copies of real items whose files are chips",
        "links": links,
    }
    for item in items:
        (folder / f"{item['id']}.json").write_text(json.dumps(item, indent=1))
    (folder / "catalog.json").write_text(json.dumps(catalogue, indent=1))
    return folder / "catalog.json"


def items_of(catalogue, *, served_at):
    """Collections and items of a static catalogue as JSON, their assets at an HTTP address."""
    root = Path(catalogue).parent
    opened = pystac.Catalog.from_file(str(catalogue))
    collections = [bare(found.to_dict(include_self_link=False)) for found in opened.get_children()]
    items = []
    for item in opened.get_items(recursive=True):
        item.make_asset_hrefs_absolute()
        for asset in item.assets.values():
            asset.href = f"{served_at}/{Path(asset.href).relative_to(root).as_posix()}"
        items.append(bare(item.to_dict(include_self_link=False)))
    return collections, items


def bare(found):
    """Without links: they name places on disk, and the API gives its own."""
    return {**found, "links": []}
