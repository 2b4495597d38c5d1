"""The page of an assessment in a real browser: nothing wider than a phone, and it prints."""

import re
import shutil
import subprocess

import pytest

from lulc_xr.analysis.assess import assess
from tests.unit.analysis.judged_points import EVERYTHING, judged_points

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
PHONE = """<!DOCTYPE html>
<iframe id="page" src="report.html" style="width:375px;height:800px;border:0">
</iframe><script>
addEventListener("load", () => {
  const inside = document.getElementById("page").contentDocument;
  const wide = [...inside.querySelectorAll("body *")].filter(e => !e.closest(".wide, svg"))
    .filter(e => e.getBoundingClientRect().right > inside.documentElement.clientWidth + 1);
  document.body.dataset.width = inside.documentElement.scrollWidth;
  document.body.dataset.shown = inside.documentElement.clientWidth;
  document.body.dataset.wide = wide.map(e => e.tagName + "." + e.className).join(" ");
});
</script>"""

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not BROWSER, reason="no chromium on this machine"),
]


@pytest.fixture
def browse(tmp_path):
    def run(*arguments):
        command = [
            BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}", *arguments,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
        return done.stdout

    return run


@pytest.fixture
def folder(tmp_path):
    judged = judged_points(extra=EVERYTHING)
    transfer = judged[["region", "mapped", "reference"]]
    long = "lulc-xr evaluate " + "a_very_long_name_without_a_blank" * 6 + ".zarr"
    facts = {"map": "land_cover of " + "x" * 80 + ".zarr", "command": long}
    assess(judged, promised=0.9, transfer=transfer, repeats=50, kappa=True, facts=facts).write(
        tmp_path
    )
    return tmp_path


def test_a_phone_scrolls_down_and_not_sideways(folder, browse):
    (folder / "phone.html").write_text(PHONE)
    dom = browse("--dump-dom", "--virtual-time-budget=5000", f"file://{folder}/phone.html")
    told = dict(re.findall(r'data-(width|shown|wide)="([^"]*)"', dom))
    assert told["wide"] == ""
    assert told["width"] == told["shown"] == "375"


def test_it_prints_on_several_pages(folder, browse):
    browse(f"--print-to-pdf={folder / 'page.pdf'}", f"file://{folder}/report.html")
    printed = (folder / "page.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 3
