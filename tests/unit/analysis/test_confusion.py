"""Confusion counts: grids that must match, labels that must be known, nothing read too early."""

import dask
import numpy as np
import pytest
import xarray as xr

from lulc_xr.analysis.confusion import NOT_MAPPED, confusion_counts, legend_of
from lulc_xr.core.errors import CubeError, LegendError
from lulc_xr.core.legend import Legend

LEGEND = Legend.from_names("demo", ["cropland", "woodland", "water"])


def class_map(values, **attrs):
    values = np.array(values, np.uint8)
    coords = {"y": 100.0 - 10 * np.arange(values.shape[0]), "x": 10.0 * np.arange(values.shape[1])}
    return xr.DataArray(values, dims=("y", "x"), coords=coords, attrs=attrs)


PREDICTED = class_map([[0, 0, 1], [255, 2, 255]])
REFERENCE = class_map([[0, 1, 1], [2, 255, 255]])


def test_counts_by_name():
    counts = confusion_counts(PREDICTED, REFERENCE, LEGEND)
    assert counts.dims == ("predicted", "reference")
    assert counts.dtype == np.int64
    assert counts.sel(predicted="cropland", reference="woodland") == 1
    assert counts.sel(predicted=NOT_MAPPED).values.tolist() == [0, 0, 1]
    assert counts.sum() == (REFERENCE != 255).sum()


def test_lazy_maps_stay_lazy_and_are_counted_once():
    runs = []

    def scheduler(dsk, keys, **kwargs):
        runs.append(len(keys))
        return dask.get(dsk, keys, **kwargs)

    with dask.config.set(scheduler=scheduler):
        counts = confusion_counts(PREDICTED.chunk(x=2), REFERENCE.chunk(y=1), LEGEND)
        assert not runs
        assert counts.chunks == ((4,), (3,))
        values = counts.values
    assert runs == [1]
    np.testing.assert_array_equal(values, confusion_counts(PREDICTED, REFERENCE, LEGEND))


def test_no_task_holds_more_than_a_chunk():
    shapes = []

    def seen(block):
        shapes.append(block.shape)
        return block

    big = xr.zeros_like(class_map(np.zeros((40, 30)))).chunk(y=10, x=10)
    counted = confusion_counts(
        big.copy(data=big.data.map_blocks(seen, dtype=np.uint8)), big, LEGEND
    )
    shapes.clear()
    assert int(counted.sum()) == 1200
    assert shapes == [(10, 10)] * 12


def test_maps_in_a_file_are_read_slab_by_slab(monkeypatch):
    monkeypatch.setattr("lulc_xr.analysis.confusion._PIXELS_PER_READ", 3)
    monkeypatch.setattr("lulc_xr.analysis.confusion._PIXELS_AT_ONCE", 2)
    slabs = confusion_counts(PREDICTED, REFERENCE, LEGEND)
    monkeypatch.undo()
    xr.testing.assert_identical(slabs, confusion_counts(PREDICTED, REFERENCE, LEGEND))


def test_order_of_dimensions_and_a_single_year_are_accepted():
    yearly = PREDICTED.expand_dims(year=[2018]).transpose("x", "y", "year")
    xr.testing.assert_identical(
        confusion_counts(yearly, REFERENCE, LEGEND), confusion_counts(PREDICTED, REFERENCE, LEGEND)
    )


def test_samples_with_a_year_each_can_be_counted():
    coords = {"year": ("sample", [2018, 2018, 2022])}
    labels = xr.DataArray(np.array([0, 1, 1], np.uint8), dims="sample", coords=coords)
    assert int(confusion_counts(labels, labels, LEGEND).sum()) == 3


def test_several_years_are_refused():
    yearly = xr.concat([PREDICTED, PREDICTED], "year").assign_coords(year=[2018, 2019])
    with pytest.raises(CubeError, match=r"2 years; expected one.*predicted.sel\(year=2019\)"):
        confusion_counts(yearly, REFERENCE, LEGEND)


