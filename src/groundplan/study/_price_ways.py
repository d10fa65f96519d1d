"""Ways to serve one model: own nodes, rented nodes, tokens; what each costs a month as a function of the load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from groundplan.catalog import (
    DAY_TYPES,
    Catalog,
    CloudOffer,
    OwnCosts,
    Server,
    ServerPrice,
    Tariff,
    TokenOffer,
    server_price,
)
from groundplan.finance import capital_recovery_factor
from groundplan.kernel import StaffingCurve
from groundplan.perf import OperatingPoint

WayKind = Literal["own", "rent", "tokens"]
DAYS_OF_WEEK = dict(zip(DAY_TYPES, (5, 1, 1), strict=True))
MOST_USE = 0.91
"""No staffing curve of `perf` goes nearer to saturation: what a way costs at least, before its curve is simulated."""
ROUNDING = 1e-9
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked, and under which conventions of money and time."""

    load_per_s: float
    """Requests per second in the busiest hour."""
    load_factor: float
    """Mean load over that peak, while the service runs."""
    hours_per_month: float
    """Hours a month in which the service runs."""
    held_hours_per_month: float
    """Hours a month for which a commitment is billed."""
    prompt_tokens: float
    output_tokens: float
    rate: float
    life_years: float
    staff_usd_per_month: float

    @property
    def requests_per_month(self) -> float:
        """Requests a month for one request per second of peak load."""
        return self.load_factor * 3600.0 * self.hours_per_month

    def mtok_per_month(self, load_per_s: float) -> tuple[float, float]:
        """Million tokens a month at a peak load: prompt and output together, and output alone."""
        requests = load_per_s * self.requests_per_month
        return requests * (self.prompt_tokens + self.output_tokens) / 1e6, requests * self.output_tokens / 1e6

    @property
    def monthly_annuity(self) -> float:
        """Payment at the end of each month of the life that repays one dollar at the effective yearly rate."""
        per_month = (1.0 + self.rate) ** (1 / 12) - 1.0
        return capital_recovery_factor(per_month, 12.0 * self.life_years)


@dataclass(frozen=True, eq=False)
class Fleet:
    """Nodes that hold replicas of one operating point; without a curve it counts the fewest replicas that may do."""

    point: OperatingPoint
    replicas_per_node: int
    curve: StaffingCurve | None = None

    def replicas(self, load: Array, factor: float = 1.0) -> Array:
        """Replicas that a load [requests/s] needs, by the staffing curve; factor: true over predicted capacity."""
        share = load / (self.point.capacity_per_s * factor)
        if self.curve is None:
            return np.maximum(1.0, np.ceil(share / MOST_USE - ROUNDING))
        counts, most = np.array(self.curve.replicas, dtype=float), np.array(self.curve.max_load)
        at = np.searchsorted(most * (1 + ROUNDING), share)
        beyond = np.ceil(share * counts[-1] / most[-1] - ROUNDING)
        return np.where(at < len(counts), counts[np.minimum(at, len(counts) - 1)], beyond)

    def nodes(self, load: Array, factor: float = 1.0) -> Array:
        """Whole nodes under those replicas."""
        replicas = self.replicas(load, factor)
        if self.point.nodes_per_replica > 1:
            return replicas * self.point.nodes_per_replica
        return np.ceil(replicas / self.replicas_per_node - ROUNDING)

    def capacity_per_s(self, nodes: Array) -> Array:
        """Most load that so many nodes carry [requests/s]; needs a curve."""
        assert self.curve is not None
        held = self.held_replicas(nodes)
        counts, most = self.curve.replicas, np.array(self.curve.max_load)
        inside = most[np.clip(held.astype(int) - counts[0], 0, len(counts) - 1)]
        share = np.where(held <= counts[-1], inside, held * most[-1] / counts[-1])
        return np.where(held < counts[0], 0.0, share) * self.point.capacity_per_s

    def held_replicas(self, nodes: Array) -> Array:
        """Replicas that so many nodes can hold."""
        each = self.point.nodes_per_replica
        return np.floor(nodes / each) if each > 1 else nodes * self.replicas_per_node


