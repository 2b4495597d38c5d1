"""The report of Czechia: honest about what the map is made of, the same whatever the chunks."""

import dask
import numpy as np
import pytest

from benchmarks.evidence import czech_report


@pytest.fixture(scope="module")
def czechia(shared_data):
    if not (shared_data / "elc10" / "points.parquet").is_file():
        pytest.skip("the points of ELC10 are not there")
    return shared_data


@pytest.fixture(scope="module")
def found(czechia):
    return czech_report.assess(czechia)


def test_no_point_is_judged_that_the_map_is_made_of(czechia, found):
    whole = czech_report.read_points(czechia, all_points=True)
    assert len(whole) == 5037
    known = set(czech_report._elc10(czechia)["POINT_ID"])
    used = whole["point_id"].astype(int).isin(known)
    assert found.total == found.points["judged"] == (~used).sum()
    assert not set(found.judged["point_id"].astype(int)) & known


def test_figures_are_counted_from_the_points(found):
    right = found.judged["mapped"] == found.judged["reference"]
    assert found.estimate("overall accuracy").value == pytest.approx(right.mean())
    assert found.regions["samples"].sum() == found.total
    low, high = found.estimate("overall accuracy").low, found.estimate("overall accuracy").high
    # Neighbours within 50 km err alike: wider than for as many points by themselves.
    alone = 2 * 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / found.total)
    assert high - low > 1.3 * alone


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
@pytest.mark.parametrize("chunks", [{"y": 31, "x": 53}, {"y": 500, "x": 7}])
def test_chunks_and_scheduler_change_no_number(czechia, found, scheduler, chunks):
    with dask.config.set(scheduler=scheduler):
        again = czech_report.assess(czechia, chunks=chunks)
    first, second = found.to_dict(), again.to_dict()
    assert first.pop("facts").keys() == second.pop("facts").keys()
    assert first == second
    assert again.judged.equals(found.judged)
    for one, other in zip(found.pictures, again.pictures, strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=1e-6)
