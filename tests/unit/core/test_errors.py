"""Errors are of two kinds at once, survive a pickle, and list names nearest first."""

import pickle

import pytest

from lulc_xr.core import errors
from lulc_xr.core.require import require


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.CubeError, ValueError),
        (errors.LegendError, ValueError),
        (errors.ModelError, ValueError),
        (errors.SampleError, ValueError),
        (errors.StoreError, OSError),
    ],
)
def test_errors_are_also_builtin_and_travel_between_processes(kind, builtin):
    assert issubclass(kind, builtin)
    assert issubclass(kind, errors.LulcError)
    back = pickle.loads(pickle.dumps(kind("said")))
    assert (type(back), str(back)) == (kind, "said")


def test_the_nearest_name_comes_first():
    said = errors.name_unknown("band", "rededge", ["blue", "rededge1", "red"])
    assert said == "unknown band 'rededge'. Known, nearest first: rededge1, red, blue."
    assert errors.name_unknown("band", "red", []).endswith("nearest first: none.")


def test_an_optional_library_says_how_to_install_it():
    assert require("json", extra="viz").dumps([1]) == "[1]"
    with pytest.raises(ImportError, match=r"'no_such_library' .*pip install 'lulc_xr\[viz\]'"):
        require("no_such_library", extra="viz")
