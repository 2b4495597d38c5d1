"""Items from lists and static catalogues on disk, filtered by area, time and properties."""

import json

import pystac
import pytest

import lulc_xr as lx
from lulc_xr.cube.catalogue import find_items
from tests.scenes import EAST, bbox_of, grid, landsat, sentinel2

HERE = bbox_of(grid(64))


@pytest.fixture
def items(tmp_path):
    """Four scenes: two in June, one in July, one 60 km to the east."""
    return [
        sentinel2(tmp_path, when="2021-07-01T10:50:00", **{"eo:cloud_cover": 90}),
        sentinel2(tmp_path, when="2021-06-30T23:59:59.500", **{"eo:cloud_cover": 10}),
        landsat(tmp_path, when="2021-06-01T00:00:00", **{"eo:cloud_cover": 50}),
        sentinel2(tmp_path, geobox=grid(64, east=EAST + 60000), tile="31UES"),
    ]


def days(found):
    return [item.datetime.strftime("%m-%d") for item in found]


def test_area_and_time_choose(items):
    assert days(find_items(items, bbox=HERE)) == ["06-01", "06-30", "07-01"]
    assert days(find_items(items, bbox=HERE, start="2021-06", end="2021-06")) == ["06-01", "06-30"]
    assert days(find_items(items, bbox=HERE, start="2021-06-30", end="2021")) == ["06-30", "07-01"]
    assert days(find_items(items, bbox=HERE, end="2021-06-01")) == ["06-01"]
    assert find_items(items, bbox=HERE, start="2022") == []


def test_order_of_a_source_does_not_matter(items):
    assert find_items(items[::-1], bbox=HERE) == find_items(items, bbox=HERE)


def test_properties_and_collections_choose(items):
    def found(**query):
        return days(find_items(items, bbox=HERE, query=query))

    assert found(**{"eo:cloud_cover": {"lt": 60}}) == ["06-01", "06-30"]
    assert found(**{"eo:cloud_cover": {"gte": 50, "lte": 50}}) == ["06-01"]
    assert found(platform="landsat-8") == ["06-01"]
    assert found(platform={"in": ["sentinel-2a"]}) == ["06-30", "07-01"]
    assert found(**{"s2:unknown": {"eq": 1}}) == []
    only = find_items(items, bbox=HERE, collections=["landsat-c2-l2"])
    assert days(only) == ["06-01"]


def test_conditions_that_need_a_server_are_refused(items):
    for query in ("eo:cloud_cover < 60", {"op": "<", "args": [{"property": "eo:cloud_cover"}, 60]}):
        with pytest.raises(lx.CubeError, match=r"is CQL2, which only a STAC API understands"):
            find_items(items, bbox=HERE, query=query)
    with pytest.raises(lx.CubeError, match=r"query of 'eo:cloud_cover': unknown operator 'less'"):
        find_items(items, bbox=HERE, query={"eo:cloud_cover": {"less": 3}})


def test_every_form_on_disk_gives_the_same_items(items, tmp_path):
    folder = tmp_path / "catalogue"
    catalogue = pystac.Catalog("all", "four scenes")
    catalogue.add_items([item.clone() for item in items])
    catalogue.normalize_and_save(str(folder), pystac.CatalogType.SELF_CONTAINED)
    collection = tmp_path / "items.json"
    pystac.ItemCollection(items).save_object(str(collection))
    single = tmp_path / "single"
    single.mkdir()
    for number, item in enumerate(items):
        (single / f"{number}.json").write_text(json.dumps(item.to_dict()))
    want = [item.id for item in find_items(items, bbox=HERE)]
    sources = (
        folder, str(folder / "catalog.json"), collection,
        pystac.Catalog.from_file(str(folder / "catalog.json")),
        pystac.ItemCollection(items), single,
    )  # fmt: skip
    for source in sources:
        assert [item.id for item in find_items(source, bbox=HERE)] == want
    assert [item.id for item in find_items(single / "3.json", bbox=(-180, -90, 180, 90))] == [
        items[3].id
    ]
    cube = lx.load_stac(folder, bands=["blue"], bbox=HERE, end="2021-06")
    assert cube["clear"].values.any()


def test_a_catalogue_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(lx.SourceError, match=r"no catalog\.json.*in folder"):
        find_items(tmp_path, bbox=HERE)
    broken = tmp_path / "catalog.json"
    broken.write_text("{")
    with pytest.raises(lx.SourceError, match=r"could not read .*catalog\.json"):
        find_items(broken, bbox=HERE)
    catalogue = pystac.Catalog("all", "its item vanished")
    catalogue.add_link(pystac.Link("item", str(tmp_path / "gone.json")))
    catalogue.set_self_href(str(broken))
    catalogue.save_object(dest_href=str(broken))
    with pytest.raises(lx.SourceError, match=r"is not whole: .*gone\.json.*Restore what it links"):
        find_items(broken, bbox=HERE)
    with pytest.raises(lx.SourceError, match=r"could not open the STAC API 'http://localhost:9/'"):
        find_items("http://localhost:9/", bbox=HERE)
