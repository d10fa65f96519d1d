"""Decision variables. Loads are shares of a commodity's largest peak, so that all columns are of order one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundplan.optimize._algebra import Axis, Columns, Expression, Table, table
from groundplan.optimize._frame import Frame
from groundplan.problem import Pool, Problem, Rental


@dataclass(frozen=True)
class Variables:
    """All columns of the program, by name."""

    load: Expression
    """[cell, period, bucket] share of the commodity's largest peak served."""
    open: Expression
    """[cell, period] binary."""
    replicas: Expression
    """[cell, period] integer."""
    pick: Expression
    """[tangent, period] binary: which tangent staffs the cell."""
    staffed: Expression
    """[tangent, period] load that the tangent covers, in `Frame.staffed_unit`: replicas' worth, or less."""
    held: Expression
    """[group, period] nodes set aside for a group of cells."""
    filled: Expression
    """[filling, period] integer: nodes filled by a pattern."""
    critical: Expression
    """[pool, period] binary: something that must survive runs here."""
    escape: Expression
    """[escape, period] share carried after a site is lost."""
    ordered: Expression
    """[pool, period] integer, cumulative lots."""
    order: Expression
    """[pool, period] lots ordered in the period."""
    installed: Expression
    """[pool, period] own nodes in place."""
    retired: Expression
    """[existing, period] integer, cumulative nodes, by the place where they stood."""
    moved: Expression
    """[move, period] integer, cumulative nodes that have left."""
    built: Expression
    """[block, period] integer, cumulative."""
    complete: Expression
    """[block, period] binary: every unit of the block is bought, so the next phase may start."""
    opened: Expression
    """[site, period] binary, nondecreasing."""
    commit: Expression
    """[rental, period] integer: commitments that start."""
    on_demand: Expression
    """[rental, period] integer nodes."""
    burst: Expression
    """[rental, period, bucket] nodes for batch alone."""
    token: Expression
    """[token, period, bucket] share."""
    shed: Expression
    """[commodity, period, bucket] share."""
    run: Expression
    """[run, period, bucket] gang-hours."""
    gang: Expression
    """[run, period] binary."""
    fte: Expression
    """[site, period] integer."""
    hired: Expression
    """[site, period]"""
    billed: Expression
    """[site, period] kW."""
    link_on: Expression
    """[link, period] binary, nondecreasing."""
    granted: Expression
    """[year] millions of US dollars beyond the caps of a plan year; no years where nobody asks what they would buy."""


def add_variables(columns: Columns, frame: Frame) -> Variables:
    """Create every column with its bounds; what law or dates forbid has upper bound zero."""
    f, new = frame, columns.add
    new("load", f.cell, f.period, f.bucket, upper=_load_upper(f))
    new("open", f.cell, f.period, upper=1, integer=True)
    new("replicas", f.cell, f.period, integer=True)
    new("pick", f.tangent, f.period, upper=1, integer=True)
    new("staffed", f.tangent, f.period)
    new("held", f.group, f.period, integer=True)
    new("filled", f.filling, f.period, integer=True)
    new("critical", f.pool, f.period, upper=1, integer=True)
    new("escape", f.escape, f.period, upper=_escape_upper(f))
    new("ordered", f.pool, f.period, upper=_lots_upper(f), integer=True)
    new("order", f.pool, f.period, upper=_order_upper(f))
    new("installed", f.pool, f.period)
    new("retired", f.existing, f.period, lower=_retired_bound(f, False), upper=_retired_bound(f, True), integer=True)
    new("moved", f.move, f.period, upper=_moved_upper(f), integer=True)
    new("built", f.block, f.period, upper=_built_upper(f), integer=True)
    new("complete", f.block, f.period, upper=1, integer=True)
    new("opened", f.site, f.period, lower=_opened_lower(f), upper=1, integer=True)
    new("commit", f.rental, f.period, upper=_commit_upper(f), integer=True)
    new("on_demand", f.rental, f.period, upper=_on_demand_upper(f), integer=True)
    new("burst", f.rental, f.period, f.bucket, upper=_burst_upper(f))
    new("token", f.token, f.period, f.bucket, upper=_token_upper(f))
    new("shed", f.commodity, f.period, f.bucket, upper=_shed_upper(f))
    new("run", f.run, f.period, f.bucket, upper=_run_upper(f))
    new("gang", f.run, f.period, upper=1, integer=True)
    new("fte", f.site, f.period, upper=_fte_upper(f.problem, f), integer=True)
    new("hired", f.site, f.period)
    new("billed", f.site, f.period)
    new("link_on", f.link, f.period, upper=1, integer=True)
    new("granted", f.granted_year)
    return Variables(**{block.name: columns.expression(block) for block in columns.blocks})


def demand_share(frame: Frame) -> np.ndarray:
    """[commodity, period, bucket] load as share of the largest peak."""
    rows = frame.problem.commodities
    shape = (0, len(frame.period), len(frame.bucket))
    return np.array([row.load / max(row.peak_load, 1e-12) for row in rows]) if rows else np.zeros(shape)


def _load_upper(frame: Frame) -> Table:
    share = demand_share(frame)
    rows = [share[c.commodity] * c.allowed[:, None] for c in frame.problem.cells]
    return _stack(rows, frame.cell, frame.period, frame.bucket)


def _escape_upper(frame: Frame) -> Table:
    share = demand_share(frame)
    cells = frame.problem.cells
    rows = [share[cells[c].commodity][:, -1] * cells[c].allowed for _, c in frame.escapes]
    return _stack(rows, frame.escape, frame.period)


