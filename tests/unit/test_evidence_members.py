"""The comparison of members: all models of a seed, their scores, the printed table."""

import pandas as pd
import pytest

pytest.importorskip("sklearn")
from benchmarks.evidence import members


def test_the_table_has_paired_differences(capsys):
    names = (members.SINGLE, "other")
    rows = [
        {"seed": seed, "model": name, **dict.fromkeys(members.SCORES, 0.5 + 0.1 * seed + 0.02 * n)}
        for seed in range(3)
        for n, name in enumerate(names)
    ]
    members.show(pd.DataFrame(rows))
    told = capsys.readouterr().out
    assert told.count("0.620 (+0.020 ± 0.000)") == len(members.SCORES)
    assert told.count("0.600") == len(members.SCORES)
