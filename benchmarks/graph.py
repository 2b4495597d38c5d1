"""How long does it take to plan a continent, and how many tasks is it?"""

from __future__ import annotations

import lulc_xr as lx
from benchmarks import scene, stages
from benchmarks.report import huge_cube


class Continent:
    """100 000 x 100 000 pixels, lazily."""

    def setup(self) -> None:
        self.cube = huge_cube()

    def time_classify(self) -> None:
        """Until `classify` returns."""
        lx.classify(self.cube, stages.Threshold(scene.DATES))

    def track_tasks_per_shard(self) -> float:
        """Tasks of the graph, reading included, per shard of the result."""
        result = lx.classify(self.cube, stages.Threshold(scene.DATES))
        tasks = len(dict(result.__dask_graph__()))
        return tasks / float(result["land_cover"].data.npartitions)
