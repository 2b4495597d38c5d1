"""Scenes over HTTP: what a server does wrong is retried where it helps, and named where not."""

import http.server
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio

import lulc_xr as lx
from tests.scenes import grid, sentinel2

pytestmark = pytest.mark.integration


class Ranges(http.server.BaseHTTPRequestHandler):
    """Files with ranges; answers by the faults that a test sets on the server."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, *, body=True):
        fault = self.server.fault(self.path)
        if isinstance(fault, int):
            self.send_response(fault)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = (self.server.folder / self.path.lstrip("/")).read_bytes()
        first, last = 0, len(data) - 1
        asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            first, last = int(asked[1]), min(int(asked[2] or last), last)
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        if fault == "stall":
            time.sleep(self.server.stall)
        if body:
            self.wfile.write(data[first : last + 1])

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Counts requests by path; `faults` maps a part of a path to (answer, how many times)."""

    daemon_threads = True
    stall = 6.0

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Ranges)
        self.folder, self.faults, self.requests = folder, {}, []
        self._lock = threading.Lock()

    def fault(self, path):
        with self._lock:
            self.requests.append(path)
            for part, (answer, times) in self.faults.items():
                if part in path and times > 0:
                    self.faults[part] = (answer, times - 1)
                    return answer
        return None

    def handle_error(self, request, client_address):
        """A client that gave up on a stalled answer is what the test is about."""


@pytest.fixture
def served(tmp_path):
    """A server, an item whose rasters lie behind it, and its pixels."""
    numbers = np.random.default_rng(0).integers(200, 4000, (64, 64)).astype(np.uint16)
    item = sentinel2(tmp_path, numbers=numbers)
    server = Server(tmp_path)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for asset in item.assets.values():
        path = Path(asset.href).relative_to(tmp_path)
        asset.href = f"http://127.0.0.1:{server.server_port}/{path}"
    yield server, item, numbers
    server.shutdown()
    server.server_close()


def load(item, **settings):
    return lx.load_stac([item], bands=["blue", "nir08"], geobox=grid(64), **settings)


def check_values(cube, numbers):
    np.testing.assert_allclose(cube["reflectance"].values[0, 0], numbers * 1e-4, atol=1e-7)
    assert cube["clear"].values.all()


@pytest.mark.parametrize("code", [500, 503])
def test_errors_of_a_server_that_pass_are_retried(served, code):
    server, item, numbers = served
    server.faults["B8A"] = (code, 3)
    check_values(load(item).compute(), numbers)
    assert server.faults["B8A"] == (code, 0)


def test_a_server_that_stays_down_is_named_or_marked(served):
    server, item, _ = served
    server.faults["B8A"] = (503, 10**6)
    with pytest.raises(lx.SourceError, match=r"'B8A' of item 'S2A_.*http://127.*503.*3 of 3 att"):
        load(item).compute()
    marked = load(item, on_error="mark").compute()
    assert marked["unread"].values.all()
    assert not marked["clear"].values.any()
    server.faults.clear()
    assert not load(item, on_error="mark").compute()["unread"].values.any()


def test_an_item_that_vanished_is_not_asked_for_again_and_again(served):
    server, item, _ = served
    server.faults["SCL"] = (404, 10**6)
    start = time.perf_counter()
    with pytest.raises(lx.SourceError, match=r"'SCL' of item .*404.*2 of 3 attempts"):
        load(item).compute()
    assert time.perf_counter() - start < 5
    assert sum("SCL" in path for path in server.requests) <= 4


def test_a_stalled_connection_is_given_up_and_tried_again(served):
    server, item, numbers = served
    server.faults["B02"] = ("stall", 2)
    start = time.perf_counter()
    # Settings of GDAL at hand when the cube is planned go along to where it is read.
    with rasterio.Env(GDAL_HTTP_TIMEOUT=1):
        cube = load(item)
    check_values(cube.compute(), numbers)
    assert server.faults["B02"] == ("stall", 0)
    assert time.perf_counter() - start < 2 * server.stall
