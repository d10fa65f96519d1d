"""``anchor --provider``: one deployment, a factory file, and what estimate and plan say of it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from tables_cases import MadeUp

from groundplan.catalog import Catalog
from groundplan.cli._anchor_tables import PROVIDERS
from groundplan.problem import build
from groundplan.spec import load, read_measured, starter

RESULT = Path(__file__).resolve().parents[2] / "examples" / "benchmark" / "vllm-01.json"
TABLES = ("--provider", "aiconfigurator", "--model", "llama-3.1-70b", "--on", "hgx-h100-8", "--tp", "4")


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def tables(run, monkeypatch, tmp_path) -> Path:
    monkeypatch.setitem(PROVIDERS, "aiconfigurator", lambda: MadeUp(1.2, 1.2))
    assert run("anchor", *TABLES, "--out", tmp_path / "tables.toml")[0] == 0
    return tmp_path / "tables.toml"


def test_tables_without_their_package_say_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiconfigurator_core", None)
    monkeypatch.setitem(sys.modules, "aiconfigurator_core.sdk", None)
    code, out, err = run("anchor", *TABLES)
    assert (code, out) == (2, "")
    assert "pip install groundplan[aiconfigurator]" in err
    assert "internal" not in err


def test_tables_are_said_to_be_tables_and_to_have_passed_gates(run, tables):
    _, said, _ = run("anchor", *TABLES, "--json")
    (row,) = read_measured(tables)
    (one,) = json.loads(said)["rows"]
    assert one["measured"] == row.model_dump(mode="json")
    assert one["steps"] == row.points_count
    shown = " ".join(run("anchor", *TABLES)[1].split())
    assert "Step times from tables of made up 1.0" in shown
    assert "0 below the roofline" in shown
    assert "not measurements of yours" in shown


def test_estimate_says_that_a_speed_is_of_tables(run, tables):
    asked = ("estimate", "llama-3.1-70b", "--on", "hgx-h100-8", "--tuning", "tuned", "--json")
    plain, moved = (json.loads(run(*asked, *more)[1])["points"] for more in ((), ("--measured", tables)))
    said = [point["measured"] for point in moved if point["slots_per_replica"] == 4]
    assert said == ["moved by 50% of what tables of made up 1.0 say, tables of vllm"]
    assert all(point["measured"] == "" for point in plain)


def test_a_whole_factory_file_is_asked(run, tables):
    path = tables.with_name("factory.yaml")
    path.write_text(starter().replace("model: qwen3-8b", "model: qwen3-8b\n    tuning: tuned", 1))
    out = tables.with_name("all.toml")
    code, said, _ = run("anchor", path, "--provider", "aiconfigurator", "--out", out)
    rows = read_measured(out)
    assert code == 0
    assert len(rows) > 1
    assert "qwen3-8b on" in said
    path.write_text(re.sub(r"(?m)^workloads:", "measured: [all.toml]\nworkloads:", path.read_text(), count=1))
    points = build(load(path), Catalog.default()).points
    assert any("what tables of made up 1.0 say" in point.measured for point in points)


def test_a_file_without_any_row_is_refused_with_every_reason(run, tables):
    path = tables.with_name("factory.yaml")
    path.write_text(starter())
    code, _, err = run("anchor", path, "--provider", "aiconfigurator")
    assert code == 2
    assert "copilot: tables are of engines that are set up" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("anchor",), "needs the results of a deployment"),
        (("anchor", RESULT), "needs the results of a deployment"),
        (("anchor", RESULT, "--model", "qwen3-8b"), "--on: is not given"),
        (("anchor", RESULT, "--on", "l40s-8"), "--model: is not given"),
        (("anchor", "--provider", "aiconfigurator"), "one deployment or one factory file"),
        (("anchor", RESULT, *TABLES), "one deployment or one factory file"),
        (("anchor", "none.yaml", "--provider", "aiconfigurator"), "none.yaml"),
    ],
)
def test_half_a_question_is_refused(run, tables, arguments, said):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert said in err
