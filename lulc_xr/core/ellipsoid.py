"""Areas on the ellipsoid WGS 84."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SEMI_MAJOR_AXIS = 6_378_137.0
"""Of WGS 84, in metres."""
INVERSE_FLATTENING = 298.257223563
"""Of WGS 84."""
ECCENTRICITY_SQUARED = (2 - 1 / INVERSE_FLATTENING) / INVERSE_FLATTENING
SEMI_MINOR_AXIS = SEMI_MAJOR_AXIS * (1 - 1 / INVERSE_FLATTENING)

# Seven terms: the next one is below 1e-16.
_TERMS = [(k + 1) * ECCENTRICITY_SQUARED**k / (2 * k + 1) for k in range(7)]


def area_density(sine_squared: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square metres of the ellipsoid per unit of the sphere's solid angle at geodetic latitudes.

    The product of the radii of curvature in the meridian and across it, which the map of places
    by their longitude and geodetic latitude onto the unit sphere scales areas by.

    Parameters
    ----------
    sine_squared : ndarray of float64
        Squared sine of the geodetic latitude.
    """
    e2 = ECCENTRICITY_SQUARED
    found: NDArray[np.float64] = SEMI_MAJOR_AXIS**2 * (1 - e2) / (1 - e2 * sine_squared) ** 2
    return found


def area_up_to(sine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square metres between the equator and parallels, per radian of longitude.

    Parameters
    ----------
    sine : ndarray of float64
        Sine of the geodetic latitude; negative southwards, as the area is.

    References
    ----------
    Snyder (1987), Map projections: a working manual, equation 3-12, as a series in the
    eccentricity.
    """
    squared = sine**2
    series: NDArray[np.float64] = np.full_like(squared, _TERMS[-1])
    for term in _TERMS[-2::-1]:
        series *= squared
        series += term
    found: NDArray[np.float64] = SEMI_MINOR_AXIS**2 * sine * series
    return found
