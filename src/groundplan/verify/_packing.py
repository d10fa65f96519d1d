"""Where replicas and gangs really go: into whole nodes, one by one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil

from groundplan.plan import PEAK, BatchRow
from groundplan.spec import BatchDemand, FinetuneWorkload, OnceDemand, PretrainWorkload
from groundplan.verify._book import Book
from groundplan.verify._world import Commodity, Pool, Span, World

SEARCH_STATES = 200_000


def packing(world: World, book: Book) -> None:
    """Replicas are placed into the nodes of their pool: whole nodes, apart where isolated, the rest by slots."""
    for pool in world.pools:
        for span in world.spans:
            nodes = world.installed(pool, span) + world.rented(pool, span)
            _require_placed(world, book, pool, span, nodes, "")


def spares(world: World, book: Book) -> None:
    """The same with the spare nodes of N+k kept free."""
    for pool in world.pools:
        for span in world.spans:
            if spare := world.spares(pool, span):
                _require_placed(world, book, pool, span, world.usable(pool, span), f" with {spare} spare")


def _require_placed(world: World, book: Book, pool: Pool, span: Span, nodes: int, note: str) -> None:
    needs = _needs_of(world, pool, span)
    what = f"{needs.count} replicas do not fit into {nodes} nodes of {world.slots(pool[1])} slots{note}"
    fits = needs.count == 0 or placed(needs, nodes, world.slots(pool[1]))
    book.require(fits, f"replicas: {pool[0]}/{pool[1]} {span.id}", what, "more nodes or fewer replicas")


@dataclass(slots=True)
class Needs:
    """Replicas of a pool: nodes held whole, and slot sizes by group of workloads that may share nodes."""

    whole_nodes: int = 0
    groups: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    count: int = 0


def _needs_of(world: World, pool: Pool, span: Span) -> Needs:
    needs = Needs()
    for row in world.plan.replicas:
        if (row.site, row.server, row.period) == (*pool, span.id):
            point, isolation = world.points[row.point], world.workloads[row.workload].isolation
            needs.count += row.replicas
            if point.nodes_per_replica > 1:
                needs.whole_nodes += row.replicas * point.nodes_per_replica
            else:
                group = row.workload if isolation == "node" else ""
                needs.groups[group][point.slots_per_replica] += row.replicas
    return needs


def placed(needs: Needs, nodes: int, slots: int) -> bool:
    """Whether all replicas find room."""
    left = nodes - needs.whole_nodes
    for group, sizes in needs.groups.items():
        if group:
            left -= least_bins(sizes, slots)
    return left >= 0 and (not needs.groups.get("") or packs(needs.groups[""], left, slots))


def least_bins(sizes: Counter[int], slots: int) -> int:
    """Fewest nodes that hold all of one group."""
    bins = -(-sum(size * count for size, count in sizes.items()) // slots)
    while not packs(sizes, bins, slots):
        bins += 1
    return bins


def packs(sizes: Counter[int], bins: int, slots: int) -> bool:
    """Place items by first fit decreasing; where that fails though the sum fits, search all placements."""
    if sum(size * count for size, count in sizes.items()) > bins * slots:
        return False
    return first_fit(sizes, slots) <= bins or _search(sizes, bins, slots)


def first_fit(sizes: Counter[int], slots: int) -> int:
    """Nodes that first fit decreasing takes."""
    rooms: list[int] = []
    for size in sorted(sizes.elements(), reverse=True):
        for index, room in enumerate(rooms):
            if room >= size:
                rooms[index] -= size
                break
        else:
            rooms.append(slots - size)
    return len(rooms)


def _search(sizes: Counter[int], bins: int, slots: int) -> bool:
    """Exact: fill one node after another with each maximal pattern; dead ends are remembered."""
    order = sorted(sizes, reverse=True)
    dead: set[tuple[tuple[int, ...], int]] = set()

    def fits(left: tuple[int, ...], free: int) -> bool:
        if sum(size * count for size, count in zip(order, left, strict=True)) > free * slots:
            return False
        if not any(left):
            return True
        if (left, free) in dead or len(dead) > SEARCH_STATES:
            return False
        for pattern in _patterns(order, left, slots):
            if fits(tuple(have - take for have, take in zip(left, pattern, strict=True)), free - 1):
                return True
        dead.add((left, free))
        return False

    return fits(tuple(sizes[size] for size in order), bins)


def _patterns(order: list[int], left: tuple[int, ...], slots: int) -> Iterator[tuple[int, ...]]:
    """Fillings of one node that leave no room for any item that is still there."""
    if not order:
        yield ()
        return
    size, have = order[0], left[0]
    most = min(have, slots // size)
    for take in range(most, -1, -1):
        for rest in _patterns(order[1:], left[1:], slots - take * size):
            room = slots - take * size - sum(s * t for s, t in zip(order[1:], rest, strict=True))
            if take == have or room < size:
                yield (take, *rest)


# --- batch ---


def batch(world: World, book: Book) -> None:
    """Work is done in its window, pretraining as one gang on one pool, in the room that serving leaves."""
    for job, demands in world.jobs.items():
        rows = [row for row in world.plan.batch if (row.workload, row.origin) == job]
        _work(world, book, job, demands, rows)
        if isinstance(world.workloads[job[0]], PretrainWorkload):
            for span in world.spans:
                _one_gang(world, book, job, span, [row for row in rows if row.period == span.id])
    for pool in world.pools:
        for span in world.spans:
            for bucket in world.plan.buckets:
                _room(world, book, pool, span, bucket)


def _one_gang(world: World, book: Book, job: Commodity, span: Span, rows: list[BatchRow]) -> None:
    """Two gangs at half the speed are no gang: one pool in a period, no more hours than a bucket has."""
    where = f"batch: {'@'.join(job)} {span.id}"
    pools = {(row.site, row.server) for row in rows if row.gang_hours > 0}
    book.require(len(pools) <= 1, where, f"split over {len(pools)} pools")
    for bucket in world.plan.buckets:
        hours = sum(row.gang_hours for row in rows if row.bucket == bucket)
        book.at_most(hours, world.hours(span, bucket), f"{where} {bucket}", "gang hours")


def _work(
    world: World, book: Book, job: Commodity, demands: list[BatchDemand | OnceDemand], rows: list[BatchRow]
) -> None:
    where, inside = f"batch: {'@'.join(job)}", set[str]()
    for periods, units in windows(world, job, demands):
        inside |= periods
        done = sum(row.gang_hours * world.points[row.point].capacity_per_s for row in rows if row.period in periods)
        if isinstance(world.workloads[job[0]], FinetuneWorkload):
            _one_gang_a_run(world, book, rows, periods, units)
        first = min(periods, default="no period")
        if units and world.workloads[job[0]].required:
            book.at_least(done, units, f"{where} {first}", "work units done in the window")
        elif units:
            book.at_most(done, units, f"{where} {first}", "work units done in the window over what is asked for")
    outside = {row.period for row in rows if row.gang_hours > 0} - inside
    book.require(not outside, where, f"runs in {', '.join(sorted(outside))}, where no work is due")


def _one_gang_a_run(world: World, book: Book, rows: list[BatchRow], periods: frozenset[str], units: float) -> None:
    """A fine-tuning run is not shared out: no more gangs at work than runs in the window."""
    for period in periods:
        for bucket in world.plan.buckets:
            hours = sum(row.gang_hours for row in rows if (row.period, row.bucket) == (period, bucket))
            limit = world.hours(world.span[period], bucket) * ceil(units - 1e-9)
            book.at_most(hours, limit, f"batch: {rows[0].workload if rows else ''} {period} {bucket}", "gang hours")


def windows(
    world: World, job: Commodity, demands: list[BatchDemand | OnceDemand]
) -> list[tuple[frozenset[str], float]]:
    """(periods, work units) that belong together."""
    workload = world.workloads[job[0]]
    found: list[tuple[frozenset[str], float]] = []
    recurring = [demand for demand in demands if isinstance(demand, BatchDemand)]
    for span in world.spans:
        active = [demand for demand in recurring if world.counts(demand, span)]
        units = sum(d.work_units_per_month * span.months * world.growth(d, span) for d in active)
        if active:
            found.append((frozenset({span.id}), units))
    for demand in demands:
        if isinstance(demand, OnceDemand) and isinstance(workload, PretrainWorkload):
            begin, due = world.offset(demand.start_month), world.offset(demand.due_month)
            periods = frozenset(span.id for span in world.spans if begin <= span.start and span.end <= due)
            found.append((periods, workload.train_tokens))
    return found


def _room(world: World, book: Book, pool: Pool, span: Span, bucket: str) -> None:
    gangs, hours = world.gangs_at(pool, span, bucket), world.hours(span, bucket)
    if not gangs or bucket == PEAK:
        return
    serving = sum(
        load / point.capacity_per_s * world.nodes_of(point) for point, load in world.loads_at(pool, span, bucket)
    )
    running = sum(world.nodes_of(point) * gang_hours / hours for point, gang_hours in gangs)
    usable, bursts = world.usable(pool, span), world.burst_hours(pool, span, bucket) / hours
    where = f"batch: {pool[0]}/{pool[1]} {span.id} {bucket}"
    book.at_most(serving + running, usable + bursts, where, "nodes busy")
    reach = world.installed(pool, span) + world.committed(pool, span) + _on_demand_quota(world, pool)
    for point, gang_hours in gangs:
        if gang_hours > 0:
            book.at_most(world.nodes_of(point), reach, where, f"nodes of one gang of {point.id}")


def _on_demand_quota(world: World, pool: Pool) -> int:
    offers = (offer for offer in world.factory.rentals if offer.term == "on-demand")
    return sum(offer.quota_nodes for offer in offers if world.pool_of(offer) == pool)
