"""The style sheet of a report of an experiment: that of all pages, and its own charts."""

from lulc_xr.analysis.page_style import STYLE as PAGE

STYLE = (
    PAGE
    + """
tr.own{background:var(--soft)}
.curves{width:100%;max-width:760px;height:auto;display:block}
.heat td{background:rgba(var(--heat),calc(var(--v,0)*var(--v,0)*.5))}
.heat{width:auto}
.heat th:first-child{min-width:190px}
.heat td{min-width:92px}
.heat th{white-space:normal;max-width:110px}
.heat small{display:block;line-height:1.1;font-size:11px}
.gain{color:var(--gain)}.loss{color:var(--loss)}.same{color:var(--dim)}
"""
)
