"""From a factory file to a Problem: calendar, pools, mask, operating points, staffing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from math import ceil

import numpy as np
from numpy.typing import NDArray

from groundplan.catalog import Catalog, rules, token_price
from groundplan.perf import Points, Refusal, StaffingCache, operating_points, staffing
from groundplan.plan import PointRow, RefusalRow, StaffingRow, TangentRow
from groundplan.policy import residency
from groundplan.problem._calendar import Calendar, calendar_of
from groundplan.problem._check import check_coverage, check_money_pump
from groundplan.problem._demand import Commodity, Job, commodities, jobs
from groundplan.problem._energy import (
    demand_charge_usd_per_kw_month,
    energy_price_usd_per_kwh,
    ratchet_pairs,
    tariff_of,
)
from groundplan.problem._figures import first_day
from groundplan.problem._moves import refused_moves
from groundplan.problem._network import link_between, network_ms, share_carried
from groundplan.problem._pools import Pool, pools, sized
from groundplan.problem._problem import BatchCell, Cell, PowerSite, Problem, TokenCell
from groundplan.problem._prune import fewest_tangents, replicas_needed, worth_offering, worth_running
from groundplan.problem._speeds import Deviations, Way, planned, speed_deviations, way_of
from groundplan.spec import AnyWorkload, Factory, Link, LlmWorkload, LoadedSpec, Rule, Served, Site, TokenOffer

Progress = Callable[[str], None]
LEAST_SPLIT = 0.1
"""A site that could never serve a tenth of a commodity's peak is no choice worth a column."""


def build(loaded: LoadedSpec, catalog: Catalog, progress: Progress = lambda _: None) -> Problem:
    """Evaluate law and speed for every cell, then assemble. Raises CatalogError and Infeasible."""
    factory, catalog = loaded.factory, catalog.for_file(loaded)
    calendar = calendar_of(factory)
    found_pools, closed = pools(factory, catalog, calendar)
    there = {(pool.site.id, pool.server.id) for pool in found_pools}
    refusals = [
        row
        for pair, (rule, why) in closed.items()
        if pair not in there
        for row in _refuse_everywhere(factory, pair, rule, why)
    ]
    expected: dict[tuple[str, str], Points] = {}
    for workload in factory.workloads:
        for server in dict.fromkeys(pool.server.id for pool in found_pools):
            progress(f"speed of {workload.id} on {server}")
            expected[workload.id, server] = operating_points(workload, catalog.server(server), catalog)
    deviations = _deviations(factory, calendar, found_pools, expected)
    estimates = {key: planned(found, deviations.get(key[0], 0.0)) for key, found in expected.items()}
    cache = StaffingCache()
    staffed: list[StaffingRow] = []
    for commodity in commodities(factory, calendar):
        for pool in found_pools:
            progress(f"staffing of {commodity.key} at {pool.key}")
            rows, refused = staff_pool(
                factory, calendar, commodity, pool, estimates[commodity.workload.id, pool.server.id], cache
            )
            staffed += rows
            refusals += refused
    refusals += _batch_refusals(jobs(factory, calendar), found_pools, estimates)
    offered = {row.point for row in staffed}
    batch = {job.workload.id for job in jobs(factory, calendar)}
    points = [point.row() for found in estimates.values() for point in found.points]
    points = [row for row in points if row.id in offered or row.workload in batch]
    return build_from_tables(loaded, catalog, points, staffed, refusals, deviations)


def _deviations(
    factory: Factory, calendar: Calendar, found_pools: tuple[Pool, ...], expected: Mapping[tuple[str, str], Points]
) -> Deviations:
    """Standard deviations by which each workload is planned slower than expected; none where the file says so."""
    share = factory.speed_confidence_share
    if isinstance(share, str):
        return {}
    loads: list[tuple[Served, list[Way]]] = []
    for commodity in commodities(factory, calendar):
        ways: list[Way] = []
        for pool in found_pools:
            way_ms = network_ms(factory, commodity.workload, commodity.origin, pool.site)
            if way_ms is not None and _closed(factory, calendar, commodity, pool) is None:
                points = expected[commodity.workload.id, pool.server.id].points
                ways += [way for point in points if (way := way_of(commodity, pool, point, way_ms)).room > 1.0]
        loads.append((commodity.workload, ways))
    return speed_deviations(share, loads)


