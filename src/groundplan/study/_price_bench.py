"""Operating points and staffing curves of the ways, simulated only where they may decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from groundplan.catalog import Catalog, Server
from groundplan.errors import Issue
from groundplan.kernel import StaffingCurve
from groundplan.perf import OperatingPoint, Points, StaffingCache, operating_points, staffing
from groundplan.spec import LlmWorkload
from groundplan.study._price_ways import Ground, Option, Terms, own_option, own_servers, rent_option, rental_servers

CURVE_LOAD = 12.0
"""Load, in replicas, that every curve reaches (pools up to 16; beyond them their utilisation holds, which is safe): the
same for every question, so that a larger load never needs fewer nodes."""
LOADS = np.geomspace(0.01, 100.0, 81)
"""Multiples of the asked load at which the ways of a break-even are picked."""
RELAXED = 1e4
TOLD = 3


@dataclass
class SpeedCache:
    """Speeds already worked out: serves one model, its lengths and levels, and one catalogue, at any load and price."""

    points: dict[str, Points] = field(default_factory=dict)
    staffing: StaffingCache = field(default_factory=StaffingCache)


class Bench:
    """One workload on every server of the catalogue. Curves are simulated on demand and kept in the cache."""

    def __init__(
        self, workload: LlmWorkload, catalog: Catalog, terms: Terms, network_ms: float, cache: SpeedCache
    ) -> None:
        self.workload, self.catalog, self.terms = workload, catalog, terms
        self.network_ms, self.cache = network_ms, cache
        self._curves: dict[str, StaffingCurve | str] = {}

    @property
    def points(self) -> dict[str, Points]:
        """Operating points of each server with accelerators, by its id."""
        if not self.cache.points:
            made = {server.id: operating_points(self.workload, server, self.catalog) for server in self._servers()}
            self.cache.points.update(made)
        return self.cache.points

    def _servers(self) -> list[Server]:
        return [server for server in self.catalog.servers.rows if server.accelerator]

    def owned(self, ground: Ground) -> list[Option]:
        """Every way to own, one an operating point."""
        return [
            own_option(point, server, price, ground, self.terms)
            for server, price in own_servers(self.catalog)
            if price is not None
            for point in self.points[server.id].points
        ]

    def rented(self) -> list[Option]:
        """Every way to rent: offers that can be taken away at any time (spot) promise no service level."""
        offers = [offer for offer in self.catalog.cloud_offers if offer.term != "spot"]
        servers = rental_servers(self.catalog, offers)
        made = (
            rent_option(point, offer, self.terms)
            for offer in offers
            if (server := servers[offer.accelerator]) is not None
            for point in self.points[server.id].points
        )
        return [option for option in made if option is not None]

    def curve(self, point: OperatingPoint) -> StaffingCurve | str:
        """The staffing curve, or why there is none."""
        if point.id not in self._curves:
            made = staffing(self.workload, point, self.network_ms, CURVE_LOAD, self.cache.staffing)
            self._curves[point.id] = made if isinstance(made, StaffingCurve) else made.why
        return self._curves[point.id]

    def exact(self, option: Option) -> Option | None:
        """The way with its curve; None where no pool meets the level."""
        curve = self.curve(option.fleet.point)
        return option.with_curve(curve) if isinstance(curve, StaffingCurve) else None

    def known(self, options: Iterable[Option]) -> list[Option]:
        """The ways as far as curves are known by now, without those that were refused."""
        made = (self.exact(o) if o.fleet.point.id in self._curves else o for o in options)
        return [option for option in made if option is not None]

    def cheapest(self, options: Sequence[Option]) -> Option | None:
        """The cheapest way at the asked load. Only ways whose least cost is below the best so far are simulated."""
        best: Option | None = None
        load = self.terms.load_per_s
        for option in sorted(self.known(options), key=lambda o: (usd_at(o, load), o.id)):
            if best is not None and usd_at(option, load) >= usd_at(best, load):
                break
            found = self.exact(option)
            if found is not None and (best is None or usd_at(found, load) < usd_at(best, load)):
                best = found
        return best

    def envelope(self, options: Sequence[Option]) -> list[Option]:
        """Exact ways of which one is the cheapest at each of `LOADS`: whatever might undercut them is made exact."""
        known, loads = self.known(options), LOADS * self.terms.load_per_s
        if not known:
            return []
        least = np.array([option.usd(loads) for option in known])
        found: list[Option | None] = []
        open_ways, lowest = set(range(len(known))), np.full(len(loads), np.inf)
        while leading := {int(i) for i in np.argmin(least, axis=0) if i in open_ways and (least[i] < lowest).any()}:
            open_ways -= leading
            made = [self.exact(known[index]) for index in sorted(leading)]
            found += made
            lowest = np.min([lowest, *(option.usd(loads) for option in made if option is not None)], axis=0)
            least[sorted(leading)] = np.inf
        best = self.cheapest(options)
        exact = {(o.id, o.fleet.point.id): o for o in (*found, best) if o is not None}
        return list(exact.values())

    def refusals(self) -> Iterator[tuple[str, str]]:
        """(server, why) of what does not serve the model at the level."""
        for server, found in self.points.items():
            whys = [self._curves.get(point.id) for point in found.points]
            if all(isinstance(why, str) for why in whys):
                yield server, next((str(why) for why in whys), "; ".join(r.why for r in found.refusals))

    def unpriced(self) -> Iterator[tuple[str, str]]:
        """(what, why) of servers that serve the model but have no price, and of parts that no server holds."""
        for server, price in own_servers(self.catalog):
            if price is None and self.points[server.id].points:
                yield f"own {server.id}", "its price is blank in the catalogue"
        for part, server in rental_servers(self.catalog, self.catalog.cloud_offers).items():
            if server is None:
                yield f"rent {part}", "no server of the catalogue holds it, so its speed is not known"

    def nearest(self) -> list[Issue]:
        """Why nothing serves the model, and the levels that an idle replica would reach."""
        level = self.workload.service_level
        eased = level.model_copy(update={"ttft_ms": level.ttft_ms * RELAXED, "tpot_ms": level.tpot_ms * RELAXED})
        easy = self.workload.model_copy(update={"service_level": eased})
        found = [p for server in self._servers() for p in operating_points(easy, server, self.catalog).points]
        if not found:
            whys: dict[str, list[str]] = {}
            for server, why in self.refusals():
                whys.setdefault(why, []).append(server)
            return [Issue("no-server", f"{self.workload.model} on {', '.join(on)}", why) for why, on in whys.items()]

        def strain(point: OperatingPoint) -> float:
            ttft, tpot = point.latency_ms["ttft"] + self.network_ms, point.latency_ms["tpot"]
            return max(ttft / level.ttft_ms, tpot / level.tpot_ms)

        what = f"no server meets TTFT {level.ttft_ms:g} ms and TPOT {level.tpot_ms:g} ms at {level.percentile:.1%}"
        near = sorted(found, key=lambda point: (strain(point), point.id))[:TOLD]
        said = ", ".join(
            f"{p.server} (TTFT {p.latency_ms['ttft'] + self.network_ms:.0f}, TPOT {p.latency_ms['tpot']:.1f} ms)"
            for p in near
        )
        return [Issue("latency", self.workload.model, what, f"nearest, one replica all but idle: {said}")]


def usd_at(option: Option, load: float) -> float:
    """Dollars a month at one load."""
    return float(option.usd(np.array(load)))
