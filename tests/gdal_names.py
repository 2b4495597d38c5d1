"""What GDAL itself says of the classes of a file, as QGIS asks it; rasterio has no words for it."""

import ctypes
import ctypes.util
from pathlib import Path

import pytest
import rasterio

_NAME, _RED = 2, 6


def read_names(path):
    """Category names, and rows (value, name, red, green, blue) of the attribute table, of band 1.

    Skips where GDAL's library is not found beside rasterio or in the system.
    """
    libraries = Path(rasterio.__file__).parent.with_name("rasterio.libs").glob("libgdal*")
    found = next(map(str, libraries), None) or ctypes.util.find_library("gdal")
    if found is None:
        pytest.skip("the library of GDAL is not found")
    gdal = ctypes.CDLL(found)
    pointer, text, whole = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int

    def function(name, result, *arguments):
        made = getattr(gdal, name)
        made.restype, made.argtypes = result, arguments
        return made

    gdal.GDALAllRegister()
    file = function("GDALOpen", pointer, text, whole)(str(path).encode(), 0)
    assert file
    band = function("GDALGetRasterBand", pointer, pointer, whole)(file, 1)
    # GDAL reads the file beside a GeoTIFF when it is first asked for what only that one holds.
    table = function("GDALGetDefaultRAT", pointer, pointer)(band)
    listed = function("GDALGetRasterCategoryNames", ctypes.POINTER(text), pointer)(band)
    names = []
    while listed and listed[len(names)] is not None:
        names.append(listed[len(names)])
    rows = []
    if table:
        value = function("GDALRATGetValueAsString", text, pointer, whole, whole)
        use = function("GDALRATGetColOfUsage", whole, pointer, whole)
        assert use(table, _NAME) == 1
        assert use(table, _RED) == 2
        count = function("GDALRATGetRowCount", whole, pointer)(table)
        rows = [tuple(value(table, i, j).decode() for j in range(5)) for i in range(count)]
    found = [name.decode() for name in names], rows
    function("GDALClose", None, pointer)(file)
    return found
