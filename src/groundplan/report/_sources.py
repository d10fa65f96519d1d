"""Assumptions: every price with its scope and source, the conventions, and how the catalogue knows what it knows."""

from __future__ import annotations

from collections.abc import Iterator

from groundplan.catalog import rules_as_of
from groundplan.report._equipped import source_words
from groundplan.report._facts import Facts
from groundplan.report._html import Html, Table, details, join, listing, table, tag
from groundplan.report._measured import measured
from groundplan.report._priced import rental_price, token_prices
from groundplan.report._stated import latency, search, stated
from groundplan.report._words import count, figure, fixed, month_name, percent, whole
from groundplan.spec import Source, TokenOffer

HEADS = ("Offer", "What", "Price", "Scope", "Kind", "Who says so")
Priced = tuple[str, str, str, str, Source]
"""Offer, what, price in words, scope, source."""


def assumptions(facts: Facts) -> tuple[str, Html]:
    """Title and body."""
    parts = [
        prices_table(facts).html(),
        conventions_table(facts).html(),
        measured(facts),
        details("Show the sites as the file states them", _sites(facts)),
        stated(facts),
        _catalogue(facts),
    ]
    return prices_title(facts), join(parts)


def prices_title(facts: Facts) -> str:
    """How many prices rest on assumptions."""
    offers = list(_offers(facts))
    assumed = sum(source.kind == "assumed" for *_, source in offers)
    if not assumed:
        return "No price rests on an assumption"
    return f"{assumed} of {count(len(offers), 'price')} rest on assumptions"


def prices_table(facts: Facts) -> Table:
    """Every price with its scope and source."""
    rows = [
        [offer, what, price, scope, source_words(source), _who(source)]
        for offer, what, price, scope, source in _offers(facts)
    ]
    return Table("Prices as the file states them, in USD", HEADS, rows)


def _who(source: Source) -> Html:
    day = f", {source.dated}" if source.dated else ", undated"
    note = [tag("br"), tag("small", source.note)] if source.note else []
    return tag("span", source.who, day, *note)


def _graded(source: Source) -> Html:
    return join([_who(source), tag("br"), source_words(source)])


def _offers(facts: Facts) -> Iterator[Priced]:
    for offer in facts.factory.purchases:
        change = offer.price_change_per_year_rate
        price = f"{whole(offer.price_usd)} a node" + (
            f", {'+' if change > 0 else ''}{percent(change)} a year" if change else ""
        )
        yield (
            offer.id,
            f"{facts.server(offer.server).name}, lead {count(offer.lead_months, 'month')}",
            price,
            offer.price_scope,
            offer.source,
        )
    for rental in facts.factory.rentals:
        hourly, source = rental_price(facts, rental)
        what = f"{facts.server(rental.server).name}, {rental.term}, up to {whole(rental.quota_nodes)} nodes"
        yield rental.id, what, f"{fixed(hourly, 2)} a node and hour", "node", source
    for tokens in facts.factory.token_offers:
        yield _token_row(facts, tokens)


def _token_row(facts: Facts, offer: TokenOffer) -> Priced:
    usd_in, usd_out, source = token_prices(facts, offer)
    said = f"{fixed(usd_in, 2)} in, {fixed(usd_out, 2)} out, a million tokens"
    what = offer.provider_model or ", ".join(offer.workloads)
    quoted = (
        f"TTFT {offer.ttft_ms:g} ms, TPOT {offer.tpot_ms:g} ms, up to {offer.quota_requests_per_s:g} requests a second"
    )
    return offer.id, f"{what}, {quoted}", said, "tokens", source


