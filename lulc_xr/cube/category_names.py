"""Names and colours of classes as GDAL and QGIS read them: the file .aux.xml beside a raster."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from lulc_xr.core.legend import Legend

SUFFIX = ".aux.xml"
# GDAL's codes of types and uses of columns (gdal.h: GDALRATFieldType, GDALRATFieldUsage).
_WHOLE, _TEXT = 0, 2
_COLUMNS = (
    ("Value", _WHOLE, 5), ("Class_name", _TEXT, 2), ("Red", _WHOLE, 6), ("Green", _WHOLE, 7),
    ("Blue", _WHOLE, 8),
)  # fmt: skip


def category_xml(legend: Legend, *, bands: int = 1) -> bytes:
    """GDAL's auxiliary file: a name for each value, and a table of values, names and colours.

    Parameters
    ----------
    legend : Legend
        The classes.
    bands : int
        Bands of the file; all have these classes.

    References
    ----------
    GDAL, raster data model (category names, raster attribute table) and
    https://github.com/OSGeo/gdal/blob/master/data/pam.xsd
    """
    root = ET.Element("PAMDataset")
    named = {c.class_id: c.name for c in legend.classes}
    for number in range(1, bands + 1):
        band = ET.SubElement(root, "PAMRasterBand", band=str(number))
        names = ET.SubElement(band, "CategoryNames")
        # One name for each value from 0 on; values between classes have none.
        for value in range(max(named) + 1):
            ET.SubElement(names, "Category").text = named.get(value, "")
        _add_table(band, legend)
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8")
    return written + b"\n"


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue of ``#rrggbb``, 0 to 255.

    Examples
    --------
    >>> rgb("#ff8000")
    (255, 128, 0)
    """
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def _add_table(band: ET.Element, legend: Legend) -> None:
    table = ET.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for index, (title, kind, use) in enumerate(_COLUMNS):
        column = ET.SubElement(table, "FieldDefn", index=str(index))
        for key, value in (("Name", title), ("Type", kind), ("Usage", use)):
            ET.SubElement(column, key).text = str(value)
    for index, entry in enumerate(legend.classes):
        row = ET.SubElement(table, "Row", index=str(index))
        for value in (entry.class_id, entry.name, *rgb(entry.color)):
            ET.SubElement(row, "F").text = str(value)
