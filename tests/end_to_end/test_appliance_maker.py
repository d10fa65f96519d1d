"""The example, planned once by the command: exit code, keys, checks, spoilt copies, and the story it tells."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from groundplan.catalog import Catalog
from groundplan.plan import Plan, read_plan
from groundplan.spec import LoadedSpec, load
from groundplan.verify import verify

sys.path.append(str(Path(__file__).resolve().parents[1] / "verify"))
from mutations import MUTATIONS

KEYS = {
    "status", "objective_usd", "bound_usd", "gap", "evaluated_usd", "max_residual", "rounding_cost_usd", "build_s",
    "solve_s", "reproducible", "warnings",
}  # fmt: skip
LEAST_MUTATIONS = 40
EDGE_SERVERS = {"jetson-agx-thor", "l4-4", "cpu-2s-64"}
"""Servers that export law leaves for a plant without a licence: edge modules, small cards and CPUs."""


@dataclass(frozen=True)
class Made:
    """What one run of the command left."""

    plan: Plan
    loaded: LoadedSpec
    catalog: Catalog
    summary: dict[str, Any]
    folder: Path


def _planned(root: Path, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "groundplan", "plan", "examples/appliance-maker", "--out", str(folder), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    done = run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def made(root, tmp_path_factory) -> Made:
    folder = tmp_path_factory.mktemp("appliance-maker")
    summary = _planned(root, folder)
    plan = read_plan(folder / "plan.json")
    return Made(plan, load(root / "examples" / "appliance-maker"), Catalog.default(), summary, folder)


def test_the_plan_is_proven_and_verified(made):
    assert set(made.summary) == KEYS
    assert made.summary["status"] == "optimal"
    assert 0 <= made.summary["gap"] <= 0.01
    assert made.summary["reproducible"] is True
    assert made.summary["evaluated_usd"] == pytest.approx(made.summary["objective_usd"], rel=1e-6)
    assert made.summary["max_residual"] <= 1e-6
    assert {path.name for path in made.folder.iterdir()} >= {"plan.json", "factory.json", "report.html"}


def test_the_file_passes_a_second_check(made):
    report = verify(made.plan, made.loaded, made.catalog)
    assert report.findings == ()
    assert report.evaluated_usd == pytest.approx(made.plan.result.objective_usd, rel=1e-6)
    assert "_s" not in {key[-2:] for key in made.plan.result.model_dump()}, "a wall time stands in the plan"


def test_every_spoilt_copy_is_caught_by_its_family(made):
    spoilt = {m.name: (m.family, m.spoil(made.plan, made.loaded, made.catalog)) for m in MUTATIONS}
    fitting = {name: pair for name, pair in spoilt.items() if pair[1] is not None}
    assert len(fitting) >= LEAST_MUTATIONS
    missed = [
        name
        for name, (family, plan) in fitting.items()
        if family not in verify(plan, made.loaded, made.catalog).families
    ]
    assert missed == []


def test_the_report_keeps_its_budget(made):
    """250 kB, 40 kB on the wire: without alternatives, which add about a tenth."""
    page = (made.folder / "report.html").read_bytes()
    assert len(page) <= 225_000
    assert len(gzip.compress(page)) <= 36_000


# --- the story ---


def test_export_law_leaves_edge_boxes_for_hai_phong(made):
    servers = {row.server for row in made.plan.orders if row.site == "haiphong"}
    assert servers
    assert servers <= EDGE_SERVERS
    refused = {row.server for row in made.plan.refusals if row.site == "haiphong" and row.rule.startswith("us-")}
    assert "rtx-pro-6000-8" in refused


def test_core_technology_never_reaches_the_public_cloud_in_seoul(made):
    secret = {w.id for w in made.loaded.factory.workloads if "welding-knowhow" in w.data_classes}
    assert secret
    placed = {(row.workload, row.site) for row in (*made.plan.loads, *made.plan.failovers, *made.plan.batch)}
    assert {site for workload, site in placed if workload in secret} == {"changwon"}


def test_residency_refusals_are_named(made):
    rules = Counter(row.rule for row in made.plan.refusals)
    assert rules["kr-pipa-transfer"] > 0, rules
    assert all(row.why for row in made.plan.refusals)


def test_robots_are_served_at_the_plants(made):
    """Their pictures do not fit the lines to the city: at least three quarters of the load stay where it arises."""
    total: Counter[tuple[str, str]] = Counter()
    beside: Counter[tuple[str, str]] = Counter()
    for row in made.plan.loads:
        if row.workload == "robots":
            total[row.origin, row.period] += row.units_per_s
            beside[row.origin, row.period] += row.units_per_s if row.site == row.origin else 0.0
    assert {origin for origin, _ in total} == {"changwon", "haiphong"}
    assert all(beside[key] >= 0.75 * total[key] for key in total), {key: beside[key] / total[key] for key in total}


@pytest.mark.skipif("GROUNDPLAN_SLOW" not in os.environ, reason="plans the example again: set GROUNDPLAN_SLOW=1")
def test_a_second_run_gives_the_same_bytes(made, root, tmp_path):
    _planned(root, tmp_path)
    for name in ("plan.json", "factory.json", "report.html"):
        assert (tmp_path / name).read_bytes() == (made.folder / name).read_bytes()
