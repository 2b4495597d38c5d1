"""Land use and land cover of Europe from Zarr cubes, with deep learning and uncertainty.

``import lulc_xr as lx`` registers the accessor ``ds.lulc`` and loads no PyTorch; what needs
PyTorch is imported when it is first used.
"""

import importlib
from typing import Any

from lulc_xr import plotting, testing
from lulc_xr.accessor import LulcAccessor, as_predictor
from lulc_xr.analysis.accuracy import Accuracy, accuracy
from lulc_xr.analysis.adding import add_fractions
from lulc_xr.analysis.area import estimate_area
from lulc_xr.analysis.block_scores import bootstrap_accuracy
from lulc_xr.analysis.calibration_scores import CalibrationScores, calibration_scores
from lulc_xr.analysis.cell_climate import cell_climate
from lulc_xr.analysis.class_areas import class_areas
from lulc_xr.analysis.comparison import compare, mean_and_interval
from lulc_xr.analysis.design import Design
from lulc_xr.analysis.fractions import fractions
from lulc_xr.analysis.grid_files import as_grid, read_grid
from lulc_xr.analysis.judged import judge_points
from lulc_xr.analysis.landscape import fragmentation
from lulc_xr.analysis.masks import mask
from lulc_xr.analysis.nesting import aggregate_fractions
from lulc_xr.analysis.paired import MapComparison, compare_maps
from lulc_xr.analysis.plant_types import plant_functional_types
from lulc_xr.analysis.point_drawing import draw_points
from lulc_xr.analysis.point_fractions import fractions_from_points
from lulc_xr.analysis.sampling_design import plan_sample
from lulc_xr.analysis.sweeps import pool_folds, summarise
from lulc_xr.analysis.transfer import TransferAccuracy, transfer_accuracy
from lulc_xr.analysis.transition_tables import change_table
from lulc_xr.analysis.transitions import transitions
from lulc_xr.analysis.zonal import zonal_uncertainty
from lulc_xr.analysis.zone_areas import area
from lulc_xr.core.applicability import Applicability
from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.calibration import Calibration
from lulc_xr.core.clear import CLEAR_RULES, ClearRule
from lulc_xr.core.conformal import Conformal
from lulc_xr.core.context import context_at
from lulc_xr.core.context_scaling import ContextScaling, fit_context_scaling
from lulc_xr.core.crosswalk import Crosswalk, CrosswalkRow
from lulc_xr.core.crosswalks import crosswalk, list_crosswalks
from lulc_xr.core.dates import RawDates, RegularDates
from lulc_xr.core.errors import (
    ContextRangeWarning,
    CubeError,
    ExperimentError,
    GridWarning,
    IncompleteMapWarning,
    LegendError,
    LulcError,
    ModelError,
    SampleError,
    SourceError,
    StoreError,
)
from lulc_xr.core.grids import list_grids, lonlat_grid
from lulc_xr.core.legend import Legend, LegendClass
from lulc_xr.core.legends import legend, list_legends
from lulc_xr.core.model import ModelSpec, Predictor, Scaling
from lulc_xr.core.place import place_context
from lulc_xr.core.plant_crosswalks import list_plant_crosswalks, plant_crosswalk
from lulc_xr.core.plant_groups import plant_group_legend
from lulc_xr.core.plant_rules import PlantClimateRules
from lulc_xr.core.regions import RegionKey
from lulc_xr.core.sensors import COMMON_BANDS
from lulc_xr.cube.bioclim import bioclim
from lulc_xr.cube.build import build_cube
from lulc_xr.cube.climate_rasters import read_chelsa, read_worldclim
from lulc_xr.cube.climate_series import read_agera5, read_eobs
from lulc_xr.cube.composite import composite
from lulc_xr.cube.context import write_context
from lulc_xr.cube.extend import extend_cube
from lulc_xr.cube.shards import WriteReport
from lulc_xr.cube.store import open_cube, write_cube
from lulc_xr.cube.unread import fill_unread, unread_dates
from lulc_xr.cube.verify import Verification, verify
from lulc_xr.cube.write import write_variables
from lulc_xr.jobs.recipe import Recipe
from lulc_xr.jobs.recipe_files import load_recipe
from lulc_xr.prediction.classify import classify
from lulc_xr.prediction.consistency import consistent
from lulc_xr.prediction.estimator import EstimatorPredictor, features_of
from lulc_xr.prediction.objects import aggregate
from lulc_xr.prediction.segments import segment
from lulc_xr.prediction.smoothing import smooth
from lulc_xr.samples.budgets import draw_labels
from lulc_xr.samples.elc10 import join_lucas, read_elc10
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.filters import list_filters, quality_filter
from lulc_xr.samples.folds import make_folds
from lulc_xr.samples.lucas import read_lucas
from lulc_xr.samples.lucas_labels import lucas_labels
from lulc_xr.samples.plan import SamplePlan, plan_samples
from lulc_xr.samples.regions import (
    assign_raster_regions,
    assign_regions,
    group_biogeographical,
)
from lulc_xr.samples.store import open_samples, write_samples
from lulc_xr.samples.weak import draw_weak_samples
from lulc_xr.versions import show_versions

