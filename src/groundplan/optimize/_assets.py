"""Families of what is bought, built, rented and staffed (formulation section 3, 11-17)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from groundplan.optimize._frame import Frame, entries, table, take, total
from groundplan.optimize._serving import Rows, earlier, later
from groundplan.optimize._variables import Variables


def orders(f: Frame, v: Variables) -> Rows:
    """lots ordered in t = cumulative[t] - cumulative[t-1] >= 0 [lots]: branching on the cumulative count keeps the tree small."""
    yield "orders_first", v.order.isel(period=[0]) - v.ordered.isel(period=[0]) == 0
    if len(f.period) > 1:
        yield "orders", later(f, v.order) - later(f, v.ordered) + earlier(f, v.ordered) == 0


def stock(f: Frame, v: Variables) -> Rows:
    """installed = lots that arrived and have not aged out + existing nodes not retired [nodes]."""
    start = pd.Index(f.period, name="start", dtype=object)
    bought = (v.order.rename(period="start") * table(alive(f), f.pool, start, f.period)).sum("start")
    kept = total(1 * v.retired, _pool_of_existing(f), f.pool)
    yield "stock", v.installed - bought + kept == f.per_pool([float(sum(x.nodes_count for x in p.existing)) for p in f.problem.pools])


def _pool_of_existing(f: Frame) -> xr.DataArray:
    return f.of(f.existing, f.pool, [g for g, pool in enumerate(f.problem.pools) for _ in pool.existing])


def alive(f: Frame) -> np.ndarray:
    """[pool, order period, period] nodes in place per lot ordered: arrived, and younger than its life."""
    calendar = f.problem.calendar
    table_ = np.zeros((len(f.pool), len(f.period), len(f.period)))
    for g, pool in enumerate(f.problem.pools):
        for u in range(len(f.period)):
            arrives = calendar.arrival(u, pool.purchase.lead_months) if pool.purchase else None
            if pool.purchase is None or arrives is None:
                continue
            age = calendar.start_month - calendar.start_month[arrives]
            table_[g, u] = pool.purchase.lot_nodes * ((age >= 0) & (age < pool.life_months))
    return table_


def retirement(f: Frame, v: Variables) -> Rows:
    """Retired nodes never come back [nodes]; the end of life is a lower bound on the variable."""
    if len(f.existing) and len(f.period) > 1:
        yield "retirement", later(f, v.retired) - earlier(f, v.retired) >= 0


def deliveries(f: Frame, v: Variables) -> Rows:
    """lot x cumulative orders over all sites of an offer <= tranche in force [nodes]."""
    offers = [offer for offer in f.problem.factory.purchases if offer.deliveries]
    for offer in offers:
        pools = [g for g, pool in enumerate(f.problem.pools) if pool.purchase and pool.purchase.id == offer.id]
        if pools:
            nodes = v.ordered.sel(pool=f.pool[pools]).sum("pool") * float(offer.lot_nodes)
            yield f"deliveries[{offer.id}]", nodes <= table(_tranche(f, offer), f.period)


def _tranche(f: Frame, offer: Any) -> np.ndarray:
    """[period] nodes ordered so far at most: the first row not before the period's last month, else the last row."""
    calendar = f.problem.calendar
    rows = sorted((calendar.offset(row.month), row.cumulative_nodes) for row in offer.deliveries)
    last_month = calendar.start_month + calendar.months - 1
    return np.array([next((nodes for month, nodes in rows if month >= last), rows[-1][1]) for last in last_month], dtype=float)


def power(f: Frame, v: Variables) -> Rows:
    """pue_peak x nameplate x installed <= usable + usable blocks [kW]: the feed must carry every node at its worst."""
    nameplate = [p.max_power_kw * p.site.hosting.pue_peak if p.site.hosting else 0.0 for p in f.problem.pools]
    yield from _under_cap(f, v, "power", nameplate, "usable_kw", "usable_kw")


