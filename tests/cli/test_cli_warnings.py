"""Warnings of the day: to standard error, and a field in JSON; moves that law refuses."""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta

import pytest

from groundplan.cli import _check, main
from groundplan.cli._warnings import say_warnings, warnings
from groundplan.policy import as_of
from groundplan.spec import starter


def test_old_rules_are_warned_of_and_fresh_ones_are_not(capsys):
    assert warnings(as_of() + timedelta(days=60)) == []
    (said,) = warnings(as_of() + timedelta(days=61))
    say_warnings([said])
    assert capsys.readouterr().err == f"warning: {said}\n"
    assert "61 days old" in said
    assert warnings() == warnings(date.today())


def test_check_keeps_warnings_out_of_json_but_for_their_field(tmp_path, monkeypatch, capsys):
    (tmp_path / "f.yaml").write_text(starter(), "utf-8")
    monkeypatch.setattr(_check, "warnings", lambda: ["the rules are old"])
    monkeypatch.setattr(sys, "argv", ["groundplan", "check", str(tmp_path / "f.yaml"), "--quick", "--json"])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr()
    assert left.value.code == 0
    assert json.loads(said.out)["warnings"] == ["the rules are old"]
    assert said.err == "warning: the rules are old\n"


OLD = """existing:
  - {id: a, site: plant, server: l40s-8, nodes_count: 1, bought_month: 2026-01, maintenance_usd_per_year: 1,
     resale_usd: 1, resale_decline_per_year_rate: 0.1, moves: [{to: barn, usd_per_node: 900, lead_months: 1}]}
"""
BARN = """sites:
  - {id: barn, title: Barn, tier: line-edge, country: CN, owner_country: US, operator_country: US, parent_country: US,
     key_holder_country: US, utc_offset_h: 8, lan_rtt_p50_ms: 1, lan_rtt_p99_ms: 2, pue: 1.2,
     grid_carbon_kg_per_kwh: 0.5,
     hosting: {usable_kw: 20, ups_tier: n, pue_peak: 1.3, air_heat_kw: 20, liquid_heat_kw: 0, rack_slots_count: 2,
     rack_limit_kw: 20, tariff: us-industrial-average, contract_minimum_kw: 0, intra_bucket_peak_factor: 1,
     opening_usd: 500, space_usd_per_kw_month: 0, import_duty_share: 0,
     staff: {existing_fte: 0, min_fte: 0, nodes_per_fte: 9, salary_usd_per_year: 1, training_usd_per_fte: 1}}}
"""


def test_check_shows_a_move_that_export_law_refuses(tmp_path, monkeypatch, capsys):
    text = starter().replace("      opening_usd: 20000", "      #").replace("sites:\n", BARN, 1)
    assert "# Quotes to buy ..." in text
    (tmp_path / "f.yaml").write_text(text.replace("# Quotes to buy ...", OLD, 1), "utf-8")
    monkeypatch.setattr(sys, "argv", ["groundplan", "check", str(tmp_path / "f.yaml"), "--json"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    (row,) = json.loads(capsys.readouterr().out)["refused_moves"]
    assert (row["existing"], row["to"]) == ("a", "barn")
    assert "site barn is in CN" in row["why"]
