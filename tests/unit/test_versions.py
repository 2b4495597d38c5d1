"""Versions for reports of faults."""

import numpy as np
import xarray as xr

import lulc_xr as lx
from lulc_xr.versions import versions


def test_versions_are_those_in_use(capsys):
    found = versions()
    assert found["numpy"] == np.__version__
    assert found["xarray"] == xr.__version__
    lx.show_versions()
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines == {name: str(value) for name, value in found.items()}
