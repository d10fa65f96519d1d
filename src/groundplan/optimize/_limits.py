"""Families of the user's own caps: budgets, carbon, ground you control (formulation section 3, 20)."""

from __future__ import annotations

from math import isfinite

import numpy as np

from groundplan.optimize._algebra import Axis, Constraint, Expression, table
from groundplan.optimize._assets import dynamic_draw
from groundplan.optimize._batch import bursts
from groundplan.optimize._frame import Frame
from groundplan.optimize._ledger import Ledger
from groundplan.optimize._serving import Rows, available
from groundplan.optimize._variables import Variables
from groundplan.spec import ON_PREMISE_TIERS

MILLION = 1e6


def budgets(f: Frame, v: Variables, ledger: Ledger) -> Rows:
    """sum over the periods of a plan year of capex, and of all cash, <= cap (+ granted) [million US dollars]."""
    caps = f.problem.factory.budgets
    for name, flow, by_year in (
        ("capex", ledger.capex(), caps.capex_usd_by_year),
        ("cash", ledger.cash(), caps.cash_usd_by_year),
    ):
        for row, limit in _by_year(f, name, flow * (1 / MILLION), [cap / MILLION for cap in by_year]):
            yield row, _eased(f, v, limit, len(by_year))
    if f.problem.grant_usd is not None and isfinite(f.problem.grant_usd):
        yield "granted", v.granted.sum() <= f.problem.grant_usd / MILLION


def _eased(f: Frame, v: Variables, limit: Constraint, years: int) -> Constraint:
    """The cap of a year and what is granted beyond it: a million more to invest is a million more to pay."""
    if f.problem.grant_usd is None:
        return limit
    return limit.left - v.granted.part(f.granted_year, slice(0, years)) <= 0.0


def carbon(f: Frame, v: Variables, ledger: Ledger) -> Rows:
    """sum of energy x grid carbon over own and rented nodes <= cap [tonnes] by plan year."""
    caps = f.problem.factory.budgets.carbon_tonnes_by_year
    if caps:
        yield from _by_year(f, "carbon", carbon_tonnes(f, v), list(caps))


def _by_year(f: Frame, name: str, flow: Expression, caps: list[float]) -> Rows:
    years = [row.plan_year for row in f.problem.calendar.periods]
    axis = Axis("year", tuple(str(year + 1) for year in range(len(caps))))
    owner = [year - 1 if year <= len(caps) else -1 for year in years]
    yield name, flow.total(f.period, owner, axis) <= table(caps, axis)


def carbon_tonnes(f: Frame, v: Variables) -> Expression:
    """[period] location-based emissions of what runs on own and rented nodes."""
    pools = f.problem.pools
    intensity = f.per_pool([pool.site.grid_carbon_kg_per_kwh * pool.site.pue / 1000 for pool in pools])
    idle = f.per_pool([pool.idle_power_kw for pool in pools])
    kw = (available(f, v) + bursts(f, v)) * idle + dynamic_draw(f, v)
    return (kw * intensity * f.hours).sum(f.pool, f.bucket)


def on_premise(f: Frame, v: Variables, ledger: Ledger) -> Rows:
    """load on ground you control >= floor x all load served, each named workload, period and bucket [share of peak]."""
    floors = [(w, row.min_share) for row in f.problem.factory.on_premise_floors for w in row.workloads]
    axis = Axis("floor", tuple(f"{k}:{workload}" for k, (workload, _) in enumerate(floors)))
    for k, (workload, share) in enumerate(floors):
        weight = _weights(f, workload)
        here = [float(f.problem.pools[c.pool].site.tier in ON_PREMISE_TIERS) - share for c in f.problem.cells]
        own = v.load * f.per_cell([weight[c.commodity] * h for c, h in zip(f.problem.cells, here, strict=True)])
        away = v.token * table([-share * weight[c.commodity] for c in f.problem.token_cells], f.token)
        yield f"on_premise[{axis[k]}]", own.sum(f.cell) + away.sum(f.token) >= 0.0


def _weights(f: Frame, workload: str) -> np.ndarray:
    """[commodity] its part of the workload's peak; 0 for other workloads."""
    peaks = np.array([row.peak_load * (row.workload.id == workload) for row in f.problem.commodities])
    return peaks / max(float(peaks.sum()), 1e-12)
