"""Checks of ground, offers and money, and of what nothing uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import ceil

from groundplan.spec._check_time import plan_months
from groundplan.spec._document import Path
from groundplan.spec._factory import Factory
from groundplan.spec._faults import Fault, repeated
from groundplan.spec._place import Site
from groundplan.spec._work import AnyWorkload, LlmWorkload, Served

RENTED_TIERS: frozenset[str] = frozenset({"colocation", "sovereign-cloud", "public-cloud"})


def _sites(factory: Factory) -> dict[str, Site]:
    return {site.id: site for site in factory.sites}


def site_tiers(factory: Factory) -> Iterator[Fault]:
    """Clouds and token APIs have no hosting."""
    for index, site in enumerate(factory.sites):
        if site.hosting and site.tier in ("sovereign-cloud", "public-cloud", "token-api"):
            what = f"site {site.id!r} of tier {site.tier} has hosting, but nothing of your own can stand there"
            yield Fault(("sites", index, "hosting"), "wrong-tier", what, "remove hosting, or use tier colocation")


def link_targets(factory: Factory) -> Iterator[Fault]:
    """Links lead to sites where something can run, one for each pair."""
    serving = _serving_sites(factory)
    for index, link in enumerate(factory.links):
        if link.site not in serving:
            what = f"link to {link.site!r}, where nothing can run: it has no hosting, rental or token offer"
            yield Fault(("links", index, "site"), "no-effect", what, "give the site one, or remove the link")
    pairs = Counter((link.origin, link.site) for link in factory.links)
    for index, link in enumerate(factory.links):
        if pairs[link.origin, link.site] > 1:
            what = f"{pairs[link.origin, link.site]} links from {link.origin!r} to {link.site!r}"
            yield Fault(("links", index), "duplicate-id", what, "state one link for each way")


def _serving_sites(factory: Factory) -> set[str]:
    hosting = {site.id for site in factory.sites if site.hosting}
    return hosting | {offer.site for offer in (*factory.rentals, *factory.token_offers)}


def purchase_offers(factory: Factory) -> Iterator[Fault]:
    """One offer for each server and site, and only where there is hosting."""
    sites, seen = _sites(factory), set()
    for index, offer in enumerate(factory.purchases):
        at: Path = ("purchases", index, "sites")
        for number, name in enumerate(offer.sites):
            if (offer.server, name) in seen:
                what = f"a second offer of {offer.server!r} at {name!r}"
                yield Fault((*at, number), "duplicate-id", what, "keep one offer for each server and site")
            seen.add((offer.server, name))
            if name in sites and not sites[name].hosting:
                what = f"nodes cannot be bought for {name!r}, which has no hosting"
                yield Fault((*at, number), "wrong-tier", what, "describe hosting there, or rent")


def rental_offers(factory: Factory) -> Iterator[Fault]:
    """Rentals stand at rented tiers, one for each site, server and term, within the plan."""
    sites, seen = _sites(factory), set()
    for index, offer in enumerate(factory.rentals):
        at: Path = ("rentals", index)
        if offer.site in sites and sites[offer.site].tier not in RENTED_TIERS:
            what = f"rental at {offer.site!r} of tier {sites[offer.site].tier}"
            hint = f"rent at one of {', '.join(sorted(RENTED_TIERS))}"
            yield Fault((*at, "site"), "wrong-tier", what, hint)
        if (offer.site, offer.server, offer.term) in seen:
            what = f"a second {offer.term} rental of {offer.server!r} at {offer.site!r}"
            yield Fault(at, "duplicate-id", what, "keep one rental for each site, server and term")
        seen.add((offer.site, offer.server, offer.term))
        term_months = {"on-demand": 0, "1y": 12, "3y": 36}[offer.term]
        if term_months > plan_months(factory):
            what = f"term {offer.term} is longer than the plan of {plan_months(factory)} months"
            yield Fault((*at, "term"), "no-effect", what, "it could never be signed: remove it, or lengthen periods")


def token_offers(factory: Factory) -> Iterator[Fault]:
    """Token offers stand at token APIs and serve llm workloads that can reach them."""
    sites = _sites(factory)
    kinds = {workload.id: workload for workload in factory.workloads}
    for index, offer in enumerate(factory.token_offers):
        at: Path = ("token_offers", index)
        if offer.site in sites and sites[offer.site].tier != "token-api":
            what = f"token offer at {offer.site!r} of tier {sites[offer.site].tier}"
            yield Fault((*at, "site"), "wrong-tier", what, "give it a site of tier token-api")
        for number, name in enumerate(offer.workloads):
            if name in kinds and not isinstance(kinds[name], LlmWorkload):
                what = f"token offer for {name!r}, a workload of kind {kinds[name].kind}"
                yield Fault((*at, "workloads", number), "wrong-kind", what, "only llm workloads are served by tokens")
            elif name in kinds and not _reachable(factory, kinds[name], offer.site):
                what = f"no link leads from where {name!r} arises to {offer.site!r}"
                yield Fault((*at, "workloads", number), "missing-link", what, "add the link, or drop the workload here")


def _reachable(factory: Factory, workload: AnyWorkload, site: str) -> bool:
    origins = {demand.origin for demand in workload.demand}
    return site in origins or any(link.site == site and link.origin in origins for link in factory.links)


def existing_sites(factory: Factory) -> Iterator[Fault]:
    """Nodes of one's own stand where there is hosting."""
    sites = _sites(factory)
    for index, estate in enumerate(factory.existing):
        if estate.site in sites and not sites[estate.site].hosting:
            what = f"nodes of your own stand at {estate.site!r}, which has no hosting"
            yield Fault(("existing", index, "site"), "wrong-tier", what, "describe hosting of that site")


