"""The evidence of exact fractions, on one small case."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.evidence import exact_fractions


@pytest.fixture(scope="module")
def case():
    return exact_fractions.Case(
        grid="EUR-0275", crs="EPSG:3035", step=300.0, side=2, cell=(820, 720), limit=3e-3
    )


def test_brute_force_fills_the_cells(case):
    """2 % of the pixels have no class; geodesic areas and split pixels agree on the rest."""
    np.testing.assert_allclose(case.truth.sum(axis=0), 0.98, atol=0.02)


@pytest.mark.parametrize("name", ["lulc_xr.fractions", "exactextract, polygons in the map's CRS"])
def test_exact_programs_agree_with_brute_force(case, name, tmp_path):
    found = exact_fractions.METHODS[name](case, tmp_path)
    np.testing.assert_allclose(found, case.truth, atol=5e-5)


@pytest.mark.skipif(shutil.which("cdo") is None, reason="cdo is not installed")
def test_cdo_agrees_with_brute_force(case, tmp_path):
    found = exact_fractions.with_cdo(case, Path(tmp_path))
    np.testing.assert_allclose(found, case.truth, atol=5e-5)


def test_average_of_gdal_does_not(case, tmp_path):
    found = exact_fractions.METHODS["GDAL average"](case, tmp_path)
    assert np.abs(found - case.truth).max() > 0.01