def cooling(f: Frame, v: Variables) -> Rows:
    """Heat to air, heat to liquid [kW] and rack places [racks] of installed nodes <= what the site and its blocks offer."""
    pools = f.problem.pools
    air = [pool.max_power_kw * (1 - pool.liquid_heat_share) for pool in pools]
    liquid = [pool.max_power_kw * pool.liquid_heat_share for pool in pools]
    yield from _under_cap(f, v, "air", air, "air_heat_kw", "air_heat_kw")
    yield from _under_cap(f, v, "liquid", liquid, "liquid_heat_kw", "liquid_heat_kw")
    yield from _under_cap(f, v, "racks", [pool.racks_share for pool in pools], "rack_slots_count", "rack_slots_count")


def _under_cap(f: Frame, v: Variables, name: str, per_node: list[float], base: str, block: str) -> Rows:
    if not len(f.site):
        return
    used = on_site(f, v.installed * f.per_pool(per_node))
    offered = [float(getattr(row.site.hosting, base)) for row in f.problem.sites]
    limit = table(offered, f.site)
    if len(f.block):
        gain = table([float(getattr(row, block)) for _, row in f.problem.blocks], f.block)
        used = used - total(usable_blocks(f, v) * gain, _site_of_block(f), f.site)
    yield name, used <= limit


def on_site(f: Frame, by_pool: Any) -> Any:
    """[site, ...] sum over the pools that stand there."""
    pools = pd.Index([f.pool[g] for g in f.site_pools], name="pool", dtype=object)
    owner = xr.DataArray([f.site[k] for k, row in enumerate(f.problem.sites) for _ in row.pools], coords=[pools], dims=["pool"])
    return total(by_pool.sel(pool=pools), owner, f.site)


def _site_of_block(f: Frame) -> xr.DataArray:
    return f.of(f.block, f.site, [k for k, _ in f.problem.blocks])


def usable_blocks(f: Frame, v: Variables) -> Any:
    """[block, period] blocks whose lead time is over."""
    start = pd.Index(f.period, name="start", dtype=object)
    ready = np.zeros((len(f.block), len(f.period), len(f.period)))
    for k, (_, block) in enumerate(f.problem.blocks):
        for t in range(len(f.period)):
            done = [u for u in range(len(f.period)) if (a := f.problem.calendar.arrival(u, block.lead_months)) is not None and a <= t]
            if done:
                ready[k, done[-1], t] = 1.0
    return (v.built.rename(period="start") * table(ready, f.block, start, f.period)).sum("start")


def blocks(f: Frame, v: Variables) -> Rows:
    """Blocks stay [blocks]; the next phase starts when the one before it is complete."""
    if not len(f.block):
        return
    if len(f.period) > 1:
        yield "blocks_stay", later(f, v.built) - earlier(f, v.built) >= 0
    for k, (site, block) in enumerate(f.problem.blocks):
        if k and f.problem.blocks[k - 1][0] == site:
            before = f.problem.blocks[k - 1][1]
            done = v.built.sel(block=f.block[k - 1]) * (block.max_count / before.max_count)
            yield f"blocks_order[{f.block[k]}]", v.built.sel(block=f.block[k]) - done.drop_vars("block") <= 0


def opening(f: Frame, v: Variables) -> Rows:
    """installed <= most nodes x opened [nodes]; a site once open stays open [flag]."""
    closed = [k for k, row in enumerate(f.problem.sites) if not row.starts_open]
    if closed:
        pools = [g for k in closed for g in f.problem.sites[k].pools]
        some = f.pool[pools]
        most = f.per_pool([float(pool.max_nodes) for pool in f.problem.pools]).sel(pool=some)
        owner = xr.DataArray([f.site[k] for k in closed for _ in f.problem.sites[k].pools], coords=[some], dims=["pool"])
        yield "opening", v.installed.sel(pool=some) - take(v.opened, "site", owner) * most <= 0
    if len(f.site) and len(f.period) > 1:
        yield "opening_stays", later(f, v.opened) - earlier(f, v.opened) >= 0


def rental_quota(f: Frame, v: Variables) -> Rows:
    """Nodes of an offer in force <= its quota; on-demand nodes + bursts likewise [nodes], in each bucket."""
    if not len(f.rental):
        return
    quota = table([float(r.offer.quota_nodes) for pool in f.problem.pools for r in pool.rentals], f.rental)
    yield "rental_quota", active(f, v) <= quota
    yield "burst_quota", v.burst + v.on_demand <= quota


