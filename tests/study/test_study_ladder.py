"""What capped money serves: a plant without a cloud, two workloads that each need a node of their own.

A node costs 105,000 x (1 + 0.1 network + 0.03 spares) + 2,500 storage = 121,150, and opening the room 20,000: one
workload takes 141,150 of capex, both take 262,300.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from study_cases import CATALOG, edited, read, starter

from groundplan.errors import Infeasible, SpecError
from groundplan.study import Base, Ladder, Laddered, Rung, fund
from groundplan.verify import verify

ONE, BOTH = 141_150.0, 262_300.0


def plant(caps: dict[str, Any], **by_workload: dict[str, Any]) -> dict[str, Any]:
    """The starter's plant alone, with nodes that nobody shares and load from the day on which they can be there."""
    content = edited(starter(), budgets=caps, links=[], rentals=[])
    content["sites"] = [site for site in content["sites"] if site["id"] == "plant"]
    content["periods"] = {"months": 6}
    for row in content["workloads"]:
        row.pop("survives", None)
        row["isolation"] = "node"
        row["demand"][0]["from_month"] = "2027-03"
        row.update(by_workload.get(row["id"].split("-")[0], {}))
    return content


@cache
def speeds() -> Base:
    """Neither money nor priorities change them."""
    return Base.of(read(plant({})), CATALOG, lambda _: None)[0]


def funded(content: dict[str, Any], **options: Any) -> Laddered:
    return fund(read(content), CATALOG, speeds=speeds(), **options)


@cache
def ladder(cap_usd: float, step_usd: float, weld: str = "", copilot: str = "") -> Laddered:
    """Keys as ``priority=1``; a ladder of two steps."""
    typed = [{key: float(v) if "." in v else int(v) for key, v in [one.split("=")]} if one else {}
             for one in (weld, copilot)]  # fmt: skip
    content = plant({"capex_usd_by_year": [cap_usd]}, weld=typed[0], copilot=typed[1])
    return funded(content, steps=2, step_usd=step_usd)


def shares(rung: Rung) -> dict[str, float]:
    return {row.workload: pytest.approx(row.share, abs=1e-4) for row in rung.served}


def test_the_higher_priority_gets_the_only_node() -> None:
    found = ladder(150_000, 150_000, weld="priority=1").ladder
    assert shares(found.rungs[0]) == {"weld-inspection": 1.0, "copilot": 0.0}
    other = ladder(150_000, 150_000, copilot="priority=1").ladder
    assert shares(other.rungs[0]) == {"copilot": 1.0, "weld-inspection": 0.0}
    assert other.rungs[0].years[0].capex_usd == pytest.approx(ONE)


def test_the_next_money_buys_the_second() -> None:
    found = ladder(150_000, 150_000, weld="priority=1").ladder
    assert len(found.rungs) == 2
    assert found.rungs[1].buys == "100% of copilot (0% to 100%)"
    assert found.rungs[1].years[0].capex_usd == pytest.approx(BOTH)
    assert found.rungs[1].beyond_usd == pytest.approx(BOTH - 150_000)
    assert found.end == "Everything is served."


def test_a_step_below_the_price_of_a_node_buys_nothing_yet() -> None:
    found = ladder(150_000, 60_000, weld="priority=1").ladder
    assert [rung.buys for rung in found.rungs[1:]] == ["nothing more", "100% of copilot (0% to 100%)"]


def test_value_decides_within_a_priority() -> None:
    """Weld has 60 frames/s at 1.0 and 0.4, copilot 6 requests/s at 0.7 and less: over ten times the units."""
    dear = ladder(150_000, 150_000, weld="value_usd_per_unit=0.001", copilot="value_usd_per_unit=0.1").ladder
    assert shares(dear.rungs[0]) == {"weld-inspection": 0.0, "copilot": 1.0}
    cheap = ladder(150_000, 150_000, weld="value_usd_per_unit=0.001", copilot="value_usd_per_unit=0.001").ladder
    assert shares(cheap.rungs[0]) == {"weld-inspection": 1.0, "copilot": 0.0}


def test_what_states_a_value_goes_before_what_states_none() -> None:
    found = ladder(150_000, 150_000, copilot="value_usd_per_unit=0.00001").ladder
    assert shares(found.rungs[0]) == {"weld-inspection": 0.0, "copilot": 1.0}


def test_every_plan_is_verified_under_its_money() -> None:
    found = ladder(150_000, 150_000, weld="priority=1")
    assert len(found.plans) == len(found.files) == 3
    for one, loaded in zip(found.plans, found.files, strict=True):
        assert not verify(one.plan, loaded, CATALOG).findings
    caps = [loaded.factory.budgets.capex_usd_by_year[0] for loaded in found.files]
    assert caps == [150_000, pytest.approx(BOTH), pytest.approx(BOTH)]
    assert Ladder.model_validate_json(found.ladder.model_dump_json()) == found.ladder