def moves(factory: Factory) -> Iterator[Fault]:
    """Nodes move to another site that can take them, stated once."""
    sites = _sites(factory)
    for index, estate in enumerate(factory.existing):
        at: Path = ("existing", index, "moves")
        yield from repeated(at, [move.to for move in estate.moves])
        for number, move in enumerate(estate.moves):
            if move.to == estate.site:
                what = f"nodes of {estate.id!r} stand at {move.to!r} already"
                yield Fault((*at, number, "to"), "no-effect", what, "name another site, or remove the move")
            elif move.to in sites and not sites[move.to].hosting:
                what = f"nodes cannot be moved to {move.to!r}, which has no hosting"
                yield Fault((*at, number, "to"), "wrong-tier", what, "describe hosting of that site, or name another")


def openings(factory: Factory) -> Iterator[Fault]:
    """A site is opened once: it states the cost, or has nodes already."""
    filled = {estate.site for estate in factory.existing}
    for index, site in enumerate(factory.sites):
        at: Path = ("sites", index, "hosting")
        if site.hosting and site.id in filled and site.hosting.opening_usd > 0:
            what = f"opening_usd {site.hosting.opening_usd:g} of {site.id!r} would never be paid"
            hint = "a site with existing hardware is open already: remove opening_usd"
            yield Fault((*at, "opening_usd"), "no-effect", what, hint)
        elif site.hosting and site.id not in filled and "opening_usd" not in site.hosting.model_fields_set:
            what = f"missing key sites[{site.id}].hosting.opening_usd"
            hint = "what it costs once to open the site, in US dollars; 0 where it costs nothing"
            yield Fault(at, "missing-key", what, hint)


def contracts(factory: Factory) -> Iterator[Fault]:
    """The billed minimum of a power contract lies within the power that the site can have."""
    for index, site in enumerate(factory.sites):
        if not site.hosting:
            continue
        most_kw = site.hosting.usable_kw + sum(block.usable_kw * block.max_count for block in site.hosting.blocks)
        if site.hosting.contract_minimum_kw > most_kw:
            what = f"contract_minimum_kw {site.hosting.contract_minimum_kw:g} of {site.id!r} is above its usable power"
            hint = f"at most {most_kw:g} kW are usable there, all power blocks included"
            yield Fault(("sites", index, "hosting", "contract_minimum_kw"), "inconsistent", what, hint)


def floors(factory: Factory) -> Iterator[Fault]:
    """On-premise floors ask for something, of workloads that answer requests."""
    served = {workload.id: isinstance(workload, Served) for workload in factory.workloads}
    for index, floor in enumerate(factory.on_premise_floors):
        at: Path = ("on_premise_floors", index)
        if floor.min_share == 0:
            yield Fault((*at, "min_share"), "no-effect", "min_share 0 asks for nothing", "remove the floor")
        for number, name in enumerate(floor.workloads):
            if not served.get(name, True):
                what = f"on_premise_floors names {name!r}, which answers no requests"
                hint = "name workloads of kind llm, control, vision or stream"
                yield Fault((*at, "workloads", number), "wrong-kind", what, hint)


# --- money --------------------------------------------------------------------------------------------------


def budgets(factory: Factory) -> Iterator[Fault]:
    """No more yearly caps than plan years."""
    years = ceil(plan_months(factory) / 12)
    for key in sorted(factory.budgets.model_fields_set):
        given = len(getattr(factory.budgets, key))
        if given > years:
            what = f"budgets.{key} has {given} years, but the plan has {years}"
            yield Fault(("budgets", key), "no-effect", what, f"give at most {years} figures")


