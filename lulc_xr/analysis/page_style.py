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
