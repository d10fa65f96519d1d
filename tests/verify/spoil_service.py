"""Spoilings of law, service, batch work, token APIs and links."""

from __future__ import annotations

from typing import Any

from spoil import any_row, breaks, drop, edit, put, rows, sees

from groundplan.plan import PEAK

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
