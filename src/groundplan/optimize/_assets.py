"""Families of what is bought, built, rented and staffed (formulation section 3, 11-17)."""

from __future__ import annotations

import numpy as np

from groundplan.optimize._algebra import Axis, Constraint, Expression, table
from groundplan.optimize._frame import Frame
from groundplan.optimize._serving import Rows
from groundplan.optimize._variables import Variables, life_end, movable
from groundplan.spec import Hosting, PurchaseOffer, Staff


def orders(f: Frame, v: Variables) -> Rows:
    """lots ordered in t = cumulative[t] - cumulative[t-1] >= 0 [lots].

    The cumulative count is the integer: branching on it keeps the search tree small.
    """
    yield "orders", v.order == f.rise(v.ordered)


def stock(f: Frame, v: Variables) -> Rows:
    """installed = lots that arrived and have not aged out + existing nodes that stand there [nodes]."""
    bought = (v.order.relabelled(f.period, f.start) * table(alive(f), f.pool, f.start, f.period)).sum(f.start)
    yield "stock", v.installed == bought + standing(f, v).total(f.existing, f.existing_pools, f.pool)


def standing(f: Frame, v: Variables) -> Expression:
    """[existing, period] nodes in place: there from the start or arrived, less those retired or gone elsewhere."""
    start = table([0 if row.transfer else row.owned.nodes_count for row in f.holdings], f.existing)
    left = v.moved.total(f.move, f.moved_from, f.existing)
    return arrived(f, v).total(f.move, f.moved_to, f.existing) - left - v.retired + start * 1.0


def arrived(f: Frame, v: Variables) -> Expression:
    """[move, period] nodes whose way is over: all that had left by the last period from which they are there."""
    calendar = f.problem.calendar
    there = np.zeros((len(f.move), len(f.period), len(f.period)))
    for m, transfer in enumerate(f.transfers):
        arrivals = [calendar.arrival(u, transfer.move.lead_months) for u in range(len(f.period))]
        for t in range(len(f.period)):
            done = [u for u, arrives in enumerate(arrivals) if arrives is not None and arrives <= t]
            if done:
                there[m, done[-1], t] = 1.0
    return (v.moved.relabelled(f.period, f.start) * table(there, f.move, f.start, f.period)).sum(f.start)


def alive(f: Frame) -> np.ndarray:
    """[pool, order period, period] nodes in place per lot ordered: arrived, and younger than its life."""
    calendar = f.problem.calendar
    nodes = np.zeros((len(f.pool), len(f.period), len(f.period)))
    for g, pool in enumerate(f.problem.pools):
        for u in range(len(f.period)):
            arrives = calendar.arrival(u, pool.purchase.lead_months) if pool.purchase else None
            if pool.purchase and arrives is not None:
                age = calendar.start_month - calendar.start_month[arrives]
                nodes[g, u] = pool.purchase.lot_nodes * ((age >= 0) & (age < pool.life_months))
    return nodes


def retirement(f: Frame, v: Variables) -> Rows:
    """Retired nodes never come back [nodes]; the end of life is a lower bound on the variable."""
    yield "retirement", f.later(v.retired) >= f.earlier(v.retired)


def moves(f: Frame, v: Variables) -> Rows:
    """Moved nodes never come back; they leave when they may; no place gives more than stands there [nodes].

    Past their life no existing node stands anywhere: a bound on `retired` where none can move, a row where some can.
    """
    yield "moves_stay", f.later(v.moved) >= f.earlier(v.moved)
    most = [transfer.owned.nodes_count * transfer.may_leave for transfer in f.transfers]
    yield "moves_leave", f.rise(v.moved) <= table(np.array(most), f.move, f.period)
    some = movable(f)
    there = standing(f, v).part(f.existing, some)
    yield "moves_there", there >= 0.0
    young = [np.arange(len(f.period)) < life_end(f)[h] for h in some]
    counts = np.array([[f.owned[h].nodes_count] for h in some])
    yield "moves_young", there <= table(counts * np.array(young), f.existing[some], f.period)


def deliveries(f: Frame, v: Variables) -> Rows:
    """lot x cumulative orders over all sites of an offer <= tranche in force [nodes]."""
    offers = [offer for offer in f.problem.factory.purchases if offer.deliveries]
    axis = Axis("offer", tuple(offer.id for offer in offers))
    named = [pool.purchase.id if pool.purchase else "" for pool in f.problem.pools]
    owner = [axis.labels.index(name) if name in axis.labels else -1 for name in named]
    lots = f.per_pool([pool.purchase.lot_nodes if pool.purchase else 0 for pool in f.problem.pools])
    yield (
        "deliveries",
        (v.ordered * lots).total(f.pool, owner, axis) <= table([_tranche(f, o) for o in offers], axis, f.period),
    )