def test_more_money_never_serves_less_of_the_first_priority() -> None:
    runs = [ladder(cap, 150_000, copilot="priority=1").ladder for cap in (0, 150_000, 300_000)]
    first = [rung.served[0].share for run in runs for rung in (*run.rungs, run.ample)]
    starts = [run.rungs[0].served[0].share for run in runs]
    assert starts == sorted(starts)
    assert starts[0] == 0.0
    for run in runs:
        climb = [rung.served[0].share for rung in run.rungs]
        assert climb == sorted(climb)
    assert max(first) == pytest.approx(1.0)


def test_ample_money_gives_the_plain_plan() -> None:
    found = ladder(300_000, 150_000, copilot="priority=1").ladder
    loaded = read(plant({}, copilot={"priority": 1}))
    plain = speeds().planned(speeds().problem(loaded), loaded)
    assert len(found.rungs) == 1
    for rung in (found.rungs[0], found.ample):
        assert rung.objective_usd == pytest.approx(plain.usd, rel=plain.plan.result.gap + 0.01)
        assert rung.bound_usd <= plain.usd * (1 + 1e-6)


def test_cash_is_capped_like_capex() -> None:
    """One node more in the same year is as many dollars more to pay as to invest, and its running cost besides."""
    content = plant({"capex_usd_by_year": [150_000], "cash_usd_by_year": [400_000]}, weld={"priority": 1})
    found = funded(content, steps=1, step_usd=500_000).ladder
    assert shares(found.rungs[0]) == {"weld-inspection": 1.0, "copilot": 0.0}
    assert found.rungs[0].years[0].cash_usd <= 400_000 * (1 + 1e-6)
    assert found.end == "Everything is served."


def test_where_money_is_not_the_limit_the_limit_is_named() -> None:
    content = plant({"capex_usd_by_year": [150_000]}, weld={"priority": 1})
    content["sites"][0]["hosting"]["rack_slots_count"] = 0
    content["sites"][0]["hosting"]["usable_kw"] = 1
    found = funded(content, steps=2).ladder
    assert len(found.rungs) == 1
    assert found.end == "Money is not what limits the rest."
    assert any("plant" in text for text in found.limits)


def test_batch_work_may_be_shed_too() -> None:
    content = plant({"capex_usd_by_year": [150_000]}, weld={"priority": 1}, copilot={"priority": 3})
    tuning = {
        "id": "tune", "title": "Tuning", "kind": "finetune", "model": "qwen3-8b", "data_classes": ["plant-data"],
        "method": "lora", "tokens_per_run": 1e10, "priority": 2,
        "demand": [{"origin": "plant", "work_units_per_month": 40, "from_month": "2027-03"}],
    }  # fmt: skip
    content["workloads"].append(tuning)
    found = fund(read(content), CATALOG, steps=1, step_usd=150_000)
    before, after = (row.served[1].share for row in found.ladder.rungs)
    assert 0 < before < after < 1
    assert not found.plans[0].report.findings


def test_a_file_without_budgets_is_refused() -> None:
    with pytest.raises(SpecError, match="no budget in money"):
        funded(plant({"carbon_tonnes_by_year": [100]}))


def test_caps_below_what_stands_today_are_infeasible() -> None:
    content = plant({"cash_usd_by_year": [10]})
    content["sites"][0]["hosting"].pop("opening_usd")
    content["existing"] = [
        {"id": "old", "site": "plant", "server": "l40s-8", "nodes_count": 1, "bought_month": "2026-01",
         "resale_usd": 0, "resale_decline_per_year_rate": 0.2, "maintenance_usd_per_year": 5000}
    ]  # fmt: skip
    with pytest.raises(Infeasible, match="not even one that serves nothing"):
        funded(content)


def test_more_capex_may_buy_a_cheaper_plan_instead_of_more_service() -> None:
    """With a cloud to rent from all is served at once; capex adds own servers, which cost less over the years."""
    content = edited(starter(), budgets={"capex_usd_by_year": [0]})
    content["periods"] = {"months": 0, "quarters": 4, "years": 3}
    found = fund(read(content), CATALOG, steps=1, step_usd=400_000).ladder
    assert found.end == "Everything is served."
    assert len(found.rungs) == 1
    assert found.rungs[0].objective_usd > found.ample.objective_usd
    assert found.ample.buys.startswith("nothing more, and a plan that costs at least USD ")
    saved = found.rungs[0].bound_usd - found.ample.objective_usd
    assert f"USD {saved:,.0f} less" in found.ample.buys
