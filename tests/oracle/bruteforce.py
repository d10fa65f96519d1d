"""Least cost of tiny instances by trying every integer decision; the continuous rest is a small linear program.

Written from docs/conventions.md alone: nothing of `problem`, `optimize` or `verify` is imported, cost included.
Integers tried: lots ordered, nodes moved and retired, power blocks, commitments, on-demand nodes, people, and replicas
(packed into nodes by exhaustive placement). Out of scope, and refused: batch work, loss of a site, cash and carbon
caps, ratchets, on-premise floors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from math import ceil, comb, inf

import numpy as np
from scipy.optimize import linprog

from groundplan.catalog import Catalog
from groundplan.plan import PEAK, PointRow, StaffingRow
from groundplan.spec import Factory, LlmWorkload, Site, month_number

TERMS = {"1y": 12, "3y": 36}


@dataclass(frozen=True)
class Tables:
    """Operating points, and staffing rows of the cells that law and latency allow."""

    points: tuple[PointRow, ...]
    staffing: tuple[StaffingRow, ...]


@dataclass(frozen=True)
class Stock:
    """One way to stock a pool: nodes by period, what it costs (present value), capex by plan year."""

    own: tuple[int, ...]
    rented: tuple[int, ...]
    usd: float
    capex: tuple[float, ...]


@dataclass(frozen=True)
class Cell:
    """A way to serve one commodity on one pool."""

    commodity: int
    pool: int
    point: PointRow
    row: StaffingRow
    least: int
    most: int


def least_cost(factory: Factory, catalog: Catalog, tables: Tables) -> float | None:
    """NPV of cost in US dollars of the best plan; None where there is none."""
    return Oracle(factory, catalog, tables).best()


class Oracle:
    """One instance."""

    def __init__(self, factory: Factory, catalog: Catalog, tables: Tables) -> None:
        self.f, self.c, self.tables = factory, catalog, tables
        wanted = factory.periods
        self.months = [1] * wanted.months + [3] * wanted.quarters + [12] * wanted.years
        self.start = [sum(self.months[:t]) for t in range(len(self.months))]
        self.end = sum(self.months)
        self.T = range(len(self.months))
        self.sites = {site.id: site for site in factory.sites}
        self.commodities = [(w, d) for w in factory.workloads for d in w.demand]
        self.buckets = [b.id for b in factory.buckets]
        self._refuse()
        named = [(s, o.server) for o in factory.purchases for s in o.sites]
        named += [(o.site, o.server) for o in (*factory.existing, *factory.rentals)]
        named += [(move.to, o.server) for o in factory.existing for move in o.moves]
        self.pools = sorted({(site, catalog.server(server).id) for site, server in named})
        self.cells = self._cells()
        self._served: dict[tuple, float] = {}

    def _refuse(self) -> None:
        odd = [w.id for w in self.f.workloads if not hasattr(w, "upload_kb_per_unit") or w.survives == "site"]
        budgets = self.f.budgets
        if odd or budgets.cash_usd_by_year or budgets.carbon_tonnes_by_year or self.f.on_premise_floors:
            raise NotImplementedError("beyond this oracle")

    # --- time and money ---

    def present(self, usd: float, month: float) -> float:
        return usd * (1 + self.f.money.discount_rate) ** (-month / 12)

    def flow(self, usd: float, t: int) -> float:
        return self.present(usd, self.start[t] + self.months[t] / 2)

    def arrival(self, t: int, lead: int) -> int | None:
        return next((u for u in self.T if self.start[u] >= self.start[t] + lead), None)

    def year(self, t: int) -> int:
        return self.start[t] // 12

    def offset(self, month: str) -> int:
        return month_number(month) - month_number(self.f.start)

    @cache  # noqa: B019
    def hours(self, t: int, bucket: str) -> float:
        if bucket == PEAK:
            return 0.0
        b = next(b for b in self.f.buckets if b.id == bucket)
        weekly = {"weekday": 5, "weekend": 2, "all": 7}[b.days] * sum(stop - first for first, stop in b.hours)
        return self.months[t] / 12 * self.f.money.hours_per_year * weekly / 168

    @cache  # noqa: B019
    def kwh_usd(self, site: str, t: int, bucket: str) -> float:
        """Hour by hour over a week of each month."""
        tariff = self.c.tariff(self.sites[site].hosting.tariff)
        b = next(b for b in self.f.buckets if b.id == bucket)
        days = {"weekday": ["weekday"] * 5, "weekend": ["saturday", "sunday"]}
        week = days.get(b.days, days["weekday"] + days["weekend"])
        shift = self.sites[site].utc_offset_h - self.f.utc_offset_h
        prices = []
        for k in range(self.months[t]):
            month = (month_number(self.f.start) + self.start[t] + k) % 12 + 1
            for day in week:
                for first, stop in b.hours:
                    prices += [tariff.price_usd_per_kwh(month, day, int((h + shift) % 24)) for h in range(first, stop)]
        change = (1 + self.f.money.energy_price_change_per_year_rate) ** ((self.start[t] + self.months[t] / 2) / 12)
        return sum(prices) / len(prices) * change * self._exchange(tariff)

    def _exchange(self, tariff) -> float:
        stated = {rate.currency: rate.local_per_usd for rate in self.f.money.exchange_rates}
        return tariff.fx_local_per_usd / stated.get(tariff.currency, tariff.fx_local_per_usd)

    def load(self, i: int, t: int, bucket: str) -> float:
        workload, demand = self.commodities[i]
        begin = self.offset(demand.from_month) if demand.from_month else 0
        end = self.offset(demand.until_month) if demand.until_month else self.end
        if begin >= self.start[t] + self.months[t] or end <= self.start[t]:
            return 0.0
        base = demand.requests_per_s if isinstance(workload, LlmWorkload) else demand.cameras_count * demand.fps_per_s
        shares = {p.id: p.share_by_bucket for p in self.f.profiles}.get(demand.profile)
        share = shares[bucket] if shares and bucket != PEAK else 1.0
        return base * (1 + demand.growth_per_year_rate) ** ((self.start[t] + self.months[t]) / 12) * share

    # --- cells and packing ---

    def _cells(self) -> list[Cell]:
        points = {p.id: p for p in self.tables.points}
        found = []
        for row in self.tables.staffing:
            point = points[row.point]
            for i, (workload, demand) in enumerate(self.commodities):
                if (workload.id, demand.origin) == (point.workload, row.origin):
                    pool = (
                        self.pools.index((row.site, point.server)) if (row.site, point.server) in self.pools else None
                    )
                    if pool is not None:
                        least = 1 if workload.survives == "none" else 2
                        found.append(Cell(i, pool, point, row, least, self._most(i, point, row, least)))
        return found

    def _most(self, i: int, point: PointRow, row: StaffingRow, least: int) -> int:
        """Replicas beyond which the cell can take no more load."""
        peak = max(self.load(i, t, PEAK) for t in self.T) / point.capacity_per_s
        n = least
        while n < 60 and _reach(row, n) < peak and _reach(row, n) < max(t.load_max for t in row.tangents):
            n += 1
        return n

    def slots(self, pool: int) -> int:
        server = self.c.server(self.pools[pool][1])
        return server.accelerators_count or server.cpu_cores

    @cache  # noqa: B019
    def fillings(self, pool: int, own: int, rented: int, largest: int) -> list[dict[int, int]]:
        """Largest replica counts by cell that fit the nodes; a smaller count is never cheaper."""
        mine = [k for k, cell in enumerate(self.cells) if cell.pool == pool]
        fitting = []
        for counts in product(*([0, *range(self.cells[k].least, self.cells[k].most + 1)] for k in mine)):
            chosen = {k: n for k, n in zip(mine, counts, strict=True) if n}
            critical = any(self.commodities[self.cells[k].commodity][0].survives != "none" for k in chosen)
            spare = self._spare(pool, largest) if critical else 0
            if self._fits(chosen, own + rented - spare, self.slots(pool)):
                fitting.append(chosen)
        return [a for a in fitting if not any(a != b and all(b.get(k, 0) >= n for k, n in a.items()) for b in fitting)]

    def _spare(self, pool: int, nodes: int) -> int:
        down = self.c.server(self.pools[pool][1]).annual_failure_rate * 72 / 8760
        for k in range(nodes + 1):
            up = sum(comb(nodes, j) * down**j * (1 - down) ** (nodes - j) for j in range(k + 1))
            if up >= 0.999:
                return max(1, k)
        return max(1, nodes)

    def _fits(self, chosen: dict[int, int], nodes: int, slots: int) -> bool:
        items: list[tuple[str, int]] = []
        for k, n in chosen.items():
            workload = self.commodities[self.cells[k].commodity][0]
            point = self.cells[k].point
            if point.nodes_per_replica > 1:
                nodes -= n * point.nodes_per_replica
            else:
                items += [(workload.id if workload.isolation == "node" else "", point.slots_per_replica)] * n
        if nodes < 0 or sum(size for _, size in items) > nodes * slots:
            return False
        return _place(tuple(sorted(items, key=lambda item: -item[1])), ((None, slots),) * nodes)

    # --- stock of one pool ---

    def stocks(self, pool: int) -> list[Stock]:
        """All ways to stock a pool, the dominated ones left out."""
        site, server = self.pools[pool]
        offer = next((o for o in self.f.purchases if site in o.sites and self.c.server(o.server).id == server), None)
        old = [x for x in self.f.existing if x.site == site and self.c.server(x.server).id == server and not x.moves]
        rentals = [o for o in self.f.rentals if o.site == site and self.c.server(o.server).id == server]
        need = self._nodes_needed(pool)
        lots = range(ceil(need / offer.lot_nodes) + 1) if offer else range(1)
        bought = [self._buy(offer, site, plan) for plan in product(lots, repeat=len(self.T))]
        kept = [self._keep(x, plan) for x in old for plan in product(range(x.nodes_count + 1), repeat=len(self.T))]
        hired = [
            self._rent(o, plan) for o in rentals[:1] for plan in product(range(o.quota_nodes + 1), repeat=len(self.T))
        ]
        more = [
            self._rent(o, plan) for o in rentals[1:2] for plan in product(range(o.quota_nodes + 1), repeat=len(self.T))
        ]
        assert len(old) <= 1
        assert len(rentals) <= 2
        groups = [[s for s in g if s is not None] for g in (bought, kept, hired, more) if g]
        return _undominated([_sum_stocks(parts) for parts in product(*groups)], need)

    def _nodes_needed(self, pool: int) -> int:
        """No plan uses more nodes: each commodity alone, each replica size as badly packed as can be, one spare."""
        mine = [cell for cell in self.cells if cell.pool == pool]
        total = 0.0
        for i in {cell.commodity for cell in mine}:
            total += max(
                ceil(c.most / max(1, self.slots(pool) // c.point.slots_per_replica)) * c.point.nodes_per_replica
                for c in mine
                if c.commodity == i
            )
        critical = any(self.commodities[c.commodity][0].survives != "none" for c in mine)
        return ceil(total) + critical

    def _zero(self) -> tuple[list[int], list[float]]:
        return [0 for _ in self.T], [0.0] * (self.year(self.T[-1]) + 1)

    def _buy(self, offer, site: str, lots: tuple[int, ...]) -> Stock | None:
        own, capex = self._zero()
        usd = 0.0
        for t, count in enumerate(lots):
            if not count:
                continue
            arrives = self.arrival(t, offer.lead_months)
            early = offer.available_from and self.start[t] < self.offset(offer.available_from)
            if arrives is None or early or not self._delivered(offer, lots, t):
                return None
            usd += self._order_usd(offer, site, t, arrives, count * offer.lot_nodes, own, capex)
        return Stock(tuple(own), tuple(0 for _ in self.T), usd, tuple(capex))

    def _delivered(self, offer, lots: tuple[int, ...], t: int) -> bool:
        if not offer.deliveries:
            return True
        last = self.start[t] + self.months[t] - 1
        rows = sorted(offer.deliveries, key=lambda row: row.month)
        cap = next((r for r in rows if self.offset(r.month) >= last), rows[-1]).cumulative_nodes
        return sum(lots[: t + 1]) * offer.lot_nodes <= cap

    def _order_usd(
        self, offer, site: str, t: int, arrives: int, nodes: int, own: list[int], capex: list[float]
    ) -> float:
        over, server = self.f.money.overheads, self.c.server(offer.server)
        hosting = self.sites[site].hosting
        price = offer.price_usd * (1 + offer.price_change_per_year_rate) ** (self.start[t] / 12)
        fabric = over.network_share * price if offer.price_scope in ("node", "rack") else 0.0
        lasting = price + fabric + over.storage_usd_per_node
        paid = nodes * (lasting + over.spares_share * price + hosting.import_duty_share * price)
        first, rest = offer.deposit_share * paid, (1 - offer.deposit_share) * paid
        capex[self.year(t)] += first
        capex[self.year(arrives)] += rest
        usd = self.flow(first, t) + self.flow(rest, arrives)
        life = server.life_years * 12
        for u in self.T:
            if 0 <= self.start[u] - self.start[arrives] < life:
                own[u] += nodes
                upkeep = nodes * over.maintenance_per_year_rate * offer.price_usd * self.months[u] / 12
                usd += self.flow(upkeep + self._own_usd(server, hosting, nodes, u), u)
        return usd - self.present(nodes * lasting * self._unpaid(life, self.end - self.start[arrives]), self.end)

    def _own_usd(self, server, hosting, nodes: int, t: int) -> float:
        """Software and room."""
        software = self.f.money.overheads.software_usd_per_gpu_year * server.accelerators_count * self.months[t] / 12
        return nodes * (software + hosting.space_usd_per_kw_month * server.max_power_kw * self.months[t])

    def _unpaid(self, life: float, age: float) -> float:
        rest, r = life - age, self.f.money.discount_rate
        if rest <= 0:
            return 0.0
        return rest / life if r == 0 else (1 - (1 + r) ** (-rest / 12)) / (1 - (1 + r) ** (-life / 12))

    def _keep(self, item, left: tuple[int, ...]) -> Stock | None:
        """`left` nodes stay in each period."""
        hosting, server = self.sites[item.site].hosting, self.c.server(item.server)
        life = server.life_years * 12
        own, capex = self._zero()
        usd, before = 0.0, item.nodes_count
        for t in self.T:
            over = self.start[t] - self.offset(item.bought_month) >= life
            if left[t] > before or (over and left[t]):
                return None
            if not over:
                value = item.resale_usd * (1 - item.resale_decline_per_year_rate) ** (self.start[t] / 12)
                usd -= self.flow((before - left[t]) * value, t)
            upkeep = left[t] * item.maintenance_usd_per_year * self.months[t] / 12
            usd += self.flow(upkeep + self._own_usd(server, hosting, left[t], t), t)
            own[t] = before = left[t]
        value = item.resale_usd * (1 - item.resale_decline_per_year_rate) ** (self.end / 12)
        if self.end - self.offset(item.bought_month) < life:
            usd -= self.present(before * value, self.end)
        return Stock(tuple(own), tuple(0 for _ in self.T), usd, tuple(capex))

    def _estates(self, item) -> list[tuple[Stock, ...]]:
        """Ways to keep, move and retire nodes that may go to one other site: a stock for each pool, the rest empty."""
        (move,) = item.moves
        counts = list(product(range(item.nodes_count + 1), repeat=len(self.T)))
        cheapest: dict[tuple, tuple[Stock, ...]] = {}
        for left, sold, sold_there in product(counts, repeat=3):
            both = self._moved(item, move, left, sold, sold_there)
            if both is not None:
                key = tuple(stock.own for stock in both)
                if key not in cheapest or sum(s.usd for s in both) < sum(s.usd for s in cheapest[key]):
                    cheapest[key] = both
        ends = [(place, self.c.server(item.server).id) for place in (item.site, move.to)]
        none = Stock(tuple(0 for _ in self.T), tuple(0 for _ in self.T), 0.0, tuple(self._zero()[1]))
        return [
            tuple(dict(zip(ends, both, strict=True)).get(p, none) for p in self.pools) for both in cheapest.values()
        ]

    def _moved(self, item, move, left, sold, sold_there) -> tuple[Stock, Stock] | None:
        """`left` nodes leave, `sold` are retired at home and `sold_there` at the other site, in each period."""
        if sum(left) + sum(sold) > item.nodes_count or sum(sold_there) > sum(left):
            return None
        life = self.c.server(item.server).life_years * 12
        over = [self.start[t] - self.offset(item.bought_month) >= life for t in self.T]
        arrivals = [self.arrival(t, move.lead_months) for t in self.T]
        if any(n and (a is None or over[a]) for n, a in zip(left, arrivals, strict=True)):
            return None
        if any(over[t] and (sold[t] or sold_there[t]) for t in self.T):
            return None
        way = sum(self.flow(n * move.usd_per_node, t) for t, n in enumerate(left))
        out = [n + m for n, m in zip(left, sold, strict=True)]
        home = [item.nodes_count - sum(out[: t + 1]) for t in self.T]
        came = [sum(n for n, a in zip(left, arrivals, strict=True) if a is not None and a <= t) for t in self.T]
        there = [came[t] - sum(sold_there[: t + 1]) for t in self.T]
        if min(home) < 0 or min(there) < 0:
            return None
        here_usd, there_usd = (
            self._owned_usd(item, place, nodes, gone, over)
            for place, nodes, gone in ((item.site, home, sold), (move.to, there, sold_there))
        )
        rented, capex = self._zero()
        own = [tuple(0 if over[t] else nodes[t] for t in self.T) for nodes in (home, there)]
        return (
            Stock(own[0], tuple(rented), here_usd + way, tuple(capex)),
            Stock(own[1], tuple(rented), there_usd, tuple(capex)),
        )

    def _owned_usd(self, item, place: str, nodes, gone, over) -> float:
        """Upkeep, room and software of nodes at a site, less what those that are sold there bring."""
        server, hosting = self.c.server(item.server), self.sites[place].hosting
        usd, keep = 0.0, 1 - item.resale_decline_per_year_rate
        for t in self.T:
            if not over[t]:
                upkeep = nodes[t] * item.maintenance_usd_per_year * self.months[t] / 12
                usd += self.flow(upkeep + self._own_usd(server, hosting, nodes[t], t), t)
                usd -= self.flow(gone[t] * item.resale_usd * keep ** (self.start[t] / 12), t)
        if self.end - self.offset(item.bought_month) < server.life_years * 12:
            usd -= self.present(nodes[-1] * item.resale_usd * keep ** (self.end / 12), self.end)
        return usd

    def _rent(self, offer, nodes: tuple[int, ...]) -> Stock | None:
        """`nodes` on demand in each period, or committed at its start."""
        rented, capex = self._zero()
        usd, price = 0.0, offer.price_usd_per_node_hour * self.f.money.hours_per_year / 12
        active = [0] * self.end
        for t, count in enumerate(nodes):
            if not count:
                continue
            first, end = self.start[t], self.start[t] + TERMS.get(offer.term, self.months[t])
            if end > self.end:
                return None
            for u in self.T:
                a, b = self.start[u], self.start[u] + self.months[u]
                rented[u] += count if first <= a and b <= end else 0
                usd += self.flow(count * price * max(0, min(b, end) - max(a, first)), u)
            for month in range(first, end):
                active[month] += count
        if max(active) > offer.quota_nodes:
            return None
        return Stock(tuple(0 for _ in self.T), tuple(rented), usd, tuple(capex))

    # --- sites ---

    def site_usd(self, site: Site, choice: list[Stock]) -> tuple[float, list[float]]:
        """Blocks, opening, people: (present value, capex by year); infinite where nothing fits."""
        mine = [(self.c.server(self.pools[g][1]), s.own) for g, s in enumerate(choice) if self.pools[g][0] == site.id]
        nodes = [sum(own[t] for _, own in mine) for t in self.T]
        starts_open = any(x.site == site.id for x in self.f.existing)
        opened = 0 if starts_open else next((t for t in self.T if nodes[t]), None)
        capex = [0.0] * (self.year(self.T[-1]) + 1)
        usd = 0.0
        if opened is not None and not starts_open:
            usd += self.flow(site.hosting.opening_usd, opened)
            capex[self.year(opened)] += site.hosting.opening_usd
        usd += self._people_usd(site.hosting.staff, nodes, opened)
        blocks = min(self._block_plans(site, mine), key=lambda pair: pair[0], default=(inf, capex))
        return usd + blocks[0], [a + b for a, b in zip(capex, blocks[1], strict=True)]

    def _people_usd(self, staff, nodes: list[int], opened: int | None) -> float:
        least = [ceil(n / staff.nodes_per_fte - 1e-9) for n in nodes]
        least = [max(n, staff.min_fte) if opened is not None and t >= opened else n for t, n in enumerate(least)]
        top, best = max(staff.existing_fte, *least), inf
        for plan in product(*(range(n, top + 1) for n in least)):
            usd, before = 0.0, staff.existing_fte
            for t, fte in enumerate(plan):
                rise = max(0, fte - before) * staff.training_usd_per_fte
                usd += self.flow(fte * staff.salary_usd_per_year * self.months[t] / 12 + rise, t)
                before = fte
            best = min(best, usd)
        return best

    def _block_plans(self, site: Site, mine):
        """(present value, capex by year) of each purchase of the one block, or none, that carries the nodes."""
        assert len(site.hosting.blocks) <= 1
        block = site.hosting.blocks[0] if site.hosting.blocks else None
        for bought in (None, *(self.T if block and block.max_count == 1 else ())):
            capex = [0.0] * (self.year(self.T[-1]) + 1)
            usable = self.arrival(bought, block.lead_months) if bought is not None else None
            if bought is not None and usable is None:
                continue
            if all(self._carries(site, mine, t, block if usable is not None and t >= usable else None) for t in self.T):
                usd = 0.0
                if bought is not None:
                    capex[self.year(bought)] += block.price_usd
                    left = self._unpaid(12 * self.f.money.overheads.facility_life_years, self.end - self.start[usable])
                    usd = self.flow(block.price_usd, bought) - self.present(left * block.price_usd, self.end)
                yield usd, capex

    def _carries(self, site: Site, mine, t: int, block) -> bool:
        h = site.hosting
        kw = sum(server.max_power_kw * own[t] for server, own in mine)
        liquid = sum(
            server.max_power_kw * own[t] * (server.liquid_heat_share if server.cooling == "liquid" else 0)
            for server, own in mine
        )
        racks = sum(max(s.racks_share, s.max_power_kw / h.rack_limit_kw) * own[t] for s, own in mine)
        limits = [
            (h.pue_peak * kw, "usable_kw"), (kw - liquid, "air_heat_kw"), (liquid, "liquid_heat_kw"),
            (racks, "rack_slots_count"),
        ]  # fmt: skip
        return all(value <= getattr(h, name) + (getattr(block, name) if block else 0) + 1e-9 for value, name in limits)

    # --- serving ---

    def serve(
        self, t: int, state: tuple[tuple[int, int, int], ...], ways: frozenset, opened: tuple[bool, ...]
    ) -> float:
        """Least present value of running one period, stock given; infinite where the load cannot be served."""
        key = (t, state, ways, opened)
        if key not in self._served:
            fillings = [self.fillings(g, *nodes) for g, nodes in enumerate(state)]
            self._served[key] = min(
                (self._dispatch(t, state, ways, opened, {k: n for part in parts for k, n in part.items()})
                 for parts in product(*fillings)), default=inf,
            )  # fmt: skip
        return self._served[key]

    @cached_property
    def _own_sites(self) -> list[Site]:
        return [s for s in self.f.sites if s.hosting is not None]

    def _dispatch(self, t: int, state, ways: frozenset, opened, counts: dict[int, int]) -> float:
        """The linear program of loads, tokens, shedding and billed peaks."""
        lp = Lp()
        draws = {(s.id, b): [] for s in self._own_sites for b in (*self.buckets, PEAK)}
        parts: dict = {}
        traffic: dict = {}
        for k, n in counts.items():
            cell, workload = self.cells[k], self.commodities[self.cells[k].commodity][0]
            site = self.pools[cell.pool][0]
            origin = cell.row.origin
            if origin != site and (origin, site) not in ways:
                continue
            for b in (*self.buckets, PEAK):
                kw = cell.point.dynamic_kw / cell.point.capacity_per_s
                usd = self._unit_usd(workload, origin, site, t, b) + self._energy_usd(site, t, b) * kw
                x = lp.add(usd, _reach(cell.row, n) * cell.point.capacity_per_s)
                parts.setdefault((cell.commodity, b), []).append(x)
                traffic.setdefault((origin, site, b), []).append((x, workload))
                if (site, b) in draws:
                    draws[site, b].append((x, kw))
        self._tokens(lp, t, ways, parts, traffic)
        self._demand(lp, t, parts)
        self._bandwidth(lp, traffic)
        constant = self._peaks(lp, t, state, opened, draws)
        return self.flow(lp.solve() + constant, t)

    def _tokens(self, lp: Lp, t: int, ways: frozenset, parts: dict, traffic: dict) -> None:
        for offer in self.f.token_offers:
            for b in (*self.buckets, PEAK):
                used = []
                for i, (workload, demand) in enumerate(self.commodities):
                    if workload.id in offer.workloads and (demand.origin, offer.site) in ways:
                        price = workload.prompt.mean_tokens * offer.input_usd_per_mtok
                        price += workload.output.mean_tokens * offer.output_usd_per_mtok
                        usd = price / 1e6 * 3600 * self.hours(t, b)
                        x = lp.add(usd + self._unit_usd(workload, demand.origin, offer.site, t, b), inf)
                        parts.setdefault((i, b), []).append(x)
                        traffic.setdefault((demand.origin, offer.site, b), []).append((x, workload))
                        used.append((x, 1.0))
                lp.at_most(used, offer.quota_requests_per_s)

    def _demand(self, lp: Lp, t: int, parts: dict) -> None:
        for i, (workload, _) in enumerate(self.commodities):
            dropped = {}
            for b in (*self.buckets, PEAK):
                served = parts.get((i, b), [])
                if not workload.required:
                    dropped[b] = lp.add(workload.shed_usd_per_unit * 3600 * self.hours(t, b), inf)
                    served = [*served, dropped[b]]
                lp.equal([(x, 1.0) for x in served], self.load(i, t, b))
            volume = sum(self.hours(t, b) * self.load(i, t, b) for b in self.buckets)
            if dropped and volume:
                factor = self.load(i, t, PEAK) / volume
                volume_shed = [(dropped[b], -factor * self.hours(t, b)) for b in self.buckets]
                lp.at_most([(dropped[PEAK], 1.0), *volume_shed], 0.0)

    def _bandwidth(self, lp: Lp, traffic: dict) -> None:
        for (origin, site, _), uses in traffic.items():
            if origin != site:
                link = next(x for x in self.f.links if (x.origin, x.site) == (origin, site))
                for field in ("upload_kb_per_unit", "download_kb_per_unit"):
                    mbit = [(x, getattr(workload, field) * 8 / 1000) for x, workload in uses]
                    lp.at_most(mbit, link.max_load_share * link.bandwidth_mbit_per_s)

    def _unit_usd(self, workload, origin: str, site: str, t: int, bucket: str) -> float:
        """Value and egress of one unit per second through the hours of a bucket."""
        link = next((x for x in self.f.links if (x.origin, x.site) == (origin, site)), None)
        egress = link.egress_usd_per_gb * workload.download_kb_per_unit / 1e6 if link else 0.0
        return (egress - workload.value_usd_per_unit) * 3600 * self.hours(t, bucket)

    def _energy_usd(self, site: str, t: int, bucket: str) -> float:
        """One IT kW through the hours of a bucket; rented nodes pay none."""
        if bucket == PEAK or self.sites[site].hosting is None:
            return 0.0
        return self.sites[site].pue * self.hours(t, bucket) * self.kwh_usd(site, t, bucket)

    def _peaks(self, lp: Lp, t: int, state, opened, draws) -> float:
        constant = 0.0
        for site, is_open in zip(self._own_sites, opened, strict=True):
            idle = sum(
                own * self.c.server(self.pools[g][1]).idle_power_kw
                for g, (own, _, _) in enumerate(state)
                if self.pools[g][0] == site.id
            )
            tariff = self.c.tariff(site.hosting.tariff)
            assert tariff.ratchet_months == 0
            charge = tariff.demand_charge_usd_per_kw_month * self._exchange(tariff) * self.months[t]
            peak = lp.add(charge, inf, site.hosting.contract_minimum_kw if is_open else 0.0)
            factor = site.hosting.intra_bucket_peak_factor * site.pue
            for b in (*self.buckets, PEAK):
                constant += idle * self._energy_usd(site.id, t, b)
                lp.at_most([*((x, factor * kw) for x, kw in draws[site.id, b]), (peak, -1.0)], -factor * idle)
        return constant

    # --- all together ---

    def best(self) -> float | None:
        """The least cost over all stocks, cheapest first, until no cheaper one can be left."""
        options = sorted(self._choices(), key=lambda option: option[0])
        floor = -sum(
            self.flow(w.value_usd_per_unit * self.load(i, t, b) * 3600 * self.hours(t, b), t)
            for i, (w, _) in enumerate(self.commodities)
            for t in self.T
            for b in self.buckets
        )
        best = inf
        for usd, choice in options:
            if usd + floor >= best:
                break
            for start in product(range(len(self.T) + 1), repeat=len(self.f.links)):
                best = min(best, usd + self._run(choice, start, best - usd))
        return None if best == inf else best

    def _choices(self):
        caps = self.f.budgets.capex_usd_by_year
        moving = [self._estates(item) for item in self.f.existing if item.moves]
        for bought, *owned in product(product(*(self.stocks(g) for g in range(len(self.pools)))), *moving):
            choice = tuple(_sum_stocks(parts) for parts in zip(bought, *owned, strict=True)) if owned else bought
            usd, capex = sum(s.usd for s in choice), [sum(s.capex[y] for s in choice) for y in self._years]
            for site in self._own_sites:
                more, spent = self.site_usd(site, list(choice))
                usd, capex = usd + more, [a + b for a, b in zip(capex, spent, strict=True)]
            if usd < inf and all(a <= b + 1e-6 for a, b in zip(capex, caps, strict=False)):
                yield usd, choice

    @cached_property
    def _years(self) -> range:
        return range(self.year(self.T[-1]) + 1)

    def _run(self, choice, start: tuple[int, ...], limit: float) -> float:
        """Links paid from `start` on (len(T): never) and every period served."""
        usd = sum(
            self.flow(link.price_usd_per_month * self.months[t], t)
            for link, first in zip(self.f.links, start, strict=True)
            for t in self.T[first:]
        )
        opened = [self._opened(site, choice) for site in self._own_sites]
        for t in self.T:
            if usd == inf:
                return inf
            ways = frozenset((x.origin, x.site) for x, first in zip(self.f.links, start, strict=True) if first <= t)
            state = tuple((s.own[t], s.rented[t], max(s.own)) for s in choice)
            usd += self.serve(t, state, ways, tuple(first <= t for first in opened))
        return usd

    def _opened(self, site: Site, choice) -> int:
        if any(x.site == site.id for x in self.f.existing):
            return 0
        nodes = [sum(s.own[t] for g, s in enumerate(choice) if self.pools[g][0] == site.id) for t in self.T]
        return next((t for t in self.T if nodes[t]), len(nodes))


class Lp:
    """min c x, bounds, rows."""

    def __init__(self) -> None:
        self.cost: list[float] = []
        self.bounds: list[tuple[float, float]] = []
        self.upper: list[tuple[list[tuple[int, float]], float]] = []
        self.exact: list[tuple[list[tuple[int, float]], float]] = []

    def add(self, usd: float, most: float, least: float = 0.0) -> int:
        self.cost.append(usd)
        self.bounds.append((least, most))
        return len(self.cost) - 1

    def at_most(self, row: list[tuple[int, float]], limit: float) -> None:
        self.upper.append((row, limit))

    def equal(self, row: list[tuple[int, float]], value: float) -> None:
        self.exact.append((row, value))

    def solve(self) -> float:
        """The least cost; infinite where infeasible."""
        for row, value in self.exact:  # most stocks fail here, without a solver
            if sum(self.bounds[x][1] for x, _ in row) < value * (1 - 1e-9):
                return inf
        a, b = self._matrix(self.upper), [limit for _, limit in self.upper]
        e, v = self._matrix(self.exact), [value for _, value in self.exact]
        done = linprog(self.cost, A_ub=a, b_ub=b, A_eq=e, b_eq=v, bounds=self.bounds, method="highs")
        assert done.status in (0, 2), done.message
        return float(done.fun) if done.status == 0 else inf

    def _matrix(self, rows) -> np.ndarray:
        found = np.zeros((len(rows), len(self.cost)))
        for k, (row, _) in enumerate(rows):
            for x, factor in row:
                found[k, x] += factor
        return found


def _reach(row: StaffingRow, replicas: int) -> float:
    """Largest load, in replicas' worth, that this many replicas may carry under some tangent."""
    return max(max(0.0, min(t.load_max, (replicas - t.beta) / t.alpha)) for t in row.tangents)


