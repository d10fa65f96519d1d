"""`fund` on the example whose budget reaches for one of two workloads, and the hint that leads there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from groundplan.cli._ladder import fund_file
from groundplan.cli._plan import plan_file

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "tight-budget.yaml"


def test_the_ladder_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    fund_file(EXAMPLE, 1, 150_000, as_json=False)
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if line.split()[1:2] in (["weld-inspection"], ["copilot"])]
    assert rows == [["1", "weld-inspection", "100%", "100%", "100%"], ["2", "copilot", "0%", "100%", "100%"]]
    assert "The next USD 150,000 buys: 100% of copilot (0% to 100%)." in out
    assert "Everything is served." in out


def test_the_ladder_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    fund_file(EXAMPLE, 0, 150_000, as_json=True)
    said = json.loads(capsys.readouterr().out)
    (rung,) = said["rungs"]
    assert rung["years"][0]["capex_usd"] == pytest.approx(141_150)
    assert rung["years"][0]["beyond_usd"] == 0
    assert said["ample"]["years"][0]["beyond_usd"] == pytest.approx(262_300 - 150_000)
    assert said["end"] == "Everything takes more: the cheapest plan for it spends, beyond the caps, " \
        "USD 112,300 in plan year 1."  # fmt: skip


def test_a_plan_that_a_budget_forbids_leads_to_the_ladder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        plan_file(EXAMPLE, tmp_path / "out", as_json=False, with_report=False)
    assert f"groundplan fund {EXAMPLE}" in capsys.readouterr().err
