"""Pools: one server model at one site, however it gets there (bought, rented, already owned)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor

import numpy as np
from numpy.typing import NDArray

from groundplan.catalog import Catalog, Server
from groundplan.errors import CatalogError, Issue
from groundplan.policy import export
from groundplan.problem._calendar import Calendar
from groundplan.problem._figures import first_day, need, rack_refusal
from groundplan.problem._moves import Transfer, transfers
from groundplan.spec import Existing, Factory, Hosting, PurchaseOffer, RentalOffer, Site

REPAIR_H = 72.0
UP_PROBABILITY = 0.999
TERM_MONTHS = {"1y": 12, "3y": 36}


@dataclass(frozen=True)
class Rental:
    """A rental offer with its price resolved."""

    offer: RentalOffer
    usd_per_node_hour: float

    @property
    def term_months(self) -> int | None:
        """None: on demand."""
        return TERM_MONTHS.get(self.offer.term)


@dataclass(frozen=True)
class Pool:
    """(site, server) with what the server is, in numbers that none may be blank."""

    site: Site
    server: Server
    slots: int
    """Accelerators, or CPU cores on a CPU server."""
    max_power_kw: float
    idle_power_kw: float
    liquid_heat_share: float
    racks_share: float
    """Rack positions that one node takes at this site."""
    life_months: int
    purchase: PurchaseOffer | None
    orderable: NDArray[np.bool_]
    """[period] law and offer allow an order."""
    rentals: tuple[Rental, ...]
    rentable: NDArray[np.bool_]
    """[period] law allows renting."""
    existing: tuple[Existing, ...]
    transfers: tuple[Transfer, ...] = ()
    """Existing nodes of other sites that may come here."""
    max_nodes: int = 0
    """No plan needs more: bounds integers and sizes spares."""
    spare_nodes: int = 0
    """N+k: nodes kept free where a workload must survive a node loss."""

    @property
    def key(self) -> str:
        return f"{self.site.id}/{self.server.id}"

    @property
    def own(self) -> bool:
        return self.site.hosting is not None

    @property
    def hosting(self) -> Hosting:
        assert self.site.hosting is not None
        return self.site.hosting


def pools(
    factory: Factory, catalog: Catalog, calendar: Calendar
) -> tuple[tuple[Pool, ...], dict[tuple[str, str], tuple[str, str]]]:
    """All pools in file order, and for pools that law or heat closes: (site, server) -> (rule, why)."""
    found: list[Pool] = []
    refused: dict[tuple[str, str], tuple[str, str]] = {}
    for site in factory.sites:
        for name in _servers_at(factory, site, catalog):
            pool = _pool(factory, catalog, calendar, site, catalog.server(name))
            pool, verdict = _under_law(factory, catalog, calendar, pool)
            if verdict is not None:
                refused[site.id, pool.server.id] = verdict
            if pool.existing or pool.transfers or pool.orderable.any() or pool.rentable.any():
                found.append(pool)
    return tuple(found), refused


def _servers_at(factory: Factory, site: Site, catalog: Catalog) -> list[str]:
    named = [o.server for o in factory.purchases if site.id in o.sites]
    named += [o.server for o in factory.rentals if o.site == site.id]
    named += [o.server for o in factory.existing if o.site == site.id or site.id in {move.to for move in o.moves}]
    return list(dict.fromkeys(catalog.server(name).id for name in named))


def _pool(factory: Factory, catalog: Catalog, calendar: Calendar, site: Site, server: Server) -> Pool:
    def mine(name: str) -> bool:
        return catalog.server(name).id == server.id

    purchase = next((o for o in factory.purchases if site.id in o.sites and mine(o.server)), None)
    rentals = tuple(
        Rental(o, rental_price(o, catalog, server)) for o in factory.rentals if o.site == site.id and mine(o.server)
    )
    none = np.zeros(len(calendar.periods), dtype=bool)
    return Pool(
        site=site,
        server=server,
        slots=server.accelerators_count or int(need(server, "cpu_cores")),
        max_power_kw=need(server, "max_power_kw"),
        idle_power_kw=need(server, "idle_power_kw"),
        liquid_heat_share=need(server, "liquid_heat_share") if server.cooling == "liquid" else 0.0,
        racks_share=_racks(server, site),
        life_months=round(need(server, "life_years") * 12),
        purchase=purchase,
        orderable=_offered(purchase, calendar) if purchase else none,
        rentals=rentals,
        rentable=~none if rentals else none,
        existing=tuple(x for x in factory.existing if x.site == site.id and mine(x.server)),
        transfers=tuple(transfers(factory, catalog, calendar, site, server)),
    )


def _racks(server: Server, site: Site) -> float:
    """Rack positions of one node: by its height, or by its heat where racks may not be filled."""
    height = need(server, "racks_share")
    return max(height, need(server, "max_power_kw") / site.hosting.rack_limit_kw) if site.hosting else height


def rental_price(offer: RentalOffer, catalog: Catalog, server: Server) -> float:
    """US dollars per node and hour: the file's own price, or that of the catalogue offer it names."""
    if offer.price_usd_per_node_hour is not None:
        return offer.price_usd_per_node_hour
    listed = catalog.offers[offer.cloud_offer or ""]
    same = catalog.accelerator(listed.accelerator).id == (
        server.accelerator and catalog.accelerator(server.accelerator).id
    )
    if not same or listed.accelerators_count != server.accelerators_count or listed.term != offer.term:
        listing = f"{listed.accelerators_count} x {listed.accelerator}, {listed.term}"
        what = f"{listing}; the rental is {server.id}, {offer.term}"
        raise CatalogError(
            Issue(
                "offer-mismatch",
                f"rentals.{offer.id}.cloud_offer",
                what,
                "name an offer of the same part, count and term",
            )
        )
    return listed.price_usd_per_hour


