"""Samples of several years: each point in its own, and what becomes of the others."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lulc_xr.core.dates import RawDates, RegularDates
from lulc_xr.core.errors import SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.models.sample_predictions import predict_samples
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.loader import SampleBatches
from lulc_xr.testing import landscape
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fit import fit

LEGEND = Legend.from_names("t", ["a", "b"])


def shifted(cube, years):
    return cube.assign_coords(time=cube.time + np.timedelta64(365 * years, "D"))


@pytest.fixture(scope="module")
def cube():
    """Three years of which the last is a leap year; all pixels seen."""
    first = landscape(y=20, x=20, time=24, bands=("red", "nir"))
    later = landscape(y=20, x=20, time=26, bands=("red", "nir"), seed=1)
    last = landscape(y=20, x=20, time=24, bands=("red", "nir"), seed=2)
    made = xr.concat(
        [c.drop_vars("reference") for c in (first, shifted(later, 1), shifted(last, 2))], "time"
    )
    made["clear"][:] = np.uint8(1)
    made["reflectance"] = made.reflectance.fillna(np.float32(0.1))
    return made


@pytest.fixture
def frame():
    """Six points with labels and years, one of which no cube covers."""
    return pd.DataFrame(
        {
            "x": 500_005.0 + 10 * np.arange(6),
            "y": 5_599_995.0,
            "land_cover": [0, 1, 0, 1, 0, 1],
            "year": [2018, 2020, 2019, 2018, 2012, 2020],
        }
    )


def test_each_point_is_sampled_in_its_own_year(cube, frame) -> None:
    with pytest.warns(UserWarning, match=r"1 have a year it does not cover \(2012: 1\)"):
        samples = extract_samples(cube, frame, legend=LEGEND, years="match")
    assert samples.year.values.tolist() == [2018, 2020, 2019, 2018, 2020]
    assert samples.attrs["points_without_year"] == 1
    assert samples.day.dims == ("sample", "time")
    for year in (2018, 2019, 2020):
        alone = extract_samples(cube, frame, legend=LEGEND, year=year)
        own = samples.isel(sample=samples.year.values == year)
        same = alone.sel(sample=np.isin(alone.point_id, own.point_id))
        np.testing.assert_array_equal(own.reflectance, same.reflectance)
        assert (own.day.values == alone.day.values).all()
    # March begins on day 60 of a leap year.
    assert samples.day.isel(time=2).values.tolist() == [59, 60, 59, 59, 60]


def test_the_survey_date_names_the_mapped_year(cube, frame) -> None:
    dated = frame.drop(columns="year").assign(
        survey_date=pd.to_datetime(["2018-11-02", "2019-10-30", "2019-12-01", None, "2020-01-05",
                                    "2020-02-01"])
    )  # fmt: skip
    dates = RegularDates(start_month=11)
    with pytest.warns(UserWarning, match=r"does not cover \(none given: 1\)"):
        samples = extract_samples(cube, dated, legend=LEGEND, dates=dates, years="match")
    assert samples.year.values.tolist() == [2019, 2019, 2020, 2020, 2020]
    both = dated.assign(year=[2019, np.nan, np.nan, 2020, np.nan, np.nan])
    with_both = extract_samples(cube, both, legend=LEGEND, dates=dates, years="match")
    assert with_both.year.values.tolist() == [2019, 2019, 2020, 2020, 2020, 2020]


def test_several_years_give_several_samples_of_a_point(cube, frame) -> None:
    samples = extract_samples(cube, frame, legend=LEGEND, years=[2018, 2019])
    assert samples.year.values.tolist() == [2018, 2019] * 6
    assert samples.point_id.values.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    # No leap year among them: all samples share their days.
    assert samples.day.dims == ("time",)
    assert "time" not in samples.coords


def test_raw_dates_are_filled_up_to_the_longest_year(cube, frame) -> None:
    dates = RawDates(maximum=30)
    samples = extract_samples(cube, frame, legend=LEGEND, dates=dates, years=[2018, 2019])
    assert samples.sizes["time"] == 26
    short = samples.isel(sample=samples.year.values == 2018)
    assert np.isnan(short.reflectance[:, 24:]).all()
    assert not np.isnan(short.reflectance[:, :24]).any()
    assert (short.day[:, 24:] == short.day[:, 23]).all()
    batch = next(iter(SampleBatches(samples, shuffle=False)))
    np.testing.assert_array_equal(batch["days"].numpy(), samples.day)
    assert batch["mask"][0].tolist() == [True] * 24 + [False] * 2


def test_every_chunk_is_read_once_for_all_years(cube, frame) -> None:
    whole = extract_samples(cube, frame, legend=LEGEND, years=[2018, 2019, 2020])
    lazy = cube.chunk({"y": 7, "x": 6, "time": 11})
    xr.testing.assert_identical(
        extract_samples(lazy, frame, legend=LEGEND, years=[2018, 2019, 2020]), whole
    )


def test_a_network_learns_from_several_years(cube, frame) -> None:
    samples = extract_samples(cube, frame, legend=LEGEND, years=[2018, 2020])
    classifier = fit(samples, "ltae", config=TrainConfig(epochs=1, progress=False))
    found = predict_samples(classifier, samples)
    for year in (2018, 2020):
        inside = samples.year.values == year
        alone = extract_samples(cube, frame, legend=LEGEND, year=year)
        expected = predict_samples(classifier, alone)
        np.testing.assert_allclose(
            found.land_cover_probability[inside], expected.land_cover_probability, atol=1e-6
        )


def test_years_that_cannot_be_are_refused(cube, frame) -> None:
    with pytest.raises(SampleError, match="years='all'; expected 'match'"):
        extract_samples(cube, frame, legend=LEGEND, years="all")
    with pytest.raises(
        SampleError, match=r"years=\[2018, 2018\]; expected at least one year, each"
    ):
        extract_samples(cube, frame, legend=LEGEND, years=[2018, 2018])
    with pytest.raises(SampleError, match="year=2018 and years=2019; give one of them"):
        extract_samples(cube, frame, legend=LEGEND, year=2018, years=2019)
    with pytest.raises(SampleError, match=r"covers 3 whole mapped years .*years='match'"):
        extract_samples(cube, frame, legend=LEGEND)
    with pytest.raises(SampleError, match="give a column 'year' or 'survey_date'"):
        extract_samples(cube, frame.drop(columns="year"), legend=LEGEND, years="match")
    with pytest.raises(SampleError, match=r"column 'year' holds 2018\.5; a year is a whole"):
        extract_samples(cube, frame.assign(year=2018.5), legend=LEGEND, years="match")
    with pytest.raises(SampleError, match=r"no sample is left: .*6 have a year .*2012: 6"):
        extract_samples(cube, frame.assign(year=2012), legend=LEGEND, years="match")
