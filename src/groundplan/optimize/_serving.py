"""Families that serve load: demand, staffing, node filling, spares, site loss, links (formulation section 3, 1-7)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from groundplan.optimize._algebra import Axis, Constraint, Expression, Table, table
from groundplan.optimize._frame import Frame
from groundplan.optimize._variables import Variables, demand_share

Rows = Iterator[tuple[str, Constraint]]
"""(name of the rows, constraint)"""


def demand(f: Frame, v: Variables) -> Rows:
    """sum of cells + token APIs + shed = load, for each commodity, period, bucket [share of peak].

    Equality: serving more than is asked earns nothing and would let value be claimed twice.
    """
    served = f.by_commodity(v.load) + f.tokens_by_commodity(v.token) + v.shed
    share = demand_share(f)
    yield "demand", served == table(share, f.commodity, f.period, f.bucket)
    yield "shed_at_peak", _shed_at_peak(f, v, share)


def _shed_at_peak(f: Frame, v: Variables, share: np.ndarray) -> Constraint:
    """[commodity, period] shed share of the peak <= shed share of the volume: the peak has no hours to pay for."""
    hours = f.problem.calendar.hours
    volume = (share * hours).sum(axis=2)
    part = np.divide(
        share[:, :, -1:] * hours, volume[:, :, None], out=np.zeros_like(share), where=volume[:, :, None] > 0
    )
    shed = (v.shed * table(part, f.commodity, f.period, f.bucket)).sum(f.bucket)
    at_peak = v.shed.part(f.bucket, [len(f.bucket) - 1]).sum(f.bucket[-1:])
    return at_peak <= shed


def staffing(f: Frame, v: Variables) -> Rows:
    """replicas >= alpha x staffed + beta x picked, one tangent per open cell; staffed covers the load of each bucket.

    [replicas]. Replicas needed are concave in load, so a tangent lies above the curve (safe) and a chord does not;
    which tangent applies is a binary, and the peak of the period bounds what it covers: no free big-M.
    """
    cells = [row[0] for row in f.tangents]
    alpha, beta = (table([row[k] for row in f.tangents], f.tangent) for k in (1, 2))
    unit = table(f.staffed_unit.values[cells], f.tangent)
    covered = v.staffed.total(f.tangent, cells, f.cell)
    yield "staffing_load", covered >= v.load * f.staffed_load
    yield "staffing_range", v.staffed <= v.pick * _reach(f)
    yield "staffing_pick", v.pick.total(f.tangent, cells, f.cell) == v.open
    yield "staffing", v.replicas >= (v.staffed * (alpha * unit) + v.pick * beta).total(f.tangent, cells, f.cell)
    of_escape = [c for _, c in f.escapes]
    carried = v.escape * table(f.staffed_load.values[of_escape], f.escape)
    yield "staffing_loss", covered.take(f.cell, of_escape, f.escape) >= carried


def _reach(f: Frame) -> Table:
    """[tangent, period] largest staffed load the tangent may cover: its own end or the peak of the period."""
    share, load, cells = demand_share(f), f.staffed_load.values, f.problem.cells
    peaks = [share[cells[c].commodity][:, -1] * load[c] * cells[c].allowed for c, *_ in f.tangents]
    ends = np.array([row[3] / f.staffed_unit.values[row[0]] for row in f.tangents])
    return table(np.minimum(np.array(peaks).reshape(len(ends), len(f.period)), ends[:, None]), f.tangent, f.period)


def least_replicas(f: Frame, v: Variables) -> Rows:
    """replicas >= least x open [replicas]: one, and one spare where a node or a site may be lost."""
    yield "least_replicas", v.replicas >= v.open * f.per_cell([cell.least_replicas for cell in f.problem.cells])


def node_filling(f: Frame, v: Variables) -> Rows:
    """Replicas fit the nodes held: slots where sizes divide the node, else Gilmore-Gomory patterns [slots, replicas].

    sum slots x replicas <= slots of node x held;  replicas of size k <= sum count[k] x filled;  sum filled <= held.
    """
    slots = f.per_cell([c.point.slots_per_replica * c.point.nodes_per_replica for c in f.problem.cells])
    node = table([f.problem.pools[row.pool].slots for row in f.groups], f.group)
    yield "slots", (v.replicas * slots).total(f.cell, _group_of_cell(f), f.group) <= v.held * node
    yield "patterns", _size_use(f, v)
    patterned = [g for g, row in enumerate(f.groups) if row.patterns]
    owner = [g for g, row in enumerate(f.groups) for _ in row.patterns]
    filled = v.filled.total(f.filling, owner, f.group)
    yield "filled", filled.part(f.group, patterned) <= v.held.part(f.group, patterned)


def _group_of_cell(f: Frame) -> list[int]:
    owner = {c: g for g, row in enumerate(f.groups) for c in row.cells}
    return [owner[c] for c in range(len(f.cell))]


def _size_use(f: Frame, v: Variables) -> Constraint:
    """[size, period] replicas of each size in a patterned group <= places that its filled patterns offer."""
    sizes = [(g, size) for g, row in enumerate(f.groups) if row.patterns for size in row.sizes]
    axis = Axis("size", tuple(f"{f.group[g]}|{size}" for g, size in sizes))
    cells = [(c, sizes.index((g, f.problem.cells[c].point.slots_per_replica)))
             for g, row in enumerate(f.groups) if row.patterns for c in row.cells]  # fmt: skip
    columns = [(g, pattern) for g, row in enumerate(f.groups) for pattern in row.patterns]
    places = [(q, k, pattern[f.groups[g].sizes.index(sizes[k][1])])
              for q, (g, pattern) in enumerate(columns) for k in range(len(sizes)) if sizes[k][0] == g]  # fmt: skip
    used = _entries(v.replicas, "cell", [(c, k, 1) for c, k in cells], axis)
    return used <= _entries(v.filled, "filling", places, axis)


def _entries(flow: Expression, axis: str, rows: list[tuple[int, int, int]], into: Axis) -> Expression:
    """Sum of factor x row by (row, group, factor)."""
    entry = Axis("entry", tuple(map(str, range(len(rows)))))
    picked = flow.entries(entry, **{axis: [row for row, _, _ in rows]})
    return (picked * table([factor for _, _, factor in rows], entry)).total(
        entry, [group for _, group, _ in rows], into
    )


def pool_room(f: Frame, v: Variables) -> Rows:
    """nodes held by all groups + spares where something critical runs <= own + rented nodes [nodes] (N+k)."""
    spare = f.per_pool([pool.spare_nodes for pool in f.problem.pools])
    held = v.held.total(f.group, [row.pool for row in f.groups], f.pool)
    yield "pool_room", held + v.critical * spare <= available(f, v)
    cells = [c for c, cell in enumerate(f.problem.cells) if f.problem.pools[cell.pool].spare_nodes and _survives(f, c)]
    some = f.cell[cells]
    critical = v.critical.take(f.pool, [f.problem.cells[c].pool for c in cells], some)
    yield "spares", v.open.part(f.cell, cells) <= critical


def _survives(f: Frame, c: int) -> bool:
    return f.problem.commodities[f.problem.cells[c].commodity].workload.survives != "none"


def available(f: Frame, v: Variables) -> Expression:
    """[pool, period] own and rented nodes."""
    return installed_and_committed(f, v) + v.on_demand.total(f.rental, f.rental_pools, f.pool)


def installed_and_committed(f: Frame, v: Variables) -> Expression:
    """[pool, period] nodes that are there whatever is rented by the hour."""
    return v.installed + committed(f, v).total(f.rental, f.rental_pools, f.pool)


def committed(f: Frame, v: Variables) -> Expression:
    """[rental, period] nodes of commitments whose term covers the period."""
    cover = table(commitment_cover(f), f.rental, f.start, f.period)
    return (v.commit.relabelled(f.period, f.start) * cover).sum(f.start)


def commitment_cover(f: Frame) -> np.ndarray:
    """[rental, start period, period] 1 where a term started then covers the period whole."""
    calendar = f.problem.calendar
    first, last = calendar.start_month, calendar.start_month + calendar.months
    terms = np.array([rental.term_months or 0 for rental in f.rentals]).reshape(-1, 1, 1)
    inside = (first[None, None, :] >= first[None, :, None]) & (last[None, None, :] <= first[None, :, None] + terms)
    return inside.astype(float)


def site_loss(f: Frame, v: Variables) -> Rows:
    """sum of what other sites carry >= failover_share x peak that is served, for each site that may be lost.

    [share of peak]; what is shed at the peak nobody misses after the loss. One cell never needs to carry more than
    what is asked: said with its `open`, this keeps the relaxation from opening two half sites.
    """
    share = demand_share(f)
    kept = [f.problem.commodities[i].workload.failover_share for i, _ in f.losses]
    asked = np.array([part * share[i][:, -1] for part, (i, _) in zip(kept, f.losses, strict=True)])
    shed = v.shed.part(f.bucket, [len(f.bucket) - 1]).sum(f.bucket[-1:])
    missing = shed.take(f.commodity, [i for i, _ in f.losses], f.loss) * table(kept, f.loss)
    carried = v.escape.total(f.escape, [k for k, _ in f.escapes], f.loss)
    yield "site_loss", carried + missing >= table(asked, f.loss, f.period)
    most = asked.reshape(len(f.loss), len(f.period))[[k for k, _ in f.escapes]]
    opened = v.open.take(f.cell, [c for _, c in f.escapes], f.escape)
    yield "site_loss_open", v.escape <= opened * table(most, f.escape, f.period)


def bandwidth(f: Frame, v: Variables) -> Rows:
    """sum units/s x 8 x kb / 1000 <= max_load_share x bandwidth, each link, direction, bucket and peak [Mbit/s]."""
    limits = table([row.max_load_share * row.bandwidth_mbit_per_s for row in f.problem.links], f.link)
    for direction, field in (("up", "upload_kb_per_unit"), ("down", "download_kb_per_unit")):
        kb = np.array([getattr(row.workload, field) for row in f.problem.commodities])
        mbit = kb * 8 / 1000 * f.peak_load.values
        yield f"bandwidth_{direction}", on_links(f, v, mbit) <= limits
        yield from _bandwidth_after_loss(f, v, direction, mbit)


def _bandwidth_after_loss(f: Frame, v: Variables, direction: str, mbit: np.ndarray) -> Rows:
    """With one site lost: what is carried over a link instead, beside the peak of what stays, under the same limit."""
    of_cell = link_of_cell(f)
    limits = table([row.max_load_share * row.bandwidth_mbit_per_s for row in f.problem.links], f.link)
    peak = [len(f.bucket) - 1]
    for lost in dict.fromkeys(site for _, site in f.losses):
        moved = {i for i, site in f.losses if site == lost}
        stays = np.array([0.0 if i in moved else weight for i, weight in enumerate(mbit)])
        here = [(e, c) for e, (k, c) in enumerate(f.escapes) if f.losses[k][1] == lost]
        some = f.escape[[e for e, _ in here]]
        weight = table([mbit[f.problem.cells[c].commodity] for _, c in here], some)
        carried = (v.escape.part(f.escape, [e for e, _ in here]) * weight).total(
            some, [of_cell[c] for _, c in here], f.link
        )
        beside = on_links(f, v, stays).part(f.bucket, peak).sum(f.bucket[-1:])
        used = sorted({of_cell[c] for _, c in here} - {-1})
        yield (
            f"bandwidth_{direction}_without[{lost}]",
            (carried + beside).part(f.link, used) <= limits.part(f.link, used),
        )


def on_links(f: Frame, v: Variables, per_share: np.ndarray) -> Expression:
    """[link, period, bucket] load on each link, weighted by commodity; the site's own network is no link."""
    cells, tokens = f.problem.cells, f.problem.token_cells
    by_cell = v.load * f.per_cell([per_share[c.commodity] for c in cells])
    by_token = v.token * table([per_share[c.commodity] for c in tokens], f.token)
    return by_cell.total(f.cell, link_of_cell(f), f.link) + by_token.total(f.token, link_of_token(f), f.link)


