"""A problem built again after a change of the file, with speeds worked out anew only where asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from groundplan.catalog import Catalog
from groundplan.perf import Points, StaffingCache, operating_points
from groundplan.plan import PointRow, StaffingRow
from groundplan.problem._build import build_from_tables, staff_pool
from groundplan.problem._calendar import calendar_of
from groundplan.problem._demand import commodities, jobs
from groundplan.problem._pools import Pool, pools
from groundplan.problem._problem import Problem
from groundplan.problem._speeds import planned
from groundplan.spec import Factory, LoadedSpec


def rebuilt(
    loaded: LoadedSpec,
    catalog: Catalog,
    known: Problem,
    factory: Factory,
    again: Callable[[str, str, Pool], bool],
) -> Problem:
    """The problem of a changed factory: tables of `known`, and new ones where `again(workload, origin, pool)` says.

    What is not asked for keeps its figures, so the change must only loosen what they depend on. Raises Uncovered.
    """
    catalog, calendar = catalog.for_file(loaded), calendar_of(factory)
    found, _ = pools(factory, catalog, calendar)
    points = {row.id: row for row in known.points}
    staffing = {(row.point, row.origin, row.site): row for row in known.staffing}
    cache = StaffingCache()
    estimates: dict[tuple[str, str], Points] = {}
    # Of the plan that failed, so that a change that loosens one load tightens no other.
    deviations = {} if factory.speed_confidence_share == "expected" else known.speed_deviations
    for commodity in commodities(factory, calendar):
        workload = commodity.workload
        for pool in (pool for pool in found if again(workload.id, commodity.origin, pool)):
            name = (workload.id, pool.server.id)
            if name not in estimates:
                found_points = operating_points(workload, pool.server, catalog)
                estimates[name] = planned(found_points, deviations.get(workload.id, 0.0))
            estimate = estimates[name]
            rows, _ = staff_pool(factory, calendar, commodity, pool, estimate, cache)
            rows_of_points = {point.id: point.row() for point in estimate.points}
            _put(points, staffing, rows_of_points, rows)
    for job in jobs(factory, calendar):
        for pool in (pool for pool in found if again(job.workload.id, job.origin, pool)):
            estimate = operating_points(job.workload, pool.server, catalog)
            points |= {p.id: p.row() for p in estimate.points}
    there = {(pool.site.id, pool.server.id) for pool in found}
    servers = {server for _, server in there}
    points = {name: row for name, row in points.items() if row.server in servers}
    kept = [row for row in staffing.values() if row.point in points and (row.site, points[row.point].server) in there]
    return build_from_tables(
        replace(loaded, factory=factory), catalog, points.values(), kept, speed_deviations=deviations
    )


def _put(
    points: dict[str, PointRow],
    staffing: dict[tuple[str, str, str], StaffingRow],
    new_points: dict[str, PointRow],
    rows: list[StaffingRow],
) -> None:
    for row in rows:
        points[row.point] = new_points[row.point]
        staffing[row.point, row.origin, row.site] = row
