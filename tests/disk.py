"""A small file system in memory, to be filled by tests."""

import contextlib
import os
import subprocess

import pytest


class Disk:
    """A small file system in memory."""

    def __init__(self, path):
        self.path = path

    def remount(self, options):
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.path)], check=True)

    def fill(self, leave):
        """Write a file that leaves so many bytes free."""
        with (self.path / "ballast").open("wb") as file:
            block = b"x" * 4096
            while self.free() > leave:
                file.write(block)
                file.flush()

    def free(self):
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize


@contextlib.contextmanager
def mounted(path, *, size="6m"):
    """A :class:`Disk` at a new folder until the block ends; skips where none can be mounted."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", str(path)], check=True)