def currencies(factory: Factory) -> Iterator[Fault]:
    """The report currency has an exchange rate, and no currency has two."""
    money = factory.money
    known = [rate.currency for rate in money.exchange_rates]
    yield from repeated(("money", "exchange_rates"), known)
    if money.report_currency != "USD" and money.report_currency not in known:
        what = f"no exchange rate for report_currency {money.report_currency!r}"
        hint = f"add {money.report_currency} to money.exchange_rates, or report in USD"
        yield Fault(("money", "report_currency"), "missing-rate", what, hint)
    for index, rate in enumerate(money.exchange_rates):
        if rate.currency == "USD":
            what = "an exchange rate of USD to itself"
            yield Fault(("money", "exchange_rates", index), "no-effect", what, "remove it")


# --- things that nothing uses -------------------------------------------------------------------------------


def unused(factory: Factory) -> Iterator[Fault]:
    """Zones, profiles, data classes, models and links are used by some demand."""
    origins = {demand.origin for workload in factory.workloads for demand in workload.demand}
    used_profiles = {d.profile for w in factory.workloads if isinstance(w, Served) for d in w.demand}
    used_classes = {name for workload in factory.workloads for name in workload.data_classes}
    hint = "remove it, or use it"
    for index, zone in enumerate(factory.zones):
        if zone.id not in origins:
            what = f"no demand arises in zone {zone.id!r}"
            yield Fault(("zones", index), "unused", what, hint)
    for index, profile in enumerate(factory.profiles):
        if profile.id not in used_profiles:
            yield Fault(("profiles", index), "unused", f"no demand uses profile {profile.id!r}", hint)
    for index, data_class in enumerate(factory.data_classes):
        if data_class.id not in used_classes:
            what = f"no workload has data of class {data_class.id!r}"
            yield Fault(("data_classes", index), "unused", what, hint)
    named = {getattr(workload, "model", "") for workload in factory.workloads}
    for index, model in enumerate(factory.models):
        if model.id not in named:
            yield Fault(("models", index), "unused", f"no workload runs model {model.id!r}", hint)
    for index, link in enumerate(factory.links):
        if link.origin not in origins:
            what = f"link from {link.origin!r}, where no demand arises"
            yield Fault(("links", index, "origin"), "unused", what, hint)


def unused_sites(factory: Factory) -> Iterator[Fault]:
    """A site must have demand, or something that can run there."""
    origins = {demand.origin for workload in factory.workloads for demand in workload.demand}
    serving = _serving_sites(factory)
    filled = {name for offer in factory.purchases for name in offer.sites} | {e.site for e in factory.existing}
    filled |= {offer.site for offer in (*factory.rentals, *factory.token_offers)}
    filled |= {move.to for estate in factory.existing for move in estate.moves}
    for index, site in enumerate(factory.sites):
        if site.id not in origins and site.id not in serving:
            what = f"site {site.id!r} has neither demand nor hosting, rental or token offer"
            yield Fault(("sites", index), "unused", what, "remove it, or say what can run there")
        elif site.hosting and site.id not in filled:
            what = f"site {site.id!r} has hosting, but no offer sells nodes there and none stand there"
            yield Fault(("sites", index, "hosting"), "unused", what, "add an offer, or remove hosting")


def unused_rules(factory: Factory) -> Iterator[Fault]:
    """Rules speak of a data class of the file."""
    for index, rule in enumerate(factory.rules):
        if not any(
            set(rule.when.labels) & set(data_class.labels) and rule.when.law_of in (None, data_class.law_of)
            for data_class in factory.data_classes
        ):
            what = f"rule {rule.id!r} speaks of no data class of this file"
            yield Fault(("rules", index, "when"), "unused", what, "label a data class with it, or remove the rule")


def ways_to_serve(factory: Factory) -> Iterator[Fault]:
    """Each demand can reach a site where something runs; two of them where one may be lost."""
    serving, linked = _serving_sites(factory), {(link.origin, link.site) for link in factory.links}
    for index, workload in enumerate(factory.workloads):
        for number, demand in enumerate(workload.demand):
            at = ("workloads", index, "demand", number, "origin")
            ways = [site for site in serving if site == demand.origin or (demand.origin, site) in linked]
            what = f"demand of {workload.id!r} arises in {demand.origin!r}, "
            if not ways:
                what += "which has nothing that can serve it and no link to a site that has"
                yield Fault(at, "missing-link", what, "add a link from there to a site")
            elif len(ways) == 1 and workload.survives == "site":
                what += f"which reaches {ways[0]!r} only, so it cannot survive the loss of a site"
                yield Fault(at, "missing-link", what, "add a link to a second site, or set survives: node")
