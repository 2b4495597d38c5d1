"""The style sheet that pages of results share: light and dark, on a phone and on paper."""

STYLE = """
:root{--ink:#1c2733;--dim:#5c6874;--line:#dfe4e9;--soft:#f5f7f9;--page:#fff;--heat:0,114,178;
--gain:#00704f;--loss:#b3440a;--own:#0072b2;--other:#d55e00}
@media (prefers-color-scheme:dark){:root{--ink:#e6ebf0;--dim:#97a3af;--line:#333d47;
--soft:#1e262e;--page:#141a20;--heat:70,160,220;--gain:#3fc79a;--loss:#f08a4b;--own:#56b4e9;
--other:#f08a4b}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1120px;margin:0 auto;padding:40px 28px 80px}
h1{font-size:30px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
h2{font-size:21px;margin:48px 0 10px;padding-top:18px;border-top:2px solid var(--line)}
h2 small{font-size:14px;font-weight:400;color:var(--dim);margin-left:10px}
h2:first-letter,h3:first-letter{text-transform:uppercase}
h3{font-size:15px;margin:28px 0 6px;color:var(--dim);font-weight:600}
p{max-width:75ch}
header p{color:var(--dim);margin:0 0 18px}
.cards{display:flex;flex-wrap:wrap;gap:12px}
.cards div{background:var(--soft);border-radius:8px;padding:10px 18px;min-width:104px}
.cards b{display:block;font-size:22px;line-height:1.25}
.cards span,.dim,figcaption{color:var(--dim)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th,td{padding:5px 10px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th:first-child,td.text{text-align:left}
td.text{white-space:normal;min-width:320px}
thead th{font-weight:600;color:var(--dim);font-size:12.5px;vertical-align:bottom}
tbody th{font-weight:500}
th i,.keys i{display:inline-block;width:10px;height:10px;border-radius:50%;margin-right:8px}
th.scale span{display:inline-block;width:110px;font-weight:400;text-align:left}
th.scale span+span{text-align:right}
td svg{display:block;margin-left:auto}
.axis,.grid{stroke:var(--line);stroke-width:1}
.ref{stroke:var(--dim);stroke-width:1.2;stroke-dasharray:3 3}
.tick{fill:var(--dim);font-size:12px}
figure{margin:14px 0 0}
.keys{display:flex;flex-wrap:wrap;gap:4px 20px;padding-left:52px;font-size:14px}
details{margin:12px 0 0}
summary{cursor:pointer;color:var(--dim);font-size:13px;margin-bottom:4px}
@media print{main{max-width:none;padding:0}section{break-inside:avoid-page}}
"""

ASSESSMENT_STYLE = """
.cards div{flex:1 1 140px}
.cards b{white-space:nowrap}
h1,b.name,summary,figcaption,p{overflow-wrap:anywhere}
b.name{color:var(--ink)}
.verdict{font-size:18px;line-height:1.45}
.both{display:flex;flex-wrap:wrap;gap:14px 28px;align-items:flex-start}
.both>*{flex:1 1 300px;min-width:0}
.may,.maynot{border-left:4px solid var(--own);padding:2px 0 2px 16px}
.maynot{border-color:var(--other)}
.may h3,.maynot h3{margin-top:4px;color:var(--ink)}
ul{padding-left:18px;margin:6px 0}li{margin:5px 0;overflow-wrap:anywhere}
.matrix{width:auto}
.matrix td,.matrix thead th{text-align:center;min-width:76px}
.matrix thead th{white-space:normal}
.matrix td small{display:block;font-size:11px;line-height:1.2;color:var(--ink)}
.matrix .hit{background:rgba(0,114,178,calc(.06 + .4*var(--v,0)))}
.matrix .off{background:rgba(213,94,0,calc(.75*var(--v,0)))}
.matrix .sum{font-size:13px}
.matrix td,.matrix th,.classes td,.classes th{padding:4px 7px}
.classes td small{display:block;font-size:11.5px;line-height:1.2}
.classes td svg{width:120px;height:24px}
.classes th.scale span{width:60px}
.matrix .foot th,.matrix .foot td{border-top:2px solid var(--line)}
.matrix thead th:first-child{text-align:left}
.wide th:first-child{position:sticky;left:0;background:var(--page);z-index:1}
table.narrow{width:auto}
.chart,.map{width:100%;height:auto;display:block}
.chart{max-width:440px}
.map{max-width:560px;background:var(--soft);border-radius:6px}
.own{stroke:var(--own);stroke-width:2}
circle.own{fill:var(--own);stroke:none}
.band{fill:var(--own);opacity:.18}
.bar{fill:var(--dim);opacity:.28}
.right{fill:none;stroke:var(--own);stroke-linecap:round;opacity:.55}
.wrong{fill:none;stroke:var(--other);stroke-linecap:round}
.cross{color:var(--other);margin-right:6px}
.bar-of-scale{fill:none;stroke:var(--ink);stroke-width:1.5}
.map .tick{fill:var(--ink)}
figcaption{font-size:14px;margin-top:6px}
.half .keys{padding-left:0}
.ramp{white-space:nowrap;margin-left:8px}
.ramp i{display:inline-block;width:120px;height:10px;margin:0 8px;border-radius:2px}
.apart{border:2px dashed var(--line);border-radius:8px;padding:0 20px 16px;margin-top:40px}
.apart h2{border:0;margin-top:12px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:0}
dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere;min-width:0}
thead th.text{text-align:left}
code{font:13px/1.5 ui-monospace,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
td.text{text-align:left}
@media (max-width:640px){.wide th:first-child{white-space:normal;min-width:96px;max-width:132px}
main{padding:20px 14px 48px}h1{font-size:24px}h2{margin-top:34px}
dl{grid-template-columns:1fr}dt{margin-top:6px}.apart{padding:0 12px 12px}
.verdict{font-size:16.5px}td.text{min-width:220px}}
@media print{:root{--ink:#000;--dim:#444;--line:#bbb;--soft:#f3f3f3;--page:#fff;--own:#0072b2;
--other:#d55e00}body{font-size:10.5pt}.wide{overflow:visible}h2{break-after:avoid}
section,figure,table{break-inside:avoid}section{break-inside:auto}tr{break-inside:avoid}
table{font-size:8.5pt}th,td{padding:3px 5px;white-space:normal}.wide th:first-child{position:static}
.matrix td,.matrix thead th{min-width:0}
td svg{width:130px}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
@page{size:A4;margin:14mm}}
"""
"""What a page about a map has beside the shared style."""
