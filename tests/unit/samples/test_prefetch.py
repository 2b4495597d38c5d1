"""Items made ahead by a thread: the same, in order; errors come through; the thread ends."""

import threading
import time

import pytest

from lulc_xr.samples.prefetch import Prefetched


def threads() -> int:
    return sum(thread.name == "prefetch" for thread in threading.enumerate())


def test_items_come_in_order_and_are_made_ahead() -> None:
    made = []

    def items():
        for number in range(20):
            made.append(number)
            yield number

    stream = iter(Prefetched(items(), depth=4))
    assert next(stream) == 0
    end = time.monotonic() + 10
    while len(made) < 6 and time.monotonic() < end:
        time.sleep(0.01)
    # One is used, four wait, one is held by the thread that cannot put it in.
    assert len(made) == 6
    assert list(stream) == list(range(1, 20))
    assert threads() == 0


def test_an_error_comes_where_the_item_would_have_come() -> None:
    def items():
        yield 1
        raise OSError("disk is gone")

    stream = iter(Prefetched(items()))
    assert next(stream) == 1
    with pytest.raises(OSError, match="disk is gone"):
        next(stream)
    assert threads() == 0


def test_a_loop_that_is_left_ends_the_thread() -> None:
    stream = iter(Prefetched(iter(range(1000)), depth=2))
    assert next(stream) == 0
    stream.close()
    assert threads() == 0
    with pytest.raises(ValueError, match="depth=0; give at least 1"):
        Prefetched([], depth=0)
