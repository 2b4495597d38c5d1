"""What may and what may not be concluded from an assessment, in plain sentences."""

from __future__ import annotations

from lulc_xr.analysis.conclusions_map import of_map
from lulc_xr.analysis.conclusions_models import of_models
from lulc_xr.analysis.findings import Findings
from lulc_xr.analysis.page_words import Conclusion


def conclude(found: Findings) -> tuple[Conclusion, ...]:
    """Sentences that follow from the facts.

    Parameters
    ----------
    found : Findings
        What an assessment has found.

    Returns
    -------
    tuple of Conclusion
        In the order of the page: of the map, then of the model behind it.
    """
    return (*of_map(found), *of_models(found))
