"""Families that serve load: demand, staffing, node filling, spares, site loss, links (formulation section 3, 1-7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from groundplan.optimize._frame import Frame, entries, keyed, table, take, total
from groundplan.optimize._variables import Variables, demand_share

Rows = Iterator[tuple[str, Any]]
"""(name of the rows, linopy constraint expression)"""


def demand(f: Frame, v: Variables) -> Rows:
    """sum of cells + token APIs + shed = load, for each commodity, period, bucket [share of peak].

    Equality: serving more than is asked earns nothing and would let value be claimed twice.
    """
    served = total(v.load, f.commodity_of_cell, f.commodity)
    offered = total(v.token, _commodity_of_token(f), f.commodity)
    yield "demand", served + offered + v.shed == table(demand_share(f), f.commodity, f.period, f.bucket)


def _commodity_of_token(f: Frame) -> xr.DataArray:
    return f.of(f.token, f.commodity, [c.commodity for c in f.problem.token_cells])


def staffing(f: Frame, v: Variables) -> Rows:
    """replicas >= alpha x staffed + beta x picked, one tangent per open cell; staffed covers the load of each bucket.

    [replicas]. Replicas needed are concave in load, so a tangent lies above the curve (safe) and a chord does not;
    which tangent applies is a binary, and load_max bounds it without a free big-M.
    """
    cells = f.of(f.tangent, f.cell, [row[0] for row in f.tangents])
    alpha, beta = (table([row[k] for row in f.tangents], f.tangent) for k in (1, 2))
    covered = total(1 * v.staffed, cells, f.cell)
    yield "staffing_load", covered - v.load * f.replica_load >= 0
    yield "staffing_range", v.staffed - v.pick * _reach(f) <= 0
    yield "staffing_pick", total(1 * v.pick, cells, f.cell) - v.open == 0
    yield "staffing", v.replicas - total(v.staffed * alpha + v.pick * beta, cells, f.cell) >= 0
    if len(f.escape):
        carried = v.escape * f.of(f.escape, f.cell, [c for _, c in f.escapes]).copy(data=_escape_load(f))
        yield "staffing_loss", take(covered, "cell", _cell_of_escape(f)) - carried >= 0


def _reach(f: Frame) -> xr.DataArray:
    """[tangent, period] largest load the tangent may cover: its own end, or the peak of the period, whichever is less."""
    share, load = demand_share(f), f.replica_load.values
    peaks = [share[f.problem.cells[c].commodity][:, -1] * load[c] * f.problem.cells[c].allowed for c, *_ in f.tangents]
    ends = np.array([row[3] for row in f.tangents])
    return table(np.minimum(np.array(peaks).reshape(len(ends), -1), ends[:, None]), f.tangent, f.period)


def _cell_of_escape(f: Frame) -> xr.DataArray:
    return f.of(f.escape, f.cell, [c for _, c in f.escapes])


def _escape_load(f: Frame) -> np.ndarray:
    load = f.replica_load.values
    return np.array([load[c] for _, c in f.escapes])


def least_replicas(f: Frame, v: Variables) -> Rows:
    """replicas >= least x open [replicas]: one, and one spare where a node or a site may be lost."""
    least = f.per_cell([cell.least_replicas for cell in f.problem.cells])
    yield "least_replicas", v.replicas - v.open * least >= 0


def node_filling(f: Frame, v: Variables) -> Rows:
    """Replicas fit the nodes held: slots where sizes divide the node, else Gilmore-Gomory patterns [slots, replicas].

    sum slots x replicas <= slots of node x held;  replicas of size k <= sum count[k] x filled;  sum filled <= held.
    """
    slots = f.per_cell([c.point.slots_per_replica * c.point.nodes_per_replica for c in f.problem.cells])
    yield "slots", total(v.replicas * slots, _group_of_cell(f), f.group) - v.held * _node_slots(f) <= 0
    if len(f.filling):
        yield "patterns", _size_use(f, v) <= 0
        owner = f.of(f.filling, f.group, [g for g, row in enumerate(f.groups) for _ in row.patterns])
        patterned = _patterned(f)
        yield "filled", total(1 * v.filled, owner, f.group).sel(group=patterned) - v.held.sel(group=patterned) <= 0


def _group_of_cell(f: Frame) -> xr.DataArray:
    owner = {c: g for g, row in enumerate(f.groups) for c in row.cells}
    return f.of(f.cell, f.group, [owner[c] for c in range(len(f.cell))])


def _node_slots(f: Frame) -> xr.DataArray:
    return table([float(f.problem.pools[row.pool].slots) for row in f.groups], f.group)


def _patterned(f: Frame) -> pd.Index:
    return pd.Index([row.key for row in f.groups if row.patterns], name="group", dtype=object)


def _size_use(f: Frame, v: Variables) -> Any:
    """[size, period] replicas of a size minus the places that filled patterns offer it."""
    keys, cells, members, columns, counts = [], [], [], [], []
    start = 0
    for row in f.groups:
        for k, size in enumerate(row.sizes if row.patterns else ()):
            key = f"{row.key}|{size}"
            keys.append(key)
            mine = [c for c in row.cells if f.problem.cells[c].point.slots_per_replica == size]
            cells += [(c, key) for c in mine]
            members += [key] * len(row.patterns)
            columns += list(range(start, start + len(row.patterns)))
            counts += [pattern[k] for pattern in row.patterns]
        start += len(row.patterns)
    size = pd.Index(keys, name="size", dtype=object)
    used = total(entries(v.replicas, cell=[c for c, _ in cells]), keyed([key for _, key in cells]), size)
    weight = table(np.array(counts, float), pd.RangeIndex(len(counts), name="entry"))
    return used - total(entries(v.filled, filling=columns) * weight, keyed(members), size)


def pool_room(f: Frame, v: Variables) -> Rows:
    """nodes held by all groups + spares where something critical runs <= own + rented nodes [nodes] (N+k)."""
    owner = f.of(f.group, f.pool, [row.pool for row in f.groups])
    spare = f.per_pool([float(pool.spare_nodes) for pool in f.problem.pools])
    yield "pool_room", total(1 * v.held, owner, f.pool) + v.critical * spare - available(f, v) <= 0
    survivors = [c for c, cell in enumerate(f.problem.cells) if f.problem.commodities[cell.commodity].workload.survives != "none"]
    if survivors:
        some = pd.Index([f.cell[c] for c in survivors], name="cell", dtype=object)
        pool_of = f.pool_of_cell.sel(cell=some)
        yield "spares", v.open.sel(cell=some) - take(v.critical, "pool", pool_of) <= 0


def available(f: Frame, v: Variables) -> Any:
    """[pool, period] own and rented nodes."""
    return v.installed + rented(f, v)


def rented(f: Frame, v: Variables) -> Any:
    """[pool, period] nodes held by commitments that cover the whole period, and on demand."""
    rentals = [(g, rental) for g, pool in enumerate(f.problem.pools) for rental in pool.rentals]
    owner = f.of(f.rental, f.pool, [g for g, _ in rentals])
    return total(committed(f, v) + v.on_demand, owner, f.pool)


def installed_and_committed(f: Frame, v: Variables) -> Any:
    """[pool, period] nodes that are there whatever is rented by the hour."""
    rentals = [g for g, pool in enumerate(f.problem.pools) for _ in pool.rentals]
    return v.installed + total(committed(f, v), f.of(f.rental, f.pool, rentals), f.pool)


def committed(f: Frame, v: Variables) -> Any:
    """[rental, period] nodes of commitments whose term covers the period."""
    start = pd.Index(f.period, name="start", dtype=object)
    cover = table(commitment_cover(f), f.rental, start, f.period)
    return (v.commit.rename(period="start") * cover).sum("start")


def commitment_cover(f: Frame) -> np.ndarray:
    """[rental, start period, period] 1 where a term started then covers the period whole."""
    calendar = f.problem.calendar
    first, last = calendar.start_month, calendar.start_month + calendar.months
    rentals = [rental for pool in f.problem.pools for rental in pool.rentals]
    rows = [
        (first[None, :] >= first[:, None]) & (last[None, :] <= first[:, None] + (rental.term_months or 0))
        for rental in rentals
    ]
    return np.array(rows, dtype=float).reshape(len(rentals), len(first), len(first))


def site_loss(f: Frame, v: Variables) -> Rows:
    """sum of what other sites carry >= failover_share x peak load, for each site that may be lost [share of peak]."""
    if not len(f.loss):
        return
    owner = f.of(f.escape, f.loss, [k for k, _ in f.escapes])
    share = demand_share(f)
    asked = [f.problem.commodities[i].workload.failover_share * share[i][:, -1] for i, _ in f.losses]
    yield "site_loss", total(1 * v.escape, owner, f.loss) >= table(np.array(asked), f.loss, f.period)


def bandwidth(f: Frame, v: Variables) -> Rows:
    """sum units/s x 8 x kb / 1000 <= max_load_share x bandwidth, each link, direction, bucket and peak [Mbit/s]."""
    if not len(f.link):
        return
    limits = table([row.max_load_share * row.bandwidth_mbit_per_s for row in f.problem.links], f.link)
    for direction, field in (("up", "upload_kb_per_unit"), ("down", "download_kb_per_unit")):
        kb = [getattr(row.workload, field) for row in f.problem.commodities]
        mbit = np.array(kb) * 8 / 1000 * f.peak_load.values
        yield f"bandwidth_{direction}", on_links(f, v, mbit) <= limits


def on_links(f: Frame, v: Variables, per_share: np.ndarray) -> Any:
    """[link, period, bucket] load on each link, weighted by commodity."""
    cells, tokens = f.problem.cells, f.problem.token_cells
    by_cell = total(v.load * f.per_cell([per_share[c.commodity] for c in cells]), _link_of_cell(f), _links_and_lan(f))
    weights = table(np.array([per_share[c.commodity] for c in tokens], dtype=float), f.token)
    by_token = total(v.token * weights, _link_of_token(f), _links_and_lan(f))
    return (by_cell + by_token).sel(link=f.link)


def _links_and_lan(f: Frame) -> pd.Index:
    return pd.Index([*f.link, ""], name="link", dtype=object)


def _link_of_cell(f: Frame) -> xr.DataArray:
    rows = f.problem.commodities
    ways = [(rows[c.commodity].origin, f.problem.pools[c.pool].site.id) for c in f.problem.cells]
    return xr.DataArray([_label(way) for way in ways], coords=[f.cell], dims=["cell"])


def _link_of_token(f: Frame) -> xr.DataArray:
    rows = f.problem.commodities
    ways = [(rows[c.commodity].origin, c.offer.site) for c in f.problem.token_cells]
    return xr.DataArray([_label(way) for way in ways], coords=[f.token], dims=["token"])


def _label(way: tuple[str, str]) -> str:
    """Empty for the site's own network."""
    return "" if way[0] == way[1] else f"{way[0]}>{way[1]}"