# Imported when first used: what needs PyTorch or rasterio, and pages.
_ON_DEMAND = {
    "Assessment": "lulc_xr.analysis.assessment",
    "Augmentation": "lulc_xr.training.augmentation",
    "BuildReport": "lulc_xr.jobs.building",
    "Classifier": "lulc_xr.models.classifier",
    "Ensemble": "lulc_xr.models.ensemble",
    "Experiment": "lulc_xr.jobs.experiment",
    "ExperimentReport": "lulc_xr.jobs.experimenting",
    "ExportReport": "lulc_xr.analysis.export_report",
    "FixMatch": "lulc_xr.training.methods",
    "LossConfig": "lulc_xr.training.loss_config",
    "MeanTeacher": "lulc_xr.training.methods",
    "ModulePredictor": "lulc_xr.models.module",
    "MonteCarloDropout": "lulc_xr.models.monte_carlo",
    "Prefetched": "lulc_xr.samples.prefetch",
    "PretrainConfig": "lulc_xr.training.pretrain_config",
    "Pretrained": "lulc_xr.models.pretrained",
    "RecipePlan": "lulc_xr.jobs.planning",
    "SelfTraining": "lulc_xr.training.methods",
    "StoredSampleBatches": "lulc_xr.samples.loader_stored",
    "TaskComparison": "lulc_xr.training.task_comparison",
    "TestTimeAugmentation": "lulc_xr.models.views",
    "TrainConfig": "lulc_xr.training.config",
    "UnlabelledBatches": "lulc_xr.samples.loader_unlabelled",
    "ViewRanges": "lulc_xr.models.view",
    "add_to_fractions": "lulc_xr.analysis.fraction_files",
    "applicability_of": "lulc_xr.models.applicability",
    "assess": "lulc_xr.analysis.assess",
    "build": "lulc_xr.jobs.building",
    "calibrate": "lulc_xr.models.calibrate",
    "compare_tasks": "lulc_xr.training.task_comparison",
    "conformal_coverage": "lulc_xr.models.conformal_coverage",
    "conformalize": "lulc_xr.models.conformalize",
    "coverage_of_sets": "lulc_xr.models.conformal_coverage",
    "encode_samples": "lulc_xr.training.probe",
    "export_clm_landuse": "lulc_xr.analysis.clm_landuse",
    "export_clm_surface": "lulc_xr.analysis.clm_surface",
    "export_tsmp": "lulc_xr.analysis.tsmp",
    "fit": "lulc_xr.training.fit",
    "fit_applicability": "lulc_xr.models.applicability",
    "fit_ensemble": "lulc_xr.training.members",
    "fit_snapshots": "lulc_xr.training.members",
    "linear_probe": "lulc_xr.training.probe",
    "list_networks": "lulc_xr.models.registry",
    "load_classifier": "lulc_xr.models.classifier",
    "load_ensemble": "lulc_xr.models.ensemble",
    "load_experiment": "lulc_xr.jobs.experiment_files",
    "load_model": "lulc_xr.models.ensemble",
    "load_pretrained": "lulc_xr.models.pretrained",
    "load_stac": "lulc_xr.cube.stac",
    "make_network": "lulc_xr.models.registry",
    "open_class_map": "lulc_xr.cube.class_raster",
    "open_fractions": "lulc_xr.analysis.fraction_files",
    "plan_recipe": "lulc_xr.jobs.planning",
    "plot_fractions": "lulc_xr.plotting_fractions",
    "plot_transitions": "lulc_xr.plotting_change",
    "pretrain": "lulc_xr.training.pretrain",
    "rasterize_regions": "lulc_xr.cube.rasterize",
    "read_clm_surface": "lulc_xr.analysis.clm_reading",
    "read_nested": "lulc_xr.cube.nested",
    "run_experiment": "lulc_xr.jobs.experimenting",
    "stac_item": "lulc_xr.cube.map_item",
    "to_cog": "lulc_xr.cube.cog",
    "write_fractions": "lulc_xr.analysis.fraction_files",
    "tsmp_land_mask": "lulc_xr.analysis.tsmp_mask",
}

