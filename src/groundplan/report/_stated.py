"""What the file states beside prices and sites: demand's places, links, data, rules, permits, search limits."""

from __future__ import annotations

from collections.abc import Iterator

from groundplan.report._facts import Facts
from groundplan.report._html import Html, details, join, table
from groundplan.report._words import count, figure, percent, whole
from groundplan.spec import Hosting, PowerBlock, Rule

Rows = list[list[object]]


def stated(facts: Facts) -> Html:
    """Tables to look things up in, folded away."""
    tables = [_room(facts), _links(facts), _zones(facts), _data(facts), _rules(facts), _permits(facts)]
    return details("Show rooms, links, data classes, rules and permits as the file states them", join(tables))


def search(facts: Facts) -> str:
    """When the solver was allowed to stop."""
    limits = facts.factory.solve
    return (
        f"until the gap is at most {percent(limits.gap_share, 2)}, or after {whole(limits.max_search_nodes)} nodes "
        f"of the search, or {whole(limits.max_solve_s)} s"
    )


def _table(caption: str, heads: list[str], rows: Rows) -> Html:
    return table(caption, heads, rows) if rows else Html("")


def _room(facts: Facts) -> Html:
    """Room for hardware, then the blocks that may be added to it."""
    rows: Rows = []
    for site in facts.factory.sites:
        if site.hosting:
            rows.append([site.title, f"at most {site.hosting.rack_limit_kw:g} kW a rack", *_space(site.hosting)])
            for block in site.hosting.blocks:
                price = f"{whole(block.price_usd)} USD, {count(block.lead_months, 'month')}, up to {block.max_count}"
                rows.append([f"+ {block.id}", price, *_space(block)])
    heads = ["Site, block", "Terms", "> Usable kW", "> Heat to air kW", "> To liquid kW", "> Rack slots"]
    return _table("Room for hardware of your own", heads, rows)


def _space(room: Hosting | PowerBlock) -> Iterator[str]:
    yield from (f"{kw:g}" for kw in (room.usable_kw, room.air_heat_kw, room.liquid_heat_kw))
    yield whole(room.rack_slots_count)


def _links(facts: Facts) -> Html:
    rows: Rows = [
        [facts.places[k.origin], facts.places[k.site], f"{k.rtt_p50_ms:g}", f"{k.rtt_p99_ms:g}",
         f"{k.bandwidth_mbit_per_s:,g}", percent(k.max_load_share), whole(k.price_usd_per_month),
         f"{k.egress_usd_per_gb:g}"]
        for k in facts.factory.links
    ]  # fmt: skip
    heads = ["From", "To", "> RTT p50 ms", "> p99 ms", "> Mbit/s", "> At most used", "> USD a month", "> USD a GB back"]
    return _table("Links", heads, rows)


def _zones(facts: Facts) -> Html:
    rows: Rows = [[zone.id, zone.title, zone.country] for zone in facts.factory.zones]
    return _table("Places where demand arises and nothing can stand", ["Zone", "What", "Country"], rows)


def _data(facts: Facts) -> Html:
    rows: Rows = [[row.id, row.title, ", ".join(row.labels), row.law_of] for row in facts.factory.data_classes]
    return _table("Data classes", ["Class", "What", "Labels", "Law of"], rows)


def _rules(facts: Facts) -> Html:
    rows: Rows = [list(_rule(rule)) for rule in facts.factory.rules]
    chosen = facts.factory.law
    if chosen is not None:
        rows.append(["catalogue", f"only {', '.join(chosen)}" if chosen else "none of its rules", "", "", "", ""])
    return _table("Rules of the file", ["Rule", "Speaks of", "Forbids", "In force", "Lifted by", "Why"], rows)


def _rule(rule: Rule) -> Iterator[str]:
    yield f"{rule.id} ({rule.severity})"
    yield ", ".join(rule.when.labels) + (f" under the law of {rule.when.law_of}" if rule.when.law_of else "")
    facts = " or ".join(fact.replace("_", " ") for fact in rule.forbid.facts)
    yield f"to {', '.join(rule.forbid.verbs)} where {facts} is not {', '.join(rule.forbid.outside)}"
    yield f"from {rule.from_date}" + (f" until {rule.until_date}" if rule.until_date else "")
    yield ", ".join(rule.unless) or "nothing"
    yield f"{rule.note} ({rule.cite})"


def _permits(facts: Facts) -> Html:
    rows: Rows = [[held.permit, held.from_month, held.until_month] for held in facts.factory.held_permits]
    return _table("Permits in hand", ["Permit", "From", "Until, not included"], rows)


def latency(p50_ms: float, p99_ms: float) -> str:
    """Round trips in milliseconds."""
    return f"{figure(p50_ms)} p50, {figure(p99_ms)} p99"
