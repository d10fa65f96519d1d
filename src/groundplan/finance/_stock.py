"""What stands where, and what holds it: nodes by period, slot-hours in place, held and busy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil

from groundplan.catalog import Catalog, Server
from groundplan.errors import CatalogError, Issue
from groundplan.finance._time import discount_factor
from groundplan.plan import Plan
from groundplan.spec import Existing, Factory, RentalOffer, month_number

DAYS, WEEK_HOURS = {"weekday": 5, "weekend": 2, "all": 7}, 168
TERM_MONTHS = {"1y": 12, "3y": 36}
ROUNDING = 1e-9

Pool = tuple[str, str]
"""Site and server."""


@dataclass(frozen=True, slots=True)
class PoolUse:
    """Slot-hours (accelerators, or CPU cores of a CPU server) of a pool in a period."""

    own: float
    """In place, of nodes of your own."""
    rented: float
    """In place, bursts included."""
    held: Mapping[str, float]
    """By workload: provisioned replicas and running gangs."""
    busy: Mapping[str, float]
    """By workload: load / capacity of the replicas, and the gangs."""

    @property
    def available(self) -> float:
        return self.own + self.rented


class Stock:
    """A plan, its file and the catalogue, read for what is in place; periods are counted from 0."""

    def __init__(self, plan: Plan, factory: Factory, catalog: Catalog) -> None:
        self.plan, self.factory, self.catalog = plan, factory, catalog
        self.index = {row.id: t for t, row in enumerate(plan.periods)}
        self.start = [row.start_month_count for row in plan.periods]
        self.months = [row.months_count for row in plan.periods]
        self.rentals = {offer.id: offer for offer in factory.rentals}
        self.points = {point.id: point for point in plan.points}
        self.workloads = {workload.id: workload for workload in factory.workloads}

    # --- time ---

    @property
    def horizon(self) -> int:
        return self.start[-1] + self.months[-1]

    @cached_property
    def middles(self) -> list[float]:
        """Months from the start to the middle of each period."""
        return [start + months / 2 for start, months in zip(self.start, self.months, strict=True)]

    @cached_property
    def discount(self) -> list[float]:
        """Factor of each period."""
        return [discount_factor(self.factory.money.discount_rate, month) for month in self.middles]

    @cached_property
    def bucket_share(self) -> dict[str, float]:
        """Part of the hours of a week."""
        return {
            bucket.id: DAYS[bucket.days] * sum(stop - start for start, stop in bucket.hours) / WEEK_HOURS
            for bucket in self.factory.buckets
        }

    def hours(self, t: int, bucket: str) -> float:
        """Hours of a bucket in a period; none in the design peak."""
        return self.months[t] / 12 * self.factory.money.hours_per_year * self.bucket_share.get(bucket, 0.0)

    # --- nodes ---

    def server(self, name: str) -> Server:
        return self.catalog.server(name)

    def need(self, server: str, figure: str) -> float:
        """A figure of a server; CatalogError when it is blank."""
        value = getattr(self.server(server), figure)
        if value is None:
            what = f"no figure for {figure}, which the cost of its hours needs"
            raise CatalogError(Issue("catalog-blank", f"catalog:{server}", what, f"add {figure}"))
        return float(value)

    def slots(self, server: str) -> int:
        """Accelerators of a node, or CPU cores of a CPU server."""
        return self.server(server).accelerators_count or int(self.need(server, "cpu_cores"))

    def bought(self, site: str, offer: str, t: int) -> int:
        """Nodes of a purchase offer in place: arrived, and younger than their life."""
        total = 0
        for row in self.plan.orders:
            if (row.site, row.offer) == (site, offer):
                age = self.start[t] - self.start[self.index[row.arrives]]
                total += row.nodes if 0 <= age < 12 * self.need(row.server, "life_years") else 0
        return total

    def kept(self, item: Existing, site: str, t: int) -> int:
        """Existing nodes in place at a site: come, not gone on, not retired, and younger than their life."""
        age = self.start[t] - (month_number(item.bought_month) - month_number(self.factory.start))
        if age >= 12 * self.need(item.server, "life_years"):
            return 0
        moves = [row for row in self.plan.moves if row.existing == item.id]
        sold = [row for row in self.plan.retirements if (row.existing, row.site) == (item.id, site)]
        came = sum(row.nodes for row in moves if row.to == site and self.index[row.arrives] <= t)
        if item.site == site:
            came += item.nodes_count - sum(row.nodes for row in moves if self.index[row.period] <= t)
        return came - sum(row.nodes for row in sold if self.index[row.period] <= t)

    def own(self, pool: Pool, t: int) -> int:
        """Nodes of your own in place."""
        offers = {row.offer for row in self.plan.orders if (row.site, row.server) == pool}
        old = [item for item in self.factory.existing if self.server(item.server).id == pool[1]]
        return sum(self.bought(pool[0], offer, t) for offer in offers) + sum(self.kept(x, pool[0], t) for x in old)

    def rented(self, pool: Pool, t: int) -> int:
        """Nodes held all through the period, on demand or committed."""
        return sum(self.held(offer, t) for offer in self.factory.rentals if self.pool_of(offer) == pool)

    def held(self, offer: RentalOffer, t: int) -> int:
        """Nodes of one rental held all through the period."""
        total = 0
        for row in self.plan.rents:
            first = self.index[row.period]
            end = self.start[first] + TERM_MONTHS.get(offer.term, self.months[first])
            holds = row.offer == offer.id and first <= t and self.start[t] + self.months[t] <= end
            total += row.nodes if holds else 0
        return total

    def pool_of(self, offer: RentalOffer) -> Pool:
        return offer.site, self.server(offer.server).id

    def blocks(self, site: str, block: str, t: int) -> int:
        """Power blocks in use."""
        rows = (row for row in self.plan.blocks if (row.site, row.block) == (site, block))
        return sum(row.count for row in rows if self.index[row.usable_from] <= t)

    @cached_property
    def pools(self) -> tuple[Pool, ...]:
        """Pools that ever hold a node of your own or a rented one."""
        found = {(row.site, row.server) for row in self.plan.orders}
        found |= {(item.site, self.server(item.server).id) for item in self.factory.existing}
        servers = {item.id: self.server(item.server).id for item in self.factory.existing}
        found |= {(row.to, servers[row.existing]) for row in self.plan.moves}
        found |= {self.pool_of(self.rentals[row.offer]) for row in (*self.plan.rents, *self.plan.bursts)}
        return tuple(sorted(found))

    # --- what runs ---

    def slots_of(self, point: str) -> int:
        """Slots that one replica or gang holds, all its nodes together."""
        return self.points[point].slots_per_replica * self.points[point].nodes_per_replica

    def use(self, pool: Pool, t: int) -> PoolUse:
        """Slot-hours of a period. A gang takes the room of idle replicas where it needs it; they hold that less."""
        own, rented = self.own(pool, t), self.rented(pool, t)
        provisioned, slots = self._provisioned.get((pool, t), {}), self.slots(pool[1])
        held: dict[str, float] = defaultdict(float)
        busy: dict[str, float] = defaultdict(float)
        bursts = 0.0
        for bucket in self.plan.buckets:
            hours = self.hours(t, bucket)
            burst = self._bursts.get((pool, t, bucket), 0.0) * slots
            serving = {name: load * hours for name, load in self._serving.get((pool, t, bucket), {}).items()}
            gangs = self._gangs.get((pool, t, bucket), {})
            idle = {name: max(0.0, count * hours - serving.get(name, 0.0)) for name, count in provisioned.items()}
            room = (own + rented) * slots * hours + burst - sum(serving.values()) - sum(gangs.values())
            kept = min(1.0, max(0.0, room / sum(idle.values()))) if any(idle.values()) else 0.0
            for part, scale in ((serving, 1.0), (gangs, 1.0), (idle, kept)):
                for name, amount in part.items():
                    held[name] += amount * scale
                    busy[name] += 0.0 if part is idle else amount
            bursts += burst
        hours = sum(self.hours(t, bucket) for bucket in self.plan.buckets)
        return PoolUse(own * slots * hours, rented * slots * hours + bursts, dict(held), dict(busy))

    @cached_property
    def _provisioned(self) -> dict[tuple[Pool, int], dict[str, float]]:
        """Slots of provisioned replicas by workload; whole nodes where a workload shares them with no other."""
        found: dict[tuple[Pool, int], dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for row in self.plan.replicas:
            slots = row.replicas * self.slots_of(row.point)
            found[(row.site, row.server), self.index[row.period]][row.workload] += slots
        for ((_, server), _), counts in found.items():
            slots = self.slots(server)
            for name in counts:
                if self.workloads[name].isolation == "node":
                    counts[name] = ceil(counts[name] / slots - ROUNDING) * slots
        return found

    @cached_property
    def _serving(self) -> dict[tuple[Pool, int, str], dict[str, float]]:
        """Busy slots by workload."""
        found: dict[tuple[Pool, int, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for row in self.plan.loads:
            busy = row.units_per_s / self.points[row.point].capacity_per_s * self.slots_of(row.point)
            found[(row.site, row.server), self.index[row.period], row.bucket][row.workload] += busy
        return found

    @cached_property
    def _gangs(self) -> dict[tuple[Pool, int, str], dict[str, float]]:
        """Slot-hours of batch work by workload."""
        found: dict[tuple[Pool, int, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for row in self.plan.batch:
            slot_hours = row.gang_hours * self.slots_of(row.point)
            found[(row.site, row.server), self.index[row.period], row.bucket][row.workload] += slot_hours
        return found

    @cached_property
    def _bursts(self) -> dict[tuple[Pool, int, str], float]:
        """Node-hours."""
        found: dict[tuple[Pool, int, str], float] = defaultdict(float)
        for row in self.plan.bursts:
            found[self.pool_of(self.rentals[row.offer]), self.index[row.period], row.bucket] += row.node_hours
        return found