def test_maps_of_different_years_are_refused():
    with pytest.raises(CubeError, match=r"of year 2018 and 'reference' of 2019.*drop_vars"):
        confusion_counts(
            PREDICTED.assign_coords(year=2018), REFERENCE.assign_coords(year=2019), LEGEND
        )


def test_shifted_grids_are_refused():
    shifted = REFERENCE.assign_coords(x=REFERENCE.x + 10)
    expected = (
        r"coordinate 'x' of 'predicted' and 'reference' differs at 3 of 3.*0\.0 against 10\.0"
    )
    with pytest.raises(CubeError, match=expected):
        confusion_counts(PREDICTED, shifted, LEGEND)


def test_smaller_grids_are_refused():
    with pytest.raises(CubeError, match=r"3 values along 'x' and 'mask' has 2.*mask.sel"):
        confusion_counts(PREDICTED, REFERENCE, LEGEND, mask=(REFERENCE < 9).isel(x=[0, 1]))


def test_other_dimensions_are_refused():
    with pytest.raises(CubeError, match=r"\('y', 'x'\) and 'reference' has \('x',\)"):
        confusion_counts(PREDICTED, REFERENCE.isel(y=0), LEGEND)


@pytest.mark.parametrize("chunks", [None, {"y": 1}])
def test_labels_outside_the_legend_are_named(chunks):
    wrong = class_map([[0, 1, 1], [2, 9, 9]])
    wrong, predicted = (da.chunk(chunks) if chunks else da for da in (wrong, PREDICTED))
    with pytest.raises(LegendError, match=r"outside legend 'demo': 9 \(2 times\)"):
        confusion_counts(predicted, wrong, LEGEND).compute()


def test_masked_labels_need_not_be_known():
    wrong = class_map([[0, 1, 1], [2, 9, 9]])
    counts = confusion_counts(PREDICTED, wrong, LEGEND, mask=wrong != 9)
    assert int(counts.sum()) == 4


def test_decoded_floats_are_refused():
    with pytest.raises(CubeError, match=r"'predicted' is float32; expected class ids.*open_cube"):
        confusion_counts(PREDICTED.astype("float32"), REFERENCE, LEGEND)


def test_a_mask_of_numbers_is_refused():
    with pytest.raises(CubeError, match=r"'mask' is uint8; expected bool"):
        confusion_counts(PREDICTED, REFERENCE, LEGEND, mask=REFERENCE)


def test_weights_are_summed():
    weights = xr.ones_like(REFERENCE, dtype=float) * 0.5
    counts = confusion_counts(PREDICTED, REFERENCE, LEGEND, weights=weights)
    np.testing.assert_array_equal(
        counts.values, confusion_counts(PREDICTED, REFERENCE, LEGEND).values / 2
    )


@pytest.mark.parametrize("bad", [-1.0, np.nan])
def test_impossible_weights_are_refused(bad):
    weights = xr.full_like(REFERENCE, bad, dtype=float)
    with pytest.raises(CubeError, match=r"weight (-1\.0|nan) at 4 labelled pixels"):
        confusion_counts(PREDICTED, REFERENCE, LEGEND, weights=weights)


def test_legend_comes_from_flags():
    assert legend_of(PREDICTED, class_map([[0]], **LEGEND.flags())) == LEGEND


def test_no_flags_at_all():
    with pytest.raises(LegendError, match=r"neither 'predicted' nor 'reference'.*Pass legend="):
        legend_of(PREDICTED, REFERENCE)


def test_contradicting_flags():
    other = Legend.from_names("other", ["cropland", "water"])
    with pytest.raises(LegendError, match="class id 1 is 'woodland' in 'predicted' and 'water'"):
        legend_of(PREDICTED.assign_attrs(LEGEND.flags()), REFERENCE.assign_attrs(other.flags()))
