"""What a plan needs at a pool or a site in each period, against what stands there: how late may a thing come?

The rules are those of docs/conventions.md on stock and power; tests hold them against `verify`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil

from groundplan.errors import CatalogError, Issue
from groundplan.plan import PEAK, BurstRow, MoveRow, OrderRow, PointRow, RentRow
from groundplan.report._facts import Facts
from groundplan.spec import month_number
from groundplan.verify import least_bins, spare_nodes

Pool = tuple[str, str]
"""Site and server."""
TERM_MONTHS = {"1y": 12, "3y": 36}
DAYS_OF_WEEK, HOURS_OF_WEEK = {"weekday": 5, "weekend": 2, "all": 7}, 168
SLACK = 1e-6
"""Relative breach that still counts as kept, as in `verify`."""
SITE_FIGURES = ("usable_kw", "air_heat_kw", "liquid_heat_kw", "rack_slots_count")


@dataclass(frozen=True, slots=True)
class Shortage:
    """The first period that lacks nodes: how many, of how many that it needs."""

    index: int
    nodes: int
    needed: int


@dataclass(slots=True)
class Needs:
    """What must fit into the nodes of a pool in a period."""

    whole_nodes: int = 0
    groups: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    """Slot sizes of replicas, by workload where isolated and by an empty name where they may share nodes."""
    survives: bool = False
    workloads: set[str] = field(default_factory=set)
    gangs: dict[str, list[tuple[PointRow, float]]] = field(default_factory=lambda: defaultdict(list))
    """Hours of batch gangs by bucket."""
    serving: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Busy nodes of what is served, by bucket."""
    serving_kw: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """What those draw over idle, by bucket."""


def need(facts: Facts, server: str, name: str) -> float:
    """A figure of a server; CatalogError when it is blank."""
    value = getattr(facts.server(server), name)
    if value is None:
        raise CatalogError(Issue("catalog-blank", f"catalog:{server}", f"no figure for {name}", "add it"))
    return float(value)


