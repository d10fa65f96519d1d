"""Decision variables. Loads are shares of a commodity's largest peak, so that all columns are of order one."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import linopy
import numpy as np
import pandas as pd
import xarray as xr

from groundplan.optimize._frame import Frame, table
from groundplan.problem import Problem

Variable = Any


@dataclass(frozen=True)
class Variables:
    """All columns of the program, by name."""

    load: Variable
    """[cell, period, bucket] share of the commodity's largest peak served."""
    open: Variable
    """[cell, period] binary."""
    replicas: Variable
    """[cell, period] integer."""
    pick: Variable
    """[tangent, period] binary: which tangent staffs the cell."""
    staffed: Variable
    """[tangent, period] load in replicas' worth that the tangent covers."""
    held: Variable
    """[group, period] nodes set aside for a group of cells."""
    filled: Variable
    """[filling, period] integer: nodes filled by a pattern."""
    critical: Variable
    """[pool, period] binary: something that must survive runs here."""
    escape: Variable
    """[escape, period] share carried after a site is lost."""
    ordered: Variable
    """[pool, period] integer, cumulative lots."""
    order: Variable
    """[pool, period] lots ordered in the period."""
    installed: Variable
    """[pool, period] own nodes in place."""
    retired: Variable
    """[existing, period] integer, cumulative nodes."""
    built: Variable
    """[block, period] integer, cumulative."""
    opened: Variable
    """[site, period] binary, nondecreasing."""
    commit: Variable
    """[rental, period] integer: commitments that start."""
    on_demand: Variable
    """[rental, period] integer nodes."""
    burst: Variable
    """[rental, period, bucket] nodes for batch alone."""
    token: Variable
    """[token, period, bucket] share."""
    shed: Variable
    """[commodity, period, bucket] share."""
    run: Variable
    """[run, period, bucket] gang-hours."""
    gang: Variable
    """[run, period] binary."""
    fte: Variable
    """[site, period] integer."""
    hired: Variable
    """[site, period]"""
    billed: Variable
    """[site, period] kW."""
    link_on: Variable
    """[link, period] binary, nondecreasing."""


class _Columns:
    """Adds labelled variables to a model."""

    def __init__(self, model: linopy.Model) -> None:
        self.model = model

    def real(self, name: str, *coords: pd.Index, upper: xr.DataArray | float = inf) -> Variable:
        return self.model.add_variables(lower=0, upper=upper, coords=list(coords), name=name)

    def count(self, name: str, *coords: pd.Index, upper: xr.DataArray | float = inf, lower: xr.DataArray | int = 0) -> Variable:
        return self.model.add_variables(lower=lower, upper=upper, coords=list(coords), name=name, integer=True)

    def flag(self, name: str, *coords: pd.Index) -> Variable:
        return self.model.add_variables(coords=list(coords), name=name, binary=True)


def add_variables(model: linopy.Model, frame: Frame) -> Variables:
    """Create every column with its bounds; what law or dates forbid has upper bound zero."""
    problem, new = frame.problem, _Columns(model)
    f = frame
    return Variables(
        load=new.real("load", f.cell, f.period, f.bucket, upper=_load_upper(f)),
        open=new.flag("open", f.cell, f.period),
        replicas=new.count("replicas", f.cell, f.period),
        pick=new.flag("pick", f.tangent, f.period),
        staffed=new.real("staffed", f.tangent, f.period),
        held=new.count("held", f.group, f.period),
        filled=new.count("filled", f.filling, f.period),
        critical=new.flag("critical", f.pool, f.period),
        escape=new.real("escape", f.escape, f.period, upper=_escape_upper(f)),
        ordered=new.count("ordered", f.pool, f.period, upper=_lots_upper(f)),
        order=new.real("order", f.pool, f.period, upper=_order_upper(f)),
        installed=new.real("installed", f.pool, f.period),
        retired=new.count("retired", f.existing, f.period, lower=_retired_bound(f, False), upper=_retired_bound(f, True)),
        built=new.count("built", f.block, f.period, upper=_built_upper(f)),
        opened=new.count("opened", f.site, f.period, lower=_opened_lower(f), upper=1),
        commit=new.count("commit", f.rental, f.period, upper=_commit_upper(f)),
        on_demand=new.count("on_demand", f.rental, f.period, upper=_on_demand_upper(f)),
        burst=new.real("burst", f.rental, f.period, f.bucket, upper=_burst_upper(f)),
        token=new.real("token", f.token, f.period, f.bucket, upper=_token_upper(f)),
        shed=new.real("shed", f.commodity, f.period, f.bucket, upper=_shed_upper(f)),
        run=new.real("run", f.run, f.period, f.bucket, upper=_run_upper(f)),
        gang=new.flag("gang", f.run, f.period),
        fte=new.count("fte", f.site, f.period, upper=_fte_upper(problem, f)),
        hired=new.real("hired", f.site, f.period),
        billed=new.real("billed", f.site, f.period),
        link_on=new.flag("link_on", f.link, f.period),
    )


def demand_share(frame: Frame) -> np.ndarray:
    """[commodity, period, bucket] load as share of the largest peak."""
    rows = frame.problem.commodities
    shape = (0, len(frame.period), len(frame.bucket))
    return np.array([row.load / max(row.peak_load, 1e-12) for row in rows]) if rows else np.zeros(shape)


