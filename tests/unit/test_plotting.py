"""Maps as they are drawn: colours at known pixels, names in the key, limits and frames."""

import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from lulc_xr import plotting
from lulc_xr.core.errors import CubeError, LegendError
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.testing import landscape


@pytest.fixture(scope="module")
def mapped():
    """A landscape of 24 x 30 pixels whose class map is its reference, but for a corner."""
    cube = landscape(y=24, x=30, time=12, classes=4, seed=3)
    legend = Legend.from_flags(cube["reference"].attrs)
    ids = cube["reference"].values.copy()
    ids[:4, :5] = FILL_CLASS
    entropy = np.linspace(0, np.log(4), ids.size, dtype=np.float32).reshape(ids.shape)
    entropy[ids == FILL_CLASS] = np.nan
    return cube.assign(
        land_cover=(("year", "y", "x"), ids[None], legend.flags()),
        land_cover_entropy=(("year", "y", "x"), entropy[None]),
    ).assign_coords(year=[2018])


@pytest.fixture(autouse=True)
def pyplot_knows_of_no_figure():
    yield
    assert plt.get_fignums() == []


def image_of(ax):
    (image,) = ax.images
    return image


def drawn_color(ax, y, x):
    """The colour on the finished picture at a place of the map, as #rrggbb."""
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    column, row = ax.transData.transform((x, y))
    return to_hex(pixels[pixels.shape[0] - 1 - int(row), int(column), :3] / 255)


def key_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_every_class_has_its_color(mapped):
    ax = plotting.plot_map(mapped["land_cover"])
    colors = image_of(ax).get_array()
    ids = mapped["land_cover"].values[0]
    legend = Legend.from_flags(mapped["land_cover"].attrs)
    for class_id, color in zip(legend.ids, legend.colors, strict=True):
        assert {to_hex(c / 255) for c in colors[ids == class_id]} == {color}
    assert (colors[ids == FILL_CLASS, 3] == 0).all()


@pytest.mark.parametrize("flip", [False, True])
def test_colors_lie_at_their_coordinates(mapped, flip):
    class_map = mapped["land_cover"].isel(year=0)
    ax = plotting.plot_map(class_map[::-1] if flip else class_map)
    legend = Legend.from_flags(class_map.attrs)
    for row, column in ((0, 29), (23, 0), (23, 29), (11, 14)):
        pixel = class_map[row, column]
        expected = legend.colors[legend.ids.index(int(pixel))]
        assert drawn_color(ax, float(pixel.y), float(pixel.x)) == expected
    assert ax.get_xlim() == (class_map.x.min() - 5, class_map.x.max() + 5)
    assert ax.get_ylim() == (class_map.y.min() - 5, class_map.y.max() + 5)
    assert ax.get_aspect() == 1


def test_key_names_what_occurs(mapped):
    class_map = mapped["land_cover"]
    names = [n.replace("_", " ") for n in Legend.from_flags(class_map.attrs).names]
    assert key_of(plotting.plot_map(class_map)) == [*names, "not mapped"]
    only = class_map.where(class_map == 1, 1).astype(np.uint8).assign_attrs(class_map.attrs)
    ax = plotting.plot_map(only)
    assert key_of(ax) == names[1:2]
    assert ax.patch.get_hatch() is None


def test_not_mapped_is_hatched_grey(mapped):
    ax = plotting.plot_map(mapped["land_cover"])
    assert ax.patch.get_hatch()
    corner = mapped["land_cover"][0, :4, :5]
    place = float(corner.y.mean()), float(corner.x.mean())
    red, green, blue = (int(drawn_color(ax, *place)[i : i + 2], 16) for i in (1, 3, 5))
    assert red == green == blue
    assert red > 170


def test_given_axes_are_drawn_on(mapped):
    ax = Figure().subplots()
    assert plotting.plot_map(mapped["land_cover"], ax=ax) is ax
    assert ax.get_title() == "Class map 2018"


def test_unknown_class_ids_are_refused(mapped):
    with pytest.raises(LegendError, match="labels outside legend 'short'"):
        plotting.plot_map(mapped["land_cover"], legend=Legend.from_names("short", ["crop"]))


