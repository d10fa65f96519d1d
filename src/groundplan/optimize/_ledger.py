"""Every cost line as an expression by period, in US dollars, as `docs/conventions.md` defines it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from groundplan.finance import annuity_share_left
from groundplan.optimize._assets import billed_months, draw, on_site
from groundplan.optimize._frame import Frame, table, total
from groundplan.optimize._serving import earlier, later, on_links
from groundplan.optimize._variables import Variables, life_end
from groundplan.plan import CAPEX_LINES
from groundplan.problem import Pool

NOT_CASH = ("value_served", "shed_penalty", "resale", "residual")


@dataclass(frozen=True)
class Ledger:
    """[period] expression of each line; `residual` is one sum at the end of the horizon."""

    lines: dict[str, Any]
    residual: Any
    discount: xr.DataArray
    discount_at_end: float

    def npv(self) -> Any:
        """The objective: net present cost."""
        flows = sum((line * self.discount).sum() for line in self.lines.values())
        return flows + self.residual * self.discount_at_end

    def capex(self) -> Any:
        """[period]"""
        return sum(self.lines[name] for name in CAPEX_LINES)

    def cash(self) -> Any:
        """[period] everything paid."""
        return sum(line for name, line in self.lines.items() if name not in NOT_CASH)


def ledger(f: Frame, v: Variables) -> Ledger:
    """All lines. Shares of a commodity turn into units through its peak load."""
    lines = {**_bought(f, v), **_run(f, v), **_people(f, v), **_outside(f, v), **_served(f, v), "resale": _resale(f, v)}
    discount = table(f.problem.calendar.discount, f.period)
    return Ledger(lines, _residual(f, v), discount, f.problem.calendar.discount_at_end)


def _zero(f: Frame, v: Variables) -> Any:
    """A line that costs nothing is an explicit zero."""
    return (v.order * 0.0).sum("pool")


def unit_prices(f: Frame) -> dict[str, np.ndarray]:
    """line -> [pool, order period] US dollars per lot, beside the hardware itself."""
    over = f.problem.factory.money.overheads
    rows: dict[str, list[np.ndarray]] = {name: [] for name in ("hardware", "network", "storage", "spares", "duty")}
    years = f.problem.calendar.start_month / 12
    for pool in f.problem.pools:
        offer = pool.purchase
        price = offer.price_usd * (1 + offer.price_change_per_year_rate) ** years if offer else np.zeros(len(years))
        lot = offer.lot_nodes if offer else 0
        fabric = over.network_share if offer and offer.price_scope in ("node", "rack") else 0.0
        duty = pool.site.hosting.import_duty_share if pool.site.hosting else 0.0
        rows["hardware"].append(lot * price)
        rows["network"].append(lot * price * fabric)
        rows["storage"].append(np.full(len(years), lot * over.storage_usd_per_node))
        rows["spares"].append(lot * price * over.spares_share)
        rows["duty"].append(lot * price * duty)
    return {name: np.array(values).reshape(len(f.pool), len(years)) for name, values in rows.items()}


def _payments(f: Frame) -> np.ndarray:
    """[pool, order period, period] share of the price that falls due: deposit at order, the rest on delivery."""
    calendar = f.problem.calendar
    due = np.zeros((len(f.pool), len(f.period), len(f.period)))
    for g, pool in enumerate(f.problem.pools):
        for u in range(len(f.period)):
            arrives = calendar.arrival(u, pool.purchase.lead_months) if pool.purchase else None
            if pool.purchase and arrives is not None:
                due[g, u, u] += pool.purchase.deposit_share
                due[g, u, arrives] += 1 - pool.purchase.deposit_share
    return due


def _bought(f: Frame, v: Variables) -> dict[str, Any]:
    start = pd.Index(f.period, name="start", dtype=object)
    lots = v.order.rename(period="start")
    due = _payments(f)
    lines = {
        name: (lots * table(due * price[:, :, None], f.pool, start, f.period)).sum(["pool", "start"])
        for name, price in unit_prices(f).items()
    }
    lines["facility"] = _rise_cost(f, v.built, [block.price_usd for _, block in f.problem.blocks], "block", v)
    new = [0.0 if row.starts_open else row.site.hosting.opening_usd for row in f.problem.sites]  # type: ignore[union-attr]
    lines["opening"] = _rise_cost(f, v.opened, new, "site", v)
    return lines


def _rise_cost(f: Frame, cumulative: Any, usd: list[float], dim: str, v: Variables) -> Any:
    """[period] price x rise of a cumulative variable."""
    if not usd:
        return _zero(f, v)
    price = table(usd, pd.Index(cumulative.coords[dim].values, name=dim, dtype=object))
    first = (cumulative.isel(period=[0]) * price).sum(dim)
    if len(f.period) == 1:
        return first
    rise = ((later(f, cumulative) - earlier(f, cumulative)) * price).sum(dim)
    return (first.reindex(period=f.period).fillna(0)) + rise.reindex(period=f.period).fillna(0)


def _run(f: Frame, v: Variables) -> dict[str, Any]:
    if not len(f.site):
        return {name: _zero(f, v) for name in ("energy", "demand_charge", "maintenance", "software", "colocation")}
    price = table(np.array([row.energy_usd_per_kwh for row in f.problem.sites]), f.site, f.period, f.bucket)
    demand = table([row.demand_usd_per_kw_month for row in f.problem.sites], f.site)
    pools = f.problem.pools
    years = f.months / 12.0
    software = [p.server.accelerators_count * f.problem.factory.money.overheads.software_usd_per_gpu_year for p in pools]
    space = [p.max_power_kw * p.site.hosting.space_usd_per_kw_month if p.site.hosting else 0.0 for p in pools]
    return {
        "energy": (draw(f, v) * (price * f.hours)).sum(["site", "bucket"]),
        "demand_charge": (v.billed * demand * f.months).sum("site"),
        "maintenance": _maintenance(f, v),
        "software": (on_site(f, v.installed * f.per_pool(software)) * years).sum("site"),
        "colocation": (on_site(f, v.installed * f.per_pool(space)) * f.months).sum("site"),
    }


def _maintenance(f: Frame, v: Variables) -> Any:
    """Bought nodes by the rate on their price; existing ones by their own figure."""
    rate = f.problem.factory.money.overheads.maintenance_per_year_rate
    per_node = f.per_pool([p.purchase.price_usd * rate if p.purchase else 0.0 for p in f.problem.pools])
    years = f.months / 12.0
    everything = (v.installed * per_node * years).sum("pool")
    owned = [(g, x) for g, pool in enumerate(f.problem.pools) for x in pool.existing]
    if not owned:
        return everything
    counts = table([float(x.nodes_count) for _, x in owned], f.existing)
    difference = table([x.maintenance_usd_per_year - float(per_node[g]) for g, x in owned], f.existing)
    return everything + ((counts - 1 * v.retired) * difference * years).sum("existing")


def _people(f: Frame, v: Variables) -> dict[str, Any]:
    teams = [row.site.hosting.staff for row in f.problem.sites]  # type: ignore[union-attr]
    if not teams:
        return {"staff": _zero(f, v), "training": _zero(f, v)}
    salary = table([team.salary_usd_per_year for team in teams], f.site)
    training = table([team.training_usd_per_fte for team in teams], f.site)
    return {
        "staff": (v.fte * salary * (f.months / 12.0)).sum("site"),
        "training": (v.hired * training).sum("site"),
    }


def _outside(f: Frame, v: Variables) -> dict[str, Any]:
    lines = {"cloud": _cloud(f, v), "tokens": _zero(f, v), "links": _zero(f, v), "egress": _zero(f, v)}
    seconds = f.hours * 3600.0
    if len(f.token):
        cells = f.problem.token_cells
        usd = [c.usd_per_unit * f.problem.commodities[c.commodity].peak_load for c in cells]
        lines["tokens"] = (v.token * table(usd, f.token) * seconds).sum(["token", "bucket"])
    if len(f.link):
        fee = table([row.price_usd_per_month for row in f.problem.links], f.link)
        lines["links"] = (v.link_on * fee * f.months).sum("link")
        gb = np.array([row.workload.download_kb_per_unit / 1e6 for row in f.problem.commodities]) * f.peak_load.values
        price = table([row.egress_usd_per_gb for row in f.problem.links], f.link)
        lines["egress"] = (on_links(f, v, gb) * price * seconds).sum(["link", "bucket"])
    return lines


def _cloud(f: Frame, v: Variables) -> Any:
    """Commitments month by month of their term; on-demand nodes for all hours of the period; bursts by the hour."""
    rentals = [rental for pool in f.problem.pools for rental in pool.rentals]
    if not rentals:
        return _zero(f, v)
    start = pd.Index(f.period, name="start", dtype=object)
    hours_per_month = f.problem.calendar.hours_per_year / 12
    price = table([rental.usd_per_node_hour for rental in rentals], f.rental)
    months = table(billed_months(f), f.rental, start, f.period)
    committed = (v.commit.rename(period="start") * (months * price * hours_per_month)).sum(["rental", "start"])
    held = (v.on_demand * price * (f.months * hours_per_month)).sum("rental")
    return committed + held + (v.burst * price * f.hours).sum(["rental", "bucket"])


def _served(f: Frame, v: Variables) -> dict[str, Any]:
    rows = f.problem.commodities
    if not rows:
        return {"shed_penalty": _zero(f, v), "value_served": _zero(f, v)}
    seconds = f.hours * 3600.0
    penalty = table([row.workload.shed_usd_per_unit * row.peak_load for row in rows], f.commodity)
    value = table([row.workload.value_usd_per_unit * row.peak_load for row in rows], f.commodity)
    served = total(1 * v.load, f.commodity_of_cell, f.commodity)
    if len(f.token):
        owner = f.of(f.token, f.commodity, [c.commodity for c in f.problem.token_cells])
        served = served + total(1 * v.token, owner, f.commodity)
    return {
        "shed_penalty": (v.shed * penalty * seconds).sum(["commodity", "bucket"]),
        "value_served": -1 * (served * value * seconds).sum(["commodity", "bucket"]),
    }


def _resale(f: Frame, v: Variables) -> Any:
    """Nodes retired before their life ends bring their resale value of that day."""
    owned = [x for pool in f.problem.pools for x in pool.existing]
    if not owned:
        return _zero(f, v)
    calendar = f.problem.calendar
    value = np.array([x.resale_usd * (1 - x.resale_decline_per_year_rate) ** (calendar.start_month / 12) for x in owned])
    for k, end in enumerate(life_end(f)):
        value[k, end:] = 0.0
    worth = table(value, f.existing, f.period)
    gain = (v.retired.isel(period=[0]) * worth.isel(period=[0])).sum("existing").reindex(period=f.period).fillna(0)
    if len(f.period) > 1:
        rise = (later(f, v.retired) - earlier(f, v.retired)) * worth.isel(period=slice(1, None))
        gain = gain + rise.sum("existing").reindex(period=f.period).fillna(0)
    return -1 * gain


def _residual(f: Frame, v: Variables) -> Any:
    """Unpaid annuity of what was bought and still lives; resale value of existing nodes still there."""
    calendar, rate = f.problem.calendar, f.problem.calendar.discount_rate
    end = calendar.horizon_months
    prices = unit_prices(f)
    paid = prices["hardware"] + prices["network"] + prices["storage"]
    left = np.zeros_like(paid)
    for g, pool in enumerate(f.problem.pools):
        for u in range(len(f.period)):
            arrives = calendar.arrival(u, pool.purchase.lead_months) if pool.purchase else None
            if arrives is not None:
                left[g, u] = _left(rate, pool, end - int(calendar.start_month[arrives]))
    worth = (v.order * table(paid * left, f.pool, f.period)).sum()
    return -1 * (worth + _block_residual(f, v) + _existing_residual(f, v))


def _left(rate: float, pool: Pool, age_months: int) -> float:
    return annuity_share_left(rate, pool.life_months, age_months) if age_months < pool.life_months else 0.0


def _block_residual(f: Frame, v: Variables) -> Any:
    if not len(f.block):
        return 0.0
    calendar = f.problem.calendar
    life = round(f.problem.factory.money.overheads.facility_life_years * 12)
    worth = np.zeros((len(f.block), len(f.period)))
    for k, (_, block) in enumerate(f.problem.blocks):
        for u in range(len(f.period)):
            arrives = calendar.arrival(u, block.lead_months)
            age = calendar.horizon_months - int(calendar.start_month[arrives]) if arrives is not None else life
            share = annuity_share_left(calendar.discount_rate, life, age) if age < life else 0.0
            worth[k, u] = block.price_usd * share
    value = table(worth, f.block, f.period)
    first = (v.built.isel(period=[0]) * value.isel(period=[0])).sum()
    if len(f.period) == 1:
        return first
    rise = (later(f, v.built) - earlier(f, v.built)) * value.isel(period=slice(1, None))
    return first + rise.sum()


def _existing_residual(f: Frame, v: Variables) -> Any:
    owned = [(pool, x) for pool in f.problem.pools for x in pool.existing]
    if not owned:
        return 0.0
    years = f.problem.calendar.horizon_months / 12
    live = [end >= len(f.period) for end in life_end(f)]
    worth = [x.resale_usd * (1 - x.resale_decline_per_year_rate) ** years * ok for (_, x), ok in zip(owned, live, strict=True)]
    counts = table([float(x.nodes_count) for _, x in owned], f.existing)
    return ((counts - (1 * v.retired.isel(period=-1)).drop_vars("period")) * table(worth, f.existing)).sum()