def link_use(f: Frame, v: Variables) -> Rows:
    """A cell opens, and a token API is used, only on a link that is paid for; once on, it stays [flag]."""
    if not len(f.link):
        return
    far = [k for k, name in enumerate(_link_of_cell(f).values) if name]
    if far:
        some = pd.Index([f.cell[k] for k in far], name="cell", dtype=object)
        yield "link_open", v.open.sel(cell=some) - take(v.link_on, "link", _link_of_cell(f).sel(cell=some)) <= 0
    far = [k for k, name in enumerate(_link_of_token(f).values) if name]
    if far:
        some = pd.Index([f.token[k] for k in far], name="token", dtype=object)
        yield "link_token", v.token.sel(token=some) - take(v.link_on, "link", _link_of_token(f).sel(token=some)) <= 0
    if len(f.period) > 1:
        yield "link_stays", later(f, v.link_on) - earlier(f, v.link_on) >= 0


def later(f: Frame, variable: Any) -> Any:
    """Rows of all periods but the first."""
    return 1 * variable.isel(period=slice(1, None))


def earlier(f: Frame, variable: Any) -> Any:
    """Rows of the period before each of `later`, under the later label."""
    return (1 * variable.isel(period=slice(None, -1))).assign_coords(period=f.period[1:])


def token_quota(f: Frame, v: Variables) -> Rows:
    """sum over commodities of what an endpoint serves <= its quota [requests/s], each bucket and peak."""
    if not len(f.token):
        return
    offers = list({c.offer.id: c.offer for c in f.problem.token_cells}.values())
    index = pd.Index([offer.id for offer in offers], name="endpoint", dtype=object)
    owner = xr.DataArray([c.offer.id for c in f.problem.token_cells], coords=[f.token], dims=["token"])
    load = table([f.problem.commodities[c.commodity].peak_load for c in f.problem.token_cells], f.token)
    yield "token_quota", total(v.token * load, owner, index) <= table([o.quota_requests_per_s for o in offers], index)
