"""A problem whose bounds leave room: limits that are stated as rows stay, their shadows on the columns go."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from groundplan.problem._build import sized_pools
from groundplan.problem._pools import Pool
from groundplan.problem._problem import Problem
from groundplan.spec import Strict

PLENTY = 10**6
"""Nodes, kW and the like that no plan of a file reaches."""
Model = TypeVar("Model", bound=Strict)


def roomy(problem: Problem) -> Problem:
    """Pools as large as their work, whatever power, deliveries and quotas say; those stand in rows of their own.

    Spares are those of pools of that size, since what gives may let them grow.
    """
    free = sized_pools(
        tuple(_free(pool) for pool in problem.pools),
        problem.calendar,
        problem.commodities,
        problem.jobs,
        problem.cells,
        problem.batch_cells,
    )
    pairs = zip(problem.pools, free, strict=True)
    return replace(problem, pools=tuple(_at_least(mine, large) for mine, large in pairs))


def unmetered(problem: Problem) -> Problem:
    """The same, with rental quotas beyond need: for the bounds of columns only."""
    pools = (
        replace(
            pool,
            rentals=tuple(
                replace(rental, offer=_but(rental.offer, quota_nodes=pool.max_nodes)) for rental in pool.rentals
            ),
        )
        for pool in problem.pools
    )
    return replace(problem, pools=tuple(pools))


def _at_least(pool: Pool, other: Pool) -> Pool:
    nodes, spare = max(pool.max_nodes, other.max_nodes), max(pool.spare_nodes, other.spare_nodes)
    return replace(pool, max_nodes=nodes, spare_nodes=spare)


def _free(pool: Pool) -> Pool:
    site = pool.site
    if site.hosting is not None:
        site = _but(site, hosting=_but(site.hosting, usable_kw=float(PLENTY)))
    purchase = None if pool.purchase is None else _but(pool.purchase, deliveries=())
    rentals = tuple(replace(rental, offer=_but(rental.offer, quota_nodes=PLENTY)) for rental in pool.rentals)
    return replace(pool, site=site, purchase=purchase, rentals=rentals)


def _but(model: Model, **changes: object) -> Model:
    return model.model_copy(update=changes)


def first_arrival(problem: Problem, g: int) -> int:
    """The first period in which nodes that a pool buys can be there; the number of periods where none ever is."""
    pool = problem.pools[g]
    if pool.purchase is None:
        return problem.periods
    lead = pool.purchase.lead_months
    arrivals = [problem.calendar.arrival(int(t), lead) for t in np.flatnonzero(pool.orderable)]
    return min((arrival for arrival in arrivals if arrival is not None), default=problem.periods)


def with_lead(problem: Problem, offer: str, months: int) -> Problem:
    """The problem with another lead time of one purchase offer; what law closes stays closed."""

    def sooner(pool: Pool) -> Pool:
        if pool.purchase is None or pool.purchase.id != offer:
            return pool
        quick = _but(pool.purchase, lead_months=months)
        legal = pool.orderable if pool.orderable.any() else np.zeros(problem.periods, dtype=bool)
        last = np.flatnonzero(legal).max(initial=-1)
        # Periods at the end were closed because nothing would arrive any more: law there is that of the last open one.
        later = np.arange(problem.periods) > last
        return replace(pool, purchase=quick, orderable=legal | (later & (last >= 0)))

    purchases = tuple(_but(row, lead_months=months) if row.id == offer else row for row in problem.factory.purchases)
    return replace(
        problem,
        factory=_but(problem.factory, purchases=purchases),
        pools=tuple(sooner(pool) for pool in problem.pools),
    )
