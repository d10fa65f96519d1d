"""The factory, the catalogue and the plan, read side by side: time, names, loads, stock of nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from math import exp, lgamma, log
from typing import Protocol

from groundplan.catalog import Catalog, Server
from groundplan.errors import CatalogError, Issue
from groundplan.plan import PEAK, OrderRow, Plan, PointRow, RentRow
from groundplan.spec import (
    AnyWorkload,
    Batch,
    BatchDemand,
    ControlDemand,
    ControlWorkload,
    Demand,
    Existing,
    Factory,
    Hosting,
    Link,
    LlmDemand,
    OnceDemand,
    RentalOffer,
    Served,
    ServedWorkload,
    StreamDemand,
    StreamWorkload,
    VisionDemand,
    month_number,
)

DAYS_OF_WEEK = {"weekday": 5, "weekend": 2, "all": 7}
HOURS_OF_WEEK = 168
TERM_MONTHS = {"1y": 12, "3y": 36}
REPAIR_H, YEAR_H, UP_PROBABILITY = 72.0, 8760.0, 0.999

Commodity = tuple[str, str]
"""Workload and origin."""
Pool = tuple[str, str]
"""Site and server."""


@dataclass(frozen=True, slots=True)
class Span:
    """A planning period in months from the start of the plan."""

    index: int
    id: str
    start: int
    months: int

    @property
    def end(self) -> int:
        return self.start + self.months

    @property
    def middle(self) -> float:
        return self.start + self.months / 2

    @property
    def year(self) -> int:
        return self.start // 12 + 1


@dataclass(frozen=True, slots=True)
class Cohort:
    """Nodes of one order."""

    order: OrderRow
    ordered: Span
    arrives: Span
    life_months: float

    def alive(self, month: float) -> bool:
        """Whether the nodes stand there in a month."""
        return self.arrives.start <= month < self.arrives.start + self.life_months


class Checked(Protocol):
    """What `verify` needs of a loaded factory file."""

    @property
    def factory(self) -> Factory: ...
    @property
    def spec_hash(self) -> str: ...


class World:
    """Everything the families look up. Rows are trusted to name known things: the family `tables` sees to it."""

    def __init__(self, plan: Plan, spec: Checked, catalog: Catalog) -> None:
        self.plan, self.factory, self.spec_hash = plan, spec.factory, spec.spec_hash
        self.catalog = catalog.with_models(spec.factory.models)
        factory = self.factory
        self.sites = {site.id: site for site in factory.sites}
        self.workloads: dict[str, AnyWorkload] = {workload.id: workload for workload in factory.workloads}
        self.purchases = {offer.id: offer for offer in factory.purchases}
        self.rentals = {offer.id: offer for offer in factory.rentals}
        self.token_offers = {offer.id: offer for offer in factory.token_offers}
        self.existing = {item.id: item for item in factory.existing}
        self.points = {point.id: point for point in plan.points}
        self.ledger: Mapping[tuple[str, str], Decimal] | None = None
        """US dollars by (period, line), once evaluated."""
        self.links: dict[tuple[str, str], Link] = {(link.origin, link.site): link for link in factory.links}

    # --- time ---

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """The periods that the factory file asks for, with the names that the plan gives them."""
        wanted = self.factory.periods
        lengths = [1] * wanted.months + [3] * wanted.quarters + [12] * wanted.years
        names = [row.id for row in self.plan.periods] + [""] * len(lengths)
        starts = [sum(lengths[:index]) for index in range(len(lengths))]
        return tuple(
            Span(index, name, start, months)
            for index, (name, start, months) in enumerate(zip(names, starts, lengths, strict=False))
        )

    @cached_property
    def span(self) -> dict[str, Span]:
        return {span.id: span for span in self.spans}

    @property
    def horizon(self) -> int:
        return self.spans[-1].end

    @cached_property
    def bucket_share(self) -> dict[str, float]:
        """Part of the hours of a week; the peak bucket has none."""
        shares = {PEAK: 0.0}
        for bucket in self.factory.buckets:
            hours = sum(stop - start for start, stop in bucket.hours)
            shares[bucket.id] = DAYS_OF_WEEK[bucket.days] * hours / HOURS_OF_WEEK
        return shares

    def hours(self, span: Span, bucket: str) -> float:
        return span.months / 12 * self.factory.money.hours_per_year * self.bucket_share[bucket]

    def offset(self, month: str) -> int:
        """Months from the start of the plan."""
        return month_number(month) - month_number(self.factory.start)

    def first_day(self, span: Span) -> date:
        number = month_number(self.factory.start) + span.start
        return date(number // 12, number % 12 + 1, 1)

    def arrival(self, span: Span, lead_months: int) -> Span | None:
        return next((other for other in self.spans if other.start >= span.start + lead_months), None)

    # --- demand ---

    @cached_property
    def commodities(self) -> dict[Commodity, list[Demand]]:
        """Served workloads by origin."""
        found: dict[Commodity, list[Demand]] = defaultdict(list)
        for workload in self.factory.workloads:
            for demand in workload.demand if isinstance(workload, Served) else ():
                found[workload.id, demand.origin].append(demand)
        return dict(found)

    @cached_property
    def jobs(self) -> dict[Commodity, list[BatchDemand | OnceDemand]]:
        """Batch workloads by origin."""
        found: dict[Commodity, list[BatchDemand | OnceDemand]] = defaultdict(list)
        for workload in self.factory.workloads:
            for demand in workload.demand if isinstance(workload, Batch) else ():
                found[workload.id, demand.origin].append(demand)
        return dict(found)

    def load(self, commodity: Commodity, span: Span, bucket: str) -> float:
        """Units per second asked for."""
        workload = self.workloads[commodity[0]]
        return sum(
            amount_per_s(workload, demand) * self.growth(demand, span) * self._profile(demand, bucket)
            for demand in self.commodities[commodity]
            if self.counts(demand, span)
        )

    def counts(self, demand: Demand, span: Span) -> bool:
        """Whether the period overlaps the months of a demand."""
        begins = demand.from_month is None or self.offset(demand.from_month) < span.end
        return begins and (demand.until_month is None or self.offset(demand.until_month) > span.start)

    def growth(self, demand: Demand, span: Span) -> float:
        return (1 + demand.growth_per_year_rate) ** (span.end / 12)

    def _profile(self, demand: Demand, bucket: str) -> float:
        if bucket == PEAK or demand.profile == "constant":
            return 1.0
        profile = next(item for item in self.factory.profiles if item.id == demand.profile)
        return profile.share_by_bucket[bucket]

    # --- servers and points ---

    def server(self, name: str) -> Server:
        return self.catalog.server(name)

    def need(self, server: str, figure: str) -> float:
        """A figure of a server; CatalogError when it is blank."""
        value = getattr(self.server(server), figure)
        if value is None:
            what = f"{figure} is blank, and the plan cannot be checked without it"
            raise CatalogError(Issue("catalog-blank", f"catalog:{server}", what, f"add {figure}"))
        return float(value)

    def slots(self, server: str) -> int:
        """Accelerators of a node, or CPU cores of a CPU server."""
        return self.server(server).accelerators_count or int(self.need(server, "cpu_cores"))

    def nodes_of(self, point: PointRow) -> float:
        """Nodes that one replica or gang holds."""
        return point.slots_per_replica * point.nodes_per_replica / self.slots(point.server)

    def liquid_share(self, server: str) -> float:
        return self.need(server, "liquid_heat_share") if self.server(server).cooling == "liquid" else 0.0

    # --- what runs ---

    def loads_at(self, pool: Pool, span: Span, bucket: str) -> list[tuple[PointRow, float]]:
        """(point, units per second) of what is served on a pool."""
        return self._loads.get((*pool, span.id, bucket), [])

    @cached_property
    def _loads(self) -> dict[tuple[str, str, str, str], list[tuple[PointRow, float]]]:
        found: dict[tuple[str, str, str, str], list[tuple[PointRow, float]]] = defaultdict(list)
        for row in self.plan.loads:
            found[row.site, row.server, row.period, row.bucket].append((self.points[row.point], row.units_per_s))
        return found

    def gangs_at(self, pool: Pool, span: Span, bucket: str) -> list[tuple[PointRow, float]]:
        """(point, gang hours) of what is batched on a pool."""
        return self._gangs.get((*pool, span.id, bucket), [])

    @cached_property
    def _gangs(self) -> dict[tuple[str, str, str, str], list[tuple[PointRow, float]]]:
        found: dict[tuple[str, str, str, str], list[tuple[PointRow, float]]] = defaultdict(list)
        for row in self.plan.batch:
            found[row.site, row.server, row.period, row.bucket].append((self.points[row.point], row.gang_hours))
        return found

    def served(self, commodity: Commodity, span: Span, bucket: str) -> float:
        """Units per second served by nodes and token APIs."""
        return self._served.get((*commodity, span.id, bucket), 0.0)

    @cached_property
    def _served(self) -> dict[tuple[str, str, str, str], float]:
        found: dict[tuple[str, str, str, str], float] = defaultdict(float)
        for row in (*self.plan.loads, *self.plan.tokens):
            found[row.workload, row.origin, row.period, row.bucket] += row.units_per_s
        return found

    # --- stock ---

    @cached_property
    def cohorts(self) -> tuple[Cohort, ...]:
        return tuple(
            Cohort(row, self.span[row.period], self.span[row.arrives], 12 * self.need(row.server, "life_years"))
            for row in self.plan.orders
        )

    @cached_property
    def pools(self) -> tuple[Pool, ...]:
        """Pools that ever hold a node or a burst."""
        own = {(row.site, row.server) for row in self.plan.orders}
        own |= {(item.site, self.server(item.server).id) for item in self.factory.existing}
        own |= {(row.to, self.server(self.existing[row.existing].server).id) for row in self.plan.moves}
        rented = [self.rentals[row.offer] for row in (*self.plan.rents, *self.plan.bursts)]
        used = {(row.site, row.server) for row in (*self.plan.replicas, *self.plan.loads, *self.plan.batch)}
        return tuple(sorted(own | used | {(offer.site, self.server(offer.server).id) for offer in rented}))

    def bought(self, pool: Pool, span: Span) -> list[Cohort]:
        return [c for c in self.cohorts if (c.order.site, c.order.server) == pool and c.alive(span.start)]

    def kept(self, item: Existing, site: str, month: float) -> int:
        """Existing nodes that stand at a site in a month: come, not gone on, not retired, younger than their life."""
        return 0 if self.aged_out(item, month) else self.left(item, site, month)

    def left(self, item: Existing, site: str, month: float) -> int:
        """The same, whatever their age: what there was and what arrived, less what left and what was retired."""

        def by_then(period: str) -> bool:
            return self.span[period].start <= month

        moves = [row for row in self.plan.moves if row.existing == item.id]
        sold = [row for row in self.plan.retirements if (row.existing, row.site) == (item.id, site)]
        came = sum(row.nodes for row in moves if row.to == site and by_then(row.arrives))
        went = sum(row.nodes for row in moves if site == item.site and by_then(row.period))
        first = item.nodes_count if site == item.site else 0
        return first + came - went - sum(row.nodes for row in sold if by_then(row.period))

    def aged_out(self, item: Existing, month: float) -> bool:
        return self.age_months(item, month) >= 12 * self.need(item.server, "life_years")

    def places(self, item: Existing) -> tuple[str, ...]:
        """Sites where nodes of it ever stand: their own, and those that the plan moves them to."""
        return tuple(dict.fromkeys([item.site, *(row.to for row in self.plan.moves if row.existing == item.id)]))

    def age_months(self, item: Existing, month: float) -> float:
        return month - self.offset(item.bought_month)

    def installed(self, pool: Pool, span: Span) -> int:
        """Own nodes: bought and existing."""
        key = (pool, span.index)
        if key not in self._installed:
            old = sum(self.kept(item, pool[0], span.start) for item in self._existing_of(pool[1]))
            self._installed[key] = old + sum(cohort.order.nodes for cohort in self.bought(pool, span))
        return self._installed[key]

    @cached_property
    def _installed(self) -> dict[tuple[Pool, int], int]:
        return {}

    def _existing_of(self, server: str) -> list[Existing]:
        return [item for item in self.factory.existing if self.server(item.server).id == server]

    def own_nodes(self, site: str, span: Span) -> int:
        return sum(self.installed(pool, span) for pool in self.pools if pool[0] == site)

    def rented(self, pool: Pool, span: Span) -> int:
        """Nodes held under commitments and on demand, all through the period."""
        rows = (row for row in self.plan.rents if self.pool_of(self.rentals[row.offer]) == pool)
        return sum(row.nodes for row in rows if self.holds(row, span))

    def committed(self, pool: Pool, span: Span) -> int:
        """Nodes held under commitments alone."""
        rows = (row for row in self.plan.rents if self.rentals[row.offer].term in TERM_MONTHS)
        return sum(r.nodes for r in rows if self.pool_of(self.rentals[r.offer]) == pool and self.holds(r, span))

    def pool_of(self, offer: RentalOffer) -> Pool:
        return offer.site, self.server(offer.server).id

    def term(self, row: RentRow) -> tuple[int, int]:
        """First month and end of a rent row: its term, or its period when on demand."""
        span = self.span[row.period]
        return span.start, span.start + TERM_MONTHS.get(self.rentals[row.offer].term, span.months)

    def holds(self, row: RentRow, span: Span) -> bool:
        first, end = self.term(row)
        return first <= span.start and span.end <= end

    def burst_hours(self, pool: Pool, span: Span, bucket: str) -> float:
        return sum(
            row.node_hours
            for row in self.plan.bursts
            if (row.period, row.bucket) == (span.id, bucket) and self.pool_of(self.rentals[row.offer]) == pool
        )

    def spares(self, pool: Pool, span: Span) -> int:
        """Nodes of a pool that a workload with `survives` asks to keep free; 0 where none runs there.

        Own nodes are down until repaired; a rented one is replaced within the hour, so one spare covers those.
        """
        if (*pool, span.id) not in self._critical:
            return 0
        largest = max(self.installed(pool, other) for other in self.spans)
        return spare_nodes(largest, self.need(pool[1], "annual_failure_rate")) if largest else 1

    @cached_property
    def _critical(self) -> set[tuple[str, str, str]]:
        return {
            (row.site, row.server, row.period)
            for row in (*self.plan.replicas, *self.plan.batch)
            if self.workloads[row.workload].survives != "none"
        }

    def usable(self, pool: Pool, span: Span) -> int:
        return self.installed(pool, span) + self.rented(pool, span) - self.spares(pool, span)

    # --- sites ---

    def hosting(self, site: str) -> Hosting | None:
        return self.sites[site].hosting

    @cached_property
    def hosts(self) -> tuple[tuple[str, Hosting], ...]:
        """Sites where own hardware may stand."""
        return tuple((site.id, site.hosting) for site in self.factory.sites if site.hosting is not None)

    def opening(self, site: str) -> Span | None:
        """First period with own nodes; the first of all where nodes exist already."""
        if any(item.site == site for item in self.factory.existing):
            return self.spans[0]
        return next((span for span in self.spans if self.own_nodes(site, span)), None)

    def network_ms(self, workload: ServedWorkload, origin: str, site: str) -> float | None:
        """Network share of a latency, transfer included; None where no link leads there."""
        if origin == site:
            return self.sites[site].lan_rtt_p99_ms
        if (link := self.links.get((origin, site))) is None:
            return None
        kilobytes = workload.upload_kb_per_unit + workload.download_kb_per_unit
        return link.rtt_p99_ms + 8 * kilobytes / link.bandwidth_mbit_per_s


def amount_per_s(workload: AnyWorkload, demand: Demand) -> float:
    """Units per second at the design peak of the first month."""
    if isinstance(demand, LlmDemand):
        return demand.requests_per_s
    if isinstance(demand, ControlDemand) and isinstance(workload, ControlWorkload):
        return demand.robots_count * workload.control_hz / workload.replan_every_steps
    if isinstance(demand, VisionDemand):
        return demand.cameras_count * demand.fps_per_s
    if isinstance(demand, StreamDemand) and isinstance(workload, StreamWorkload):
        return demand.channels_count / workload.window_s
    raise TypeError(f"{type(demand).__name__} of {workload.id} has no rate")


def spare_nodes(nodes: int, annual_failure_rate: float) -> int:
    """Least k >= 1 such that at most k of n nodes are down with probability 0.999 (binomial)."""
    down = min(1.0, annual_failure_rate * REPAIR_H / YEAR_H)
    reached, spare = 0.0, -1
    while reached < UP_PROBABILITY and spare < nodes:
        spare += 1
        reached += _binomial(nodes, spare, down)
    return max(1, spare)


def _binomial(nodes: int, down_count: int, down: float) -> float:
    """Probability that exactly so many of n nodes are down; by logarithms, for any n."""
    if down in (0.0, 1.0):
        return float(down_count == round(down) * nodes)
    ways = lgamma(nodes + 1) - lgamma(down_count + 1) - lgamma(nodes - down_count + 1)
    return exp(ways + down_count * log(down) + (nodes - down_count) * log(1 - down))
