"""Families of the user's own caps: budgets, carbon, ground you control (formulation section 3, 20)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from groundplan.optimize._assets import dynamic_draw
from groundplan.optimize._batch import bursts
from groundplan.optimize._frame import Frame, table
from groundplan.optimize._ledger import Ledger
from groundplan.optimize._serving import Rows, available
from groundplan.optimize._variables import Variables
from groundplan.spec import ON_PREMISE_TIERS

MILLION = 1e6


def budgets(f: Frame, v: Variables, ledger: Ledger) -> Rows:
    """sum over the periods of a plan year of capex, and of all cash, <= cap [million US dollars]."""
    caps = f.problem.factory.budgets
    yield from _by_year(f, "capex", ledger.capex(), caps.capex_usd_by_year, MILLION)
    yield from _by_year(f, "cash", ledger.cash(), caps.cash_usd_by_year, MILLION)


def carbon(f: Frame, v: Variables, ledger: Ledger) -> Rows:
    """sum of energy x grid carbon over own and rented nodes <= cap [tonnes] by plan year."""
    caps = f.problem.factory.budgets.carbon_tonnes_by_year
    if caps:
        yield from _by_year(f, "carbon", carbon_tonnes(f, v), caps, 1.0)


def _by_year(f: Frame, name: str, flow: Any, caps: tuple[float, ...], unit: float) -> Rows:
    years = np.array([row.plan_year for row in f.problem.calendar.periods])
    for year, cap in enumerate(caps, start=1):
        inside = f.period[years == year]
        if len(inside):
            yield f"{name}[year {year}]", (flow.sel(period=inside) * (1 / unit)).sum() <= cap / unit


def carbon_tonnes(f: Frame, v: Variables) -> Any:
    """[period] location-based emissions of what runs on own and rented nodes."""
    pools = f.problem.pools
    intensity = f.per_pool([pool.site.grid_carbon_kg_per_kwh * pool.site.pue / 1000 for pool in pools])
    idle = f.per_pool([pool.idle_power_kw for pool in pools])
    kw = (available(f, v) + bursts(f, v)) * idle + dynamic_draw(f, v)
    return (kw * intensity * f.hours).sum(["pool", "bucket"])


def on_premise(f: Frame, v: Variables, ledger: Ledger) -> Rows:
    """load on ground you control >= floor x all load served, for each named workload, period and bucket [units/s]."""
    floors = [(w, row.min_share) for row in f.problem.factory.on_premise_floors for w in row.workloads]
    if not floors:
        return
    index = pd.Index([f"{k}:{w}" for k, (w, _) in enumerate(floors)], name="floor", dtype=object)
    commodities, pools, cells = f.problem.commodities, f.problem.pools, f.problem.cells
    for k, (workload, share) in enumerate(floors):
        mine = [c for c, cell in enumerate(cells) if commodities[cell.commodity].workload.id == workload]
        tokens = [c for c, cell in enumerate(f.problem.token_cells) if commodities[cell.commodity].workload.id == workload]
        peak = max(sum(row.peak_load for row in commodities if row.workload.id == workload), 1e-12)
        here = [float(pools[cells[c].pool].site.tier in ON_PREMISE_TIERS) - share for c in mine]
        weight = np.array(here) * [commodities[cells[c].commodity].peak_load / peak for c in mine]
        balance = (v.load.sel(cell=f.cell[mine]) * table(weight, f.cell[mine])).sum("cell")
        if tokens:
            lost = [-share * commodities[f.problem.token_cells[c].commodity].peak_load / peak for c in tokens]
            balance = balance + (v.token.sel(token=f.token[tokens]) * table(lost, f.token[tokens])).sum("token")
        yield f"on_premise[{index[k]}]", balance >= 0