@dataclass(frozen=True, eq=False)
class Option:
    """One way with nodes: `nodes x node_usd + load x load_usd + base_usd` a month, by cost line."""

    kind: WayKind
    id: str
    fleet: Fleet
    node_usd: Mapping[str, float]
    load_usd: Mapping[str, float]
    base_usd: Mapping[str, float]
    node_low_usd: float
    node_high_usd: float
    """The node lines together, at the low and the high end of the stated price."""
    offer: CloudOffer | None = None
    server: Server | None = None
    price: ServerPrice | None = None
    usd_of_price: float = 0.0
    """Dollars a month and node for each dollar of the server's price."""

    @property
    def exact(self) -> bool:
        """Whether the staffing curve is known; otherwise its costs are what it costs at least."""
        return self.fleet.curve is not None

    def usd(self, load: Array) -> Array:
        """Dollars a month at loads [requests/s], at the middle of price and capacity."""
        fixed, moving, base = (sum(part.values()) for part in (self.node_usd, self.load_usd, self.base_usd))
        return self.fleet.nodes(load) * fixed + load * moving + base

    def band_usd(self, load: float) -> tuple[float, float]:
        """Dollars a month at the ends: low price and fast engine, high price and slow engine."""
        point = self.fleet.point
        ends = ((self.node_low_usd, point.error_high_factor), (self.node_high_usd, point.error_low_factor))
        low, high = (self._usd_at(load, node, factor) for node, factor in ends)
        return low, high

    def _usd_at(self, load: float, node_usd: float, factor: float) -> float:
        nodes = float(self.fleet.nodes(np.array(load), factor))
        return nodes * node_usd + load * sum(self.load_usd.values()) / factor + sum(self.base_usd.values())

    def lines_usd(self, load: float) -> dict[str, float]:
        """The month by cost line."""
        nodes = float(self.fleet.nodes(np.array(load)))
        lines = {name: nodes * usd for name, usd in self.node_usd.items()}
        for name, usd in self.load_usd.items():
            lines[name] = lines.get(name, 0.0) + load * usd
        return lines | dict(self.base_usd)

    def price_that_costs(self, load: float, usd: float, factor: float = 1.0) -> float:
        """Price of a server at which this way costs so much a month [USD]; below 0: not even a gift would do."""
        assert self.price is not None
        nodes = float(self.fleet.nodes(np.array(load), factor))
        mine = self._usd_at(load, sum(self.node_usd.values()), factor)
        return self.price.usd + (usd - mine) / (nodes * self.usd_of_price)

    def with_curve(self, curve: StaffingCurve) -> Option:
        """The same way, exact."""
        return replace(self, fleet=replace(self.fleet, curve=curve))


@dataclass(frozen=True, slots=True)
class Ground:
    """Where own servers stand: tariff in force and its mean price, overheads, housing."""

    tariff: Tariff
    energy_usd_per_kwh: float
    costs: OwnCosts

    @property
    def peak_usd_per_kw_month(self) -> float:
        """Demand charge for one kW of IT peak."""
        housing = self.costs.housing
        return housing.pue * housing.intra_bucket_peak_factor * self.tariff.demand_charge_usd_per_kw_month


def mean_energy_usd_per_kwh(tariff: Tariff) -> float:
    """Mean over all hours of the year, seven days a week, levies included."""
    prices = [
        (count, tariff.price_usd_per_kwh(month, day, hour))
        for month in range(1, 13)
        for day, count in DAYS_OF_WEEK.items()
        for hour in range(24)
    ]
    return sum(count * price for count, price in prices) / sum(count for count, _ in prices)


