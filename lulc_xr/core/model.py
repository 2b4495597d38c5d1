"""What a model asks for and gives: ModelSpec, the Predictor protocol, a reference to ship."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.context_scaling import ContextScaling, context_of_samples
from lulc_xr.core.dates import Dates, RawDates, dates_from_dict, dates_to_dict
from lulc_xr.core.errors import ModelError, SampleError, name_unknown
from lulc_xr.core.legend import Legend

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
Probabilities = NDArray[np.float32] | Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Mean and standard deviation of each band, fitted on training samples only.

    A network sees ``(reflectance - mean) / std``.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise ModelError(f"{len(self.mean)} means and {len(self.std)} deviations of bands.")
        if not all(np.isfinite(self.mean)) or not all(np.isfinite(s) and s > 0 for s in self.std):
            raise ModelError(
                f"scaling with means {self.mean} and deviations {self.std}: all must be finite "
                "and the deviations positive. Drop bands that are constant in the samples."
            )


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What a model needs of a cube, and what its outputs mean.

    Parameters
    ----------
    bands : tuple of str
        Names of the bands it sees, in its order.
    legends : mapping of str to Legend
        Legend of each task, such as ``{"land_cover": legend}``.
    dates : RegularDates or RawDates
        Its time axis.
    halo : int
        Pixels of context on each side that it needs (its receptive field).
    stride : int
        Blocks that it is given begin at rows and columns of the cube that are multiples of it:
        the side of the cells into which it pools pixels.
    context : tuple of str
        Names of context variables (bioclimate) that it needs.
    scaling : Scaling or None
        Scaling of its bands, if it has one.
    context_scaling : ContextScaling or None
        Scaling of its context variables, if it has one; the engine gives raw values.

    Raises
    ------
    ModelError
        If a setting is out of range.
    """

    bands: tuple[str, ...]
    legends: Mapping[str, Legend]
    dates: Dates
    halo: int = 0
    stride: int = 1
    context: tuple[str, ...] = ()
    scaling: Scaling | None = None
    context_scaling: ContextScaling | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", tuple(self.bands))
        object.__setattr__(self, "context", tuple(self.context))
        object.__setattr__(self, "legends", dict(self.legends))
        if not self.bands or len(set(self.bands)) != len(self.bands):
            raise ModelError(f"bands {self.bands}: expected at least one, each once.")
        if not self.legends:
            raise ModelError("no legend: give one per task, such as {'land_cover': legend}.")
        if self.halo < 0:
            raise ModelError(f"halo {self.halo} is negative; give pixels >= 0.")
        if self.stride < 1:
            raise ModelError(f"stride {self.stride}; give pixels >= 1.")
        if self.scaling is not None and len(self.scaling.mean) != len(self.bands):
            raise ModelError(
                f"scaling of {len(self.scaling.mean)} bands for a model of {len(self.bands)}."
            )
        if len(set(self.context)) != len(self.context):
            raise ModelError(f"context {self.context}: expected each variable once.")
        if self.context_scaling and self.context_scaling.variables != self.context:
            raise ModelError(
                f"scaling of context {self.context_scaling.variables} for a model of context "
                f"{self.context}. Fit it for these: lulc_xr.fit_context_scaling."
            )

    @classmethod
    def from_samples(
        cls, samples: xr.Dataset, *, halo: int = 0, context: Sequence[str] = ()
    ) -> ModelSpec:
        """Specification of a model that learns from these samples.

        Parameters
        ----------
        samples : xr.Dataset
            Samples as :func:`lulc_xr.extract_samples` gives them.
        halo : int
            Pixels of context that the model needs.
        context : sequence of str
            Names of context variables of the samples that the model needs, such as "bio01".

        Raises
        ------
        SampleError
            If the samples do not say how they were drawn, or lack this context.
        """
        if context:
            context_of_samples(samples, context)
        if "dates" not in samples.attrs or "tasks" not in samples.attrs:
            raise SampleError(
                "these samples do not say how they were drawn (attributes 'dates' and 'tasks'). "
                "Draw them with lulc_xr.extract_samples."
            )
        return cls(
            bands=tuple(str(b) for b in samples["band"].values),
            legends={t: Legend.from_flags(samples[t].attrs) for t in tasks_of(samples)},
            dates=dates_of(samples),
            halo=halo,
            context=tuple(context),
        )

    def to_dict(self) -> dict[str, Any]:
        """The specification as JSON-able values."""
        scaling = self.scaling and {"mean": list(self.scaling.mean), "std": list(self.scaling.std)}
        # Models of before there was context have no such entry; their hashes stay as they are.
        context_scaling = self.context_scaling and self.context_scaling.to_dict()
        return {
            "bands": list(self.bands),
            "legends": {task: legend.to_dict() for task, legend in self.legends.items()},
            "dates": dates_to_dict(self.dates),
            "halo": self.halo,
            "context": list(self.context),
            "scaling": scaling,
            **({"context_scaling": context_scaling} if context_scaling else {}),
            **({"stride": self.stride} if self.stride > 1 else {}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelSpec:
        """The specification from what :meth:`to_dict` gave."""
        scaling, of_context = values["scaling"], values.get("context_scaling")
        context = tuple(values["context"])
        return cls(
            bands=tuple(values["bands"]),
            legends={t: Legend.from_dict(v) for t, v in values["legends"].items()},
            dates=dates_from_dict(values["dates"]),
            halo=int(values["halo"]),
            stride=int(values.get("stride", 1)),
            context=context,
            scaling=scaling and Scaling(mean=tuple(scaling["mean"]), std=tuple(scaling["std"])),
            context_scaling=of_context
            and ContextScaling(variables=context, **{n: tuple(v) for n, v in of_context.items()}),
        )


def tasks_of(samples: xr.Dataset) -> list[str]:
    """Names of the tasks that samples carry labels of."""
    return str(samples.attrs["tasks"]).split()


def check_single_pixels(samples: xr.Dataset) -> None:
    """Raise SampleError if samples are patches, for models of single pixels."""
    sides = {str(d): n for d, n in samples.sizes.items() if str(d).startswith("patch_")}
    if sides:
        middle = ", ".join(f"{dim}={side // 2}" for dim, side in sides.items())
        raise SampleError(
            f"these samples are patches of {' x '.join(map(str, sides.values()))} pixels; this "
            "model learns from single ones. Draw them with patch=1, or take the pixels in the "
            f"middle: samples.isel({middle}, drop=True)."
        )


def dates_of(samples: xr.Dataset) -> Dates:
    """Time axis that samples were drawn on."""
    return dates_from_dict(json.loads(samples.attrs["dates"]))


@runtime_checkable
class Predictor(Protocol):
    """Anything that classifies a block: a network, an ensemble, an estimator, a test's lambda.

    Optional attributes the engine looks for: ``content_hash`` (str, identity of the model),
    ``reference()`` (a :class:`PredictorReference`), ``with_precision(precision)``
    (the same model in another arithmetic), ``each_member(pixels, days, context)`` (what each of
    several members says of a block: an iterator of task to (class, y, x), whose mean is what
    ``predict_block`` gives), ``attachments`` (:class:`lulc_xr.core.attachments.Attachments`:
    conformal sets and area of applicability; a calibration is already done to what it gives).
    Regions that attachments tell apart come in `context`, as positions among their names.
    """

    @property
    def spec(self) -> ModelSpec:
        """What the model needs and gives."""
        ...

    def predict_block(
        self,
        pixels: NDArray[np.float32],
        days: NDArray[np.int32],
        context: Mapping[str, NDArray[np.float32]] | None,
    ) -> Probabilities:
        """Class probabilities of a block.

        Parameters
        ----------
        pixels : ndarray of float32
            Reflectance, shape (time, band, y, x), NaN where missing. With ``fill="linear"``
            only pixels without any clear date are NaN, or gaps longer than ``max_gap``; the
            engine maps the former to fill.
        days : ndarray of int32
            Day of the mapped year (0-based) of each date, shape (time,).
        context : mapping or None
            The context variables of the spec by name, raw, each of shape (y, x); NaN where
            there is none, and the engine maps those pixels to fill. None without such.

        Returns
        -------
        ndarray of float32, or mapping of task to such
            Probabilities, shape (class, y, x), summing to 1 over classes.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class PredictorReference:
    """Where a worker finds a model: a loader, a path, and the hash of what must be there.

    A reference travels to workers in the place of the weights; each worker process loads
    the model once.
    """

    loader: Callable[[str], Predictor]
    path: str
    content_hash: str
    precision: Precision = "float32"


def check_predictor(model: object) -> Predictor:
    """The model, if it can predict.

    Raises
    ------
    ModelError
        If it has no ``.spec`` or no ``.predict_block``.
    """
    if isinstance(model, Predictor) and isinstance(model.spec, ModelSpec):
        return model
    if hasattr(model, "predict_proba"):
        raise ModelError(
            f"{type(model).__name__} is a scikit-learn estimator and says nothing of bands, dates "
            "or legend. Wrap it: lulc_xr.EstimatorPredictor(estimator, spec=...)."
        )
    if hasattr(model, "state_dict"):
        raise ModelError(
            f"{type(model).__name__} is a torch module and says nothing of bands, dates or legend. "
            "Wrap it: lulc_xr.ModulePredictor(module, spec=...)."
        )
    raise ModelError(
        f"{type(model).__name__} object cannot classify: expected an attribute 'spec' "
        "(lulc_xr.ModelSpec) and a method 'predict_block'. To load a classifier from a folder: "
        "lulc_xr.load_classifier(path)."
    )


def by_task(found: object, spec: ModelSpec) -> Mapping[str, NDArray[np.float32]]:
    """Probabilities by task, also where a model of one task gave an array."""
    if not isinstance(found, Mapping):
        if len(spec.legends) > 1:
            raise ModelError(
                f"predict_block gave one array for tasks {list(spec.legends)}; "
                "return a mapping of task to probabilities."
            )
        found = {next(iter(spec.legends)): found}
    missing = [task for task in spec.legends if task not in found]
    if missing:
        raise ModelError(f"predict_block gave {list(found)}; missing: {missing}.")
    return {task: np.asarray(found[task], np.float32) for task in spec.legends}


def check_precision(precision: str) -> Precision:
    """The precision, if it is a known one."""
    for known in PRECISIONS:
        if precision == known:
            return known
    raise ModelError(name_unknown("precision", precision, PRECISIONS))


def fixed_number_of_dates(dates: Dates) -> int | None:
    """Number of dates a model of this time axis always sees; None if it varies."""
    if isinstance(dates, RawDates):
        return dates.maximum if dates.minimum == dates.maximum else None
    return dates.number
