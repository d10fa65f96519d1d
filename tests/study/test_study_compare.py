"""The comparison on the starter: one plant, one cloud."""

from __future__ import annotations

from typing import Any

import pytest
from study_cases import CATALOG, edited, planned, read, starter

from groundplan.study import Base, Compared, compare
from groundplan.verify import evaluated_usd, verify


@pytest.fixture(scope="module")
def today() -> tuple[Base, Compared]:
    base, problem, first = planned(read(starter()))
    return base, compare(base, problem, first)


def _at_cloud_price(base: Base, factor: float) -> tuple[Base, Any]:
    """The file with another price typed in, planned with the same speeds."""
    content = starter()
    offer = {**content["rentals"][0], "price_usd_per_node_hour": 18.0 * factor}
    loaded = read(edited(content, rentals=[offer]))
    other = Base(loaded, CATALOG, base.points, base.staffing, base.refusals)
    problem = other.problem(loaded)
    return other, compare(other, problem, other.planned(problem, loaded))


def _row(compared: Compared, name: str) -> Any:
    return next(row for row in compared.comparison.alternatives if row.id == name)


def test_every_plan_is_verified_and_stands_beside_the_recommended_one(today: tuple[Base, Compared]) -> None:
    base, compared = today
    rows = compared.comparison.alternatives
    assert rows[0].id == "recommended"
    assert {row.id for row in rows[1:]} == {
        "on-premise",
        "colocation",
        "sovereign-cloud",
        "public-cloud",
        "token-api",
        "status-quo",
    }
    for name, one in compared.plans.items():
        row = _row(compared, name)
        assert not verify(one.plan, base.loaded, CATALOG).findings
        assert row.evaluated_usd == pytest.approx(row.objective_usd, rel=1e-6)
        assert row.objective_usd >= rows[0].objective_usd


def test_verdicts(today: tuple[Base, Compared]) -> None:
    verdicts = {row.id: row.verdict for row in today[1].comparison.alternatives}
    assert verdicts["on-premise"] == "same"  # from the first delivery on; the cloud carries the two months before
    assert verdicts["public-cloud"] == "dearer"
    assert verdicts["colocation"] == verdicts["sovereign-cloud"] == verdicts["token-api"] == "infeasible"
    assert verdicts["status-quo"] == "infeasible"
    assert "nothing can serve copilot from plant in 2027-01" in _row(today[1], "status-quo").reasons


def test_the_public_cloud_is_rented_and_nothing_is_bought(today: tuple[Base, Compared]) -> None:
    plan = today[1].plans["public-cloud"].plan
    assert plan.rents
    assert not plan.orders
    assert {row.site for row in plan.loads} == {"cloud"}
    row = _row(today[1], "public-cloud")
    assert {link.workload: link.state for link in row.uplink} == {"copilot": "stops", "weld-inspection": "stops"}
    assert row.year1_cash_usd == pytest.approx(sum(cost.usd for cost in plan.costs if cost.line != "residual"))
    assert row.fte == 0


def test_five_percent_below_the_flip_the_cloud_wins(today: tuple[Base, Compared]) -> None:
    base, compared = today
    found = _row(compared, "public-cloud").flip
    assert found.lever == "prices of public cloud nodes"
    assert [price.price_usd for price in found.prices] == [18.0]
    other, then = _at_cloud_price(base, 0.95 * found.wins_below)
    kept = evaluated_usd(compared.plans["recommended"].plan, other.loaded, CATALOG)
    cloud = _row(then, "public-cloud")
    assert cloud.objective_usd < kept
    assert then.comparison.recommended.objective_usd < kept  # so today's recommendation no longer is the answer


def test_five_percent_above_the_flip_the_cloud_loses(today: tuple[Base, Compared]) -> None:
    base, compared = today
    found = _row(compared, "public-cloud").flip
    other, then = _at_cloud_price(base, 1.05 * found.loses_above)
    kept = evaluated_usd(compared.plans["recommended"].plan, other.loaded, CATALOG)
    cloud = _row(then, "public-cloud")
    assert cloud.bound_usd > kept
    assert cloud.verdict == "dearer"


def test_an_assumed_price_makes_a_threshold(today: tuple[Base, Compared]) -> None:
    content = starter()
    source = {"who": "synthetic quote", "kind": "assumed"}
    offer = {**content["rentals"][0], "source": source}
    loaded = read(edited(content, rentals=[offer]))
    base = Base(loaded, CATALOG, today[0].points, today[0].staffing, today[0].refusals)
    problem = base.problem(loaded)
    compared = compare(base, problem, base.planned(problem, loaded))
    assert _row(compared, "public-cloud").flip.rests_on_assumed
    assert not _row(today[1], "public-cloud").flip.rests_on_assumed


def test_the_same_file_gives_the_same_comparison(today: tuple[Base, Compared]) -> None:
    base, compared = today
    problem = base.problem(base.loaded)
    again = compare(base, problem, base.planned(problem, base.loaded))
    assert again.comparison == compared.comparison


def test_a_floor_on_own_ground_keeps_a_workload_out_of_the_cloud(today: tuple[Base, Compared]) -> None:
    floors = [{"workloads": ["copilot"], "min_share": 0.5}]
    content = edited(starter(), on_premise_floors=floors)
    for row in content["workloads"]:
        row["demand"][0]["from_month"] = "2027-04"  # when own hardware can be there
    loaded = read(content)
    base = Base(loaded, CATALOG, today[0].points, today[0].staffing, today[0].refusals)
    problem = base.problem(loaded)
    compared = compare(base, problem, base.planned(problem, loaded))
    stays = {stay.workload: stay.rule for stay in _row(compared, "public-cloud").stays}
    assert stays == {"copilot": "on-premise-floor"}