def own_option(point: OperatingPoint, server: Server, price: ServerPrice, ground: Ground, terms: Terms) -> Option:
    """Own nodes of a server: annuity, upkeep, space, energy by mean load and demand charge by peak load."""
    assert server.idle_power_kw is not None  # operating points need both
    assert server.max_power_kw is not None
    over, annuity = ground.costs.overheads, terms.monthly_annuity
    network = 0.0 if price.scope == "rack+network" else over.network_share
    idle = _power_usd(server.idle_power_kw, 1.0, ground, terms)
    of_price = annuity * (1 + network + over.spares_share) + over.maintenance_per_year_rate / 12
    node = {
        "hardware": price.usd * annuity,
        "network": price.usd * network * annuity,
        "storage": over.storage_usd_per_node * annuity,
        "spares": price.usd * over.spares_share * annuity,
        "maintenance": price.usd * over.maintenance_per_year_rate / 12,
        "software": over.software_usd_per_gpu_year * server.accelerators_count / 12,
        "space": ground.costs.housing.space_usd_per_kw_month * server.max_power_kw,
        **idle,
    }
    whole = sum(node.values())
    return Option(
        kind="own",
        id=server.id,
        fleet=Fleet(point, max(1, server.accelerators_count // point.slots_per_replica)),
        node_usd=node,
        load_usd=_power_usd(point.dynamic_kw / point.capacity_per_s, terms.load_factor, ground, terms),
        base_usd={"staff": terms.staff_usd_per_month},
        node_low_usd=whole + (price.usd_low - price.usd) * of_price,
        node_high_usd=whole + (price.usd_high - price.usd) * of_price,
        server=server,
        price=price,
        usd_of_price=of_price,
    )


def _power_usd(kw: float, mean_share: float, ground: Ground, terms: Terms) -> dict[str, float]:
    """Energy and demand charge a month for so many kW of IT at the peak, of which a share on average."""
    kwh = ground.costs.housing.pue * kw * mean_share * terms.hours_per_month
    return {"energy": kwh * ground.energy_usd_per_kwh, "demand_charge": kw * ground.peak_usd_per_kw_month}


def rent_option(point: OperatingPoint, offer: CloudOffer, terms: Terms) -> Option | None:
    """Rented instances; None where a replica does not fit one (or does not fill whole ones)."""
    whole = point.nodes_per_replica == 1 or point.slots_per_replica == offer.accelerators_count
    if point.slots_per_replica > offer.accelerators_count or not whole:
        return None
    hours = terms.hours_per_month if offer.term == "on-demand" else terms.held_hours_per_month
    usd = offer.price_usd_per_hour * hours
    each = offer.accelerators_count // point.slots_per_replica
    return Option("rent", offer.id, Fleet(point, each), {"rent": usd}, {}, {}, usd, usd, offer=offer)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one provider: proportional to what is used."""

    offer: TokenOffer
    usd_per_load: float
    """Dollars a month for one request per second of peak load."""

    def usd(self, load: Array) -> Array:
        """Dollars a month at loads [requests/s]."""
        return load * self.usd_per_load


def tokens_option(offer: TokenOffer, terms: Terms) -> Tokens:
    """List price of the mean request, as often as the month has requests."""
    price = offer.price
    request = terms.prompt_tokens * price.input_usd_per_mtok + terms.output_tokens * price.output_usd_per_mtok
    return Tokens(offer, request / 1e6 * terms.requests_per_month)


def rental_servers(catalog: Catalog, offers: Iterable[CloudOffer]) -> dict[str, Server | None]:
    """The catalogue's server with the accelerator of each offer, whose speed it lends; None where it has none."""
    known = {server.accelerator: server for server in reversed(catalog.servers.rows) if server.accelerator}
    return {offer.accelerator: known.get(offer.accelerator) for offer in offers}


def own_servers(catalog: Catalog) -> list[tuple[Server, ServerPrice | None]]:
    """Servers with accelerators, and what one costs: by the catalogue, built from parts, or not known."""
    return [(server, server_price(server)) for server in catalog.servers.rows if server.accelerator]
