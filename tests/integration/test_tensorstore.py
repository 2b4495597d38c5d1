"""Another reader of Zarr, written in C++, finds the same numbers."""

import numpy as np
import pytest

import lulc_xr as lx
from tests.predictors import Ratio

tensorstore = pytest.importorskip("tensorstore")
pytestmark = pytest.mark.integration


def read(store, name):
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(store / name)}}
    return tensorstore.open(spec, open=True, read=True).result()


def test_tensorstore_reads_the_same(store):
    outputs = ("land_cover", "entropy", "probability")
    result = lx.classify(lx.open_cube(store), Ratio(), outputs=outputs)
    lx.write_variables(result, store, progress=False)
    expected = lx.open_cube(store, raw=True)
    names = ["reflectance", "clear", *result.data_vars]
    assert len(names) == 5
    for name in names:
        found = read(store, name)
        assert found.domain.labels == tuple(map(str, expected[name].dims))
        values = found.read().result()
        assert values.dtype == expected[name].dtype
        np.testing.assert_array_equal(values, expected[name].values, err_msg=name)
    np.testing.assert_array_equal(read(store, "land_cover").read().result(), result["land_cover"])


def test_tensorstore_reads_a_part_of_a_shard(store):
    part = read(store, "reflectance")[2:5, 1, 10:20, 30].read().result()
    expected = lx.open_cube(store, raw=True)["reflectance"][2:5, 1, 10:20, 30]
    np.testing.assert_array_equal(part, expected)