class Room:
    """Stock and needs of every pool and site of a plan, with the orders and rents that are asked about."""

    def __init__(self, facts: Facts) -> None:
        self.facts, self.periods = facts, facts.plan.periods
        self.starts = [row.start_month_count for row in self.periods]

    # --- needs of a pool ---

    def hours(self, index: int, bucket: str) -> float:
        """Hours of a bucket in a period."""
        return self.periods[index].months_count / 12 * self.facts.factory.money.hours_per_year * self._share[bucket]

    @cached_property
    def _share(self) -> Mapping[str, float]:
        shares = {PEAK: 0.0}
        for bucket in self.facts.factory.buckets:
            hours = sum(stop - start for start, stop in bucket.hours)
            shares[bucket.id] = DAYS_OF_WEEK[bucket.days] * hours / HOURS_OF_WEEK
        return shares

    def slots(self, server: str) -> int:
        """Accelerators of a node, or CPU cores of a CPU server."""
        return self.facts.server(server).accelerators_count or int(need(self.facts, server, "cpu_cores"))

    def nodes_of(self, point: PointRow) -> float:
        """Nodes that one replica or gang holds."""
        return point.slots_per_replica * point.nodes_per_replica / self.slots(point.server)

    @cached_property
    def _needs(self) -> Mapping[tuple[Pool, int], Needs]:
        found: dict[tuple[Pool, int], Needs] = defaultdict(Needs)
        facts = self.facts
        for row in facts.plan.replicas:
            needs = found[(row.site, row.server), facts.index[row.period]]
            point, workload = facts.points[row.point], facts.workloads[row.workload]
            if point.nodes_per_replica > 1:
                needs.whole_nodes += row.replicas * point.nodes_per_replica
            else:
                group = row.workload if workload.isolation == "node" else ""
                needs.groups[group][point.slots_per_replica] += row.replicas
        for row in (*facts.plan.replicas, *facts.plan.batch):
            needs = found[(row.site, row.server), facts.index[row.period]]
            needs.survives |= facts.workloads[row.workload].survives != "none"
            needs.workloads.add(row.workload)
        for gang in facts.plan.batch:
            needs = found[(gang.site, gang.server), facts.index[gang.period]]
            needs.gangs[gang.bucket].append((facts.points[gang.point], gang.gang_hours))
        for load in facts.plan.loads:
            point = facts.points[load.point]
            busy = load.units_per_s / point.capacity_per_s
            needs = found[(load.site, load.server), facts.index[load.period]]
            needs.serving[load.bucket] += busy * self.nodes_of(point)
            needs.serving_kw[load.bucket] += busy * point.dynamic_kw
        return found

    def workloads(self, pool: Pool, index: int) -> tuple[str, ...]:
        """Workloads that run on a pool in a period, in file order."""
        here = self._needs[pool, index].workloads if (pool, index) in self._needs else set()
        return tuple(name for name in self.facts.workloads if name in here)

    def least_nodes(self, pool: Pool, index: int, largest_own: int, bursts: Iterable[BurstRow]) -> int:
        """Nodes, own or rented, without which the period lacks room; spares are counted."""
        if (pool, index) not in self._needs:
            return 0
        needs, slots = self._needs[pool, index], self.slots(pool[1])
        spare = self._spare(pool, largest_own) if needs.survives else 0
        packed = self._packed(pool, index, slots)
        busy = [self._busy(needs, pool, index, bucket, bursts) for bucket in needs.gangs if bucket != PEAK]
        least = max([packed and packed + spare, *(_up(nodes + spare) for nodes in busy)])
        return int(least)

    def _packed(self, pool: Pool, index: int, slots: int) -> int:
        key = pool, index
        if key not in self._packs:
            needs = self._needs[key]
            self._packs[key] = needs.whole_nodes + sum(least_bins(sizes, slots) for sizes in needs.groups.values())
        return self._packs[key]

    @cached_property
    def _packs(self) -> dict[tuple[Pool, int], int]:
        return {}

    def _busy(self, needs: Needs, pool: Pool, index: int, bucket: str, bursts: Iterable[BurstRow]) -> float:
        hours = self.hours(index, bucket)
        gangs = sum(self.nodes_of(point) * run / hours for point, run in needs.gangs[bucket])
        sold = sum(
            row.node_hours / hours
            for row in bursts
            if (row.period, row.bucket) == (self.periods[index].id, bucket) and self._pool_of(row.offer) == pool
        )
        return needs.serving[bucket] + gangs - sold

    def busy_kw(self, pool: Pool, index: int, bucket: str) -> float:
        """Extra IT kW of what runs on a pool in a bucket that has hours, over its idle power."""
        if (pool, index) not in self._needs:
            return 0.0
        needs, hours = self._needs[pool, index], self.hours(index, bucket)
        return needs.serving_kw[bucket] + sum(p.dynamic_kw * run / hours for p, run in needs.gangs[bucket])

    def _gang_nodes(self, pool: Pool, index: int) -> int:
        """Own and committed nodes that the largest gang asks for beside the on-demand quota."""
        if (pool, index) not in self._needs:
            return 0
        gangs = self._needs[pool, index].gangs.values()
        largest = max((self.nodes_of(point) for rows in gangs for point, run in rows if run > 0), default=0.0)
        offers = (o for o in self.facts.factory.rentals if o.term == "on-demand" and self._pool_of(o.id) == pool)
        return _up(largest - sum(offer.quota_nodes for offer in offers))

    def _spare(self, pool: Pool, largest_own: int) -> int:
        return spare_nodes(largest_own, need(self.facts, pool[1], "annual_failure_rate")) if largest_own else 1

    # --- stock of a pool ---

    def _pool_of(self, offer: str) -> Pool:
        rental = self.facts.rentals[offer]
        return rental.site, self.facts.server(rental.server).id

    def own(self, pool: Pool, orders: Iterable[OrderRow], moves: Iterable[MoveRow] | None = None) -> list[int]:
        """Own nodes by period with these orders, and these moves to the pool, instead of the plan's."""
        mine = [row for row in orders if (row.site, row.server) == pool]
        nodes = [old + self._alive(mine, start) for old, start in zip(self._existing(pool), self.starts, strict=True)]
        if moves is None:
            return nodes
        pairs = zip(nodes, self._come(pool, moves), self._come(pool, self.facts.plan.moves), strict=True)
        return [count + asked - planned for count, asked, planned in pairs]

    def _come(self, pool: Pool, moves: Iterable[MoveRow]) -> list[int]:
        """Nodes that moves have brought to a pool, by period, while they are younger than their life."""
        facts, total = self.facts, [0] * len(self.periods)
        for row in moves:
            item = facts.existing[row.existing]
            end = facts.life_months(item.server) + month_number(item.bought_month) - month_number(facts.factory.start)
            if (row.to, facts.server(item.server).id) == pool:
                there = range(facts.index[row.arrives], len(self.periods))
                for index in (index for index in there if self.starts[index] < end):
                    total[index] += row.nodes
        return total

    def _existing(self, pool: Pool) -> list[int]:
        """Nodes that were there before the plan, by period."""
        if pool not in self._stock:
            planned = [row for row in self.facts.plan.orders if (row.site, row.server) == pool]
            pairs = zip(self.periods, self.starts, strict=True)
            self._stock[pool] = [self.facts.own_nodes(*pool, row) - self._alive(planned, start) for row, start in pairs]
        return self._stock[pool]

    @cached_property
    def _stock(self) -> dict[Pool, list[int]]:
        return {}

    def _alive(self, orders: Iterable[OrderRow], start: int) -> int:
        ages = ((row, start - self.starts[self.facts.index[row.arrives]]) for row in orders)
        return sum(row.nodes for row, age in ages if 0 <= age < self.facts.life_months(row.server))

    def rented(self, pool: Pool, rents: Iterable[RentRow], *, committed_only: bool = False) -> list[int]:
        """Rented nodes by period."""
        mine = [row for row in rents if self._pool_of(row.offer) == pool]
        if committed_only:
            mine = [row for row in mine if self.facts.rentals[row.offer].term in TERM_MONTHS]
        return [sum(row.nodes for row in mine if self.holds(row, index)) for index in range(len(self.periods))]

    def holds(self, row: RentRow, index: int) -> bool:
        """Whether a rent covers a period: its term wholly, or its very period on demand."""
        term = TERM_MONTHS.get(self.facts.rentals[row.offer].term)
        if term is None:
            return self.periods[index].id == row.period
        start = self.starts[self.facts.index[row.period]]
        return start <= self.starts[index] and self.starts[index] + self.periods[index].months_count <= start + term

    def shortage(
        self,
        pool: Pool,
        *,
        orders: Sequence[OrderRow] | None = None,
        rents: Sequence[RentRow] | None = None,
        bursts: Sequence[BurstRow] | None = None,
        moves: Sequence[MoveRow] | None = None,
    ) -> Shortage | None:
        """The first period that lacks room with these rows instead of the plan's; None where none does."""
        plan = self.facts.plan
        orders, rents = plan.orders if orders is None else orders, plan.rents if rents is None else rents
        bursts = plan.bursts if bursts is None else bursts
        own, rented = self.own(pool, orders, moves), self.rented(pool, rents)
        committed = self.rented(pool, rents, committed_only=True)
        largest, planned = max(own), max(self.own(pool, plan.orders))
        for index in range(len(self.periods)):
            least, gang = self.least_nodes(pool, index, largest, bursts), self._gang_nodes(pool, index)
            if least > own[index] + rented[index] or gang > own[index] + committed[index]:
                # Said with the spares of the plan's own size, which the rows asked about may not call for.
                needed = max(least, gang, self.least_nodes(pool, index, planned, bursts))
                return Shortage(index, max(1, needed - own[index] - rented[index]), needed)
        return None

    # --- limits of a site ---

    def load(self, site: str, index: int, extra: Mapping[str, int] | None = None) -> dict[str, float]:
        """Facility kW, heat and rack slots of the own nodes of a site in a period, with so many more by server."""
        hosting = self.facts.sites[site].hosting
        total = dict.fromkeys(SITE_FIGURES, 0.0)
        if hosting is None:
            return total
        more = dict(extra or {})
        nodes = {s: self.facts.own_nodes(site, s, self.periods[index]) for at, s in self.facts.pools if at == site}
        for server in nodes.keys() | more.keys():
            number = nodes.get(server, 0) + more.get(server, 0)
            if number:
                kw = need(self.facts, server, "max_power_kw")
                liquid = liquid_share(self.facts, server)
                total["usable_kw"] += hosting.pue_peak * kw * number
                total["air_heat_kw"] += kw * number * (1 - liquid)
                total["liquid_heat_kw"] += kw * number * liquid
                total["rack_slots_count"] += number * rack_slots(self.facts, site, server)
        return total

    def limit(self, site: str, index: int) -> dict[str, float]:
        """What the site and its blocks carry in a period."""
        hosting = self.facts.sites[site].hosting
        if hosting is None:
            return dict.fromkeys(SITE_FIGURES, 0.0)
        count: dict[str, int] = defaultdict(int)
        for row in self.facts.plan.blocks:
            if row.site == site and self.facts.index[row.usable_from] <= index:
                count[row.block] += row.count
        return {
            name: getattr(hosting, name) + sum(getattr(block, name) * count[block.id] for block in hosting.blocks)
            for name in SITE_FIGURES
        }


