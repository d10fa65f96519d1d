"""``costs`` around the hand-made plan: tables, JSON, the charges as CSV, and what it refuses."""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from groundplan.cli import _costs
from groundplan.cli._costs import Wish, costs_file
from groundplan.errors import RuleBroken, SpecError
from groundplan.finance import FOCUS_COLUMNS
from groundplan.plan import COST_LINES, write_plan
from groundplan.spec import LoadedSpec

SAMPLE = Path(__file__).resolve().parents[1] / "verify" / "sample.py"


@pytest.fixture(scope="module")
def sample():
    found = importlib.util.spec_from_file_location("cli_costs_sample", SAMPLE)
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module.sample()


@pytest.fixture
def folder(sample, monkeypatch, tmp_path) -> Path:
    """A folder with the plan, whose factory and catalogue are those of the sample."""
    plan, spec, catalog = sample
    loaded = LoadedSpec(spec.factory, spec.spec_hash, {}, Path("sample.yaml"), {})
    monkeypatch.setattr(_costs, "factory_beside", lambda *_: loaded)
    monkeypatch.setattr(_costs.Catalog, "default", staticmethod(lambda: catalog))
    write_plan(plan, tmp_path / "plan.json")
    return tmp_path


def test_people_see_every_line_every_site_and_the_convention(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    costs_file(folder, None, Wish(rental_usd=2.0, against=folder), as_json=False)
    said = capsys.readouterr().out
    for word in (*(line.replace("_", " ") for line in COST_LINES), "plant", "annex", "cloud", "million KRW"):
        assert word in said
    for word in ("million output tokens", "million frames", "run", "utilised", "1,250 KRW", "from the start"):
        assert word in said
    assert "Convention groundplan: 730 h a month, 8760 h a year; discounted at 8.00% a year." in said


def test_machines_read_what_sums_to_the_plan(folder, sample, capsys):
    costs_file(folder, None, Wish(rental_usd=2.0, against=folder, convention="lenovo-2025"), as_json=True)
    said = json.loads(capsys.readouterr().out)
    parts = sum(row["npv_usd"] for row in (*said["workloads"], *said["idle"]))
    assert parts == pytest.approx(said["npv_usd"], rel=1e-9)
    assert sum(row["usd"] for row in said["ledger"]) == pytest.approx(sum(row.usd for row in sample[0].costs))
    assert said["cash"]["report_currency"]["currency"] == "KRW"
    assert said["convention"]["name"] == "lenovo-2025"
    assert said["break_even"] == {"month": 0, "ahead_usd": 0}
    own = {row["site"]: row["usd_per_available"] for row in said["hours"] if row["tenure"] == "own"}
    assert said["break_even_utilisation"]["plant"] == pytest.approx(own["plant"] / 2.0)


def test_charges_are_written_as_csv(folder, sample, capsys):
    costs_file(folder, None, Wish(csv=folder / "charges.csv"), as_json=True)
    npv = json.loads(capsys.readouterr().out)["npv_usd"]
    with (folder / "charges.csv").open(encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    assert tuple(rows[0]) == FOCUS_COLUMNS
    worth = {p.id: 1.08 ** -((p.start_month_count + p.months_count / 2) / 12) for p in sample[0].periods}
    assert sum(float(row["EffectiveCost"]) * worth[row["x_Period"]] for row in rows) == pytest.approx(npv, rel=1e-9)


def test_what_is_refused(folder, sample, tmp_path):
    with pytest.raises(SpecError, match="lenovo-2025"):
        costs_file(folder, None, Wish(convention="lenovo25"), as_json=True)
    spoilt = sample[0].model_copy(update={"orders": sample[0].orders[1:]})
    write_plan(spoilt, tmp_path / "spoilt.json")
    for path, wish in ((tmp_path / "spoilt.json", Wish()), (folder, Wish(against=tmp_path / "spoilt.json"))):
        with pytest.raises(RuleBroken):
            costs_file(path, None, wish, as_json=True)