def _stack(rows: list[np.ndarray], *axes: Axis) -> Table:
    return table(np.array(rows), *axes)


def _lots_upper(frame: Frame) -> Table:
    pools = frame.problem.pools
    lots = [-(-4 * p.max_nodes // p.purchase.lot_nodes) if p.purchase and p.orderable.any() else 0 for p in pools]
    return table(np.outer(lots, np.ones(len(frame.period))), frame.pool, frame.period)


def _order_upper(frame: Frame) -> Table:
    rows = [
        np.where(p.orderable, -(-p.max_nodes // p.purchase.lot_nodes) if p.purchase else 0, 0)
        for p in frame.problem.pools
    ]
    return _stack(rows, frame.pool, frame.period)


def life_end(frame: Frame) -> list[int]:
    """[existing] first period whose start finds the nodes at the end of their life."""
    calendar = frame.problem.calendar
    ends = [
        frame.problem.pools[row.pool].life_months + calendar.offset(row.owned.bought_month) for row in frame.holdings
    ]
    return [int(np.searchsorted(calendar.start_month, end)) for end in ends]


def alive_at_end(frame: Frame, k: int) -> bool:
    """Whether existing nodes are younger than their life at the end of the horizon, so that they still sell."""
    calendar, pool = frame.problem.calendar, frame.problem.pools[frame.existing_pools[k]]
    age = calendar.horizon_months - calendar.offset(frame.owned[k].bought_month)
    return age < pool.life_months


def _retired_bound(frame: Frame, upper: bool) -> Table:
    """All of them at the end of their life; of nodes that may move, rows say how many stand at which place."""
    counts = [0 if h in movable(frame) and not upper else owned.nodes_count for h, owned in enumerate(frame.owned)]
    periods = np.arange(len(frame.period))
    rows = [np.where((periods >= end) | upper, count, 0) for count, end in zip(counts, life_end(frame), strict=True)]
    return _stack(rows, frame.existing, frame.period)


def movable(frame: Frame) -> list[int]:
    """Holdings that a move fills or empties."""
    return sorted({*frame.moved_from, *frame.moved_to})


def _moved_upper(frame: Frame) -> Table:
    """None before the first period in which they may leave."""
    rows = [row.owned.nodes_count * np.maximum.accumulate(row.may_leave) for row in frame.transfers]
    return _stack(rows, frame.move, frame.period)


def _built_upper(frame: Frame) -> Table:
    """A block that would be ready after the horizon is not offered."""
    rows = []
    for _, block in frame.problem.blocks:
        ready = [frame.problem.calendar.arrival(t, block.lead_months) is not None for t in range(len(frame.period))]
        last = max((t for t, ok in enumerate(ready) if ok), default=-1)
        rows.append(np.full(len(frame.period), block.max_count if last >= 0 else 0))
    return _stack(rows, frame.block, frame.period)


def _opened_lower(frame: Frame) -> Table:
    rows = [np.full(len(frame.period), int(power.starts_open)) for power in frame.problem.sites]
    return _stack(rows, frame.site, frame.period)


def _rentals(frame: Frame) -> list[tuple[Pool, Rental]]:
    return [(pool, rental) for pool in frame.problem.pools for rental in pool.rentals]


def _commit_upper(frame: Frame) -> Table:
    calendar = frame.problem.calendar
    rows = []
    for pool, rental in _rentals(frame):
        term = rental.term_months
        fits = pool.rentable & (calendar.start_month + (term or 10**6) <= calendar.horizon_months)
        rows.append(np.where(fits, rental.offer.quota_nodes, 0))
    return _stack(rows, frame.rental, frame.period)


def _on_demand_upper(frame: Frame) -> Table:
    rows = [np.where(pool.rentable & (r.term_months is None), r.offer.quota_nodes, 0) for pool, r in _rentals(frame)]
    return _stack(rows, frame.rental, frame.period)


def _burst_upper(frame: Frame) -> Table:
    timed = frame.problem.calendar.hours > 0
    flat = _on_demand_upper(frame).values
    return table(flat[:, :, None] * timed[None], frame.rental, frame.period, frame.bucket)


def _token_upper(frame: Frame) -> Table:
    share = demand_share(frame)
    rows = [share[c.commodity] * c.allowed[:, None] for c in frame.problem.token_cells]
    return _stack(rows, frame.token, frame.period, frame.bucket)


def _shed_upper(frame: Frame) -> Table:
    may = np.array([not row.workload.required for row in frame.problem.commodities], dtype=float)
    return table(demand_share(frame) * may[:, None, None], frame.commodity, frame.period, frame.bucket)


def _run_upper(frame: Frame) -> Table:
    hours = frame.problem.calendar.hours
    rows = []
    for cell in frame.problem.batch_cells:
        due = np.zeros(len(frame.period))
        for window in frame.problem.jobs[cell.job].windows:
            due[list(window.periods)] = 1
        rows.append(np.where(hours * (cell.allowed * due)[:, None] > 0, np.inf, 0.0))
    return _stack(rows, frame.run, frame.period, frame.bucket)


def _fte_upper(problem: Problem, frame: Frame) -> Table:
    most = []
    for power in problem.sites:
        staff = power.site.hosting.staff  # type: ignore[union-attr]
        nodes = sum(problem.pools[g].max_nodes for g in power.pools)
        most.append(np.full(len(frame.period), max(staff.min_fte, int(nodes / staff.nodes_per_fte) + 1)))
    return _stack(most, frame.site, frame.period)
