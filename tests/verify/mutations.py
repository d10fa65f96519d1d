"""Ways to spoil any plan: find a suitable row, break one rule, say which family must see it.

Each function takes (plan, spec, catalogue) and gives the spoilt plan, or None where the plan has no such row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from groundplan.catalog import Catalog
from groundplan.plan import PEAK, Plan
from groundplan.spec import ON_PREMISE_TIERS
from groundplan.verify import FAMILIES
from groundplan.verify._book import Book
from groundplan.verify._world import World

Spoil = Callable[[Plan, Any, Catalog], Plan | None]


@dataclass(frozen=True)
class Mutation:
    """A spoiling and the family that must name it."""

    name: str
    family: str
    spoil: Spoil


MUTATIONS: list[Mutation] = []


def breaks(family: str) -> Callable[[Spoil], Spoil]:
    def register(spoil: Spoil) -> Spoil:
        MUTATIONS.append(Mutation(spoil.__name__, family, spoil))
        return spoil

    return register


# --- editing ---


def rows(plan: Plan, name: str) -> list[dict[str, Any]]:
    return [row.model_dump() for row in getattr(plan, name)]


def put(plan: Plan, **lists: Any) -> Plan:
    """The plan with whole fields replaced by plain values; types are checked, rules are not."""
    return Plan.model_validate({**plan.model_dump(), **lists})


def edit(plan: Plan, name: str, pick: Callable[[Any], bool], change: Callable[[Any], dict[str, Any]]) -> Plan | None:
    """Change the first row that is picked."""
    for index, row in enumerate(getattr(plan, name)):
        if pick(row):
            found = rows(plan, name)
            found[index] |= change(row)
            return put(plan, **{name: found})
    return None


def edit_all(plan: Plan, name: str, change: Callable[[Any], dict[str, Any]]) -> Plan | None:
    if not getattr(plan, name):
        return None
    return put(plan, **{name: [row.model_dump() | change(row) for row in getattr(plan, name)]})


def drop(plan: Plan, name: str, pick: Callable[[Any], bool]) -> Plan | None:
    """Leave out the first row that is picked."""
    for index, row in enumerate(getattr(plan, name)):
        if pick(row):
            found = rows(plan, name)
            del found[index]
            return put(plan, **{name: found})
    return None


def any_row(_row: Any) -> bool:
    return True


def result(plan: Plan, **changes: Any) -> Plan:
    return put(plan, result=plan.result.model_dump() | changes)


def sees(family: str, plan: Plan, spec: Any, catalog: Catalog) -> bool:
    book = Book(family)
    FAMILIES[family](World(plan, spec, catalog), book)
    return bool(book.findings)


# --- hash ---


@breaks("hash")
def other_factory_file(plan, spec, catalog):
    return put(plan, spec_hash="0" * 64)


@breaks("hash")
def other_name(plan, spec, catalog):
    return put(plan, name=plan.name + "-2")


@breaks("hash")
def other_catalogue(plan, spec, catalog):
    return put(plan, catalog_hash="0" * 64)


# --- tables ---


@breaks("tables")
def load_of_unknown_point(plan, spec, catalog):
    return edit(plan, "loads", any_row, lambda row: {"point": "no-such-point"})


@breaks("tables")
def load_in_unknown_period(plan, spec, catalog):
    return edit(plan, "loads", any_row, lambda row: {"period": "1999"})


@breaks("tables")
def load_on_point_of_another_workload(plan, spec, catalog):
    first = plan.loads[0].workload if plan.loads else ""
    other = next((point.id for point in plan.points if point.workload != first), None)
    return edit(plan, "loads", any_row, lambda row: {"point": other}) if other else None


@breaks("tables")
def negative_load(plan, spec, catalog):
    return edit(plan, "loads", any_row, lambda row: {"units_per_s": -1.0})


@breaks("tables")
def replica_row_twice(plan, spec, catalog):
    found = rows(plan, "replicas")
    return put(plan, replicas=[*found, found[0]]) if found else None


@breaks("tables")
def longer_period(plan, spec, catalog):
    return edit(plan, "periods", any_row, lambda row: {"months_count": row.months_count + 1})


@breaks("tables")
def missing_bucket(plan, spec, catalog):
    return put(plan, buckets=plan.buckets[1:])


@breaks("tables")
def point_without_capacity(plan, spec, catalog):
    return edit(plan, "points", any_row, lambda row: {"capacity_per_s": 0.0})


@breaks("tables")
def falling_tangent(plan, spec, catalog):
    def bent(row):
        return {"tangents": [t.model_dump() | {"alpha": -t.alpha} for t in row.tangents]}

    return edit(plan, "staffing", any_row, bent)


@breaks("tables")
def cell_without_staffing(plan, spec, catalog):
    cell = plan.loads[0] if plan.loads else None
    return cell and drop(
        plan, "staffing", lambda r: (r.point, r.origin, r.site) == (cell.point, cell.origin, cell.site)
    )


@breaks("tables")
def replica_beyond_its_node(plan, spec, catalog):
    return edit(plan, "points", any_row, lambda row: {"slots_per_replica": 10_000})


@breaks("tables")
def batch_at_the_peak(plan, spec, catalog):
    return edit(plan, "batch", any_row, lambda row: {"bucket": PEAK})


@breaks("tables")
def order_of_unknown_offer(plan, spec, catalog):
    return edit(plan, "orders", any_row, lambda row: {"offer": "no-such-offer"})


# --- stock and deliveries ---


@breaks("stock")
def arrival_before_the_lead(plan, spec, catalog):
    late = [row.id for row in plan.periods[1:]]
    earlier = {later: row.id for row, later in zip(plan.periods, late, strict=False)}
    return edit(
        plan,
        "orders",
        lambda r: r.arrives in earlier and r.arrives != r.period,
        lambda r: {"arrives": earlier[r.arrives]},
    )


@breaks("stock")
def order_to_a_site_not_served(plan, spec, catalog):
    offers = {offer.id: offer for offer in spec.factory.purchases}
    sites = [site.id for site in spec.factory.sites]

    def elsewhere(row):
        return next((site for site in sites if site not in offers[row.offer].sites), None)

    return edit(plan, "orders", elsewhere, lambda row: {"site": elsewhere(row)})


@breaks("stock")
def order_of_another_server(plan, spec, catalog):
    other = next((s.id for s in catalog.servers.rows if plan.orders and s.id != plan.orders[0].server), None)
    return edit(plan, "orders", any_row, lambda row: {"server": other}) if other else None


@breaks("stock")
def retire_more_than_there_are(plan, spec, catalog):
    return edit(plan, "retirements", any_row, lambda row: {"nodes": row.nodes + 10_000})


@breaks("stock")
def broken_lot(plan, spec, catalog):
    lots = {offer.id: offer.lot_nodes for offer in spec.factory.purchases}
    return edit(plan, "orders", lambda r: lots[r.offer] > 1, lambda row: {"nodes": row.nodes + 1})


@breaks("deliveries")
def order_over_the_tranche(plan, spec, catalog):
    capped = {offer.id for offer in spec.factory.purchases if offer.deliveries}
    return edit(plan, "orders", lambda r: r.offer in capped, lambda row: {"nodes": row.nodes + 10_000})


@breaks("deliveries")
def order_before_the_tranche(plan, spec, catalog):
    """All nodes of an offer at the first period: within the total, not within the first cap."""
    capped = {offer.id for offer in spec.factory.purchases if len(offer.deliveries) > 1}
    nodes = {offer: sum(r.nodes for r in plan.orders if r.offer == offer) for offer in capped}
    moved = edit(
        plan,
        "orders",
        lambda r: r.offer in capped,
        lambda r: {"nodes": nodes[r.offer], "period": plan.periods[0].id},
    )
    return moved if moved and sees("deliveries", moved, spec, catalog) else None


# --- rent ---


def _terms(spec: Any) -> dict[str, str]:
    return {offer.id: offer.term for offer in spec.factory.rentals}


@breaks("rent")
def rent_over_the_quota(plan, spec, catalog):
    return edit(plan, "rents", any_row, lambda row: {"nodes": row.nodes + 100_000})


@breaks("rent")
def commitment_beyond_the_horizon(plan, spec, catalog):
    months = sum(row.months_count for row in plan.periods)
    start = plan.periods[-1].start_month_count
    ends = {offer: start + {"1y": 12, "3y": 36}.get(term, 0) for offer, term in _terms(spec).items()}
    offer = next((offer for offer, end in ends.items() if end > months), None)
    late = {"offer": offer, "period": plan.periods[-1].id, "nodes": 1}
    return put(plan, rents=[*rows(plan, "rents"), late]) if offer else None


@breaks("rent")
def burst_over_the_quota(plan, spec, catalog):
    return edit(plan, "bursts", any_row, lambda row: {"node_hours": row.node_hours + 1e9})


@breaks("rent")
def burst_on_a_commitment(plan, spec, catalog):
    long = next((offer for offer, term in _terms(spec).items() if term != "on-demand"), None)
    return edit(plan, "bursts", any_row, lambda row: {"offer": long}) if long else None


# --- sites ---


@breaks("blocks")
def block_before_its_lead(plan, spec, catalog):
    return edit(plan, "blocks", lambda r: r.usable_from != r.period, lambda r: {"usable_from": r.period})


@breaks("blocks")
def more_blocks_than_exist(plan, spec, catalog):
    return edit(plan, "blocks", any_row, lambda row: {"count": row.count + 1000})


@breaks("blocks")
def blocks_out_of_order(plan, spec, catalog):
    later = {s.id: s.hosting.blocks[-1].id for s in spec.factory.sites if s.hosting and len(s.hosting.blocks) > 1}
    return edit(plan, "blocks", lambda r: later.get(r.site, r.block) != r.block, lambda r: {"block": later[r.site]})


@breaks("power")
def nodes_without_power(plan, spec, catalog):
    return edit(plan, "orders", any_row, lambda row: {"nodes": row.nodes + 10_000})


@breaks("power")
def power_block_left_out(plan, spec, catalog):
    spoilt = drop(plan, "blocks", any_row)
    return spoilt if spoilt and sees("power", spoilt, spec, catalog) else None


@breaks("cooling")
def nodes_without_cooling(plan, spec, catalog):
    return edit(plan, "orders", any_row, lambda row: {"nodes": row.nodes + 10_000})


@breaks("opening")
def opened_late(plan, spec, catalog):
    last = plan.periods[-1].id
    site = next((site for site, period in plan.opened.items() if period != last), None)
    return put(plan, opened={**plan.opened, site: last}) if site else None


@breaks("opening")
def opening_forgotten(plan, spec, catalog):
    return put(plan, opened=dict(list(plan.opened.items())[1:])) if plan.opened else None


@breaks("staff")
def nobody_there(plan, spec, catalog):
    return edit(plan, "staff", lambda r: r.fte > 0, lambda row: {"fte": 0})


@breaks("staff")
def staff_row_missing(plan, spec, catalog):
    return drop(plan, "staff", lambda r: r.fte > 0)


@breaks("peaks")
def billed_peak_too_low(plan, spec, catalog):
    return edit(plan, "peaks", lambda r: r.billed_peak_kw > 0, lambda r: {"billed_peak_kw": 0.999 * r.billed_peak_kw})


@breaks("peaks")
def billed_peak_missing(plan, spec, catalog):
    return drop(plan, "peaks", lambda r: r.billed_peak_kw > 0)


# --- law, latency, memory, format ---


@breaks("law")
def workloads_anywhere(plan, spec, catalog):
    """A little of each served workload at each site, failover or not."""
    loads, staffing = rows(plan, "loads"), rows(plan, "staffing")
    known = {(row["point"], row["origin"], row["site"]) for row in staffing}
    used = {(r.workload, r.site, r.period, r.bucket, r.point, r.origin) for r in plan.loads}
    for workload in sorted({row.workload for row in plan.loads}):
        row = next(row for row in plan.loads if row.workload == workload)
        for site in (site.id for site in spec.factory.sites):
            key = (workload, site, row.period, row.bucket, row.point, row.origin)
            if key not in used:
                loads.append(row.model_dump() | {"site": site, "units_per_s": 1e-3})
            if (row.point, row.origin, site) not in known:
                tangents = [{"alpha": 1.0, "beta": 0.0, "load_max": 1.0}]
                staffing.append(
                    {
                        "point": row.point,
                        "origin": row.origin,
                        "site": site,
                        "network_ms": 1.0,
                        "tangents": tangents,
                    }
                )
    spoilt = put(plan, loads=loads, staffing=staffing)
    return spoilt if sees("law", spoilt, spec, catalog) else None


@breaks("law")
def failover_abroad(plan, spec, catalog):
    """A failover row of each workload at each site."""
    found, staffing = rows(plan, "failovers"), rows(plan, "staffing")
    known = {(row["point"], row["origin"], row["site"]) for row in staffing}
    for workload in sorted({row.workload for row in plan.loads}):
        row = next(row for row in plan.loads if row.workload == workload).model_dump()
        del row["bucket"]
        for site in (site.id for site in spec.factory.sites if site.id != row["site"]):
            found.append(row | {"site": site, "lost_site": row["site"], "units_per_s": 1e-3})
            if (row["point"], row["origin"], site) not in known:
                tangents = [{"alpha": 1.0, "beta": 0.0, "load_max": 1.0}]
                cell = {"point": row["point"], "origin": row["origin"], "site": site}
                staffing.append({**cell, "network_ms": 1.0, "tangents": tangents})
    unique = {tuple(row[k] for k in sorted(row) if k != "units_per_s"): row for row in found}
    spoilt = put(plan, failovers=list(unique.values()), staffing=staffing)
    return spoilt if sees("law", spoilt, spec, catalog) else None


@breaks("latency")
def network_forgotten(plan, spec, catalog):
    used = {(row.point, row.origin, row.site) for row in plan.loads}
    return edit(
        plan,
        "staffing",
        lambda r: (r.point, r.origin, r.site) in used and r.network_ms > 0,
        lambda r: {"network_ms": 0.0},
    )


@breaks("latency")
def slow_answer(plan, spec, catalog):
    used = {row.point for row in plan.loads}
    slow = lambda row: {"latency_ms": dict.fromkeys(row.latency_ms, 1e6)}  # noqa: E731
    return edit(plan, "points", lambda r: r.id in used, slow)


@breaks("memory")
def weights_beyond_memory(plan, spec, catalog):
    used = {row.point for row in plan.loads}
    fat = lambda row: {"memory_gb": row.memory_gb | {"total": 1e4}}  # noqa: E731
    return edit(plan, "points", lambda r: r.id in used and "total" in r.memory_gb, fat)


@breaks("memory")
def memory_that_is_not_there(plan, spec, catalog):
    used = {row.point for row in plan.loads}
    more = lambda row: {"memory_gb": row.memory_gb | {"available": 1e4}}  # noqa: E731
    return edit(plan, "points", lambda r: r.id in used and "total" in r.memory_gb, more)


@breaks("format")
def precision_not_allowed(plan, spec, catalog):
    gpus = {server.id for server in catalog.servers.rows if server.accelerator}
    used = {row.point for row in plan.loads}
    return edit(plan, "points", lambda r: r.id in used and r.server in gpus, lambda r: {"precision": "fp2"})


# --- service ---


@breaks("demand")
def load_not_served(plan, spec, catalog):
    return drop(plan, "loads", lambda r: r.bucket != PEAK and r.units_per_s > 0)


@breaks("demand")
def peak_not_served(plan, spec, catalog):
    return drop(plan, "loads", lambda r: r.bucket == PEAK and r.units_per_s > 0)


@breaks("demand")
def load_served_in_part(plan, spec, catalog):
    return edit(plan, "loads", lambda r: r.units_per_s > 0, lambda r: {"units_per_s": 0.9999 * r.units_per_s})


@breaks("demand")
def more_served_than_asked(plan, spec, catalog):
    more = lambda row: {"units_per_s": 2 * row.units_per_s}  # noqa: E731
    return edit(plan, "loads", lambda r: r.bucket != PEAK and r.units_per_s > 0, more)


@breaks("demand")
def required_load_shed(plan, spec, catalog):
    required = {w.id for w in spec.factory.workloads if w.required}
    row = next((row for row in plan.loads if row.workload in required), None)
    if row is None:
        return None
    shed = {"workload": row.workload, "origin": row.origin, "period": row.period, "bucket": row.bucket}
    return put(plan, shed=[*rows(plan, "shed"), {**shed, "units_per_s": 0.1}])


@breaks("replicas")
def too_few_replicas(plan, spec, catalog):
    spared = {w.id for w in spec.factory.workloads if w.survives != "none"}
    return edit(plan, "replicas", lambda r: r.workload in spared, lambda r: {"replicas": 1})


@breaks("replicas")
def replica_row_missing(plan, spec, catalog):
    return drop(plan, "replicas", any_row)


@breaks("capacity")
def fewer_replicas_than_the_curve(plan, spec, catalog):
    for index, row in enumerate(plan.replicas):
        found = rows(plan, "replicas")
        found[index]["replicas"] = row.replicas - 1
        spoilt = put(plan, replicas=found)
        if row.replicas > 1 and sees("capacity", spoilt, spec, catalog):
            return spoilt
    return None


@breaks("capacity")
def load_beyond_every_tangent(plan, spec, catalog):
    return edit(plan, "loads", lambda r: r.units_per_s > 0, lambda r: {"units_per_s": 1e6 * r.units_per_s})


@breaks("capacity")
def failover_beyond_the_curve(plan, spec, catalog):
    return edit(plan, "failovers", lambda r: r.units_per_s > 0, lambda r: {"units_per_s": 1e3 * r.units_per_s})


@breaks("packing")
def replicas_without_room(plan, spec, catalog):
    return edit(plan, "replicas", any_row, lambda row: {"replicas": row.replicas + 10_000})


@breaks("packing")
def rent_left_out(plan, spec, catalog):
    for index in range(len(plan.rents)):
        left = rows(plan, "rents")
        del left[index]
        spoilt = put(plan, rents=left)
        if sees("packing", spoilt, spec, catalog):
            return spoilt
    return None


@breaks("spares")
def spare_node_used(plan, spec, catalog):
    """Replicas that fit only where no node is kept free."""
    for index, row in enumerate(plan.replicas):
        for more in range(1, 33):
            found = rows(plan, "replicas")
            found[index]["replicas"] = row.replicas + more
            spoilt = put(plan, replicas=found)
            if sees("packing", spoilt, spec, catalog):
                break
            if sees("spares", spoilt, spec, catalog):
                return spoilt
    return None


@breaks("failover")
def failover_forgotten(plan, spec, catalog):
    for index in range(len(plan.failovers)):
        left = rows(plan, "failovers")
        del left[index]
        spoilt = put(plan, failovers=left)
        if sees("failover", spoilt, spec, catalog):
            return spoilt
    return None


@breaks("failover")
def failover_to_the_lost_site(plan, spec, catalog):
    return edit(plan, "failovers", any_row, lambda row: {"site": row.lost_site, "lost_site": row.lost_site})


# --- batch ---


@breaks("batch")
def work_not_done(plan, spec, catalog):
    return drop(plan, "batch", lambda r: r.gang_hours > 0)


@breaks("batch")
def work_done_in_part(plan, spec, catalog):
    return edit(plan, "batch", lambda r: r.gang_hours > 0, lambda r: {"gang_hours": 0.99 * r.gang_hours})


@breaks("batch")
def gang_without_room(plan, spec, catalog):
    return edit(plan, "batch", lambda r: r.gang_hours > 0, lambda r: {"gang_hours": 1e4 * r.gang_hours})


def _pretrained(spec: Any) -> set[str]:
    return {workload.id for workload in spec.factory.workloads if workload.kind == "pretrain"}


@breaks("batch")
def gang_split_over_pools(plan, spec, catalog):
    """A second pool runs for an hour in the same period."""
    row = next((row for row in plan.batch if row.workload in _pretrained(spec)), None)
    if row is None:
        return None
    other = next(site.id for site in spec.factory.sites if site.id != row.site)
    return put(plan, batch=[*rows(plan, "batch"), row.model_dump() | {"site": other, "gang_hours": 1.0}])


@breaks("batch")
def gang_wider_than_its_pool(plan, spec, catalog):
    """Whole nodes, by the hundred thousand: a gang must find its nodes there, however short it runs."""
    point = next((row.point for row in plan.batch if row.gang_hours > 0), None)
    slots = {server.id: server.accelerators_count or server.cpu_cores for server in catalog.servers.rows}
    wide = lambda row: {"nodes_per_replica": 100_000, "slots_per_replica": slots[row.server]}  # noqa: E731
    return edit(plan, "points", lambda row: row.id == point, wide) if point else None


@breaks("batch")
def two_gangs_pose_as_one(plan, spec, catalog):
    """All hours of a pretraining in one bucket, and more than it has."""
    more = lambda row: {"gang_hours": row.gang_hours + 8760.0}  # noqa: E731
    return edit(plan, "batch", lambda r: r.workload in _pretrained(spec), more)


@breaks("batch")
def pretraining_after_its_date(plan, spec, catalog):
    row = next((row for row in plan.batch if row.workload in _pretrained(spec)), None)
    last = plan.periods[-1].id
    if row is None or row.period == last:
        return None
    return put(plan, batch=[*rows(plan, "batch"), row.model_dump() | {"period": last, "gang_hours": 1.0}])


# --- token APIs and links ---


@breaks("tokens")
def tokens_over_the_quota(plan, spec, catalog):
    return edit(plan, "tokens", lambda r: r.units_per_s > 0, lambda r: {"units_per_s": 1e6 * r.units_per_s})


@breaks("tokens")
def tokens_for_another_workload(plan, spec, catalog):
    named = {offer.id: offer.workloads for offer in spec.factory.token_offers}
    cells = sorted({(row.workload, row.origin) for row in plan.loads})

    def other(row):
        return next((cell for cell in cells if cell[0] not in named[row.offer]), None)

    return edit(plan, "tokens", other, lambda row: dict(zip(("workload", "origin"), other(row), strict=True)))


@breaks("bandwidth")
def link_overloaded(plan, spec, catalog):
    ways = {(link.origin, link.site) for link in spec.factory.links}
    more = lambda row: {"units_per_s": 1e6 * row.units_per_s}  # noqa: E731
    return edit(plan, "loads", lambda r: (r.origin, r.site) in ways and r.units_per_s > 0, more)


@breaks("links")
def link_not_paid_for(plan, spec, catalog):
    return drop(plan, "links", any_row)


@breaks("links")
def link_paid_but_unused(plan, spec, catalog):
    used = {(row.origin, row.site) for row in plan.links}
    way = next(((k.origin, k.site) for k in spec.factory.links if (k.origin, k.site) not in used), None)
    if way is None:
        return None
    return put(plan, links=[*rows(plan, "links"), {"origin": way[0], "site": way[1], "period": plan.periods[-1].id}])


# --- limits over the whole plan ---


@breaks("on_premise")
def served_abroad(plan, spec, catalog):
    """Next to nothing of a floored workload is left on own ground, in each bucket that is also served elsewhere."""
    own = {site.id for site in spec.factory.sites if site.tier in ON_PREMISE_TIERS}
    floors = {name for floor in spec.factory.on_premise_floors if floor.min_share > 0 for name in floor.workloads}
    outside = {(r.workload, r.period, r.bucket) for r in plan.loads if r.site not in own}
    outside |= {(r.workload, r.period, r.bucket) for r in plan.tokens}

    def less(row):
        hit = row.site in own and row.workload in floors and (row.workload, row.period, row.bucket) in outside
        return {"units_per_s": row.units_per_s * (1e-6 if hit else 1)}

    spoilt = edit_all(plan, "loads", less)
    return spoilt if spoilt and spoilt != plan and sees("on_premise", spoilt, spec, catalog) else None


@breaks("carbon")
def carbon_over_the_cap(plan, spec, catalog):
    spoilt = edit_all(plan, "rents", lambda row: {"nodes": row.nodes + 10_000})
    return spoilt if spoilt and spec.factory.budgets.carbon_tonnes_by_year else None


@breaks("budget")
def capex_over_the_cap(plan, spec, catalog):
    spoilt = edit_all(plan, "orders", lambda row: {"nodes": row.nodes + 10_000})
    return spoilt if spoilt and spec.factory.budgets.capex_usd_by_year else None


@breaks("budget")
def cash_over_the_cap(plan, spec, catalog):
    spoilt = edit_all(plan, "staff", lambda row: {"fte": row.fte + 100_000})
    return spoilt if spoilt and spec.factory.budgets.cash_usd_by_year else None


# --- the books ---


def _line(*names: str) -> Callable[[Any], bool]:
    return lambda row: abs(row.usd) > 10 and (not names or row.line in names)


@breaks("cost")
def cost_row_missing(plan, spec, catalog):
    return drop(plan, "costs", _line())


@breaks("cost")
def cost_row_twice(plan, spec, catalog):
    found = rows(plan, "costs")
    return put(plan, costs=[*found, found[0]])


@breaks("cost")
def unknown_cost_line(plan, spec, catalog):
    return edit(plan, "costs", any_row, lambda row: {"line": "sundries"})


@breaks("cost")
def energy_one_in_a_hundred_thousand(plan, spec, catalog):
    return edit(plan, "costs", _line("energy"), lambda row: {"usd": row.usd * 1.00001})


@breaks("cost")
def residual_forgotten(plan, spec, catalog):
    return edit(plan, "costs", _line("residual"), lambda row: {"usd": 0.0})


@breaks("cost")
def staff_unpaid(plan, spec, catalog):
    return edit(plan, "costs", _line("staff", "cloud"), lambda row: {"usd": 0.0})


@breaks("cost")
def hardware_paid_late(plan, spec, catalog):
    """All of a payment one period later: the sum of the line stays."""
    names = [row.id for row in plan.periods]
    paid = next((r for r in plan.costs if _line("hardware", "cloud")(r) and r.period != names[-1]), None)
    if paid is None:
        return None
    later = names[names.index(paid.period) + 1]
    moved = {paid.period: -paid.usd, later: paid.usd}
    return edit_all(
        plan, "costs", lambda r: {"usd": r.usd + (moved.get(r.period, 0.0) if r.line == paid.line else 0.0)}
    )


@breaks("cost")
def objective_embellished(plan, spec, catalog):
    return result(plan, objective_usd=plan.result.objective_usd - 1e-5 * abs(plan.result.objective_usd) - 10)


@breaks("bound")
def bound_over_the_objective(plan, spec, catalog):
    return result(plan, bound_usd=plan.result.objective_usd + 1e-3 * abs(plan.result.objective_usd) + 10)


@breaks("bound")
def gap_embellished(plan, spec, catalog):
    return result(plan, gap=plan.result.gap + 0.001)


@breaks("bound")
def optimal_by_word_alone(plan, spec, catalog):
    worse = plan.result.objective_usd - 0.5 * abs(plan.result.objective_usd) - 10
    gap = (plan.result.objective_usd - worse) / abs(plan.result.objective_usd)
    return result(plan, status="optimal", bound_usd=worse, gap=gap)


@breaks("bound")
def breach_admitted(plan, spec, catalog):
    return result(plan, max_residual=0.01)