def _load_upper(frame: Frame) -> xr.DataArray:
    share = demand_share(frame)
    rows = [share[c.commodity] * c.allowed[:, None] for c in frame.problem.cells]
    return _stack(rows, frame.cell, frame.period, frame.bucket)


def _escape_upper(frame: Frame) -> xr.DataArray:
    share = demand_share(frame)
    cells = frame.problem.cells
    rows = [share[cells[c].commodity][:, -1] * cells[c].allowed for _, c in frame.escapes]
    return _stack(rows, frame.escape, frame.period)


def _stack(rows: list[np.ndarray], *indexes: pd.Index) -> xr.DataArray:
    return table(np.array(rows).reshape([len(index) for index in indexes]), *indexes)


def _lots_upper(frame: Frame) -> xr.DataArray:
    pools = frame.problem.pools
    lots = [-(-4 * p.max_nodes // p.purchase.lot_nodes) if p.purchase and p.orderable.any() else 0 for p in pools]
    return table(np.outer(lots, np.ones(len(frame.period))), frame.pool, frame.period)


def _order_upper(frame: Frame) -> xr.DataArray:
    rows = [np.where(p.orderable, -(-p.max_nodes // p.purchase.lot_nodes) if p.purchase else 0, 0) for p in frame.problem.pools]
    return _stack(rows, frame.pool, frame.period)


def life_end(frame: Frame) -> list[int]:
    """[existing] first period whose start finds the nodes at the end of their life."""
    calendar = frame.problem.calendar
    found = []
    for pool in frame.problem.pools:
        for owned in pool.existing:
            ends = pool.life_months + calendar.offset(owned.bought_month)
            found.append(int(np.searchsorted(calendar.start_month, ends)))
    return found


def _retired_bound(frame: Frame, upper: bool) -> xr.DataArray:
    counts = [x.nodes_count for pool in frame.problem.pools for x in pool.existing]
    periods = np.arange(len(frame.period))
    rows = [np.where((periods >= end) | upper, count, 0) for count, end in zip(counts, life_end(frame), strict=True)]
    return _stack(rows, frame.existing, frame.period)


def _built_upper(frame: Frame) -> xr.DataArray:
    """A block that would be ready after the horizon is not offered."""
    rows = []
    for _, block in frame.problem.blocks:
        ready = [frame.problem.calendar.arrival(t, block.lead_months) is not None for t in range(len(frame.period))]
        last = max((t for t, ok in enumerate(ready) if ok), default=-1)
        rows.append(np.full(len(frame.period), block.max_count if last >= 0 else 0))
    return _stack(rows, frame.block, frame.period)


def _opened_lower(frame: Frame) -> xr.DataArray:
    rows = [np.full(len(frame.period), int(power.starts_open)) for power in frame.problem.sites]
    return _stack(rows, frame.site, frame.period)


def _rentals(frame: Frame) -> list[tuple[Any, Any]]:
    return [(pool, rental) for pool in frame.problem.pools for rental in pool.rentals]


def _commit_upper(frame: Frame) -> xr.DataArray:
    calendar = frame.problem.calendar
    rows = []
    for pool, rental in _rentals(frame):
        term = rental.term_months
        fits = pool.rentable & (calendar.start_month + (term or 10**6) <= calendar.horizon_months)
        rows.append(np.where(fits, rental.offer.quota_nodes, 0))
    return _stack(rows, frame.rental, frame.period)


def _on_demand_upper(frame: Frame) -> xr.DataArray:
    rows = [np.where(pool.rentable & (r.term_months is None), r.offer.quota_nodes, 0) for pool, r in _rentals(frame)]
    return _stack(rows, frame.rental, frame.period)


def _burst_upper(frame: Frame) -> xr.DataArray:
    timed = frame.problem.calendar.hours > 0
    flat = _on_demand_upper(frame).values
    return table(flat[:, :, None] * timed[None], frame.rental, frame.period, frame.bucket)


def _token_upper(frame: Frame) -> xr.DataArray:
    share = demand_share(frame)
    rows = [share[c.commodity] * c.allowed[:, None] for c in frame.problem.token_cells]
    return _stack(rows, frame.token, frame.period, frame.bucket)


def _shed_upper(frame: Frame) -> xr.DataArray:
    may = np.array([not row.workload.required for row in frame.problem.commodities], dtype=float)
    return table(demand_share(frame) * may[:, None, None], frame.commodity, frame.period, frame.bucket)


def _run_upper(frame: Frame) -> xr.DataArray:
    hours = frame.problem.calendar.hours
    rows = []
    for cell in frame.problem.batch_cells:
        due = np.zeros(len(frame.period))
        for window in frame.problem.jobs[cell.job].windows:
            due[list(window.periods)] = 1
        rows.append(np.where(hours * (cell.allowed * due)[:, None] > 0, np.inf, 0.0))
    return _stack(rows, frame.run, frame.period, frame.bucket)


def _fte_upper(problem: Problem, frame: Frame) -> xr.DataArray:
    most = []
    for power in problem.sites:
        staff = power.site.hosting.staff  # type: ignore[union-attr]
        nodes = sum(problem.pools[g].max_nodes for g in power.pools)
        most.append(np.full(len(frame.period), max(staff.min_fte, int(nodes / staff.nodes_per_fte) + 1)))
    return _stack(most, frame.site, frame.period)
