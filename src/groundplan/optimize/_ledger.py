"""Every cost line as an expression by period, in US dollars, as `docs/conventions.md` defines it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundplan.finance import NOT_CASH, annuity_share_left
from groundplan.optimize._algebra import Axis, Columns, Expression, Table, table
from groundplan.optimize._assets import billed_months, draw, on_site, standing, teams
from groundplan.optimize._frame import Frame
from groundplan.optimize._serving import on_links
from groundplan.optimize._variables import Variables, alive_at_end, life_end
from groundplan.plan import CAPEX_LINES


@dataclass(frozen=True)
class Ledger:
    """[period] expression of each line; `residual` is one sum at the end of the horizon."""

    lines: dict[str, Expression]
    residual: Expression
    discount: Table
    discount_at_end: float
    nothing: Expression
    """[period] zero."""

    def npv(self) -> Expression:
        """The objective: net present cost."""
        flows = sum((line * self.discount for line in self.lines.values()), start=self.nothing)
        return flows.sum() + self.residual * self.discount_at_end

    def capex(self) -> Expression:
        """[period]"""
        return sum((self.lines[name] for name in CAPEX_LINES), start=self.nothing)

    def cash(self) -> Expression:
        """[period] everything paid."""
        return sum((line for name, line in self.lines.items() if name not in NOT_CASH), start=self.nothing)


def ledger(columns: Columns, f: Frame, v: Variables) -> Ledger:
    """All lines. Shares of a commodity turn into units through its peak load."""
    lines = {**_bought(f, v), **_run(f, v), **_people(f, v), **_outside(f, v), **_served(f, v), **_estate(f, v)}
    calendar = f.problem.calendar
    discount = table(calendar.discount, f.period)
    return Ledger(lines, _residual(f, v), discount, calendar.discount_at_end, columns.zero(f.period))


def unit_prices(f: Frame) -> dict[str, np.ndarray]:
    """line -> [pool, order period] US dollars per lot."""
    over = f.problem.factory.money.overheads
    years = f.problem.calendar.start_month / 12
    rows: dict[str, list[np.ndarray]] = {name: [] for name in ("hardware", "network", "storage", "spares", "duty")}
    for pool in f.problem.pools:
        offer = pool.purchase
        price = (
            offer.lot_nodes * offer.price_usd * (1 + offer.price_change_per_year_rate) ** years if offer else 0 * years
        )
        fabric = over.network_share if offer and offer.price_scope in ("node", "rack") else 0.0
        rows["hardware"].append(price)
        rows["network"].append(price * fabric)
        rows["storage"].append(np.full(len(years), offer.lot_nodes * over.storage_usd_per_node if offer else 0.0))
        rows["spares"].append(price * over.spares_share)
        rows["duty"].append(price * (pool.site.hosting.import_duty_share if pool.site.hosting else 0.0))
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


def _bought(f: Frame, v: Variables) -> dict[str, Expression]:
    lots = v.order.relabelled(f.period, f.start)
    due = _payments(f)
    lines = {
        name: (lots * table(due * price[:, :, None], f.pool, f.start, f.period)).sum(f.pool, f.start)
        for name, price in unit_prices(f).items()
    }
    price = table([block.price_usd for _, block in f.problem.blocks], f.block)
    lines["facility"] = (f.rise(v.built) * price).sum(f.block)
    fees = [0.0 if row.starts_open or not row.site.hosting else row.site.hosting.opening_usd for row in f.problem.sites]
    lines["opening"] = (f.rise(v.opened) * table(fees, f.site)).sum(f.site)
    return lines


def _run(f: Frame, v: Variables) -> dict[str, Expression]:
    price = table(np.array([row.energy_usd_per_kwh for row in f.problem.sites]), f.site, f.period, f.bucket)
    demand = table([row.demand_usd_per_kw_month for row in f.problem.sites], f.site)
    per_gpu = f.problem.factory.money.overheads.software_usd_per_gpu_year
    software = f.per_pool([pool.server.accelerators_count * per_gpu for pool in f.problem.pools])
    rents = [p.max_power_kw * p.site.hosting.space_usd_per_kw_month if p.site.hosting else 0.0 for p in f.problem.pools]
    years = f.months * (1 / 12)
    return {
        "energy": (draw(f, v) * (price * f.hours)).sum(f.site, f.bucket),
        "demand_charge": (v.billed * demand * f.months).sum(f.site),
        "maintenance": _maintenance(f, v),
        "software": (on_site(f, v.installed * software) * years).sum(f.site),
        "colocation": (on_site(f, v.installed * f.per_pool(rents)) * f.months).sum(f.site),
    }


def _maintenance(f: Frame, v: Variables) -> Expression:
    """Bought nodes by the rate on their price; existing ones by their own figure, wherever they stand."""
    rate = f.problem.factory.money.overheads.maintenance_per_year_rate
    bought = [pool.purchase.price_usd * rate if pool.purchase else 0.0 for pool in f.problem.pools]
    owned = [x.maintenance_usd_per_year - bought[g] for g, x in zip(f.existing_pools, f.owned, strict=True)]
    extra = (standing(f, v) * table(owned, f.existing)).sum(f.existing)
    return ((v.installed * f.per_pool(bought)).sum(f.pool) + extra) * (f.months * (1 / 12))


def _people(f: Frame, v: Variables) -> dict[str, Expression]:
    salary = table([team.salary_usd_per_year for team in teams(f)], f.site)
    training = table([team.training_usd_per_fte for team in teams(f)], f.site)
    return {
        "staff": (v.fte * salary * (f.months * (1 / 12))).sum(f.site),
        "training": (v.hired * training).sum(f.site),
    }


def _outside(f: Frame, v: Variables) -> dict[str, Expression]:
    seconds = f.hours * 3600.0
    usd = [c.usd_per_unit * f.problem.commodities[c.commodity].peak_load for c in f.problem.token_cells]
    fee = table([row.price_usd_per_month for row in f.problem.links], f.link)
    gb = np.array([row.workload.download_kb_per_unit / 1e6 for row in f.problem.commodities]) * f.peak_load.values
    price = table([row.egress_usd_per_gb for row in f.problem.links], f.link)
    return {
        "cloud": _cloud(f, v),
        "tokens": (v.token * table(usd, f.token) * seconds).sum(f.token, f.bucket),
        "links": (v.link_on * fee * f.months).sum(f.link),
        "egress": (on_links(f, v, gb) * price * seconds).sum(f.link, f.bucket),
    }


def _cloud(f: Frame, v: Variables) -> Expression:
    """Commitments month by month of their term; on-demand nodes for all hours of the period; bursts by the hour."""
    hours_per_month = f.problem.calendar.hours_per_year / 12
    price = table([rental.usd_per_node_hour for rental in f.rentals], f.rental)
    months = table(billed_months(f), f.rental, f.start, f.period)
    committed = (v.commit.relabelled(f.period, f.start) * (months * price * hours_per_month)).sum(f.rental, f.start)
    held = (v.on_demand * price * (f.months * hours_per_month)).sum(f.rental)
    return committed + held + (v.burst * price * f.hours).sum(f.rental, f.bucket)


def _served(f: Frame, v: Variables) -> dict[str, Expression]:
    rows = f.problem.commodities
    seconds = f.hours * 3600.0
    penalty = table([row.workload.shed_usd_per_unit * row.peak_load for row in rows], f.commodity)
    value = table([row.workload.value_usd_per_unit * row.peak_load for row in rows], f.commodity)
    served = f.by_commodity(v.load) + f.tokens_by_commodity(v.token)
    return {
        "shed_penalty": (v.shed * penalty * seconds).sum(f.commodity, f.bucket),
        "value_served": -(served * value * seconds).sum(f.commodity, f.bucket),
    }


def _estate(f: Frame, v: Variables) -> dict[str, Expression]:
    """What existing nodes cost to move, paid when they leave, and bring when they are sold."""
    price = table([transfer.move.usd_per_node for transfer in f.transfers], f.move)
    return {"moving": (f.rise(v.moved) * price).sum(f.move), "resale": _resale(f, v)}


def _resale(f: Frame, v: Variables) -> Expression:
    """Nodes retired before their life ends bring their resale value of that day."""
    years = f.problem.calendar.start_month / 12
    worth = [x.resale_usd * (1 - x.resale_decline_per_year_rate) ** years for x in f.owned]
    alive = [np.arange(len(f.period)) < end for end in life_end(f)]
    return -(f.rise(v.retired) * table(np.array(worth) * np.array(alive), f.existing, f.period)).sum(f.existing)


def _residual(f: Frame, v: Variables) -> Expression:
    """Unpaid annuity of what was bought and still lives; resale value of existing nodes still there."""
    prices = unit_prices(f)
    paid = prices["hardware"] + prices["network"] + prices["storage"]
    lives = [pool.life_months for pool in f.problem.pools]
    leads = [pool.purchase.lead_months if pool.purchase else 0 for pool in f.problem.pools]
    bought = v.order * table(paid * _left(f, f.pool, lives, leads), f.pool, f.period)
    life = round(f.problem.factory.money.overheads.facility_life_years * 12)
    blocks = [block for _, block in f.problem.blocks]
    left = _left(f, f.block, [life] * len(blocks), [block.lead_months for block in blocks])
    price = table([block.price_usd for block in blocks], f.block)
    built = f.rise(v.built) * price * table(left, f.block, f.period)
    return -(bought.sum() + built.sum() + _existing_residual(f, v))


def _left(f: Frame, axis: Axis, life_months: list[int], lead_months: list[int]) -> np.ndarray:
    """[axis, order period] share of the price that an annuity has not paid at the end of the horizon."""
    calendar = f.problem.calendar
    left = np.zeros((len(axis), len(f.period)))
    for k, (life, lead) in enumerate(zip(life_months, lead_months, strict=True)):
        for u in range(len(f.period)):
            arrives = calendar.arrival(u, lead)
            if arrives is not None:
                age = calendar.horizon_months - int(calendar.start_month[arrives])
                left[k, u] = annuity_share_left(calendar.discount_rate, life, age)
    return left


def _existing_residual(f: Frame, v: Variables) -> Expression:
    years = f.problem.calendar.horizon_months / 12
    live = [alive_at_end(f, k) for k in range(len(f.existing))]
    worth = [
        x.resale_usd * (1 - x.resale_decline_per_year_rate) ** years * ok for x, ok in zip(f.owned, live, strict=True)
    ]
    there = standing(f, v).take(f.period, [len(f.period) - 1], f.period[-1:])
    return (there * table(worth, f.existing)).sum()