def over(load: Mapping[str, float], limit: Mapping[str, float]) -> str:
    """The first figure of a site that is over its limit; empty where none is."""
    return next((name for name in SITE_FIGURES if load[name] > limit[name] + SLACK * max(1.0, limit[name])), "")


def liquid_share(facts: Facts, server: str) -> float:
    """Part of the heat that goes to liquid; 0 for an air-cooled server."""
    return need(facts, server, "liquid_heat_share") if facts.server(server).cooling == "liquid" else 0.0


def rack_slots(facts: Facts, site: str, server: str) -> float:
    """Rack slots of a node at a site: by its height, or by its heat where racks may not be filled."""
    hosting, height = facts.sites[site].hosting, need(facts, server, "racks_share")
    return max(height, need(facts, server, "max_power_kw") / hosting.rack_limit_kw) if hosting else height


def first_fit(sizes: Iterable[float], room: float) -> int:
    """Bins that items take in the order given, each into the first that has room."""
    left: list[float] = []
    for size in sizes:
        index = next((number for number, free in enumerate(left) if free >= size - 1e-9), None)
        if index is None:
            left.append(room - size)
        else:
            left[index] -= size
    return len(left)


def _up(value: float) -> int:
    """Rounded up, with the tolerance of `verify`."""
    return max(0, ceil(value - SLACK * max(1.0, abs(value))))