def _refuse_everywhere(factory: Factory, pair: tuple[str, str], rule: str, why: str) -> list[RefusalRow]:
    site, server = pair
    return [
        RefusalRow(workload=w.id, origin=d.origin, site=site, server=server, rule=rule, why=why)
        for w in factory.workloads
        for d in w.demand
    ]


def _batch_refusals(
    found: Iterable[Job],
    found_pools: tuple[Pool, ...],
    estimates: Mapping[tuple[str, str], Points],
) -> list[RefusalRow]:
    return [
        _refusal(job.workload, job.origin, pool, refusal.rule, refusal.why)
        for job in found
        for pool in found_pools
        for estimate in [estimates[job.workload.id, pool.server.id]]
        if not estimate.points
        for refusal in estimate.refusals[:1]
    ]


def _refusal(workload: AnyWorkload, origin: str, pool: Pool, rule: str, why: str) -> RefusalRow:
    return RefusalRow(workload=workload.id, origin=origin, site=pool.site.id, server=pool.server.id, rule=rule, why=why)


def _closed(factory: Factory, calendar: Calendar, commodity: Commodity, pool: Pool) -> tuple[str, str] | None:
    """Rule and reason for which a commodity may not reach a pool, whatever its speed."""
    workload, origin = commodity.workload, commodity.origin
    law = _law(factory, calendar, workload, pool.site)
    if not law.allowed.any():
        return law.rule, law.why
    if network_ms(factory, workload, origin, pool.site) is None:
        return "no-link", f"no link leads from {origin} to {pool.site.id}"
    carried = share_carried(factory, workload, origin, pool.site, commodity.peak_load)
    if carried < LEAST_SPLIT:
        why = f"the link from {origin} to {pool.site.id} carries {carried:.0%} of the peak, less than {LEAST_SPLIT:.0%}"
        return "bandwidth", why
    return None


def staff_pool(
    factory: Factory,
    calendar: Calendar,
    commodity: Commodity,
    pool: Pool,
    estimate: Points,
    cache: StaffingCache,
) -> tuple[list[StaffingRow], list[RefusalRow]]:
    """Staffing rows of one commodity on one pool; when there is none, the first reason."""
    workload, origin = commodity.workload, commodity.origin
    closed = _closed(factory, calendar, commodity, pool)
    way_ms = network_ms(factory, workload, origin, pool.site)
    if closed is not None or way_ms is None:
        return [], [_refusal(workload, origin, pool, *(closed or ("no-link", "")))]
    rows: list[tuple[PointRow, StaffingRow]] = []
    reasons = [(r.rule, r.why) for r in estimate.refusals]
    for point in estimate.points:
        row = point.row()
        curve = staffing(workload, point, way_ms, commodity.peak_load / row.capacity_per_s, cache)
        if isinstance(curve, Refusal):
            reasons.append((curve.rule, curve.why))
            continue
        tangents = tuple(TangentRow(alpha=t.alpha, beta=t.beta, load_max=t.load_max) for t in curve.tangents)
        rows.append(
            (row, StaffingRow(point=row.id, origin=origin, site=pool.site.id, network_ms=way_ms, tangents=tangents))
        )
    if rows:
        peak, least = commodity.peak_load, least_replicas(workload)
        return [fewest_tangents(point, row, peak, least) for point, row in worth_offering(rows, peak, least)], []
    rule, why = reasons[0] if reasons else ("no-point", f"no operating point of {workload.id} on {pool.server.id}")
    return [], [_refusal(workload, origin, pool, rule, why)]


