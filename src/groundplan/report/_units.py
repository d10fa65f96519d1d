"""What one unit costs: an hour of hardware, a token, a robot-hour, a part; what stands idle; when owning pays."""

from __future__ import annotations

from collections.abc import Iterator

from groundplan.finance import HourCost, UnitCosts, break_even_utilisation, unit_costs
from groundplan.report._decision import ahead
from groundplan.report._facts import Facts
from groundplan.report._html import Html, Table, join, tag, warning
from groundplan.report._priced import rental_price
from groundplan.report._words import figure, percent
from groundplan.verify import ledger

TERMS = {"on-demand": "on demand", "1y": "for a year", "3y": "for three years"}


def units(facts: Facts) -> tuple[str, Html]:
    """Title and body; of a plan that was rejected nothing is said, since its books are wrong."""
    if facts.report.findings:
        return "No unit costs of a rejected plan", tag("p", "The independent check found faults in this plan.")
    costs = _costs(facts)
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
    tables = [_workloads(facts, costs), _hours(facts, costs), *_break_even(facts, costs)]
    return title, join([*(one.html() for one in tables), tag("p", note, class_="under")])


def unit_tables(facts: Facts) -> list[Table]:
    """What a unit costs and when owning pays, without the hours of each site; nothing for a rejected plan."""
    if facts.report.findings:
        return []
    costs = _costs(facts)
    return [_workloads(facts, costs), *_break_even(facts, costs)]


def _costs(facts: Facts) -> UnitCosts:
    return unit_costs(facts.plan, facts.factory, facts.catalog, ledger(facts.plan, facts.loaded, facts.catalog))


def _break_even(facts: Facts, costs: UnitCosts) -> list[Table]:
    return [one for one in (_against_rent(facts, costs), _ahead(facts)) if one.rows]


def _workloads(facts: Facts, costs: UnitCosts) -> Table:
    rows = [
        [
            join([facts.workloads[row.workload].title, tag("br"), tag("small", unit.unit)]),
            _usd(unit.usd),
            _usd(unit.usd_with_idle),
        ]
        for row in costs.workloads
        for unit in row.units
    ]
    heads = ["Workload, unit", "> What it holds", "> With its part of the idle"]
    return Table("Levelised cost of a unit at its service level, USD", heads, rows, wide=True)


def _hours(facts: Facts, costs: UnitCosts) -> Table:
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
    return Table("Levelised cost of an hour, idle included, USD", heads, rows, wide=True)


# --- when owning pays ---


def _against_rent(facts: Facts, costs: UnitCosts) -> Table:
    """Utilisation from which own GPU-hours cost no more than rented ones, by offer of the file."""
    own = next((row for row in costs.hours if (row.site, row.unit, row.tenure) == ("", "GPU-hour", "own")), None)
    if own is None or own.npv_usd < 0:
        return Table("", [], [])
    caption = (
        f"Break-even utilisation: from when an own GPU-hour, USD {figure(own.usd_per_available)} whether used or not, "
        f"costs no more than a rented hour of use. In this plan {percent(own.utilised_share)} of own hours are used. "
        "Hold it against the same card: an hour of another one is another hour."
    )
    heads = ["Rented instead", "> USD a GPU-hour", "> Owning pays from", "In this plan"]
    return Table(caption, heads, list(_break_evens(facts, own)), wide=True)


def _break_evens(facts: Facts, own: HourCost) -> Iterator[list[object]]:
    for offer in facts.factory.rentals:
        server = facts.server(offer.server)
        hourly = rental_price(facts, offer)[0] / server.accelerators_count if server.accelerators_count else 0.0
        if hourly <= 0:
            continue
        needed = break_even_utilisation(own.usd_per_available, hourly)
        pays = own.utilised_share >= needed
        named = f"{server.name}, {TERMS[offer.term]}, {facts.places[offer.site]}"
        share = percent(needed) if needed <= 1 else "never"
        yield [named, figure(hourly), share, "own is cheaper" if pays else warning("rent is cheaper")]


def _ahead(facts: Facts) -> Table:
    """Break-even month against each way."""
    rows = [
        [
            row.title,
            ahead(row),
            facts.money.span(*row.dearer_usd),
        ]
        for row in (facts.comparison.alternatives if facts.comparison else ())
        if row.dearer_usd
    ]
    caption = "Break-even month: from when on this plan has cost less discounted cash than the other way, for good"
    return Table(caption, ["Way", "> Ahead from", "> Dearer by, present value"], rows, wide=True)


def _usd(value: float | None) -> str:
    return "–" if value is None else figure(value)
