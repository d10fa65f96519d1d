"""Spoilings of limits over the whole plan, and of the books."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spoil import any_row, breaks, drop, edit, edit_all, put, result, rows, sees

from groundplan.spec import ON_PREMISE_TIERS

# --- limits over the whole plan ---


@breaks("on_premise")
def served_abroad(plan, spec, catalog):
    """Next to nothing of a floored workload is left on own ground, in each bucket that is also served elsewhere."""
    own = {site.id for site in spec.factory.sites if site.tier in ON_PREMISE_TIERS}
    floors = {name for floor in spec.factory.on_premise_floors if floor.min_share > 0 for name in floor.workloads}
    outside = {(r.workload, r.period, r.bucket) for r in plan.loads if r.site not in own}
    outside |= {(r.workload, r.period, r.bucket) for r in plan.tokens}

    def less(row):
        hit = row.site in own and row.workload in floors and (row.workload, row.period, row.bucket) in outside
        return {"units_per_s": row.units_per_s * (1e-6 if hit else 1)}

    spoilt = edit_all(plan, "loads", less)
    return spoilt if spoilt and spoilt != plan and sees("on_premise", spoilt, spec, catalog) else None


@breaks("carbon")
def carbon_over_the_cap(plan, spec, catalog):
    spoilt = edit_all(plan, "rents", lambda row: {"nodes": row.nodes + 10_000})
    return spoilt if spoilt and spec.factory.budgets.carbon_tonnes_by_year else None


@breaks("budget")
def capex_over_the_cap(plan, spec, catalog):
    spoilt = edit_all(plan, "orders", lambda row: {"nodes": row.nodes + 10_000})
    return spoilt if spoilt and spec.factory.budgets.capex_usd_by_year else None


@breaks("budget")
def cash_over_the_cap(plan, spec, catalog):
    spoilt = edit_all(plan, "staff", lambda row: {"fte": row.fte + 100_000})
    return spoilt if spoilt and spec.factory.budgets.cash_usd_by_year else None


# --- the books ---


def _line(*names: str) -> Callable[[Any], bool]:
    return lambda row: abs(row.usd) > 10 and (not names or row.line in names)


@breaks("cost")
def cost_row_missing(plan, spec, catalog):
    return drop(plan, "costs", _line())


@breaks("cost")
def cost_row_twice(plan, spec, catalog):
    found = rows(plan, "costs")
    return put(plan, costs=[*found, found[0]])


@breaks("cost")
def unknown_cost_line(plan, spec, catalog):
    return edit(plan, "costs", any_row, lambda row: {"line": "sundries"})


@breaks("cost")
def energy_one_in_a_hundred_thousand(plan, spec, catalog):
    return edit(plan, "costs", _line("energy"), lambda row: {"usd": row.usd * 1.00001})


@breaks("cost")
def residual_forgotten(plan, spec, catalog):
    return edit(plan, "costs", _line("residual"), lambda row: {"usd": 0.0})


@breaks("cost")
def staff_unpaid(plan, spec, catalog):
    return edit(plan, "costs", _line("staff", "cloud"), lambda row: {"usd": 0.0})


@breaks("cost")
def hardware_paid_late(plan, spec, catalog):
    """All of a payment one period later: the sum of the line stays."""
    names = [row.id for row in plan.periods]
    paid = next((r for r in plan.costs if _line("hardware", "cloud")(r) and r.period != names[-1]), None)
    if paid is None:
        return None
    later = names[names.index(paid.period) + 1]
    moved = {paid.period: -paid.usd, later: paid.usd}
    return edit_all(
        plan, "costs", lambda r: {"usd": r.usd + (moved.get(r.period, 0.0) if r.line == paid.line else 0.0)}
    )


@breaks("cost")
def objective_embellished(plan, spec, catalog):
    return result(plan, objective_usd=plan.result.objective_usd - 1e-5 * abs(plan.result.objective_usd) - 10)


@breaks("bound")
def bound_over_the_objective(plan, spec, catalog):
    return result(plan, bound_usd=plan.result.objective_usd + 1e-3 * abs(plan.result.objective_usd) + 10)


@breaks("bound")
def gap_embellished(plan, spec, catalog):
    return result(plan, gap=plan.result.gap + 0.001)


@breaks("bound")
def optimal_by_word_alone(plan, spec, catalog):
    worse = plan.result.objective_usd - 0.5 * abs(plan.result.objective_usd) - 10
    gap = (plan.result.objective_usd - worse) / abs(plan.result.objective_usd)
    return result(plan, status="optimal", bound_usd=worse, gap=gap)


@breaks("bound")
def breach_admitted(plan, spec, catalog):
    return result(plan, max_residual=0.01)
