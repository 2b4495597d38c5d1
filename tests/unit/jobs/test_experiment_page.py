"""The page about experiments tells the truth: its file is read as it stands."""

import re
from pathlib import Path

import lulc_xr as lx

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "examples" / "methods" / "experiments.md").read_text(encoding="utf-8")


def test_its_file_is_an_experiment(tmp_path):
    path = tmp_path / "few_labels.toml"
    path.write_text(re.search(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL).group(1))
    made = lx.load_experiment(path)
    assert [method.name for method in made.methods] == [
        "forest",
        "tempcnn",
        "tempcnn, mean_teacher",
        "tempcnn, cbn",
        "tempcnn, cbn, mean_teacher",
        "ltae",
    ]
    assert made.folder == tmp_path / "few_labels_runs"


def test_files_of_evidence_are_experiments():
    files = sorted((ROOT / "benchmarks" / "evidence").glob("*.toml"))
    assert {"grassland", "toulouse", "corsica", "forest"} <= {file.stem for file in files}
    for file in files:
        made = lx.load_experiment(file)
        assert len(made.seeds) >= 5
        assert len(made.methods) >= 2
