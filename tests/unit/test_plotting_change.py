"""Change to look at: every area is told, labels keep apart, and what cannot be shown is refused."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle

import lulc_xr as lx
from lulc_xr.core.errors import CubeError
from lulc_xr.plotting_ribbons import apart
from tests.unit.analysis.yearly_maps import LEGEND, as_maps, drawn


@pytest.fixture
def changes():
    return lx.transitions(drawn(years=4, y=30, x=30)).compute()


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_ribbons_are_as_wide_as_the_areas(changes):
    ax = lx.plot_transitions(changes, period="2018-2019")
    area = changes["transition_area"].isel(period=0)
    total = float(area.sum())
    bars = [p for p in ax.patches if isinstance(p, Rectangle)]
    assert len(bars) == 2 * len(LEGEND)
    full = sum(bar.get_height() for bar in bars[: len(LEGEND)]) / total
    ribbons = [p for p in ax.patches if isinstance(p, PathPatch)]
    assert len(ribbons) == int((area > 0).sum())
    drawn_ = sorted(
        float(r.get_path().vertices[7, 1] - r.get_path().vertices[0, 1]) for r in ribbons
    )
    np.testing.assert_allclose(drawn_, np.sort(area.values[area.values > 0]) * full)
    colors = {to_hex(r.get_facecolor()) for r in ribbons}
    assert colors == set(LEGEND.colors)


def test_ribbons_follow_from_year_to_year(changes):
    ax = lx.plot_transitions(changes)
    assert [w for w in words(ax) if w.isdigit()] == ["2018", "2019", "2020", "2021"]
    assert ax.get_title() == "Land cover 2018 to 2021"
    bars = [p for p in ax.patches if isinstance(p, Rectangle)]
    assert len(bars) == 4 * len(LEGEND)
    jumping = lx.transitions(drawn(years=4), years=[(2018, 2021), (2018, 2020)])
    assert lx.plot_transitions(jumping).get_title() == "Land cover 2018 to 2021"


def test_areas_are_told_beside_the_bars():
    before, after = np.full((20, 50), 3), np.full((20, 50), 3)
    before[:5], after[:3] = 7, 7
    changes = lx.transitions(as_maps([before, after]))
    told = words(lx.plot_transitions(changes))
    assert {"crop  7.5 ha", "grass  2.5 ha", "crop  8.5 ha", "grass  1.5 ha"} < set(told)
    told = words(lx.plot_transitions(changes, kept=False))
    assert {"grass  −10 000 m²", "crop  +10 000 m²"} < set(told)


@pytest.mark.parametrize("kind", ["sankey", "matrix"])
@pytest.mark.parametrize("classes", [3, 12, 30])
def test_labels_do_not_overlap(kind, classes):
    legend = lx.Legend.from_names("many", [f"a_class_called_{n}" for n in range(classes)])
    shares = np.random.default_rng(0).dirichlet(np.full(classes, 0.3))
    rng = np.random.default_rng(1)
    values = rng.choice(classes, (2, 60, 60), p=shares)
    changes = lx.transitions(as_maps(values, legend=legend))
    ax = lx.plot_transitions(changes, kind=kind)
    # Leaning labels have boxes that overlap where the words do not.
    upright = [t for t in ax.texts if not t.get_rotation()]
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    boxes = [t.get_window_extent(canvas.get_renderer()) for t in upright]
    assert len(boxes) > classes / 2
    for n, one in enumerate(boxes):
        for other in boxes[:n]:
            wide = min(one.x1, other.x1) - max(one.x0, other.x0)
            tall = min(one.y1, other.y1) - max(one.y0, other.y0)
            # Boxes leave room for ascenders and descenders.
            assert wide <= 1 or tall <= 3


def test_a_matrix_tells_every_area(changes):
    ax = lx.plot_transitions(changes, kind="matrix", period="2019-2020")
    area = changes["transition_area"].isel(period=1).values
    told = words(ax)
    for value in area.ravel():
        assert f"{value:,.0f}".replace(",", " ") in told
    for total in (*area.sum(axis=0), *area.sum(axis=1)):
        assert f"{total:,.0f}".replace(",", " ") in told
    assert "2019, m²" in told
    assert "2020, m²" in told
    assert ax.get_title() == "Land cover 2019 to 2020"


def test_classes_that_do_not_occur_are_left_out():
    changes = lx.transitions(as_maps([[[3, 3, 7]], [[3, 7, 7]]]))
    for kind in ("sankey", "matrix"):
        told = " ".join(words(lx.plot_transitions(changes, kind=kind)))
        assert "crop" in told
        assert "water" not in told


def test_zones_are_summed_or_chosen():
    maps = drawn(years=2)
    zones = xr.DataArray(np.repeat([[1, 2]], 17, 0).repeat([11, 12], 1), dims=("y", "x"))
    changes = lx.transitions(maps, zones)
    whole = lx.plot_transitions(lx.transitions(maps), kind="matrix")
    assert words(lx.plot_transitions(changes, kind="matrix")) == words(whole)
    one = lx.plot_transitions(lx.transitions(maps.isel(x=slice(None, 11))), kind="matrix")
    for zone in (1, {"zone": 1}):
        assert words(lx.plot_transitions(changes, kind="matrix", zone=zone)) == words(one)


def test_axes_may_be_given_and_pyplot_knows_no_figure_of_ours(changes):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    made = lx.plot_transitions(changes)
    assert made.figure._repr_png_()[:4] == b"\x89PNG"
    assert pyplot.get_fignums() == before
    figure = Figure()
    own = figure.subplots()
    assert lx.plot_transitions(changes, ax=own) is own


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "chord"}, "unknown kind of plot 'chord'"),
        ({"period": "2018-2021"}, "unknown period '2018-2021'. Known, nearest first: 2018-2019"),
        ({"zone": 3}, "no zone 3 along any dimension"),
    ],
)
def test_what_cannot_be_shown_is_refused(changes, settings, said):
    with pytest.raises(CubeError, match=said):
        lx.plot_transitions(changes, **settings)


def test_nothing_to_show_is_said():
    same = lx.transitions(as_maps([[[3, 7]], [[3, 7]]]))
    with pytest.raises(CubeError, match=r"changed its class. Pass kept=True"):
        lx.plot_transitions(same, kept=False)
    with pytest.raises(CubeError, match="mapped in both years"):
        lx.plot_transitions(lx.transitions(as_maps([[[255]], [[3]]])))
    with pytest.raises(CubeError, match="no transition_area"):
        lx.plot_transitions(xr.Dataset())


def test_places_are_moved_apart_and_no_further():
    np.testing.assert_allclose(apart(np.array([0.1, 0.5]), 0.1), [0.1, 0.5])
    np.testing.assert_allclose(apart(np.array([0.5, 0.5, 0.9]), 0.1), [0.45, 0.55, 0.9])
    np.testing.assert_allclose(apart(np.array([0.0, 0.01]), 0.1), [0.0, 0.1])
