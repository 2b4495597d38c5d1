"""What was written beside a store goes, also while threads are still adding to it."""

import contextlib
import threading
import time

from lulc_xr.core.exchange import remove_beside


def test_what_is_still_written_for_a_moment_goes_too(tmp_path):
    folder = tmp_path / ".cube.zarr.partial"
    (folder / "c").mkdir(parents=True)

    def keep_writing():
        for number in range(12):
            place = folder / "c" / str(number)
            with contextlib.suppress(FileNotFoundError):  # removed in between
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(b"chunk")
            time.sleep(0.01)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    remove_beside(folder)
    writer.join()
    assert not folder.exists()
    assert list(tmp_path.iterdir()) == []