def link_of_cell(f: Frame) -> list[int]:
    """[cell] its link; -1 inside the site."""
    rows = f.problem.commodities
    return [_link(f, rows[c.commodity].origin, f.problem.pools[c.pool].site.id) for c in f.problem.cells]


def link_of_token(f: Frame) -> list[int]:
    """[token] its link; -1 inside the site."""
    return [_link(f, f.problem.commodities[c.commodity].origin, c.offer.site) for c in f.problem.token_cells]


def _link(f: Frame, origin: str, site: str) -> int:
    return -1 if origin == site else f.link.labels.index(f"{origin}>{site}")


def link_use(f: Frame, v: Variables) -> Rows:
    """A cell opens, and a token API is used, only on a link that is paid for; once on, it stays [flag]."""
    of_cell = [(c, link) for c, link in enumerate(link_of_cell(f)) if link >= 0]
    far = f.cell[[c for c, _ in of_cell]]
    yield (
        "link_open",
        v.open.part(f.cell, [c for c, _ in of_cell]) <= v.link_on.take(f.link, [k for _, k in of_cell], far),
    )
    of_token = [(c, link) for c, link in enumerate(link_of_token(f)) if link >= 0]
    far = f.token[[c for c, _ in of_token]]
    yield (
        "link_token",
        v.token.part(f.token, [c for c, _ in of_token]) <= v.link_on.take(f.link, [k for _, k in of_token], far),
    )
    yield "link_stays", f.later(v.link_on) >= f.earlier(v.link_on)


def token_quota(f: Frame, v: Variables) -> Rows:
    """sum over commodities of what an endpoint serves <= its quota [requests/s], each bucket and peak."""
    offers = list({c.offer.id: c.offer for c in f.problem.token_cells}.values())
    endpoint = Axis("endpoint", tuple(offer.id for offer in offers))
    load = table([f.problem.commodities[c.commodity].peak_load for c in f.problem.token_cells], f.token)
    owner = [endpoint.labels.index(c.offer.id) for c in f.problem.token_cells]
    quota = table([offer.quota_requests_per_s for offer in offers], endpoint)
    yield "token_quota", (v.token * load).total(f.token, owner, endpoint) <= quota
