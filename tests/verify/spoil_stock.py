"""Spoilings of tables, stock, rent and sites."""

from __future__ import annotations

from typing import Any

from spoil import any_row, breaks, drop, edit, put, rows, sees

from groundplan.plan import PEAK

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
def move_more_than_there_are(plan, spec, catalog):
    return edit(plan, "moves", any_row, lambda row: {"nodes": row.nodes + 10_000})


@breaks("stock")
def move_to_a_site_that_the_file_does_not_offer(plan, spec, catalog):
    offered = {(item.id, move.to) for item in spec.factory.existing for move in item.moves}

    def elsewhere(row):
        return next((site.id for site in spec.factory.sites if (row.existing, site.id) not in offered), None)

    return edit(plan, "moves", elsewhere, lambda row: {"to": elsewhere(row)})


@breaks("stock")
def move_there_before_its_lead(plan, spec, catalog):
    return edit(plan, "moves", lambda r: r.arrives != r.period, lambda r: {"arrives": r.period})


@breaks("stock")
def retire_at_a_site_before_the_nodes_arrive(plan, spec, catalog):
    came = {(row.existing, row.to): row.period for row in plan.moves}
    return edit(
        plan, "retirements", lambda r: (r.existing, r.site) in came, lambda r: {"period": came[r.existing, r.site]}
    )


@breaks("stock")
def retire_again_what_has_moved_away(plan, spec, catalog):
    """All nodes at their own site are sold at the end, those too that are elsewhere by then."""
    moved = {row.existing for row in plan.moves}
    item = next((item for item in spec.factory.existing if item.id in moved), None)
    if item is None:
        return None
    last = {"existing": item.id, "site": item.site, "period": plan.periods[-1].id, "nodes": item.nodes_count}
    return put(plan, retirements=[*rows(plan, "retirements"), last])


@breaks("tables")
def move_of_what_nobody_owns(plan, spec, catalog):
    return edit(plan, "moves", any_row, lambda row: {"existing": "nothing"})


@breaks("tables")
def move_to_an_unknown_site(plan, spec, catalog):
    return edit(plan, "moves", any_row, lambda row: {"to": "nowhere"})


@breaks("tables")
def move_row_twice(plan, spec, catalog):
    return put(plan, moves=[*rows(plan, "moves"), rows(plan, "moves")[0]]) if plan.moves else None


@breaks("cost")
def move_one_node_for_nothing(plan, spec, catalog):
    """A node more goes along and nobody pays its way."""
    return edit(plan, "moves", any_row, lambda row: {"nodes": row.nodes + 1})


@breaks("power")
def move_in_more_than_the_site_feeds(plan, spec, catalog):
    return edit(plan, "moves", any_row, lambda row: {"nodes": row.nodes + 10_000})


@breaks("cooling")
def move_in_more_than_the_site_cools(plan, spec, catalog):
    return edit(plan, "moves", any_row, lambda row: {"nodes": row.nodes + 10_000})


@breaks("peaks")
def move_a_node_late_and_bill_no_peak(plan, spec, catalog):
    """The nodes stay in their place for good; its billed peak was that of those that are left."""
    return drop(plan, "moves", any_row)


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
