"""``ds.lulc``: a thin face of the functions of lulc_xr."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

import xarray as xr

from lulc_xr.analysis.accuracy import Accuracy, accuracy
from lulc_xr.analysis.adjusted_areas import ShareInterval
from lulc_xr.analysis.cell_climate import Method as ClimateMethod
from lulc_xr.analysis.cell_climate import Missing
from lulc_xr.analysis.fractions import fractions
from lulc_xr.analysis.masks import mask
from lulc_xr.analysis.plant_types import Share, plant_functional_types
from lulc_xr.analysis.transitions import Periods, transitions
from lulc_xr.analysis.zone_areas import Confusion, Unit, area
from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.class_choice import ClassChoice
from lulc_xr.core.crosswalk import Crosswalk
from lulc_xr.core.dates import Dates, Fill
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import Predictor
from lulc_xr.core.plant_rules import PlantClimateRules
from lulc_xr.core.segmentation import Method
from lulc_xr.cube.composite import Weights, composite
from lulc_xr.cube.shards import WriteReport
from lulc_xr.cube.store import write_cube
from lulc_xr.cube.write import write_variables
from lulc_xr.plotting import plot_overview
from lulc_xr.prediction.classify import classify
from lulc_xr.prediction.consistency import Method as ConsistencyMethod
from lulc_xr.prediction.consistency import consistent
from lulc_xr.prediction.objects import How, aggregate
from lulc_xr.prediction.segments import segment
from lulc_xr.prediction.smoothing import smooth
from lulc_xr.prediction.year_steps import USUAL, Pairs, Persistence
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.plan import Tolerance, Years


def as_predictor(model: Predictor | str | PathLike[str]) -> Predictor:
    """The model itself, or the classifier or ensemble of a folder."""
    if isinstance(model, (str, PathLike)):
        # By name: this module is imported with lulc_xr, which must not load PyTorch.
        models = importlib.import_module("lulc_xr.models.ensemble")
        loaded: Predictor = models.load_model(fspath(model))
        return loaded
    return model


@xr.register_dataset_accessor("lulc")
class LulcAccessor:
    """What lulc_xr does with a cube or its maps, as methods of the dataset."""

    def __init__(self, cube: xr.Dataset) -> None:
        self._cube = cube

    def classify(
        self,
        model: Predictor | str | PathLike[str],
        *,
        outputs: Sequence[str] | None = None,
        years: Sequence[int] | None = None,
        precision: str = "float32",
        shard: int | None = None,
    ) -> xr.Dataset:
        """Class maps of this cube, lazily; a path is loaded. See :func:`lulc_xr.classify`."""
        return classify(
            self._cube,
            as_predictor(model),
            outputs=outputs,
            years=years,
            precision=precision,
            shard=shard,
        )

    def composite(
        self,
        freq: str = "MS",
        method: str = "median",
        *,
        fill: Fill = "linear",
        max_gap: int | None = None,
        weights: Weights = None,
        q: float | Sequence[float] | None = None,
    ) -> xr.Dataset:
        """Composites of this cube, lazily. See :func:`lulc_xr.composite`."""
        return composite(self._cube, freq, method, fill=fill, max_gap=max_gap, weights=weights, q=q)

    def extract_samples(
        self,
        points: Any,
        *,
        dates: Dates | None = None,
        labels: Any = None,
        legend: Legend | None = None,
        year: int | None = None,
        years: Years = "match",
        bands: Sequence[str] | None = None,
        patch: int | None = None,
        tolerance: Tolerance = 0,
        keep: Sequence[str] = (),
        store: str | PathLike[str] | None = None,
        overwrite: bool = False,
        progress: bool = False,
    ) -> xr.Dataset:
        """Samples of this cube at labelled points. See :func:`lulc_xr.extract_samples`."""
        return extract_samples(
            self._cube, points, dates=dates, labels=labels, legend=legend, year=year, years=years,
            bands=bands, patch=patch, tolerance=tolerance, keep=keep, store=store,
            overwrite=overwrite, progress=progress,
        )  # fmt: skip

    def write_cube(
        self, store: str | PathLike[str], *, plan: ChunkPlan | None = None, overwrite: bool = False
    ) -> Path:
        """Write this cube into a new store. See :func:`lulc_xr.write_cube`."""
        return write_cube(self._cube, store, plan=plan, overwrite=overwrite)

    def write_variables(
        self,
        store: str | PathLike[str],
        *,
        resume: bool = True,
        overwrite: bool = False,
        progress: bool = True,
    ) -> WriteReport:
        """Write these maps into a cube's store. See :func:`lulc_xr.write_variables`."""
        return write_variables(
            self._cube, store, resume=resume, overwrite=overwrite, progress=progress
        )

    def segment(
        self,
        *,
        method: Method = "felzenszwalb",
        size: int = 20,
        tile: int = 256,
        bands: Sequence[str] | None = None,
        years: Sequence[int] | None = None,
    ) -> xr.DataArray:
        """Segments of this cube, lazily. See :func:`lulc_xr.segment`."""
        return segment(self._cube, method=method, size=size, tile=tile, bands=bands, years=years)

    def aggregate(
        self, segments: xr.DataArray, *, how: How = "mean", tasks: Sequence[str] | None = None
    ) -> xr.Dataset:
        """These maps with one class for each segment, lazily. See :func:`lulc_xr.aggregate`."""
        return aggregate(self._cube, segments, how=how, tasks=tasks)

    def smooth(
        self,
        *,
        window: int = 9,
        smoothness: float | Mapping[str, float] = 20.0,
        fraction: float = 0.5,
        tasks: Sequence[str] | None = None,
    ) -> xr.Dataset:
        """These maps with smoothed probabilities, lazily. See :func:`lulc_xr.smooth`."""
        return smooth(
            self._cube, window=window, smoothness=smoothness, fraction=fraction, tasks=tasks
        )

    def fractions(
        self,
        grid: Any,
        *,
        of: str | Sequence[str] = "land_cover",
        task: str | None = None,
        years: Sequence[int] | None = None,
        entropy: bool = True,
        members: bool | Literal["each"] = True,
    ) -> xr.Dataset:
        """Shares of classes in the cells of a grid, lazily. See :func:`lulc_xr.fractions`."""
        return fractions(
            self._cube, grid, of=of, task=task, years=years, entropy=entropy, members=members
        )

    def plant_functional_types(
        self,
        grid: Any = None,
        *,
        climate: xr.Dataset | xr.DataArray,
        climate_rules: str | PlantClimateRules = "bonan2002",
        crosswalk: Crosswalk | None = None,
        of: Literal["land_cover", "probability"] = "land_cover",
        years: Sequence[int] | None = None,
        crops: Literal["generic", "types"] = "generic",
        wetland: Literal["landunit", "grass"] = "landunit",
        irrigated_share: Share = 0.0,
        needleleaf_share: Share = 0.5,
        evergreen_share: Share | None = None,
        land_fraction: xr.DataArray | None = None,
        method: ClimateMethod = "auto",
        on_missing: Missing = "refuse",
    ) -> xr.Dataset:
        """Land units, plant types and crops of CLM5. See :func:`lulc_xr.plant_functional_types`."""
        return plant_functional_types(
            self._cube, grid, climate=climate, climate_rules=climate_rules, crosswalk=crosswalk,
            of=of, years=years, crops=crops, wetland=wetland, irrigated_share=irrigated_share,
            needleleaf_share=needleleaf_share, evergreen_share=evergreen_share,
            land_fraction=land_fraction, method=method, on_missing=on_missing,
        )  # fmt: skip

    def consistent(
        self,
        *,
        method: ConsistencyMethod = "hmm",
        persistence: Persistence = USUAL,
        transition: Any = None,
        forbidden: Pairs = (),
        minimum: int = 2,
        fill: bool = False,
        tasks: Sequence[str] | None = None,
    ) -> xr.Dataset:
        """These yearly maps without improbable changes. See :func:`lulc_xr.consistent`."""
        return consistent(
            self._cube, method=method, persistence=persistence, transition=transition,
            forbidden=forbidden, minimum=minimum, fill=fill, tasks=tasks,
        )  # fmt: skip

    def accuracy(
        self,
        reference: xr.DataArray,
        *,
        task: str = "land_cover",
        mask: xr.DataArray | None = None,
        weights: xr.DataArray | None = None,
    ) -> Accuracy:
        """Agreement of a task's class map with a reference. See :func:`lulc_xr.accuracy`."""
        return accuracy(self._cube[task], reference, mask=mask, weights=weights)

    def mask(
        self,
        classes: ClassChoice,
        *,
        task: str = "land_cover",
        min_probability: float | None = None,
        max_entropy: float | None = None,
        legend: Legend | None = None,
        name: str = "mask",
    ) -> xr.Dataset:
        """Where these maps show some classes, lazily. See :func:`lulc_xr.mask`."""
        return mask(
            self._cube, classes, task=task, min_probability=min_probability,
            max_entropy=max_entropy, legend=legend, name=name,
        )  # fmt: skip

    def area(
        self,
        zones: Any,
        *,
        by: Literal["year"] | None = "year",
        task: str = "land_cover",
        confusion: Confusion | Mapping[int, Confusion] | None = None,
        level: float = 0.95,
        interval: ShareInterval = "wilson",
        unit: Unit = "km2",
        zone_ids: Sequence[int] | None = None,
    ) -> xr.Dataset:
        """Area of each class in each zone, lazily. See :func:`lulc_xr.area`."""
        return area(
            self._cube, zones, by=by, task=task, confusion=confusion, level=level,
            interval=interval, unit=unit, zone_ids=zone_ids,
        )  # fmt: skip

    def to_cog(
        self,
        path: str | PathLike[str],
        *,
        variables: str | Sequence[str] = "land_cover",
        year: int | Sequence[int] | None = None,
        colors: bool = True,
        overwrite: bool = False,
    ) -> list[Path]:
        """These maps as Cloud Optimised GeoTIFFs. See :func:`lulc_xr.to_cog`."""
        # By name: rasterio loads only for those who write files.
        cog = importlib.import_module("lulc_xr.cube.cog")
        written: list[Path] = cog.to_cog(
            self._cube, path, variables=variables, year=year, colors=colors, overwrite=overwrite
        )
        return written

    def transitions(
        self,
        zones: Any = None,
        *,
        task: str = "land_cover",
        years: Periods | None = None,
        zone_ids: Sequence[int] | None = None,
    ) -> xr.Dataset:
        """Areas of change between years of these maps. See :func:`lulc_xr.transitions`."""
        return transitions(self._cube, zones, task=task, years=years, zone_ids=zone_ids)

    def plot(self, *, reference: xr.DataArray | None = None, title: str | None = None) -> Any:
        """True colour, reference, class map and entropy in one figure."""
        return plot_overview(self._cube, reference=reference, title=title)