@cache
def _place(items: tuple[tuple[str, int], ...], bins: tuple[tuple[str | None, int], ...]) -> bool:
    """Every placement of (group, size) items; a node belongs to the group of its first item."""
    if not items:
        return True
    (group, size), rest = items[0], items[1:]
    for k, (owner, room) in enumerate(bins):
        if room >= size and owner in (None, group) and (owner, room) not in bins[:k]:
            filled = (*bins[:k], (group, room - size), *bins[k + 1 :])
            if _place(rest, tuple(sorted(filled, key=lambda b: (b[0] is None, b)))) if rest else True:
                return True
    return False


def _sum_stocks(parts: tuple[Stock, ...]) -> Stock:
    return Stock(
        tuple(sum(values) for values in zip(*(p.own for p in parts), strict=True)),
        tuple(sum(values) for values in zip(*(p.rented for p in parts), strict=True)),
        sum(p.usd for p in parts),
        tuple(sum(values) for values in zip(*(p.capex for p in parts), strict=True)),
    )


def _undominated(stocks: list[Stock], need: int) -> list[Stock]:
    """Of stocks with equal nodes, those that are cheapest for some budget."""
    by_nodes: dict[tuple, list[Stock]] = {}
    for stock in stocks:
        by_nodes.setdefault((stock.own, stock.rented), []).append(stock)
    found = []
    for group in by_nodes.values():
        found += [
            a for k, a in enumerate(group)
            if not any(
                b.usd <= a.usd and all(x <= y for x, y in zip(b.capex, a.capex, strict=True))
                and ((b.usd, b.capex) != (a.usd, a.capex) or j < k)
                for j, b in enumerate(group) if j != k
            )
        ]  # fmt: skip
    return found
