"""The page of an assessment: well-formed, self-contained, and true to the figures."""

import base64
import re
import warnings
import zlib
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.errors import NotGeoreferencedWarning

from lulc_xr.analysis.assess import assess
from lulc_xr.analysis.map_pictures import picture_of
from lulc_xr.analysis.page_png import ENTROPY_COLORS, encode_png
from lulc_xr.testing import landscape, points
from tests.unit.analysis.judged_points import EVERYTHING, LEGEND, NAMES, judged_points

VOID = {"meta", "br", "img", "hr", "input", "link"}


class Checked(HTMLParser):
    """Opens and closes every element in turn, and keeps what it finds."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.text, self.ids = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(html):
    page = Checked()
    page.feed(html)
    assert not page.open
    return page


@pytest.fixture(scope="module")
def found():
    judged = judged_points(extra=EVERYTHING)
    transfer = judged[["region", "mapped", "reference"]]
    facts = {"map": "<b>land & cover</b>", "reference": "a.gpkg", "command": "lulc-xr evaluate a"}
    return assess(judged, promised=0.9, transfer=transfer, repeats=50, kappa=True, facts=facts)


@pytest.fixture(scope="module")
def page(found):
    return read(found.to_html())


def test_it_is_well_formed_and_needs_nothing_else(found, page):
    html = found.to_html()
    assert html.startswith("<!DOCTYPE html>")
    assert len(page.ids) == len(set(page.ids))
    assert "script" not in page.tags
    assert "link" not in page.tags
    for name, value in page.attributes:
        assert name not in ("src", "onclick", "srcset")
        assert name != "href" or value.startswith("data:image/png;base64,")
    assert "http://" not in html
    assert "https://" not in html
    assert "@import" not in html
    assert not re.findall(r"url\(", html)


def test_its_charts_are_well_formed_and_named(found):
    charts = re.findall(r"<svg.*?</svg>", found.to_html(), flags=re.DOTALL)
    assert len(charts) > 20
    for chart in charts:
        assert ET.fromstring(chart).get("aria-label")


def test_sections_stand_in_the_order_of_reading(page):
    order = [
        "verdict", "headline", "matrix", "classes", "regions", "subsets", "calibration",
        "coverage", "sets", "applicability", "map", "transfer", "method",
    ]  # fmt: skip
    assert page.ids == order


def test_names_are_told_as_text(found):
    html = found.to_html()
    assert "<b>land & cover</b>" not in html
    assert "&lt;b&gt;land &amp; cover&lt;/b&gt;" in html


def test_numbers_are_those_of_to_dict(found, page):
    told = "".join(page.text)
    values = found.to_dict()
    for row in values["estimates"]:
        if row["estimate"] is None or row["quantity"] == "kappa":
            continue
        shown = row["quantity"] in (
            "overall accuracy", "macro F1", "weighted F1", "user's accuracy",
            "producer's accuracy", "F1",
        ) or (row["quantity"].endswith("disagreement") and not row["class"])  # fmt: skip
        if shown:
            assert f"{100 * row['estimate']:.1f}\xa0%" in told, row
            assert f"{100 * row['low']:.1f}" in told, row
    for table in ("subsets", "regions", "sets", "applicability", "transfer"):
        assert values[table]
        for row in values[table]:
            assert f"{100 * row['estimate']:.1f}\xa0%" in told, (table, row)
    for row in values["calibration"]["scores"]:
        if row["score"] != "accuracy":
            assert f"{row['estimate']:.4f}" in told, row
    for conclusion in values["conclusions"]:
        assert conclusion["text"] in told
    assert "lulc-xr evaluate a" in told
    cells = re.findall(r"<td class=\"(?:hit|off)\"[^>]*>(?:<b>|<span[^>]*>)(\d+)<", found.to_html())
    assert list(map(int, cells)) == [n for row in values["counts"]["values"][:-1] for n in row]


def test_only_what_is_known_has_a_section():
    plain = read(assess(judged_points()).to_html())
    assert plain.ids == ["verdict", "headline", "matrix", "classes", "map", "method"]
    nowhere = assess(judged_points().drop(columns=["x", "y"]))
    assert "map" not in read(nowhere.to_html()).ids


def test_kappa_only_where_asked_for(found):
    assert "Kappa was asked for" in found.to_html()
    assert "Kappa was asked for" not in assess(judged_points()).to_html()


def test_an_odd_map_has_a_page_too():
    judged = judged_points(3, right=0.0)
    judged["mapped"] = np.uint8(255)
    assert "0.0\xa0%" in "".join(read(assess(judged).to_html()).text)
    one = judged_points(1, right=1.0)
    assert read(assess(one).to_html()).ids[0] == "verdict"


def test_a_picture_is_the_mean_of_its_cells_whatever_the_chunks():
    rng = np.random.default_rng(0)
    values = rng.random((700, 900)).astype(np.float32)
    values[:30, :40] = np.nan
    coords = {"y": np.arange(700)[::-1] * 10.0 + 5, "x": np.arange(900) * 10.0 + 5}
    entropy = xr.DataArray(values[None], {"year": [2018], **coords}, ("year", "y", "x"))
    classes = xr.zeros_like(entropy, dtype=np.uint8).assign_attrs(LEGEND.flags())
    maps = xr.Dataset({"land_cover": classes, "land_cover_entropy": entropy})
    (picture,) = picture_of(maps, "land_cover")
    assert picture.values.shape == (234, 300)
    np.testing.assert_allclose(picture.values[100, 50], values[300:303, 150:153].mean(), rtol=1e-6)
    assert np.isnan(picture.values[0, 0])
    assert picture.bounds == (0, 7000 - 234 * 30, 9000, 7000)
    assert picture.top == pytest.approx(np.log(5))
    for chunks in ({"y": 101, "x": 97}, {"y": 700, "x": 13}):
        (again,) = picture_of(maps.chunk(chunks), "land_cover")
        np.testing.assert_allclose(again.values, picture.values, rtol=1e-6)
    (turned,) = picture_of(maps.isel(y=slice(None, None, -1)), "land_cover")
    assert turned.bounds[3] - turned.bounds[1] == pytest.approx(234 * 30)
    assert picture_of(maps[["land_cover"]], "land_cover") == ()


def test_a_picture_is_read_back_by_others(tmp_path):
    values = np.array([[0.0, 0.5, 1.0], [np.nan, 2.0, -1.0]], np.float32)
    path = Path(tmp_path / "small.png")
    path.write_bytes(encode_png(values))
    with warnings.catch_warnings():
        # A picture lies nowhere on Earth, of which rasterio warns.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        file = rasterio.open(path)
    with file:
        index = file.read(1)
        colors = file.colormap(1)
    assert index.tolist() == [[1, 128, 255], [0, 255, 1]]
    assert colors[255][:3] == ENTROPY_COLORS[255]
    assert colors[0][3] == 0


def test_entropy_of_a_map_lies_under_its_points():
    cube = landscape(y=40, x=40, classes=3)
    maps = cube["reference"].to_dataset(name="land_cover")
    maps["land_cover_entropy"] = (("y", "x"), np.full((40, 40), 0.25, np.float32))
    html = assess(maps, points(cube, per_class=10)).to_html()
    data = re.search(r"data:image/png;base64,([A-Za-z0-9+/=]+)", html).group(1)
    png = base64.b64decode(data)
    body = png[png.index(b"IDAT") + 4 : -16]
    raw = np.frombuffer(zlib.decompress(body), np.uint8).reshape(40, 41)
    expected = 1 + round(254 * 0.25 / np.log(3))
    assert (raw[:, 1:] == expected).all()
    assert NAMES[0] not in html
