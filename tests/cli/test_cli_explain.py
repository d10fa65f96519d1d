"""An infeasible file at the command line: a readable block, JSON with places, exit code 3."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from groundplan.cli._explain import explained
from groundplan.cli._plan import plan_file
from groundplan.errors import Infeasible, Issue
from groundplan.problem import Change, applied
from groundplan.spec import load


@pytest.fixture(scope="module")
def file(root) -> Path:
    return root / "examples" / "too-little.yaml"


def test_plan_says_the_conflict_and_what_ends_it(file, tmp_path, capsys):
    with pytest.raises(typer.Exit) as raised:
        plan_file(file, tmp_path, as_json=True, with_report=False)
    assert raised.value.exit_code == 3
    assert list(tmp_path.iterdir()) == [], "nothing is written"
    said = capsys.readouterr()
    content = json.loads(said.out)
    assert content["status"] == "infeasible"
    kinds = {limit["kind"] for conflict in content["conflict"] for limit in conflict["limits"]}
    assert kinds == {"demand", "power", "survival"}
    power = next(row for row in content["relaxations"] if row["kind"] == "power")
    assert power["enough"]
    assert power["unit"] == "kW"
    (change,) = power["changes"]
    name, _, line = change["where"].rpartition(":")
    assert Path(name).name == file.name
    assert "usable_kw" in file.read_text("utf-8").splitlines()[int(line) - 1]
    assert "cannot all hold" in " ".join(said.err.split())
    assert change["field"] in said.err


def test_the_stated_change_gives_a_plan(file, tmp_path, capsys):
    with pytest.raises(typer.Exit):
        plan_file(file, tmp_path, as_json=True, with_report=False)
    rows = json.loads(capsys.readouterr().out)["relaxations"]
    changes = next(row["changes"] for row in rows if row["kind"] == "power")
    factory = applied(load(file).factory, [Change(**{k: v for k, v in c.items() if k != "where"}) for c in changes])
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps(factory.model_dump(mode="json", exclude_unset=True)), "utf-8")
    assert plan_file(mended, tmp_path / "out", as_json=False, with_report=False) == 0


def test_what_carries_no_problem_is_passed_on(file):
    with pytest.raises(Infeasible), explained(load(file), None, as_json=False):
        raise Infeasible(Issue("x", "y", "z"))
