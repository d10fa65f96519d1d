"""The books of the plan: every cost row, the objective, the bound, and the budgets."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from groundplan.plan import CAPEX_LINES, COST_LINES
from groundplan.verify._book import USD_FLOOR, Book
from groundplan.verify._money import evaluate, npv
from groundplan.verify._world import World

NO_CASH_LINES = frozenset({"value_served", "shed_penalty", "resale", "residual"})


def cost(world: World, book: Book) -> None:
    """Every cost row, recomputed from the decisions; the objective is their present value."""
    lines = evaluate(world)
    stated: dict[tuple[str, str], float] = {}
    for index, row in enumerate(world.plan.costs):
        key, where = (row.period, row.line), f"costs[{index}]"
        book.require(key not in stated, where, f"{row.line} of {row.period} stands twice")
        known = row.period in world.span and row.line in COST_LINES
        if book.require(known, where, f"no such line: {row.line} of {row.period}"):
            stated[key] = row.usd
            expected = float(lines.get(key, Decimal(0)))
            book.equal(row.usd, expected, where, f"{row.line} of {row.period} in USD", floor=USD_FLOOR)
    for period, line in sorted(lines.keys() - stated.keys()):
        usd = float(lines[period, line])
        book.equal(0.0, usd, f"costs: {period} {line}", f"no row for {line} of {period}", floor=USD_FLOOR)
    value = float(npv(world, lines))
    book.equal(world.plan.result.objective_usd, value, "result.objective_usd", "USD", floor=USD_FLOOR)


def bound(world: World, book: Book) -> None:
    """Objective, bound and gap agree; an optimal plan is within the gap that was asked for."""
    result = world.plan.result
    objective, least = result.objective_usd, result.bound_usd
    book.at_most(least, objective, "result.bound_usd", "bound over objective in USD", floor=USD_FLOOR)
    book.equal(
        result.gap * abs(objective),
        objective - least,
        "result.gap",
        "gap in USD",
        floor=max(abs(objective), 1.0),
    )
    incumbent = objective - result.rounding_cost_usd
    book.at_most(least, incumbent, "result.rounding_cost_usd", "bound over incumbent in USD", floor=USD_FLOOR)
    if result.status == "optimal":
        limit = world.factory.solve.gap_share
        book.at_most(result.gap, limit, "result.status", "gap of a plan that is said to be optimal", floor=1.0)
    book.at_most(result.max_residual, 1e-6, "result.max_residual", "stated residual", floor=1.0)


def budget(world: World, book: Book) -> None:
    """Capex and cash by plan year."""
    capex: dict[int, Decimal] = defaultdict(Decimal)
    cash: dict[int, Decimal] = defaultdict(Decimal)
    for (period, line), usd in evaluate(world).items():
        year = world.span[period].year
        capex[year] += usd if line in CAPEX_LINES else 0
        cash[year] += usd if line not in NO_CASH_LINES else 0
    budgets = world.factory.budgets
    for name, spent, limits in (
        ("capex", capex, budgets.capex_usd_by_year),
        ("cash", cash, budgets.cash_usd_by_year),
    ):
        for year, limit in enumerate(limits, start=1):
            book.at_most(float(spent[year]), limit, f"costs: year {year}", f"{name} in USD", floor=USD_FLOOR)
