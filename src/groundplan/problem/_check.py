"""Checks before any solve: is each load served by somebody, and is there free money in the prices?"""

from __future__ import annotations

import numpy as np

from groundplan.errors import Infeasible, Issue, SpecError
from groundplan.finance import MoneyPump, OfferTerms, money_pump
from groundplan.problem._moves import Transfer
from groundplan.problem._pools import Pool
from groundplan.problem._problem import Problem
from groundplan.spec import Existing


class Uncovered(Infeasible):
    """A load that nothing can serve; carries the problem, so that it can be asked why."""

    def __init__(self, issues: list[Issue], problem: Problem) -> None:
        super().__init__(issues)
        self.problem = problem


def check_coverage(problem: Problem) -> None:
    """Every required commodity and every job has a cell in each period. Raises Uncovered with the refusals."""
    issues = [issue for i in range(len(problem.commodities)) if (issue := _uncovered(problem, i))]
    issues += [issue for j in range(len(problem.jobs)) if (issue := _undone(problem, j))]
    if issues:
        raise Uncovered(issues, problem)


def _uncovered(problem: Problem, i: int) -> Issue | None:
    commodity = problem.commodities[i]
    if not commodity.workload.required:
        return None
    able = np.zeros(problem.periods, dtype=bool)
    for cell in problem.cells:
        if cell.commodity == i:
            able |= cell.allowed & stocked(problem, cell.pool)
    for token in problem.token_cells:
        if token.commodity == i:
            able |= token.allowed
    return _gap(problem, able | (commodity.load[:, -1] == 0), commodity.workload.id, commodity.origin)


def _undone(problem: Problem, j: int) -> Issue | None:
    job = problem.jobs[j]
    able = np.zeros(problem.periods, dtype=bool)
    for cell in problem.batch_cells:
        if cell.job == j:
            able |= cell.allowed & stocked(problem, cell.pool)
    missing = [window for window in job.windows if not able[list(window.periods)].any()]
    if not missing or not job.workload.required:
        return None
    needed = np.ones(problem.periods, dtype=bool)
    for window in missing:
        needed[list(window.periods)] = False
    return _gap(problem, needed, job.workload.id, job.origin)


def _young(problem: Problem, pool: Pool, owned: Existing) -> np.ndarray:
    """[period] whether existing nodes are younger than their life at its start."""
    return problem.calendar.start_month - problem.calendar.offset(owned.bought_month) < pool.life_months


def arrival_of(problem: Problem, transfer: Transfer) -> int:
    """The first period in which moved nodes can be there."""
    leaves = np.flatnonzero(transfer.may_leave)
    arrivals = [problem.calendar.arrival(int(t), transfer.move.lead_months) for t in leaves]
    return min((arrival for arrival in arrivals if arrival is not None), default=problem.periods)


def stocked(problem: Problem, g: int, *, moves: bool = True) -> np.ndarray:
    """[period] whether the pool can hold any node at all by then; without `moves`, any that are not moved there."""
    pool = problem.pools[g]
    stocked = np.zeros(problem.periods, dtype=bool)
    if pool.max_nodes == 0:
        return stocked
    if pool.rentable.any():
        stocked[:] = True
    for owned in pool.existing:
        stocked |= _young(problem, pool, owned)
    for transfer in pool.transfers if moves else ():
        first = arrival_of(problem, transfer)
        stocked |= _young(problem, pool, transfer.owned) & (np.arange(problem.periods) >= first)
    if pool.purchase:
        arrivals = [problem.calendar.arrival(int(t), pool.purchase.lead_months) for t in np.flatnonzero(pool.orderable)]
        first = min((a for a in arrivals if a is not None), default=problem.periods)
        stocked[first:] = True
    return stocked


def _gap(problem: Problem, able: np.ndarray, workload: str, origin: str) -> Issue | None:
    if able.all():
        return None
    period = problem.calendar.periods[int(np.flatnonzero(~able)[0])].id
    mine = [
        row for row in problem.refusals if (row.workload, row.origin) == (workload, origin) and row.rule != "no-link"
    ]
    reasons = list(dict.fromkeys(f"{row.site} ({row.server}): {row.why}" for row in mine))
    what = f"nothing can serve {workload} from {origin} in {period}"
    return Issue("demand", f"workloads.{workload}", what, "; ".join(reasons) or "no offer can be there by then")


def check_money_pump(problem: Problem) -> None:
    """No existing node may sell for more than a new one costs: the program would trade instead of serve.

    Of the three pumps of formulation 4.10 this is the one that these conventions leave open: what was bought is
    credited at the end with no more than was paid (so its residual pays nobody), and buying ahead of a price rise
    is a decision, not free money. Raises SpecError.
    """
    calendar = problem.calendar
    terms = [_terms(pool, owned) for pool in problem.pools if pool.purchase for owned in pool.existing]
    pumps = money_pump(
        terms,
        order_months=[float(month) for month in calendar.start_month],
        horizon_months=float(calendar.horizon_months),
        rate=calendar.discount_rate,
    )
    if issues := [_pump_issue(pump) for pump in pumps if pump.kind == "resale"]:
        raise SpecError(issues)


def _terms(pool: Pool, owned: Existing) -> OfferTerms:
    assert pool.purchase is not None
    return OfferTerms(
        offer=owned.id,
        price_usd=pool.purchase.price_usd,
        price_change_per_year_rate=pool.purchase.price_change_per_year_rate,
        life_months=float(pool.life_months),
        resale_usd=owned.resale_usd,
        resale_decline_per_year_rate=owned.resale_decline_per_year_rate,
    )


def _pump_issue(pump: MoneyPump) -> Issue:
    what = f"in month {pump.from_month:g} a used node sells for {pump.gain_usd:,.0f} USD more than a new one costs"
    return Issue(
        "money-pump", f"existing.{pump.offer}.resale_usd", what, "lower resale_usd or correct the price of the offer"
    )