def _tranche(f: Frame, offer: PurchaseOffer) -> list[int]:
    """[period] nodes ordered so far at most: the first row not before the period's last month, else the last row."""
    calendar = f.problem.calendar
    rows = sorted((calendar.offset(row.month), row.cumulative_nodes) for row in offer.deliveries)
    last_month = calendar.start_month + calendar.months - 1
    return [next((nodes for month, nodes in rows if month >= last), rows[-1][1]) for last in last_month]


def power(f: Frame, v: Variables) -> Rows:
    """pue_peak x nameplate x installed <= usable + usable blocks [kW]: the feed must carry every node at its worst."""
    nameplate = [p.max_power_kw * p.site.hosting.pue_peak if p.site.hosting else 0.0 for p in f.problem.pools]
    yield _under_cap(f, v, "power", nameplate, "usable_kw")


def cooling(f: Frame, v: Variables) -> Rows:
    """Heat to air and liquid [kW] and rack places [racks] of installed nodes <= what the site and its blocks offer."""
    pools = f.problem.pools
    air = [pool.max_power_kw * (1 - pool.liquid_heat_share) for pool in pools]
    liquid = [pool.max_power_kw * pool.liquid_heat_share for pool in pools]
    yield _under_cap(f, v, "air", air, "air_heat_kw")
    yield _under_cap(f, v, "liquid", liquid, "liquid_heat_kw")
    yield _under_cap(f, v, "racks", [pool.racks_share for pool in pools], "rack_slots_count")


def _under_cap(f: Frame, v: Variables, name: str, per_node: list[float], figure: str) -> tuple[str, Constraint]:
    """[site, period] what installed nodes take <= `figure` of the site and of its usable blocks."""
    used = on_site(f, v.installed * f.per_pool(per_node))
    base = table([getattr(hosting, figure) for hosting in hostings(f)], f.site)
    gain = table([getattr(block, figure) for _, block in f.problem.blocks], f.block)
    added = (usable_blocks(f, v) * gain).total(f.block, [k for k, _ in f.problem.blocks], f.site)
    return name, used - added <= base


def hostings(f: Frame) -> list[Hosting]:
    """[site]"""
    return [row.site.hosting for row in f.problem.sites if row.site.hosting]


def teams(f: Frame) -> list[Staff]:
    """[site]"""
    return [hosting.staff for hosting in hostings(f)]


def on_site(f: Frame, by_pool: Expression) -> Expression:
    """[site, ...] sum over the pools that stand there."""
    owner = {g: k for k, row in enumerate(f.problem.sites) for g in row.pools}
    return by_pool.total(f.pool, [owner.get(g, -1) for g in range(len(f.pool))], f.site)


def usable_blocks(f: Frame, v: Variables) -> Expression:
    """[block, period] blocks whose lead time is over."""
    calendar = f.problem.calendar
    ready = np.zeros((len(f.block), len(f.period), len(f.period)))
    for k, (_, block) in enumerate(f.problem.blocks):
        for t in range(len(f.period)):
            arrivals = [calendar.arrival(u, block.lead_months) for u in range(t + 1)]
            done = [u for u, arrives in enumerate(arrivals) if arrives is not None and arrives <= t]
            if done:
                ready[k, done[-1], t] = 1.0
    return (v.built.relabelled(f.period, f.start) * table(ready, f.block, f.start, f.period)).sum(f.start)


def blocks(f: Frame, v: Variables) -> Rows:
    """Blocks stay [blocks]; the next phase starts only when the one before it is complete [flag]."""
    yield "blocks_stay", f.later(v.built) >= f.earlier(v.built)
    most = table([block.max_count for _, block in f.problem.blocks], f.block)
    yield "blocks_complete", v.complete * most <= v.built
    follows = [k for k in range(1, len(f.block)) if f.problem.blocks[k][0] == f.problem.blocks[k - 1][0]]
    some = f.block[follows]
    before = v.complete.take(f.block, [k - 1 for k in follows], some)
    yield "blocks_order", v.built.part(f.block, follows) <= before * most.part(f.block, follows)