def test_two_years_are_refused(mapped):
    years = xr.concat([mapped["land_cover"]] * 2, "year")
    with pytest.raises(CubeError, match=r"expected \(y, x\).*Choose one year first"):
        plotting.plot_map(years)


def test_large_maps_are_thinned_and_stay_in_place(mapped, monkeypatch):
    class_map = mapped["land_cover"]
    whole = plotting.plot_map(class_map)
    monkeypatch.setattr(plotting, "_PIXELS_A_SIDE", 10)
    thinned = plotting.plot_map(class_map)
    assert image_of(thinned).get_array().shape == (8, 10, 4)
    assert image_of(thinned).get_extent() == image_of(whole).get_extent()
    for row, column in ((15, 18), (21, 0), (3, 27)):
        pixel = class_map[0, row, column]
        place = float(pixel.y), float(pixel.x)
        assert drawn_color(thinned, *place) == drawn_color(whole, *place)


@pytest.mark.parametrize(("rows", "columns"), [(1, 30), (24, 1), (1, 1)])
def test_maps_of_one_row_or_column_have_square_pixels(mapped, rows, columns):
    ax = plotting.plot_map(mapped["land_cover"].isel(y=slice(rows), x=slice(columns)))
    left, right, bottom, top = image_of(ax).get_extent()
    assert (right - left) / columns == pytest.approx(abs(top - bottom) / rows)


def test_entropy_spans_zero_to_the_logarithm(mapped):
    ax = plotting.plot_entropy(mapped["land_cover_entropy"], classes=4)
    image = image_of(ax)
    assert image.get_clim() == pytest.approx((0, np.log(4)))
    np.testing.assert_array_equal(
        np.ma.filled(image.get_array(), np.nan), mapped["land_cover_entropy"].values[0]
    )
    assert image.colorbar.ax.get_ylabel() == "nats; ln 4 = 1.39: all classes equally probable"
    assert ax.patch.get_hatch()


def test_entropy_without_classes_ends_at_the_largest(mapped):
    entropy = mapped["land_cover_entropy"] / 2
    image = image_of(plotting.plot_entropy(entropy))
    assert image.get_clim() == pytest.approx((0, np.log(4) / 2))
    assert image.colorbar.ax.get_ylabel() == "nats"


def test_too_few_classes_for_the_entropy(mapped):
    with pytest.raises(CubeError, match=r"entropy reaches 1\.386 nats, but ln 3 = 1\.099"):
        plotting.plot_entropy(mapped["land_cover_entropy"], classes=3)


def test_entropy_of_nothing_mapped_is_all_hatched(mapped):
    ax = plotting.plot_entropy(xr.full_like(mapped["land_cover_entropy"], np.nan), classes=4)
    assert np.ma.getmaskarray(image_of(ax).get_array()).all()
    assert ax.patch.get_hatch()


def test_true_color_is_red_green_blue_of_the_date(mapped):
    date = mapped["time"].values[5]
    clear = mapped.assign(clear=xr.ones_like(mapped["clear"])).fillna(0.1)
    ax = plotting.plot_true_color(clear, time=date, stretch=(0, 100))
    colors = image_of(ax).get_array()
    for channel, band in enumerate(("red", "green", "blue")):
        values = clear["reflectance"].sel(time=date, band=band).values
        assert colors[np.unravel_index(values.argmax(), values.shape)][channel] == 255
        assert colors[np.unravel_index(values.argmin(), values.shape)][channel] == 0
        order = values.ravel().argsort()
        assert (np.diff(colors[..., channel].ravel()[order].astype(int)) >= 0).all()
    assert ax.get_title() == f"True colour, {str(date)[:10]}"


def test_clearest_date_is_shown_and_of_equals_the_one_near_midsummer(mapped):
    clear = xr.zeros_like(mapped["clear"])
    clear[[2, 6]] = 1
    best = mapped.assign(clear=clear)
    assert str(mapped.time.values[6])[:10] in plotting.plot_true_color(best).get_title()
    clear[6, 0, 0] = 0
    assert str(mapped.time.values[2])[:10] in plotting.plot_true_color(best).get_title()