class _Law:
    """Residency of one workload at one site over the periods."""

    def __init__(self, allowed: NDArray[np.bool_], rule: str, why: str) -> None:
        self.allowed, self.rule, self.why = allowed, rule, why


def _law(factory: Factory, calendar: Calendar, workload: AnyWorkload, site: Site) -> _Law:
    classes = [row for row in factory.data_classes if row.id in workload.data_classes]
    verdicts = [
        residency(classes, site, rules=rules_of(factory), held_permits=factory.held_permits, on=first_day(calendar, t))
        for t in range(len(calendar.periods))
    ]
    refused = next((v for v in verdicts if not v.allowed), None)
    return _Law(
        np.array([v.allowed for v in verdicts]), refused.rule if refused else "", refused.why if refused else ""
    )


def rules_of(factory: Factory) -> tuple[Rule, ...]:
    """Catalogue rules that the file applies, then its own."""
    return (*(rule for rule in rules() if factory.law is None or rule.id in factory.law), *factory.rules)


def build_from_tables(
    loaded: LoadedSpec,
    catalog: Catalog,
    points: Iterable[PointRow],
    staffing_rows: Iterable[StaffingRow],
    refusals: Iterable[RefusalRow] = (),
    speed_deviations: Deviations | None = None,
) -> Problem:
    """Assemble a Problem from given speed tables; law, stock, prices and bounds come from file and catalogue.

    speed_deviations: standard deviations below expected speed that the tables of a workload stand at.
    """
    factory = loaded.factory
    calendar = calendar_of(factory)
    found_pools, _ = pools(factory, catalog, calendar)
    all_points = tuple(sorted(points, key=lambda row: row.id))
    all_staffing = tuple(sorted(staffing_rows, key=lambda row: (row.point, row.origin, row.site)))
    served, todo = commodities(factory, calendar), jobs(factory, calendar)
    refused = list(refusals)
    cells = _cells(factory, calendar, served, found_pools, all_points, all_staffing)
    batch_cells = _batch_cells(factory, calendar, todo, found_pools, all_points, refused)
    token_cells = _token_cells(factory, calendar, catalog, served, refused)
    found_pools = sized_pools(found_pools, calendar, served, todo, cells, batch_cells)
    problem = Problem(
        factory=factory,
        spec_hash=loaded.spec_hash,
        catalog_hash=catalog.content_hash,
        calendar=calendar,
        commodities=served,
        jobs=todo,
        pools=found_pools,
        cells=cells,
        batch_cells=batch_cells,
        token_cells=token_cells,
        sites=_power_sites(factory, catalog, calendar, found_pools),
        links=_links(factory, served, cells, token_cells, found_pools),
        points=all_points,
        staffing=all_staffing,
        refusals=tuple(sorted(refused, key=lambda row: (row.workload, row.origin, row.site, row.server))),
        refused_moves=refused_moves(factory, catalog, calendar),
        speed_deviations=speed_deviations or {},
    )
    check_coverage(problem)
    check_money_pump(problem)
    return problem


def _cells(
    factory: Factory,
    calendar: Calendar,
    served: tuple[Commodity, ...],
    found_pools: tuple[Pool, ...],
    points: tuple[PointRow, ...],
    staffing_rows: tuple[StaffingRow, ...],
) -> tuple[Cell, ...]:
    by_id = {row.id: row for row in points}
    found = []
    for i, commodity in enumerate(served):
        workload = commodity.workload
        for g, pool in enumerate(found_pools):
            allowed = _law(factory, calendar, workload, pool.site).allowed
            for row in staffing_rows:
                point = by_id[row.point]
                if (row.origin, row.site, point.workload, point.server) != (
                    commodity.origin,
                    pool.site.id,
                    workload.id,
                    pool.server.id,
                ):
                    continue
                key = f"{commodity.key}>{pool.key}>{point.id.rsplit('/', 1)[-1]}"
                if allowed.any():
                    found.append(Cell(i, g, point, row, allowed, least_replicas(workload), key))
    return tuple(found)


