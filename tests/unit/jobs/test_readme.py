"""The README tells the truth: its example runs, its commands and files exist."""

import ast
import inspect
import re
import runpy
from pathlib import Path

import lulc_xr as lx

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_example_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    (tmp_path / "example.py").write_text(EXAMPLES[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path("example.py")
    told = capsys.readouterr().out
    assert (tmp_path / "area.zarr" / "land_cover_entropy" / "zarr.json").is_file()
    assert (tmp_path / "model" / "model.safetensors").is_file()
    overall = float(re.search(r"Overall accuracy (\d\.\d+)", told).group(1))
    assert overall > 0.9


def test_calls_of_the_other_examples_fit_their_functions():
    # They need the internet, or files of Eurostat; examples/03_any_place.ipynb runs the same calls.
    calls = [
        node
        for code in EXAMPLES[1:]
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("lx.")
    ]
    assert {"load_stac", "write_context", "read_lucas"} <= {call.func.attr for call in calls}
    for call in calls:
        names = {keyword.arg: keyword.value for keyword in call.keywords}
        inspect.signature(getattr(lx, call.func.attr)).bind(*call.args, **names)


def test_commands_are_those_that_exist(cli):
    named = set(re.findall(r"`lulc-xr ([\w-]+)", README))
    help_text = cli("--help").out
    assert named
    for command in named:
        assert cli(command, "--help").exit_code == 0
        assert command in help_text


def test_linked_files_exist():
    links = set(re.findall(r"\]\(([^)#:]+)\)", README))
    assert {"examples/flanders.png", "CONTRIBUTING.md"} <= links
    assert [link for link in links if not (ROOT / link).exists()] == []