__all__ = [
    "CLEAR_RULES",
    "COMMON_BANDS",
    "Accuracy",
    "Applicability",
    "Assessment",
    "Augmentation",
    "BuildReport",
    "Calibration",
    "CalibrationScores",
    "ChunkPlan",
    "Classifier",
    "ClearRule",
    "Conformal",
    "ContextRangeWarning",
    "ContextScaling",
    "Crosswalk",
    "CrosswalkRow",
    "CubeError",
    "Design",
    "Ensemble",
    "EstimatorPredictor",
    "Experiment",
    "ExperimentError",
    "ExperimentReport",
    "ExportReport",
    "FixMatch",
    "GridWarning",
    "IncompleteMapWarning",
    "Legend",
    "LegendClass",
    "LegendError",
    "LossConfig",
    "LulcAccessor",
    "LulcError",
    "MapComparison",
    "MeanTeacher",
    "ModelError",
    "ModelSpec",
    "ModulePredictor",
    "MonteCarloDropout",
    "PlantClimateRules",
    "Predictor",
    "Prefetched",
    "PretrainConfig",
    "Pretrained",
    "RawDates",
    "Recipe",
    "RecipePlan",
    "RegionKey",
    "RegularDates",
    "SampleError",
    "SamplePlan",
    "Scaling",
    "SelfTraining",
    "SourceError",
    "StoreError",
    "StoredSampleBatches",
    "TaskComparison",
    "TestTimeAugmentation",
    "TrainConfig",
    "TransferAccuracy",
    "UnlabelledBatches",
    "Verification",
    "ViewRanges",
    "WriteReport",
    "accuracy",
    "add_fractions",
    "add_to_fractions",
    "aggregate",
    "aggregate_fractions",
    "applicability_of",
    "area",
    "as_grid",
    "as_predictor",
    "assess",
    "assign_raster_regions",
    "assign_regions",
    "bioclim",
    "bootstrap_accuracy",
    "build",
    "build_cube",
    "calibrate",
    "calibration_scores",
    "cell_climate",
    "change_table",
    "class_areas",
    "classify",
    "compare",
    "compare_maps",
    "compare_tasks",
    "composite",
    "conformal_coverage",
    "conformalize",
    "consistent",
    "context_at",
    "coverage_of_sets",
    "crosswalk",
    "draw_labels",
    "draw_points",
    "draw_weak_samples",
    "encode_samples",
    "estimate_area",
    "export_clm_landuse",
    "export_clm_surface",
    "export_tsmp",
    "extend_cube",
    "extract_samples",
    "features_of",
    "fill_unread",
    "fit",
    "fit_applicability",
    "fit_context_scaling",
    "fit_ensemble",
    "fit_snapshots",
    "fractions",
    "fractions_from_points",
    "fragmentation",
    "group_biogeographical",
    "join_lucas",
    "judge_points",
    "legend",
    "linear_probe",
    "list_crosswalks",
    "list_filters",
    "list_grids",
    "list_legends",
    "list_networks",
    "list_plant_crosswalks",
    "load_classifier",
    "load_ensemble",
    "load_experiment",
    "load_model",
    "load_pretrained",
    "load_recipe",
    "load_stac",
    "lonlat_grid",
    "lucas_labels",
    "make_folds",
    "make_network",
    "mask",
    "mean_and_interval",
    "open_class_map",
    "open_cube",
    "open_fractions",
    "open_samples",
    "place_context",
    "plan_recipe",
    "plan_sample",
    "plan_samples",
    "plant_crosswalk",
    "plant_functional_types",
    "plant_group_legend",
    "plot_fractions",
    "plot_transitions",
    "plotting",
    "pool_folds",
    "pretrain",
    "quality_filter",
    "rasterize_regions",
    "read_agera5",
    "read_chelsa",
    "read_clm_surface",
    "read_elc10",
    "read_eobs",
    "read_grid",
    "read_lucas",
    "read_nested",
    "read_worldclim",
    "run_experiment",
    "segment",
    "show_versions",
    "smooth",
    "stac_item",
    "summarise",
    "testing",
    "to_cog",
    "transfer_accuracy",
    "transitions",
    "tsmp_land_mask",
    "unread_dates",
    "verify",
    "write_context",
    "write_cube",
    "write_fractions",
    "write_samples",
    "write_variables",
    "zonal_uncertainty",
]


def __getattr__(name: str) -> Any:
    if name in _ON_DEMAND:
        return getattr(importlib.import_module(_ON_DEMAND[name]), name)
    raise AttributeError(f"module 'lulc_xr' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