def opening(f: Frame, v: Variables) -> Rows:
    """installed <= most nodes x opened [nodes]; a cell opens only at an open site; a site once open stays open [flag].

    The row of cells says nothing new of whole numbers; it keeps the relaxation from opening a tenth of a site.
    """
    pools = [(g, k) for k, row in enumerate(f.problem.sites) if not row.starts_open for g in row.pools]
    some = f.pool[[g for g, _ in pools]]
    most = table([f.problem.pools[g].max_nodes for g, _ in pools], some)
    opened = v.opened.take(f.site, [k for _, k in pools], some)
    yield "opening", v.installed.part(f.pool, [g for g, _ in pools]) <= opened * most
    site = {g: k for k, row in enumerate(f.problem.sites) for g in row.pools}
    cells = [c for c, cell in enumerate(f.problem.cells) if cell.pool in site]
    there = v.opened.take(f.site, [site[f.problem.cells[c].pool] for c in cells], f.cell[cells])
    yield "opening_cell", v.open.part(f.cell, cells) <= there
    yield "opening_stays", f.later(v.opened) >= f.earlier(v.opened)


def rental_quota(f: Frame, v: Variables) -> Rows:
    """Nodes of an offer in force <= its quota; on-demand nodes + bursts likewise [nodes], in each bucket."""
    quota = table([rental.offer.quota_nodes for rental in f.rentals], f.rental)
    overlap = table((billed_months(f) > 0).astype(float), f.rental, f.start, f.period)
    yield "rental_quota", (v.commit.relabelled(f.period, f.start) * overlap).sum(f.start) <= quota
    yield "burst_quota", v.burst + v.on_demand <= quota


def billed_months(f: Frame) -> np.ndarray:
    """[rental, start period, period] months of a commitment's term that fall into a period."""
    calendar = f.problem.calendar
    first, last = calendar.start_month, calendar.start_month + calendar.months
    terms = np.array([rental.term_months or 0 for rental in f.rentals]).reshape(-1, 1, 1)
    ends = np.minimum(last[None, None, :], first[None, :, None] + terms)
    return np.clip(ends - np.maximum(first[None, None, :], first[None, :, None]), 0, None).astype(float)


def staff(f: Frame, v: Variables) -> Rows:
    """fte >= nodes / nodes_per_fte, fte >= min_fte x opened, hired >= rise of fte [people]."""
    per_node = table([1.0 / team.nodes_per_fte for team in teams(f)], f.site)
    yield "staff", v.fte >= on_site(f, v.installed) * per_node
    yield "staff_least", v.fte >= v.opened * table([team.min_fte for team in teams(f)], f.site)
    yield "hired_first", f.first(v.hired) >= f.first(v.fte) + table([-team.existing_fte for team in teams(f)], f.site)
    yield "hired", f.later(v.hired) >= f.later(v.fte) - f.earlier(v.fte)


def billed_peak(f: Frame, v: Variables) -> Rows:
    """billed >= measured peak in every bucket, >= contract minimum x opened, >= ratcheted earlier measured peaks [kW].

    What a ratchet remembers is what was measured, not what was billed: else one peak would bind for ever.
    """
    measured = draw(f, v) * table([hosting.intra_bucket_peak_factor for hosting in hostings(f)], f.site)
    yield "billed_peak", v.billed >= measured
    yield (
        "billed_minimum",
        v.billed >= v.opened * table([hosting.contract_minimum_kw for hosting in hostings(f)], f.site),
    )
    pairs = [(k, t, u) for k, row in enumerate(f.problem.sites) for t, u in row.ratchet]
    entry = Axis("ratchet", tuple(f"{f.site[k]}:{f.period[u]}>{f.period[t]}" for k, t, u in pairs))
    site, now, then = ([row[k] for row in pairs] for k in range(3))
    earlier = measured.entries(entry, site=site, period=then)
    yield "billed_ratchet", v.billed.entries(entry, site=site, period=now) >= earlier


def draw(f: Frame, v: Variables) -> Expression:
    """[site, period, bucket] facility draw: pue x (idle + busy replicas + running gangs) [kW]."""
    idle = v.installed * f.per_pool([pool.idle_power_kw for pool in f.problem.pools])
    return on_site(f, dynamic_draw(f, v) + idle) * table([row.site.pue for row in f.problem.sites], f.site)


def dynamic_draw(f: Frame, v: Variables) -> Expression:
    """[pool, period, bucket] kW over idle."""
    busy = f.per_cell([cell.point.dynamic_kw for cell in f.problem.cells]) * f.replica_load
    gangs = f.per_run([cell.point.dynamic_kw for cell in f.problem.batch_cells])
    return f.by_pool(v.load * busy) + f.runs_by_pool(v.run * gangs * f.per_hour)
