"""Levers: the prices that decide whether one kind of ground wins, moved together by one factor."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from groundplan.catalog import Catalog, token_price
from groundplan.problem import Problem
from groundplan.spec import Factory, LoadedSpec, RentalOffer, Source, TokenOffer
from groundplan.study._types import Priced
from groundplan.study._ways import TOKENS, Way

Reprice = Callable[[Factory, float], Factory]


@dataclass(frozen=True, slots=True)
class Lever:
    """Some prices of a factory file, and how to scale them."""

    words: str
    prices: tuple[Priced, ...]
    reprice: Reprice

    def at(self, loaded: LoadedSpec, factor: float) -> LoadedSpec:
        """The file as it would be at `factor` times today's prices; its hash says that it is another file."""
        mark = hashlib.sha256(f"{loaded.spec_hash} {self.words} {factor!r}".encode()).hexdigest()
        return replace(loaded, factory=self.reprice(loaded.factory, factor), spec_hash=mark)


def lever_of(problem: Problem, catalog: Catalog, way: Way) -> Lever | None:
    """What one would bargain about to make a way win; None where the file prices nothing of it."""
    if way.id == "colocation":
        found = _space(problem, way)
    elif way.id == "on-premise":
        found = _hardware(problem, catalog, way)
    elif way.id == TOKENS:
        found = _tokens(problem, way)
    else:
        found = _rentals(problem, catalog, way)
    return found if found.prices else None


def _hardware(problem: Problem, catalog: Catalog, way: Way) -> Lever:
    tiers = {site.id: site.tier for site in problem.factory.sites}
    offers = [o for o in problem.factory.purchases if any(tiers[site] in way.tiers for site in o.sites)]
    names = {offer.id for offer in offers}
    prices = [
        Priced(
            offer=offer.id,
            what=catalog.server(offer.server).name,
            price_usd=offer.price_usd,
            unit="node",
            kind=offer.source.kind,
            who=offer.source.who,
        )
        for offer in offers
    ]

    def reprice(factory: Factory, factor: float) -> Factory:
        scaled = tuple(
            o.model_copy(update={"price_usd": o.price_usd * factor}) if o.id in names else o for o in factory.purchases
        )
        return factory.model_copy(update={"purchases": scaled})

    return Lever("prices of hardware", tuple(prices), reprice)


def _space(problem: Problem, way: Way) -> Lever:
    there = [s for s in problem.factory.sites if s.tier in way.tiers and s.hosting and s.hosting.space_usd_per_kw_month]
    names = {site.id for site in there}
    prices = [
        Priced(
            offer=site.id,
            what=f"space at {site.title}",
            price_usd=site.hosting.space_usd_per_kw_month,
            unit="kW-month",
            kind="assumed",
            who="stated by the factory file, which names no source for it",
        )
        for site in there
        if site.hosting
    ]

    def reprice(factory: Factory, factor: float) -> Factory:
        sites = []
        for site in factory.sites:
            if site.id in names and site.hosting:
                space = {"space_usd_per_kw_month": site.hosting.space_usd_per_kw_month * factor}
                site = site.model_copy(update={"hosting": site.hosting.model_copy(update=space)})
            sites.append(site)
        return factory.model_copy(update={"sites": tuple(sites)})

    return Lever("the price of colocation space", tuple(prices), reprice)


def _rentals(problem: Problem, catalog: Catalog, way: Way) -> Lever:
    rentals = [r for pool in problem.pools if pool.site.tier in way.tiers for r in pool.rentals]
    today = {rental.offer.id: rental.usd_per_node_hour for rental in rentals}
    prices = []
    for rental in rentals:
        source = _rental_source(rental.offer, catalog)
        priced = Priced(
            offer=rental.offer.id,
            what=f"{catalog.server(rental.offer.server).name}, {rental.offer.term}",
            price_usd=rental.usd_per_node_hour,
            unit="node-hour",
            kind=source.kind,
            who=source.who,
        )
        prices.append(priced)

    def reprice(factory: Factory, factor: float) -> Factory:
        scaled = []
        for offer in factory.rentals:
            if offer.id in today:
                price = {"price_usd_per_node_hour": today[offer.id] * factor, "cloud_offer": None}
                offer = offer.model_copy(update={**price, "source": _rental_source(offer, catalog)})
            scaled.append(offer)
        return factory.model_copy(update={"rentals": tuple(scaled)})

    kind = "sovereign cloud" if way.id == "sovereign-cloud" else "public cloud"
    return Lever(f"prices of {kind} nodes", tuple(prices), reprice)


def _rental_source(offer: RentalOffer, catalog: Catalog) -> Source:
    return offer.source or catalog.offers[offer.cloud_offer or ""].source


def _tokens(problem: Problem, way: Way) -> Lever:
    factory = problem.factory
    today = {offer.id: _token_prices(factory, offer) for offer in factory.token_offers}
    prices = [
        Priced(
            offer=offer.id,
            what=f"{offer.provider_model or offer.id}, input tokens",
            price_usd=today[offer.id][0],
            unit="million tokens",
            kind="vendor" if offer.provider else offer.source.kind,
            who=f"list price of {offer.provider}" if offer.provider else offer.source.who,
        )
        for offer in factory.token_offers
    ]

    def reprice(factory: Factory, factor: float) -> Factory:
        scaled = []
        for offer in factory.token_offers:
            both = [price * factor for price in today[offer.id]]
            typed: dict[str, float | None] = {"input_usd_per_mtok": both[0], "output_usd_per_mtok": both[1]}
            scaled.append(offer.model_copy(update={**typed, "provider": None, "provider_model": None}))
        return factory.model_copy(update={"token_offers": tuple(scaled)})

    return Lever("prices of tokens", tuple(prices), reprice)


def _token_prices(factory: Factory, offer: TokenOffer) -> tuple[float, float]:
    if offer.input_usd_per_mtok is not None and offer.output_usd_per_mtok is not None:
        return offer.input_usd_per_mtok, offer.output_usd_per_mtok
    day = date(int(factory.start[:4]), int(factory.start[5:]), 1)
    listed = token_price(offer.provider or "", offer.provider_model or "", on=day)
    return listed.input_usd_per_mtok, listed.output_usd_per_mtok