def _offered(offer: PurchaseOffer, calendar: Calendar) -> NDArray[np.bool_]:
    first = calendar.offset(offer.available_from) if offer.available_from else 0
    arrives = [calendar.arrival(t, offer.lead_months) is not None for t in range(len(calendar.periods))]
    return (calendar.start_month >= first) & np.array(arrives)


def _under_law(
    factory: Factory, catalog: Catalog, calendar: Calendar, pool: Pool
) -> tuple[Pool, tuple[str, str] | None]:
    """Close orders and rentals that export law or rack heat forbids; the reason when nothing is left open."""
    part = catalog.accelerator(pool.server.accelerator) if pool.server.accelerator else None
    verdicts = [
        export(part, site=pool.site, on=first_day(calendar, t), held_permits=factory.held_permits)
        for t in range(len(calendar.periods))
    ]
    legal = np.array([verdict.allowed for verdict in verdicts])
    reason = None if legal.all() else next((v.rule, v.why) for v in verdicts if not v.allowed)
    hot = rack_refusal(pool.server, pool.site)
    if hot is not None and pool.purchase:
        reason = hot
    return replace(pool, orderable=pool.orderable & legal & (hot is None), rentable=pool.rentable & legal), reason


def sized(pool: Pool, useful_nodes: int, critical: bool) -> Pool:
    """The pool with its node bound and its spares: those of as many nodes as would be useful.

    Where nodes may move in, those of no more than could ever stand there: a few moved nodes must not be all spare.
    """
    room = min(_power_bound(pool), _delivery_bound(pool)) if pool.own else useful_nodes
    largest = min(useful_nodes + 2, room) if pool.transfers else useful_nodes + 2
    spare = _spares(pool, largest) if critical else 0
    quota = sum(rental.offer.quota_nodes for rental in pool.rentals)
    bound = min(useful_nodes + spare, room if pool.own else quota)
    owned = sum(x.nodes_count for x in pool.existing)
    rest = max(bound - owned, 0)
    lot = pool.purchase.lot_nodes if pool.purchase else 1
    # Moved nodes may leave a gap that a whole lot overfills; without them nothing comes but whole lots.
    most = rest + lot - 1 if pool.transfers and rest else -(-rest // lot) * lot
    return replace(pool, max_nodes=owned + most, spare_nodes=spare)


def _coming(pool: Pool) -> int:
    """Nodes that moves could bring."""
    return sum(transfer.owned.nodes_count for transfer in pool.transfers)


def _spares(pool: Pool, nodes: int) -> int:
    """Own nodes are away until they are repaired; a provider replaces a rented one within the hour, so one will do."""
    owned = pool.purchase is not None or pool.existing or pool.transfers
    return spare_nodes(nodes, need(pool.server, "annual_failure_rate")) if owned else 1


def _power_bound(pool: Pool) -> int:
    kw = pool.hosting.usable_kw + sum(block.usable_kw * block.max_count for block in pool.hosting.blocks)
    return floor(kw / (pool.max_power_kw * pool.hosting.pue_peak) + 1e-9)


def _delivery_bound(pool: Pool) -> int:
    owned = sum(x.nodes_count for x in pool.existing) + _coming(pool)
    if pool.purchase is None:
        return owned
    stated = [row.cumulative_nodes for row in pool.purchase.deliveries]
    return owned + (max(stated) if stated else 10**6)


def spare_nodes(nodes: int, annual_failure_rate: float) -> int:
    """Least k with P(at least n - k of n nodes up) >= 0.999, each down AFR x 72 h / 8760 h of the time; at least 1.

    A node that is always down (AFR of 8760/72 and more) never counts: all n are spare.
    """
    down = min(annual_failure_rate * REPAIR_H / 8760.0, 1.0)
    if down == 1.0:
        return max(nodes, 1)
    chance = cumulated = (1 - down) ** nodes
    k = 0
    while cumulated < UP_PROBABILITY and k < nodes:
        chance *= (nodes - k) / (k + 1) * down / (1 - down)
        cumulated += chance
        k += 1
    return max(k, 1)