@pytest.mark.parametrize("stored", ["float32", "int16"])
def test_missing_reflectance_is_grey_however_it_is_stored(mapped, stored):
    holed = mapped["reflectance"].fillna(0.1)
    holed[:, 2, 10, 12] = np.nan
    if stored == "int16":
        holed = (holed / 1e-4).round().fillna(-9999).astype(np.int16)
    ax = plotting.plot_true_color(mapped.drop_vars("clear").assign(reflectance=holed))
    alpha = image_of(ax).get_array()[..., 3]
    assert (np.argwhere(alpha == 0) == [[10, 12]]).all()
    assert (alpha == 0).sum() == 1
    assert ax.patch.get_hatch()


def test_true_color_needs_its_bands(mapped):
    with pytest.raises(CubeError, match="unknown band 'green'"):
        plotting.plot_true_color(mapped.sel(band=["red", "blue", "nir"]))
    with pytest.raises(CubeError, match=r"stretch \(98, 2\): expected two ascending percentiles"):
        plotting.plot_true_color(mapped, stretch=(98, 2))


def test_overview_has_four_panels_of_one_frame(mapped):
    figure = plotting.plot_overview(mapped, reference=mapped["reference"], title="Made up")
    true_color, reference, class_map, entropy = figure.axes[:4]
    assert true_color.get_title().startswith("True colour, 2018-")
    titles = [ax.get_title() for ax in (reference, class_map, entropy)]
    assert titles == ["Reference", "Class map 2018", "Entropy 2018"]
    assert figure.get_suptitle() == "Made up"
    assert len({(ax.get_xlim(), ax.get_ylim()) for ax in figure.axes[:4]}) == 1
    assert image_of(entropy).get_clim() == pytest.approx((0, np.log(4)))
    assert len(key_of(class_map)) == 5
    assert class_map.get_xlabel() == "Easting (km)"
    assert class_map.get_ylabel() == "Northing (km)"
    assert (image_of(reference).get_array()[..., 3] == 255).all()


def test_nothing_of_the_overview_is_cut_off_or_overlaps(mapped):
    figure = plotting.plot_overview(mapped, reference=mapped["reference"], title="Made up")
    FigureCanvasAgg(figure).draw()
    boxes = [ax.get_tightbbox() for ax in figure.axes[:4]]
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    apart = [
        a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
        for i, a in enumerate(boxes)
        for b in boxes[:i]
    ]
    assert len(apart) == 6
    assert all(apart)


def test_overview_without_reference_and_of_a_chosen_year(mapped):
    maps = mapped[["land_cover", "land_cover_entropy"]]
    years = xr.concat([maps, maps], "year").assign_coords(year=[2018, 2019])
    cube = xr.merge([mapped[["reflectance", "clear"]], years])
    figure = plotting.plot_overview(cube, year=2018)
    assert [ax.get_title() for ax in figure.axes[1:3]] == ["Class map 2018", "Entropy 2018"]
    assert plotting.plot_overview(cube).axes[1].get_title() == "Class map 2019"
    with pytest.raises(CubeError, match=r"unknown year '2020'. Known, nearest first: 201"):
        plotting.plot_overview(cube, year=2020)


def test_overview_of_an_unclassified_cube(mapped):
    with pytest.raises(CubeError, match=r"no variable 'land_cover'.*Classify the cube first"):
        plotting.plot_overview(mapped[["reflectance", "clear"]])


def test_notebooks_can_show_a_figure(mapped):
    picture = plotting.plot_overview(mapped)._repr_png_()
    assert picture.startswith(b"\x89PNG")


def test_ticks_are_told_apart(mapped):
    ax = plotting.plot_map(mapped["land_cover"])
    FigureCanvasAgg(ax.figure).draw()
    for axis in (ax.xaxis, ax.yaxis):
        texts = [label.get_text() for label in axis.get_ticklabels()]
        assert len(set(texts)) == len(texts) > 1
        assert [float(t) * 1000 for t in texts] == pytest.approx(list(axis.get_majorticklocs()))


def test_small_coordinates_are_in_metres_and_degrees_stay(mapped):
    local = mapped["land_cover"].assign_coords(
        x=("x", 5.0 + 10 * np.arange(30), {"units": "m"}),
        y=("y", 50 - 0.1 * np.arange(24), {"units": "degrees_north"}),
    )
    ax = plotting.plot_map(local)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Easting (m)", "Latitude (°)")
