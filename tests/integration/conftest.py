"""Servers of the integration tests, started once; a chip of Flanders behind them.

What belongs to the extra `servers` is imported where it is used: every run of pytest reads this.
"""

import pystac
import pytest

from tests.disk import mounted
from tests.servers.catalogue import CHIP, RAW, RECIPE, items_of, read_whole

START, END = "2018-04-01", "2018-06-30"


@pytest.fixture
def disk(tmp_path):
    """A file system of 6 MB."""
    with mounted(tmp_path / "disk") as found:
        yield found


@pytest.fixture(scope="session")
def chip():
    """Grid of the chip: 64 x 64 pixels of 10 m."""
    return CHIP


@pytest.fixture(scope="session")
def raw():
    """Numbers of the scenes of that catalogue as the raw files hold them."""
    return read_whole().sel(timestamp=slice(START, END))


@pytest.fixture(scope="session")
def flanders_catalogue(tmp_path_factory):
    """`catalog.json` of the chip's scenes from April to June 2018."""
    folder = tmp_path_factory.mktemp("flanders") / "catalogue"
    return RECIPE.make_catalogue(RAW, folder, start=START, end=END)


@pytest.fixture(scope="session")
def file_server(flanders_catalogue, tmp_path_factory):
    """That catalogue's files over HTTP."""
    from tests.servers.http import serve_files

    log = tmp_path_factory.mktemp("http") / "log"
    with serve_files(flanders_catalogue.parent, log=log) as server:
        yield server


@pytest.fixture
def http(file_server):
    """The file server without faults; those of the test are gone after it."""
    file_server.heal()
    yield file_server
    file_server.heal()


@pytest.fixture(scope="session")
def served_items(flanders_catalogue, file_server):
    """Collections and items as JSON, their assets on the file server."""
    return items_of(flanders_catalogue, served_at=file_server.address)


@pytest.fixture
def items(flanders_catalogue, http):
    """The items, their assets at an address of the file server that is this test's own."""
    _, found = items_of(flanders_catalogue, served_at=http.new_address())
    return [pystac.Item.from_dict(item) for item in found]


@pytest.fixture(scope="session")
def stac_server(served_items, tmp_path_factory):
    """A STAC API that holds them."""
    from tests.servers.pgstac import serve_stac

    with serve_stac(tmp_path_factory.mktemp("stac"), *served_items) as server:
        yield server


@pytest.fixture
def stac_api(stac_server):
    """Address of that API, which has no faults but those that the test adds."""
    stac_server.heal()
    yield stac_server.address
    stac_server.heal()