def least_replicas(workload: AnyWorkload) -> int:
    """One, and a spare where a node or a site may be lost."""
    return 1 if workload.survives == "none" else 2


def _batch_cells(
    factory: Factory,
    calendar: Calendar,
    todo: tuple[Job, ...],
    found_pools: tuple[Pool, ...],
    points: tuple[PointRow, ...],
    refused: list[RefusalRow],
) -> tuple[BatchCell, ...]:
    found = []
    for j, job in enumerate(todo):
        for g, pool in enumerate(found_pools):
            mine = [row for row in points if (row.workload, row.server) == (job.workload.id, pool.server.id)]
            law = _law(factory, calendar, job.workload, pool.site)
            if mine and not law.allowed.any():
                refused.append(_refusal(job.workload, job.origin, pool, law.rule, law.why))
                continue
            if job.origin != pool.site.id and link_between(factory, job.origin, pool.site.id) is None:
                why = f"no link leads from {job.origin} to {pool.site.id}"
                refused.append(_refusal(job.workload, job.origin, pool, "no-link", why))
                continue
            for point in worth_running(mine) if job.workload.kind != "pretrain" else mine:
                nodes = point.slots_per_replica * point.nodes_per_replica / pool.slots
                key = f"{job.key}>{pool.key}>{point.id.rsplit('/', 1)[-1]}"
                found.append(BatchCell(j, g, point, law.allowed, nodes, key))
    return tuple(found)


def _token_cells(
    factory: Factory,
    calendar: Calendar,
    catalog: Catalog,
    served: tuple[Commodity, ...],
    refused: list[RefusalRow],
) -> tuple[TokenCell, ...]:
    sites = {site.id: site for site in factory.sites}
    found = []
    for offer in factory.token_offers:
        for i, commodity in enumerate(served):
            workload = commodity.workload
            if workload.id not in offer.workloads or not isinstance(workload, LlmWorkload):
                continue
            site = sites[offer.site]
            reason = _token_reason(factory, offer, workload, commodity.origin, site)
            law = _law(factory, calendar, workload, site)
            if reason is None and not law.allowed.any():
                reason = (law.rule, law.why)
            if reason is not None:
                row = RefusalRow(
                    workload=workload.id,
                    origin=commodity.origin,
                    site=site.id,
                    server=offer.id,
                    rule=reason[0],
                    why=reason[1],
                )
                refused.append(row)
                continue
            price = _usd_per_request(factory, offer, workload)
            found.append(TokenCell(offer, i, price, law.allowed, f"{commodity.key}>{offer.id}"))
    return tuple(found)


def _token_reason(
    factory: Factory, offer: TokenOffer, workload: LlmWorkload, origin: str, site: Site
) -> tuple[str, str] | None:
    way_ms = network_ms(factory, workload, origin, site)
    if way_ms is None:
        return "no-link", f"no link leads from {origin} to {site.id}"
    level = workload.service_level
    if offer.ttft_ms + way_ms > level.ttft_ms:
        return "latency", f"quoted TTFT {offer.ttft_ms:g} ms + network {way_ms:.1f} ms is above {level.ttft_ms:g} ms"
    if offer.tpot_ms > level.tpot_ms:
        return "latency", f"quoted TPOT {offer.tpot_ms:g} ms is above {level.tpot_ms:g} ms"
    return None


def _usd_per_request(factory: Factory, offer: TokenOffer, workload: LlmWorkload) -> float:
    if offer.input_usd_per_mtok is not None and offer.output_usd_per_mtok is not None:
        price_in, price_out = offer.input_usd_per_mtok, offer.output_usd_per_mtok
    else:
        listed = token_price(offer.provider or "", offer.provider_model or "", on=price_day(factory))
        price_in, price_out = listed.input_usd_per_mtok, listed.output_usd_per_mtok
    return (workload.prompt.mean_tokens * price_in + workload.output.mean_tokens * price_out) / 1e6


