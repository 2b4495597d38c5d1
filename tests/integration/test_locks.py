"""Two processes and one store: the second is refused, the first ends whole."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import lulc_xr as lx
from lulc_xr.core.errors import StoreError
from tests.predictors import Ratio, wait_for

pytestmark = pytest.mark.integration


@pytest.fixture
def writer(store, tmp_path):
    """A process that holds the store and waits in its third block."""
    log = tmp_path / "log"
    command = [sys.executable, "-m", "tests.children", "write", store, log, 2, "slow", 0]
    process = subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    wait_for(lambda: log.exists() and len(log.read_text().splitlines()) > 2, "the third block")
    yield process, tmp_path / "log.gate"
    process.kill()
    process.communicate()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.filterwarnings("ignore::lulc_xr.core.errors.IncompleteMapWarning")
def test_the_second_writer_is_refused_and_the_first_ends_whole(store, writer, overwrite):
    process, gate = writer
    other = lx.classify(lx.open_cube(store), Ratio())
    with pytest.raises(StoreError, match=r"is being written by another process.*run this again"):
        lx.write_variables(other, store, overwrite=overwrite, progress=False)
    gate.touch()
    said, _ = process.communicate(timeout=60)
    assert said.split() == ["12", "0"]
    assert lx.verify(store).ok
    expected = lx.classify(lx.open_cube(store), Ratio())["land_cover"]
    assert (lx.open_cube(store)["land_cover"].values == expected.values).all()


@pytest.mark.filterwarnings("ignore::lulc_xr.core.errors.IncompleteMapWarning")
def test_a_link_to_the_store_is_the_same_store(store, writer, tmp_path):
    link = tmp_path / "link.zarr"
    link.symlink_to(store)
    other = lx.classify(lx.open_cube(link), Ratio())
    with pytest.raises(StoreError, match="is being written by another process"):
        lx.write_variables(other, link, progress=False)


@pytest.mark.filterwarnings("ignore::lulc_xr.core.errors.IncompleteMapWarning")
def test_a_killed_writer_holds_nothing(store, writer):
    process, _ = writer
    process.send_signal(signal.SIGKILL)
    process.wait()
    result = lx.classify(lx.open_cube(store), Ratio())
    lx.write_variables(result, store, overwrite=True, progress=False)
    assert lx.verify(store).ok


@pytest.mark.filterwarnings("ignore::lulc_xr.core.errors.IncompleteMapWarning")
def test_a_second_variable_can_be_written_meanwhile(store, writer):
    process, gate = writer
    opened = lx.open_cube(store)
    slope = (opened["clear"].isel(time=0, drop=True) * 2.5).astype("float32").rename("slope")
    lx.write_variables(slope.to_dataset(), store, progress=False)
    gate.touch()
    process.communicate(timeout=60)
    assert lx.verify(store).ok
    assert set(lx.verify(store).variables) == {"land_cover", "land_cover_entropy", "slope"}
