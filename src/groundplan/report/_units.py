"""What one unit costs: an hour of hardware, a token, a robot-hour, a frame; and what stands idle."""

from __future__ import annotations

from groundplan.finance import UnitCosts, unit_costs
from groundplan.report._facts import Facts
from groundplan.report._html import Html, join, table, tag
from groundplan.report._words import figure, percent
from groundplan.verify import ledger


def units(facts: Facts) -> tuple[str, Html]:
    """Title and body; of a plan that was rejected nothing is said, since its books are wrong."""
    if facts.report.findings:
        return "No unit costs of a rejected plan", tag("p", "The independent check found faults in this plan.")
    costs = unit_costs(facts.plan, facts.factory, facts.catalog, ledger(facts.plan, facts.loaded, facts.catalog))
    idle = sum(row.npv_usd for row in costs.idle)
    title = "Nothing that is paid for stands idle"
    if idle > 0 and costs.npv_usd > 0:
        title = f"{percent(idle / costs.npv_usd)} of the cost is for what nobody holds"
    how = costs.convention
    note = (
        f"Dollars and units are both discounted at {percent(costs.discount_rate, 1)} a year; convention {how.name}: "
        f"{how.hours_per_month:g} h a month, {how.hours_per_year:g} h a year. Value of service and penalties are "
        "left out. Available counts every hour in place, allocated those held by replicas and gangs, utilised the busy."
    )
    parts = [_workloads(facts, costs), _hours(facts, costs), tag("p", note, class_="under")]
    return title, join(parts)


def _workloads(facts: Facts, costs: UnitCosts) -> Html:
    rows = [
        [f"{facts.workloads[row.workload].title}: {unit.unit}", _usd(unit.usd), _usd(unit.usd_with_idle)]
        for row in costs.workloads
        for unit in row.units
    ]
    heads = ["Unit", "> What it holds", "> With its part of the idle"]
    return table("Levelised cost of a unit at its service level, USD", heads, rows)


def _hours(facts: Facts, costs: UnitCosts) -> Html:
    rows = [
        [
            f"{facts.places[row.site] if row.site else 'All sites'}, {row.tenure} {row.unit}",
            _usd(row.usd_per_available),
            _usd(row.usd_per_allocated),
            _usd(row.usd_per_utilised),
            percent(row.utilised_share),
        ]
        for row in costs.hours
        if row.tenure != "all" or not row.site
    ]
    heads = ["Hour of hardware", "> Available", "> Allocated", "> Utilised", "> Utilisation"]
    return table("Levelised cost of an hour, idle included, USD", heads, rows)


def _usd(value: float | None) -> str:
    return "–" if value is None else figure(value)