def price_day(factory: Factory) -> date:
    """Token prices are those of the plan's first day."""
    return date(int(factory.start[:4]), int(factory.start[5:]), 1)


def sized_pools(
    found_pools: tuple[Pool, ...],
    calendar: Calendar,
    served: tuple[Commodity, ...],
    todo: tuple[Job, ...],
    cells: tuple[Cell, ...],
    batch_cells: tuple[BatchCell, ...],
) -> tuple[Pool, ...]:
    """Bound the nodes of each pool by what could be useful there: every commodity and every job, all at once."""
    found = []
    for g, pool in enumerate(found_pools):
        nodes = 0.0
        for i in {cell.commodity for cell in cells if cell.pool == g}:
            nodes += max(
                _nodes_at_most(cell, served[i], pool) for cell in cells if (cell.pool, cell.commodity) == (g, i)
            )
        for j in {cell.job for cell in batch_cells if cell.pool == g}:
            mine = [cell for cell in batch_cells if (cell.pool, cell.job) == (g, j)]
            nodes += max(_batch_nodes_at_most(cell, todo[j], calendar) for cell in mine)
        critical = any(cell.pool == g and served[cell.commodity].workload.survives != "none" for cell in cells)
        found.append(sized(pool, ceil(nodes), critical))
    return tuple(found)


def _nodes_at_most(cell: Cell, commodity: Commodity, pool: Pool) -> int:
    """Nodes that the whole commodity would fill here, packed with nobody else."""
    replicas, point = most_replicas(cell, commodity), cell.point
    if point.nodes_per_replica > 1:
        return replicas * point.nodes_per_replica
    return ceil(replicas / (pool.slots // point.slots_per_replica))


def _batch_nodes_at_most(cell: BatchCell, job: Job, calendar: Calendar) -> int:
    """Nodes with which this cell alone does the job's busiest window; at least one gang."""
    hours = calendar.hours.sum(axis=1)
    gangs = [
        w.work_units / (cell.point.capacity_per_s * hours[list(w.periods)].sum()) for w in job.windows if w.periods
    ]
    return ceil(max([1.0, *gangs]) * cell.gang_nodes)


def most_replicas(cell: Cell, commodity: Commodity) -> int:
    """Replicas that the whole peak load of the commodity would need in this cell."""
    load = min(commodity.peak_load / cell.point.capacity_per_s, cell.load_max)
    return max(cell.least_replicas, replicas_needed(cell.staffing, load) or 0)


def _power_sites(
    factory: Factory, catalog: Catalog, calendar: Calendar, found_pools: tuple[Pool, ...]
) -> tuple[PowerSite, ...]:
    found = []
    for site in factory.sites:
        here = tuple(g for g, pool in enumerate(found_pools) if pool.site.id == site.id)
        if site.hosting is None or not here:
            continue
        tariff = tariff_of(site.hosting, catalog)
        row = PowerSite(
            site=site,
            energy_usd_per_kwh=energy_price_usd_per_kwh(factory, site, tariff, calendar),
            demand_usd_per_kw_month=demand_charge_usd_per_kw_month(factory, tariff),
            ratchet=ratchet_pairs(tariff, calendar),
            pools=here,
            starts_open=any(x.site == site.id for x in factory.existing),
        )
        found.append(row)
    return tuple(found)


def _links(
    factory: Factory,
    served: tuple[Commodity, ...],
    cells: tuple[Cell, ...],
    token_cells: tuple[TokenCell, ...],
    found_pools: tuple[Pool, ...],
) -> tuple[Link, ...]:
    used = {(served[c.commodity].origin, found_pools[c.pool].site.id) for c in cells}
    used |= {(served[c.commodity].origin, c.offer.site) for c in token_cells}
    return tuple(link for link in factory.links if (link.origin, link.site) in used)
