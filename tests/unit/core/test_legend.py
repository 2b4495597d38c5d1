"""Legends: what is refused, and how they are shown."""

import pytest

from lulc_xr.core.errors import LegendError
from lulc_xr.core.legend import Legend, LegendClass
from tests.predictors import LEGEND


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LegendClass(class_id=255, name="sea"), "class id 255 of 'sea' is outside 0-254"),
        (lambda: LegendClass(class_id=-1, name="sea"), "choose another id"),
        (lambda: LegendClass(class_id=1, name="open sea"), "has blanks.*Join its words with '_'"),
        (lambda: LegendClass(class_id=1, name=""), "is empty"),
        (
            lambda: LegendClass(class_id=1, name="sea", color="blue"),
            "'blue' .* not of the form #rrggbb",
        ),
        (lambda: Legend(name="none", classes=()), "legend 'none' has no class"),
        (lambda: Legend.from_names("two", ["sea", "sea"]), "'two' has class name sea twice"),
        (
            lambda: Legend(name="two", classes=(LEGEND.classes[0],) * 2),
            "'two' has class id 1 twice",
        ),
        (
            lambda: Legend.from_flags({"units": "1"}),
            r"no CF flag_values.*\['units'\].*Legend.flags",
        ),
        (
            lambda: Legend.from_flags({"flag_values": [1, 2], "flag_meanings": "sea"}),
            "2 flag_values, 1 flag_meanings",
        ),
    ],
)
def test_inconsistent_legends_are_refused(make, message):
    with pytest.raises(LegendError, match=message):
        make()


def test_a_legend_is_shown_as_a_table_of_its_colors():
    shown = Legend.from_names("a<b", ["R&D", "sea"])._repr_html_()
    assert "a&lt;b" in shown
    assert "R&amp;D" in shown
    assert all(color in shown for color in Legend.from_names("x", ["a", "b"]).colors)


def test_flags_of_a_single_class_may_be_a_number():
    assert Legend.from_flags({"flag_values": 4, "flag_meanings": "sea"}).ids == (4,)