def active(f: Frame, v: Variables) -> Any:
    """[rental, period] commitments whose term overlaps the period: what the provider has to hold for you."""
    start = pd.Index(f.period, name="start", dtype=object)
    overlap = (billed_months(f) > 0).astype(float)
    return (v.commit.rename(period="start") * table(overlap, f.rental, start, f.period)).sum("start")


def billed_months(f: Frame) -> np.ndarray:
    """[rental, start period, period] months of a commitment's term that fall into a period."""
    calendar = f.problem.calendar
    first, last = calendar.start_month, calendar.start_month + calendar.months
    rentals = [rental for pool in f.problem.pools for rental in pool.rentals]
    rows = [
        np.clip(np.minimum(last[None, :], first[:, None] + (r.term_months or 0)) - np.maximum(first[None, :], first[:, None]), 0, None)
        for r in rentals
    ]
    return np.array(rows, dtype=float).reshape(len(rentals), len(first), len(first))


def staff(f: Frame, v: Variables) -> Rows:
    """fte >= nodes / nodes_per_fte, fte >= min_fte x opened, hired >= rise of fte [people]."""
    if not len(f.site):
        return
    teams = [row.site.hosting.staff for row in f.problem.sites]  # type: ignore[union-attr]
    per_node = table([1.0 / team.nodes_per_fte for team in teams], f.site)
    least = table([float(team.min_fte) for team in teams], f.site)
    there = table([float(team.existing_fte) for team in teams], f.site)
    yield "staff", v.fte - on_site(f, 1 * v.installed) * per_node >= 0
    yield "staff_least", v.fte - v.opened * least >= 0
    yield "hired_first", v.hired.isel(period=[0]) - v.fte.isel(period=[0]) >= -there
    if len(f.period) > 1:
        yield "hired", later(f, v.hired) - later(f, v.fte) + earlier(f, v.fte) >= 0


def billed_peak(f: Frame, v: Variables) -> Rows:
    """billed >= peak factor x draw in every bucket, >= contract minimum x opened, >= ratcheted earlier peaks [kW]."""
    if not len(f.site):
        return
    factor = table([row.site.hosting.intra_bucket_peak_factor for row in f.problem.sites], f.site)  # type: ignore[union-attr]
    least = table([row.site.hosting.contract_minimum_kw for row in f.problem.sites], f.site)  # type: ignore[union-attr]
    yield "billed_peak", v.billed - draw(f, v) * factor >= 0
    yield "billed_minimum", v.billed - v.opened * least >= 0
    pairs = [(k, t, u) for k, row in enumerate(f.problem.sites) for t, u in row.ratchet]
    if pairs:
        site, now, then = (list(column) for column in zip(*pairs, strict=True))
        yield "billed_ratchet", entries(v.billed, site=site, period=now) - entries(v.billed, site=site, period=then) >= 0


def draw(f: Frame, v: Variables) -> Any:
    """[site, period, bucket] facility draw: pue x (idle + busy replicas + running gangs) [kW]."""
    pue = table([row.site.pue for row in f.problem.sites], f.site)
    return on_site(f, it_draw(f, v)) * pue


def it_draw(f: Frame, v: Variables) -> Any:
    """[pool, period, bucket] idle kW of own nodes + dynamic kW of what runs."""
    idle = v.installed * f.per_pool([pool.idle_power_kw for pool in f.problem.pools])
    return dynamic_draw(f, v) + idle


def dynamic_draw(f: Frame, v: Variables) -> Any:
    """[pool, period, bucket] kW over idle."""
    busy = f.per_cell([cell.point.dynamic_kw for cell in f.problem.cells]) * f.replica_load
    served = total(v.load * busy, f.pool_of_cell, f.pool)
    gangs = f.per_run([cell.point.dynamic_kw for cell in f.problem.batch_cells])
    return served + total(v.run * gangs * f.per_hour, f.pool_of_run, f.pool)


