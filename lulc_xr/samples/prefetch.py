"""Batches made ahead by a thread of this process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_END = object()


class Prefetched(Generic[T]):
    """The same items, made in a thread of its own while the one before is used.

    Reading and compositing leave the interpreter free most of the time, so a thread does
    nearly as well as a process, and copies nothing between the two. An error comes where the
    item would have come. A loop that is left early ends the thread.

    Parameters
    ----------
    items : iterable
        Such as batches.
    depth : int
        Items that are made ahead, at most.

    Examples
    --------
    >>> list(Prefetched(range(5), depth=2))
    [0, 1, 2, 3, 4]
    """

    def __init__(self, items: Iterable[T], *, depth: int = 8) -> None:
        if depth < 1:
            raise ValueError(f"depth={depth}; give at least 1 item to make ahead.")
        self.items, self.depth = items, depth

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration of the items the epoch of this number (0-based)."""
        self.items.set_epoch(epoch)  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[T]:
        ready: queue.Queue[object] = queue.Queue(self.depth)
        left = threading.Event()
        failed: list[BaseException] = []

        def put(item: object) -> bool:
            while not left.is_set():
                try:
                    ready.put(item, timeout=0.1)
                except queue.Full:
                    continue
                return True
            return False

        def make() -> None:
            try:
                for item in self.items:
                    if not put(item):
                        return
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                failed.append(error)
            put(_END)

        thread = threading.Thread(target=make, name="prefetch", daemon=True)
        thread.start()
        try:
            while (item := ready.get()) is not _END:
                yield item  # type: ignore[misc]
            if failed:
                raise failed[0]
        finally:
            left.set()
            thread.join()