def conventions_table(facts: Facts) -> Table:
    """What the figures mean."""
    money, factory = facts.factory.money, facts.factory
    overheads = money.overheads
    rows: list[list[object]] = [
        ["Discount rate (nominal WACC)", f"{percent(money.discount_rate, 1)} a year, each period at its middle"],
        ["Hours in a year", whole(money.hours_per_year)],
        ["Energy price change", f"{percent(money.energy_price_change_per_year_rate, 1)} a year"],
        ["Network, of the node price", f"{percent(overheads.network_share)} where the price scope is node or rack"],
        ["Storage", f"USD {whole(overheads.storage_usd_per_node)} a node"],
        ["Spares", f"{percent(overheads.spares_share, 1)} of the node price"],
        ["Maintenance", f"{percent(overheads.maintenance_per_year_rate, 1)} of the node price a year"],
        ["Software licences", f"USD {whole(overheads.software_usd_per_gpu_year)} an accelerator and year"],
        ["Overheads according to", _graded(overheads.source)],
        ["Facility life", f"{figure(overheads.facility_life_years)} years, straight annuity at the discount rate"],
        ["Residual value", "unpaid part of the annuity of each node and block at the end of the plan"],
        ["Plan", f"{count(facts.horizon_months, 'month')} from {month_name(factory.start)}"],
        ["Time", f"{len(facts.plan.periods)} periods, {len(facts.plan.buckets)} kinds of hour and a design peak"],
        ["Search", search(facts)],
    ]
    for rate in factory.money.exchange_rates:
        who = _graded(rate.source)
        rows.append([f"{rate.currency} for one USD", join([f"{rate.local_per_usd:,g}, dated {rate.dated}: ", who])])
    if facts.rate and facts.rate not in factory.money.exchange_rates:
        rows.append(
            [f"{facts.rate.currency} for one USD", join([f"{facts.rate.local_per_usd:,g}: ", _who(facts.rate.source)])]
        )
    return Table("Conventions", ["What", "Value"], rows)


def _sites(facts: Facts) -> Html:
    rows: list[list[object]] = []
    for site in facts.factory.sites:
        tariff = facts.catalog.tariff(site.hosting.tariff).name if site.hosting else "none of your own"
        pue = f"{site.pue:g} mean" + (
            f", {site.hosting.pue_peak:g} peak, UPS {site.hosting.ups_tier}" if site.hosting else ""
        )
        five = (site.country, site.owner_country, site.operator_country, site.parent_country, site.key_holder_country)
        rows.append(
            [
                join([site.title, tag("br"), tag("small", f"{site.id}, {site.tier}")]),
                ", ".join(five),
                pue,
                latency(site.lan_rtt_p50_ms, site.lan_rtt_p99_ms),
                f"{site.grid_carbon_kg_per_kwh:g}",
                tariff,
            ]
        )
    heads = ["Site", "Ground, owner, operator, parent, keys", "PUE", "LAN, ms", "> Grid kg CO₂ a kWh", "Tariff"]
    return table("Sites as the file states them", heads, rows)


def _catalogue(facts: Facts) -> Html:
    counts = facts.catalog.figure_counts()
    total = sum(counts.values()) or 1
    rows = [[kind, whole(number), percent(number / total)] for kind, number in counts.items()]
    said = tag("p", f"Law and export rules were looked up to {rules_as_of()}; they apply by their own dates.")
    return join([table("Figures of the catalogue by kind of source", ["Kind", "> Figures", "> Share"], rows), said])


def limits(facts: Facts) -> tuple[str, Html]:
    """Title and body: what this plan does not know."""
    return "What this plan does not know", listing(unknowns(facts))


def unknowns(facts: Facts) -> list[str]:
    """What the figures leave out, in a sentence each."""
    items = [
        "Speeds come from a model scored against measured runs (docs/accuracy.md); every speed has a 90 % interval.",
        "Service levels rest on staffing curves for the stated arrivals; burstier arrivals need more.",
        "The carbon of token APIs is published by none of them and is not counted.",
        "Taxes, financing and price negotiations are not modelled; prices are as quoted.",
        "Rules of law are dated records with citations, applied to what the file states. This is not legal advice.",
    ]
    if any(source.kind == "assumed" for *_, source in _offers(facts)):
        items.append("What rests on an assumed price is a threshold to check against a quote, not a verdict.")
    return items
