"""Section of a page: what was compared with what, how the figures were made, from what sources."""

from __future__ import annotations

from html import escape

from lulc_xr.analysis.findings import AREA, Findings
from lulc_xr.analysis.page_words import number, percent, spoken

# DOIs are told as text: the page leads nowhere.
_CONGALTON = (
    "Congalton (1991), Remote Sensing of Environment 37, 35-46: overall, user’s and producer’s "
    "accuracy. doi 10.1016/0034-4257(91)90048-B"
)
_PONTIUS = (
    "Pontius and Millones (2011), International Journal of Remote Sensing 32, 4407-4429: quantity "
    "and allocation disagreement, and why kappa is left out. doi 10.1080/01431161.2011.552923"
)
_WILSON = (
    "Wilson (1927), Journal of the American Statistical Association 22, 209-212: intervals of "
    "shares. doi 10.1080/01621459.1927.10502953"
)
_OLOFSSON = (
    "Olofsson et al. (2014), Remote Sensing of Environment 148, 42-57: estimates by strata, of "
    "accuracy and of area. doi 10.1016/j.rse.2014.02.015"
)
_STEHMAN = (
    "Stehman (2014), International Journal of Remote Sensing 35, 4923-4939: strata that are not "
    "the classes of the map. doi 10.1080/01431161.2014.930207"
)
_KISH = (
    "Kish (1965), Survey sampling: effective numbers of points where they lie in clusters or blocks"
)
_GUO = "Guo et al. (2017), On calibration of modern neural networks, ICML: calibration error"
_MURPHY = "Murphy (1973), Journal of Applied Meteorology 12, 595-600: the parts of the Brier score"
_GEIFMAN = (
    "Geifman and El-Yaniv (2017), Selective classification for deep neural networks, NeurIPS: "
    "accuracy against coverage"
)
_SADINLE = (
    "Sadinle, Lei and Wasserman (2019), Journal of the American Statistical Association 114, "
    "223-234: conformal sets. doi 10.1080/01621459.2017.1395341"
)
_WADOUX = (
    "Wadoux et al. (2021), Ecological Modelling 457, 109692: why held-out regions and the accuracy "
    "of a map are two questions. doi 10.1016/j.ecolmodel.2021.109692"
)
_MEYER = (
    "Meyer and Pebesma (2021), Methods in Ecology and Evolution 12, 1620-1633: area of "
    "applicability. doi 10.1111/2041-210X.13650"
)


def method_section(found: Findings) -> str:
    """Provenance, numbers of points, kinds of intervals, sources of formulas, the command."""
    facts = [(key, text) for key, text in found.facts.items() if key != "command"]
    facts += [(f"points {key}", number(count)) for key, count in found.points.items()]
    facts.append(("intervals", _intervals(found)))
    facts.append(("design", found.design or "none known: unweighted agreement"))
    rows = "".join(f"<dt>{escape(spoken(key))}</dt><dd>{escape(text)}</dd>" for key, text in facts)
    sources = "".join(f"<li>{escape(text)}</li>" for text in _sources(found))
    command = found.facts.get("command")
    said = (
        f"<h3>The same again</h3><p><code>{escape(command)}</code></p>"
        if command is not None
        else ""
    )
    return (
        '<section aria-labelledby="method"><h2 id="method">Method and provenance</h2>'
        f"<dl>{rows}</dl>{said}<h3>Sources of the formulas</h3><ul>{sources}</ul></section>"
    )


def _intervals(found: Findings) -> str:
    kinds = [str(kind) for kind in found.estimates["interval"].dropna().unique() if kind]
    told = f"{percent(found.level, digits=0)}: {', '.join(kinds) or 'none'}"
    if found.blocks is not None:
        told += f"; units are {number(found.blocks[0])} blocks of {number(found.blocks[1])} m"
    return told


def _sources(found: Findings) -> list[str]:
    areas = (found.estimates["quantity"] == AREA).any()
    wanted = {
        _CONGALTON: True,
        _PONTIUS: True,
        _WILSON: (found.estimates["interval"] == "wilson").any(),
        _OLOFSSON: areas or found.design,
        _STEHMAN: areas or found.design,
        _KISH: found.blocks is not None or "cluster" in found.design,
        **dict.fromkeys((_GUO, _MURPHY, _GEIFMAN), found.calibration),
        _SADINLE: not found.sets.empty,
        _MEYER: not found.applicability.empty,
        _WADOUX: not found.transfer.empty,
    }
    return [source for source, used in wanted.items() if used]
