"""Does peak memory follow the shard, or the cube?"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks import scene
from benchmarks.report import memory_ratio


class Area:
    """The same shards, four times the area."""

    timeout = 600

    def track_peak_ratio(self) -> float:
        """Peak memory of a process at 4 times the area, over that at once the area."""
        with tempfile.TemporaryDirectory() as folder:
            scene.train(Path(folder))
            return memory_ratio(Path(folder), sides=(scene.SIDE // 2, scene.SIDE))["ratio"]
