"""The bill of materials of a plan: what comes to each site in each phase, with its price, scope and source.

A phase is a period of arrival. Totals are undiscounted US dollars, and the rows of a cost line sum to that line of the
plan. Rows without a price (racks, feeds, cooling) size what a price elsewhere pays for, or what the site must have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from groundplan.catalog import figure_source
from groundplan.plan import OrderRow
from groundplan.report._action_files import table_text
from groundplan.report._facts import Facts
from groundplan.report._priced import rental_price, token_prices, tokens_sold
from groundplan.report._room import TERM_MONTHS, Room, first_fit, liquid_share, need, rack_slots
from groundplan.report._words import count, figure
from groundplan.spec import Hosting, RentalOffer, Source

Kind = Literal[
    "server", "network", "storage", "spares", "duty", "power block", "opening", "racks", "power feeds", "UPS",
    "air cooling", "liquid cooling", "licences", "maintenance", "staff", "training", "space", "rented nodes", "tokens",
    "link", "moving",
]  # fmt: skip
PURCHASE_LINES = ("hardware", "network", "storage", "spares", "duty", "facility", "opening")
BEFORE, WHOLE = "existing", "whole plan"
"""Phases that are no period: what stands there already, and what runs for the whole plan."""
POWER_FACTOR = 0.95
"""Least power factor of an 80 PLUS Platinum or Titanium supply at half load; turns kW into kVA."""
FEEDS_A_RACK = {"none": 1, "n": 1, "n+1": 1, "2n": 2}
FEED_RULE = {
    "none": "one feed a rack, no UPS behind it",
    "n": "one feed a rack, UPS sized for the load",
    "n+1": "one feed a rack, UPS sized for the load and one module more of the size its maker builds",
    "2n": "two feeds a rack, each for the whole rack, and two UPS, each for the whole load",
}
COLUMNS = (
    "site", "phase", "kind", "item", "quantity", "unit", "accelerators", "provisioned_kw", "mean_kw", "rack_slots",
    "price_scope", "unit_price_usd", "total_usd", "cost_line", "source_who", "source_date", "source_kind",
    "source_confidence", "note",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BillRow:
    """One line of the bill. None stands for not applicable; a blank source for a figure whose source nobody stated.

    `provisioned_kw` is facility kW at the peak PUE for nameplate power; `mean_kw` facility kW at the mean PUE for the
    mean load of the phase.
    """

    site: str
    phase: str
    kind: Kind
    item: str
    quantity: float
    unit: str
    price_scope: str = ""
    unit_price_usd: float | None = None
    total_usd: float | None = None
    cost_line: str = ""
    source: Source | None = None
    note: str = ""
    accelerators: int | None = None
    provisioned_kw: float | None = None
    mean_kw: float | None = None
    rack_slots: float | None = None


def bill(facts: Facts) -> tuple[BillRow, ...]:
    """Every line, by site in file order, then by phase in time."""
    maker = _Bill(facts)
    found = [row for make in MAKERS for row in make(maker)]
    sites = {site.id: number for number, site in enumerate(facts.factory.sites)}
    phases = {BEFORE: -1, **facts.index, WHOLE: len(facts.index)}
    return tuple(sorted(found, key=lambda row: (sites[row.site], phases[row.phase])))


def bom_csv(rows: tuple[BillRow, ...]) -> str:
    """The bill as a table; `COLUMNS` are part of the interface."""
    return table_text(COLUMNS, (_cells(row) for row in rows))


def _cells(row: BillRow) -> list[object]:
    source = row.source
    who: list[object] = [source.who, source.dated, source.kind, source.confidence] if source else [None] * 4
    return [
        row.site, row.phase, row.kind, row.item, row.quantity, row.unit, row.accelerators, row.provisioned_kw,
        row.mean_kw, row.rack_slots, row.price_scope, row.unit_price_usd, row.total_usd, row.cost_line, *who, row.note,
    ]  # fmt: skip


class _Bill:
    """The plan with what the lines share."""

    def __init__(self, facts: Facts) -> None:
        self.facts, self.plan, self.room = facts, facts.plan, Room(facts)
        self.overheads = facts.factory.money.overheads

    @cached_property
    def hosts(self) -> list[tuple[str, Hosting]]:
        return [(site.id, site.hosting) for site in self.facts.factory.sites if site.hosting]

    def priced(self, *, quantity: float, unit_price_usd: float, **values: Any) -> BillRow:
        """A line whose total is quantity x price."""
        total = quantity * unit_price_usd
        return BillRow(quantity=quantity, unit_price_usd=unit_price_usd, total_usd=total, **values)

    def years(self, start: float, end: float) -> float:
        """Years of the periods that begin in [start, end), months from the start of the plan."""
        rows = (row for row in self.plan.periods if start <= row.start_month_count < end)
        return sum(row.months_count for row in rows) / 12

    def mean_kw(self, site: str, server: str, index: int) -> float:
        """Mean facility kW of the own nodes of a pool in a period: idle, and what is busy over the hours of a week."""
        nodes = self.facts.own_nodes(site, server, self.plan.periods[index])
        if not nodes:
            return 0.0
        pool, buckets = (site, server), self.plan.buckets
        hours = {bucket: self.room.hours(index, bucket) for bucket in buckets}
        busy = sum(self.room.busy_kw(pool, index, bucket) * hours[bucket] for bucket in buckets) / sum(hours.values())
        return self.facts.sites[site].pue * (need(self.facts, server, "idle_power_kw") * nodes + busy)

    def sized(self, site: str, server: str, nodes: int, index: int) -> dict[str, Any]:
        """Accelerators, kW and rack slots of some nodes of a pool, the mean as their part of the pool."""
        hosting, here = self.facts.sites[site].hosting, self.facts.own_nodes(site, server, self.plan.periods[index])
        pue_peak = hosting.pue_peak if hosting else 1.0
        return {
            "accelerators": nodes * self.facts.server(server).accelerators_count,
            "provisioned_kw": pue_peak * nodes * need(self.facts, server, "max_power_kw"),
            "mean_kw": self.mean_kw(site, server, index) * nodes / here if here else 0.0,
            "rack_slots": nodes * rack_slots(self.facts, site, server),
        }


# --- what is bought ---


def _orders(bill: _Bill) -> Iterator[BillRow]:
    facts = bill.facts
    for row in bill.plan.orders:
        offer, price, index = facts.purchases[row.offer], facts.order_usd(row), facts.index[row.arrives]
        common: dict[str, Any] = {"site": row.site, "phase": row.arrives, "quantity": row.nodes, "unit": "node"}
        name, said = facts.server(row.server).name, f"offer {row.offer}, ordered in {row.period}"
        yield bill.priced(
            **common, kind="server", item=name, price_scope=offer.price_scope, unit_price_usd=price,
            cost_line="hardware", source=offer.source, note=said, **bill.sized(row.site, row.server, row.nodes, index),
        )  # fmt: skip
        yield from _overheads(bill, row, name, price, common)


def _overheads(bill: _Bill, row: OrderRow, name: str, price: float, common: dict[str, Any]) -> Iterator[BillRow]:
    """What is paid on top of the nodes of an order."""
    over, offer = bill.overheads, bill.facts.purchases[row.offer]
    fabric = over.network_share if offer.price_scope in ("node", "rack") else 0.0
    said = (
        f"{100 * fabric:g} % of the node price: fabric, optics and cables, not itemised" if fabric
        else f"in the price, whose scope is {offer.price_scope}"
    )  # fmt: skip
    duty = bill.facts.sites[row.site].hosting
    lines: list[tuple[Kind, str, float, str, Source | None]] = [
        ("network", f"network for {name}", fabric * price, said, over.source),
        ("storage", f"storage for {name}", over.storage_usd_per_node, "a sum for each node", over.source),
        ("spares", f"spare parts for {name}", over.spares_share * price,
         f"{100 * over.spares_share:g} % of the node price", over.source),
        ("duty", f"import duty on {name}", (duty.import_duty_share if duty else 0.0) * price,
         f"{100 * (duty.import_duty_share if duty else 0.0):g} % of the node price", None),
    ]  # fmt: skip
    for kind, item, usd, note, source in lines:
        scope = offer.price_scope if kind == "network" else "node"
        yield bill.priced(
            **common, kind=kind, item=item, price_scope=scope, unit_price_usd=usd, cost_line=kind, source=source,
            note=note,
        )  # fmt: skip


def _standing(bill: _Bill) -> Iterator[BillRow]:
    """What is owned already: no price."""
    facts = bill.facts
    for item in facts.factory.existing:
        server = facts.server(item.server)
        yield BillRow(
            site=item.site, phase=BEFORE, kind="server", item=server.name, quantity=item.nodes_count, unit="node",
            source=figure_source(server, "max_power_kw"), note=f"{item.id}, bought {item.bought_month}: owned already",
            **bill.sized(item.site, server.id, item.nodes_count, 0),
        )  # fmt: skip


def _moved(bill: _Bill) -> Iterator[BillRow]:
    """Existing nodes that come from another site: what the way costs, nothing for the nodes."""
    facts = bill.facts
    for row in bill.plan.moves:
        item = facts.existing[row.existing]
        offered = next(move for move in item.moves if move.to == row.to)
        yield bill.priced(
            site=row.to, phase=row.arrives, kind="moving", item=f"move of {facts.server(item.server).name}",
            quantity=row.nodes, unit="node", unit_price_usd=offered.usd_per_node, cost_line="moving",
            note=f"{item.id}, from {facts.places[item.site]}, leaves in {row.period}: owned already, not bought",
        )  # fmt: skip


def _ground(bill: _Bill) -> Iterator[BillRow]:
    facts, owned = bill.facts, {item.site for item in bill.facts.factory.existing}
    hosts = dict(bill.hosts)
    for row in bill.plan.blocks:
        block = next(block for block in hosts[row.site].blocks if block.id == row.block)
        yield bill.priced(
            site=row.site, phase=row.usable_from, kind="power block", item=row.block, quantity=row.count, unit="block",
            price_scope="all-in site", unit_price_usd=block.price_usd, cost_line="facility",
            note=f"{figure(block.usable_kw)} kW usable, {figure(block.air_heat_kw)} kW to air, "
            f"{figure(block.liquid_heat_kw)} kW to liquid, {block.rack_slots_count} rack slots; bought in {row.period}",
        )  # fmt: skip
    for site, hosting in bill.hosts:
        if site in bill.plan.opened and site not in owned:
            yield bill.priced(
                site=site, phase=bill.plan.opened[site], kind="opening", item=f"opening of {facts.places[site]}",
                quantity=1, unit="site", unit_price_usd=hosting.opening_usd, cost_line="opening",
            )  # fmt: skip


# --- what the site must have ---


def _infrastructure(bill: _Bill) -> Iterator[BillRow]:
    """Racks, feeds, UPS and cooling that each phase adds to the most that there was before it."""
    for site, hosting in bill.hosts:
        most: dict[Kind, float] = {}
        for phase, nodes in _phases(bill, site):
            sizes = _sizes(bill, site, hosting, nodes)
            for kind, (value, unit, note) in sizes.items():
                added = value - most.get(kind, 0.0)
                if added > 1e-9:
                    yield BillRow(site, phase, kind, _item(kind, hosting), added, unit, note=note)
                most[kind] = max(value, most.get(kind, 0.0))


def _phases(bill: _Bill, site: str) -> Iterator[tuple[str, dict[str, int]]]:
    """Own nodes by server: those that stand there already, then period by period."""
    facts, before = bill.facts, dict[str, int]()
    for item in facts.factory.existing:
        if item.site == site:
            server = facts.server(item.server).id
            before[server] = before.get(server, 0) + item.nodes_count
    yield BEFORE, before
    for period in bill.plan.periods:
        yield period.id, {server: facts.own_nodes(at, server, period) for at, server in facts.pools if at == site}


def _item(kind: Kind, hosting: Hosting) -> str:
    return {"racks": f"racks of up to {figure(hosting.rack_limit_kw)} kW", "UPS": f"UPS, {hosting.ups_tier}"}.get(
        kind, kind
    )


def _sizes(bill: _Bill, site: str, hosting: Hosting, nodes: dict[str, int]) -> dict[Kind, tuple[float, str, str]]:
    """Quantity, unit and rule by kind, for all nodes of a site."""
    facts, tier = bill.facts, hosting.ups_tier
    kw = {server: number * need(facts, server, "max_power_kw") for server, number in nodes.items() if number}
    liquid = sum(value * liquid_share(facts, server) for server, value in kw.items())
    slots = sorted((rack_slots(facts, site, s) for s, number in nodes.items() for _ in range(number)), reverse=True)
    racks = _racks(slots)
    kva = f"{figure(hosting.rack_limit_kw / POWER_FACTOR)} kVA each, for the rack limit at power factor {POWER_FACTOR}"
    found: dict[Kind, tuple[float, str, str]] = {
        "racks": (racks, "rack", "whole racks, nodes packed by height and by the heat that a rack may shed"),
        "power feeds": (racks * FEEDS_A_RACK[tier], "feed", f"{tier}: {FEED_RULE[tier]}; {kva}"),
        "UPS": (
            (2 if tier == "2n" else 1) * sum(kw.values()) / POWER_FACTOR, "kVA",
            f"{tier}: {FEED_RULE[tier]}; nameplate at power factor {POWER_FACTOR}, cooling not counted",
        ),
        "air cooling": (sum(kw.values()) - liquid, "kW", "nameplate heat that leaves by air"),
        "liquid cooling": (liquid, "kW", "nameplate heat that leaves by liquid"),
    }  # fmt: skip
    if tier == "none":
        del found["UPS"]
    return found


def _racks(slots: list[float]) -> int:
    """Whole racks: what is larger than one takes racks of its own, the rest is packed, the largest first."""
    whole = sum(-int(-(size - 1e-9) // 1) for size in slots if size > 1)
    return whole + first_fit([size for size in slots if size <= 1], 1.0)


# --- what runs on ---


def _running(bill: _Bill) -> Iterator[BillRow]:
    """Licences and maintenance of own nodes for as long as they stand there."""
    facts = bill.facts
    for row in bill.plan.orders:
        start = bill.room.starts[facts.index[row.arrives]]
        years, offer = bill.years(start, start + facts.life_months(row.server)), facts.purchases[row.offer]
        yield from _kept_up(
            bill, row.site, row.arrives, row.server, row.nodes * years,
            bill.overheads.maintenance_per_year_rate * offer.price_usd,
            f"{count(row.nodes, 'node')} of offer {row.offer}",
        )  # fmt: skip
    for item in facts.factory.existing:
        server = facts.server(item.server).id
        for site in facts.stands_at(item):
            held = (facts.kept(item, site, index) * row.months_count for index, row in enumerate(bill.plan.periods))
            if node_years := sum(held) / 12:
                usd, said = item.maintenance_usd_per_year, f"{item.id}, as long as it is kept here"
                yield from _kept_up(bill, site, BEFORE, server, node_years, usd, said)


def _kept_up(
    bill: _Bill, site: str, phase: str, server: str, node_years: float, usd_per_year: float, note: str
) -> Iterator[BillRow]:
    name, gpus = bill.facts.server(server).name, bill.facts.server(server).accelerators_count
    common: dict[str, Any] = {"site": site, "phase": phase, "source": bill.overheads.source, "note": note}
    if gpus:
        yield bill.priced(
            **common, kind="licences", item=f"software on {name}", quantity=gpus * node_years, unit="GPU-year",
            unit_price_usd=bill.overheads.software_usd_per_gpu_year, cost_line="software",
        )  # fmt: skip
    if phase == BEFORE:
        common["source"] = None
    yield bill.priced(
        **common, kind="maintenance", item=f"maintenance of {name}", quantity=node_years, unit="node-year",
        unit_price_usd=usd_per_year, cost_line="maintenance",
    )  # fmt: skip


def _people(bill: _Bill) -> Iterator[BillRow]:
    facts = bill.facts
    people = {(row.site, row.period): row.fte for row in bill.plan.staff}
    for site, hosting in bill.hosts:
        before, fte_years = hosting.staff.existing_fte, 0.0
        for row in bill.plan.periods:
            fte = people.get((site, row.id), 0)
            fte_years += fte * row.months_count / 12
            if fte > before:
                yield bill.priced(
                    site=site, phase=row.id, kind="training", item="people to hire and train", quantity=fte - before,
                    unit="FTE", unit_price_usd=hosting.staff.training_usd_per_fte, cost_line="training",
                    note=f"{fte} in all from {facts.label(row.id)}",
                )  # fmt: skip
            before = fte
        if fte_years:
            yield bill.priced(
                site=site, phase=WHOLE, kind="staff", item="people", quantity=fte_years, unit="FTE-year",
                unit_price_usd=hosting.staff.salary_usd_per_year, cost_line="staff",
            )  # fmt: skip


def _space(bill: _Bill) -> Iterator[BillRow]:
    for site, hosting in bill.hosts:
        kw_months = 0.0
        for at, server in bill.facts.pools if hosting.space_usd_per_kw_month else ():
            if at == site:
                nodes = sum(bill.facts.own_nodes(at, server, row) * row.months_count for row in bill.plan.periods)
                kw_months += nodes * need(bill.facts, server, "max_power_kw") if nodes else 0.0
        if kw_months:
            yield bill.priced(
                site=site, phase=WHOLE, kind="space", item="room, by nameplate", quantity=kw_months, unit="kW-month",
                unit_price_usd=hosting.space_usd_per_kw_month, cost_line="colocation",
                note="energy is billed apart",
            )  # fmt: skip


# --- rent, tokens, links ---


def _rents(bill: _Bill) -> Iterator[BillRow]:
    facts, hours = bill.facts, bill.facts.factory.money.hours_per_year / 12
    months = {row.id: row.months_count for row in bill.plan.periods}
    for row in bill.plan.rents:
        offer = facts.rentals[row.offer]
        term = TERM_MONTHS.get(offer.term)
        if term is not None:
            said = f"{count(row.nodes, 'node')} for {term} months"
            yield _rented(bill, offer, row.period, row.nodes * term * hours, said)
    for offer in facts.factory.rentals:
        if offer.term != "on-demand":
            continue
        held = sum(row.nodes * months[row.period] * hours for row in bill.plan.rents if row.offer == offer.id)
        burst = sum(row.node_hours for row in bill.plan.bursts if row.offer == offer.id)
        if held:
            yield _rented(bill, offer, WHOLE, held, "on demand, held by the period")
        if burst:
            yield _rented(bill, offer, WHOLE, burst, "on demand, for batch work in single hours")


def _rented(bill: _Bill, offer: RentalOffer, phase: str, node_hours: float, note: str) -> BillRow:
    price, source = rental_price(bill.facts, offer)
    return bill.priced(
        site=offer.site, phase=phase, kind="rented nodes", item=bill.facts.server(offer.server).name, unit="node-hour",
        quantity=node_hours, price_scope="node", unit_price_usd=price, cost_line="cloud", source=source,
        note=f"offer {offer.id}, {note}",
    )  # fmt: skip


def _tokens(bill: _Bill) -> Iterator[BillRow]:
    for (name, workload), amounts in tokens_sold(bill.facts, bill.room).items():
        offer = bill.facts.token_offers[name]
        usd_in, usd_out, source = token_prices(bill.facts, offer)
        for way, millions, usd in zip(("input", "output"), amounts, (usd_in, usd_out), strict=True):
            yield bill.priced(
                site=offer.site, phase=WHOLE, kind="tokens", item=f"{way} tokens of {name} for {workload}",
                quantity=millions, unit="million tokens", price_scope="tokens", unit_price_usd=usd, cost_line="tokens",
                source=source,
            )  # fmt: skip


def _links(bill: _Bill) -> Iterator[BillRow]:
    facts = bill.facts
    for link in facts.factory.links:
        rows = [row for row in bill.plan.links if (row.origin, row.site) == (link.origin, link.site)]
        indices = [facts.index[row.period] for row in rows]
        if indices:
            yield bill.priced(
                site=link.site, phase=bill.plan.periods[min(indices)].id, kind="link",
                item=f"{facts.places[link.origin]} to {facts.places[link.site]}",
                quantity=sum(bill.plan.periods[index].months_count for index in indices), unit="month",
                unit_price_usd=link.price_usd_per_month, cost_line="links",
                note=f"{figure(link.bandwidth_mbit_per_s)} Mbit/s each way; traffic is billed apart",
            )  # fmt: skip


MAKERS: tuple[Callable[[_Bill], Iterator[BillRow]], ...] = (
    _standing, _orders, _moved, _ground, _infrastructure, _running, _people, _space, _rents, _tokens, _links,
)  # fmt: skip
