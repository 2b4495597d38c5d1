"""An assessment of a class map: all that is known of how good it is, and what follows from it."""

from __future__ import annotations

import html
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lulc_xr.analysis.conclusions import conclude
from lulc_xr.analysis.conclusions_map import verdict
from lulc_xr.analysis.findings import OVERALL, PRODUCERS, USERS, Findings
from lulc_xr.analysis.page import draw_page
from lulc_xr.analysis.page_words import Conclusion, percent, spoken
from lulc_xr.core.errors import SampleError

TABLES = ("estimates", "cells", "subsets", "regions", "sets", "applicability", "transfer")
"""Tables of an assessment that are written one by one, if they have rows."""


class Assessment(Findings):
    """All that is known of how good a class map is; made by :func:`lulc_xr.assess`.

    Its figures are tables (see :class:`lulc_xr.analysis.findings.Findings`); this class tells them:
    as a page, as sentences, as JSON and as Parquet.
    """

    @property
    def conclusions(self) -> tuple[Conclusion, ...]:
        """What may, and what may not, be concluded, in plain sentences."""
        return conclude(self)

    @property
    def verdict(self) -> str:
        """How much agrees, and of what that is a share, in one or two sentences."""
        return verdict(self)

    def to_html(self) -> str:
        """The page: one HTML document with style, charts and pictures inside, without a script."""
        return draw_page(self, self.conclusions)

    def write_html(self, path: str | Path) -> Path:
        """Write the page, and return its path."""
        path = Path(path)
        path.write_text(self.to_html(), encoding="utf-8")
        return path

    def to_dict(self) -> dict[str, Any]:
        """All figures and sentences as JSON-able values; None where one is not defined.

        The points themselves are left out; :meth:`to_parquet` writes them.
        """
        tables = {name: _records(getattr(self, name)) for name in TABLES}
        return {
            "verdict": self.verdict,
            "conclusions": [
                {"allowed": c.allowed, "topic": c.topic, "text": c.text} for c in self.conclusions
            ],
            "facts": dict(self.facts),
            "points": {name: int(count) for name, count in self.points.items()},
            "design": self.design or None,
            "unit": self.unit or None,
            "level": self.level,
            "blocks": self.blocks and {"number": self.blocks[0], "metres": self.blocks[1]},
            "neighbours": {str(k): _plain(v) for k, v in self.correlation.items()},
            "legend": self.legend.to_dict(),
            "counts": {
                "predicted": [str(name) for name in self.counts["predicted"].values],
                "reference": [str(name) for name in self.counts["reference"].values],
                "values": np.asarray(self.counts.values).astype(int).tolist(),
            },
            **tables,
            "calibration": {name: _records(table) for name, table in self.calibration.items()},
        }

    def to_parquet(self, folder: str | Path) -> tuple[Path, ...]:
        """Write every table, and the judged points, as Parquet files into a folder.

        Parameters
        ----------
        folder : str or Path
            It is made if need be; files of these names are replaced.

        Returns
        -------
        tuple of Path
            The files.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tables = {name: getattr(self, name) for name in TABLES}
        tables |= {f"calibration_{name}": table for name, table in self.calibration.items()}
        tables["points"] = self.judged
        written = []
        for name, table in tables.items():
            if table.empty:
                continue
            plain = pd.DataFrame(table)
            # Parquet keeps attributes only if JSON can; those of points are in scores.json.
            plain.attrs = {}
            path = folder / f"{name}.parquet"
            plain.to_parquet(path, index=False)
            written.append(path)
        return tuple(written)

    def write(self, folder: str | Path) -> Path:
        """Write report.html, scores.json and the tables as Parquet; returns the folder.

        Raises
        ------
        SampleError
            If the folder is a file.
        """
        folder = Path(folder)
        if folder.exists() and not folder.is_dir():
            raise SampleError(f"{str(folder)!r} is a file; give a folder for the report.")
        folder.mkdir(parents=True, exist_ok=True)
        self.write_html(folder / "report.html")
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        (folder / "scores.json").write_text(text, encoding="utf-8")
        self.to_parquet(folder)
        return folder

    def __repr__(self) -> str:
        table = self._classes().to_string(index=False)
        lines = [self.verdict, "", table]
        for allowed, heading in ((True, "May be concluded:"), (False, "May not be concluded:")):
            lines += ["", heading]
            lines += [f"- {c.text}" for c in self.conclusions if c.allowed == allowed]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        table = self._classes().to_html(index=False, border=0, justify="right")
        sentences = "".join(
            f"<details><summary>{heading}</summary><ul>"
            + "".join(
                f"<li>{html.escape(c.text)}</li>" for c in self.conclusions if c.allowed == allowed
            )
            + "</ul></details>"
            for allowed, heading in (
                (True, "What may be concluded"), (False, "What may not be concluded"),
            )
        )  # fmt: skip
        return f"<div><p>{html.escape(self.verdict)}</p>{table}{sentences}</div>"

    def _classes(self) -> pd.DataFrame:
        """User's and producer's accuracy of each class with intervals, as words."""
        rows = [
            {
                "class": spoken(name),
                "user's accuracy": _told(self, USERS, name),
                "producer's accuracy": _told(self, PRODUCERS, name),
                "points mapped": int(self.mapped[n]),
                "in the reference": int(self.labelled[n]),
            }
            for n, name in enumerate(self.legend.names)
        ]
        rows.append(
            {
                "class": "overall accuracy",
                "user's accuracy": _told(self, OVERALL, ""),
                "producer's accuracy": "",
                "points mapped": int(self.mapped.sum()),
                "in the reference": int(self.labelled.sum()),
            }
        )
        return pd.DataFrame(rows)


def _told(found: Findings, quantity: str, name: str) -> str:
    e = found.estimate(quantity, name)
    if math.isnan(e.width):
        return percent(e.value)
    return f"{percent(e.value)} ({100 * e.low:.1f}-{100 * e.high:.1f})"


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(key): _plain(value) for key, value in row.items()}
        for row in table.to_dict(orient="records")
    ]


def _plain(value: Any) -> Any:
    """A value that JSON has; None for what is missing or not finite."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return None if value is pd.NA else value
