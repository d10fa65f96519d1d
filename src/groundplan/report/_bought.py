"""What is bought, rented and retired, when, at which price and on whose word."""

from __future__ import annotations

from collections.abc import Sequence

from groundplan.plan import OrderRow
from groundplan.report._facts import Facts
from groundplan.report._html import Html, details, join, table, tag
from groundplan.report._words import count, whole
from groundplan.spec import RentalOffer, Source


def bought(facts: Facts) -> tuple[str, Html]:
    """Title and body."""
    nodes = sum(order.nodes for order in facts.plan.orders)
    usd = _order_total(facts, facts.plan.orders)
    title = (
        f"{count(nodes, 'node').capitalize()} to order for {facts.money.short(usd)}"
        if nodes
        else "No hardware to order"
    )
    if facts.plan.blocks:
        title += f", and {count(sum(block.count for block in facts.plan.blocks), 'power block')}"
    return title, join([_orders(facts), _blocks(facts), _rents(facts), _retired(facts), _stock(facts)])


def source_words(source: Source) -> Html:
    """Kind and confidence of a figure; synthetic quotes say so in their own words."""
    return tag("span", f"{source.kind}, {source.confidence}", class_="near" if source.kind == "assumed" else None)


def _orders(facts: Facts) -> Html:
    if not facts.plan.orders:
        return tag("p", "Everything runs on hardware that is there already or rented, so there is nothing to order.")
    groups: dict[tuple[str, str], list[OrderRow]] = {}
    for order in sorted(facts.plan.orders, key=lambda row: (facts.index[row.period], row.site, row.server)):
        groups.setdefault((order.site, order.server), []).append(order)
    column = facts.money.column([_order_total(facts, facts.plan.orders)], least=100)
    rows: list[list[object]] = []
    for (site, server), orders in groups.items():
        sources = dict.fromkeys(facts.purchases[order.offer].source for order in orders)
        what = [facts.server(server).name, facts.places[site], facts.label(orders[0].period)]
        price = [column.show(_order_total(facts, orders)), join(map(source_words, sources), ", ")]
        rows.append([*what, *_nodes_by_year(facts, orders), _chips(facts, orders), *price])
    every = facts.plan.orders
    rows.append(
        [
            "Total",
            "",
            "",
            *_nodes_by_year(facts, every),
            _chips(facts, every),
            column.show(_order_total(facts, every)),
            "",
        ]
    )
    caption = (
        f"Nodes ordered in each plan year (Y1 first). Price in {column.unit}, without network, storage, spares "
        "and duty; the last column grades it."
    )
    heads = ["What", "Where", "First order", *(f"> Y{year}" for year in facts.years), "> GPUs", "> Price", "Graded"]
    return join([table(caption, heads, rows, total=True), details("Show every order", _every_order(facts))])


def _nodes_by_year(facts: Facts, orders: Sequence[OrderRow]) -> list[str]:
    years = [facts.plan.periods[facts.index[order.period]].plan_year for order in orders]
    return [
        whole(sum(order.nodes for order, y in zip(orders, years, strict=True) if y == year)) for year in facts.years
    ]


def _chips(facts: Facts, orders: Sequence[OrderRow]) -> str:
    return whole(sum(order.nodes * facts.server(order.server).accelerators_count for order in orders))


def _order_total(facts: Facts, orders: Sequence[OrderRow]) -> float:
    return sum(order.nodes * facts.order_usd(order) for order in orders)


def _every_order(facts: Facts) -> Html:
    rows = [
        [facts.label(order.period), facts.server(order.server).name, facts.places[order.site], whole(order.nodes),
         whole(facts.order_usd(order)), facts.label(order.arrives), order.offer]
        for order in sorted(facts.plan.orders, key=lambda row: (facts.index[row.period], row.site, row.server))
    ]  # fmt: skip
    heads = ["Order in", "What", "Where", "> Nodes", "> Node price", "Arrives", "Offer"]
    return table("Every order; node price in USD at the order", heads, rows)


def _blocks(facts: Facts) -> Html:
    if not facts.plan.blocks:
        return Html("")
    column = facts.money.column(
        [block.price_usd for site in facts.factory.sites for block in (site.hosting.blocks if site.hosting else ())]
    )
    rows = []
    for row in facts.plan.blocks:
        hosting = facts.sites[row.site].hosting
        block = next(block for block in (hosting.blocks if hosting else ()) if block.id == row.block)
        what = [facts.label(row.period), block.id, facts.places[row.site], whole(row.count)]
        usd = row.count * block.price_usd
        rows.append([*what, whole(row.count * block.usable_kw), column.show(usd), facts.label(row.usable_from)])
    heads = ["Order in", "Block", "Where", "> Count", "> Usable kW", "> Price", "Usable from"]
    return table(f"Power blocks, price in {column.unit}", heads, rows)


def _rents(facts: Facts) -> Html:
    if not facts.plan.rents and not facts.plan.bursts:
        return tag("p", "Nothing is rented.")
    rows: list[list[object]] = []
    for offer in facts.factory.rentals:
        if any(row.offer == offer.id for row in facts.plan.rents):
            term = {"on-demand": "on demand", "1y": "a year at a time", "3y": "three years at a time"}[offer.term]
            rows.append([facts.server(offer.server).name, facts.places[offer.site], term, *_most_rented(facts, offer)])
    heads = ["What", "Where", "Term", *(f"> Y{year}" for year in facts.years)]
    made = table("Most nodes rented at a time in each plan year", heads, rows) if rows else Html("")
    hours = sum(burst.node_hours for burst in facts.plan.bursts)
    if hours:
        made = join(
            [made, tag("p", f"Batch work also rents {count(round(hours), 'node-hour')} on demand in single hours.")]
        )
    return made


def _most_rented(facts: Facts, offer: RentalOffer) -> list[str]:
    held = [(period.plan_year, facts.rented_nodes(offer, period)) for period in facts.plan.periods]
    return [whole(max(nodes for y, nodes in held if y == year)) for year in facts.years]


def _retired(facts: Facts) -> Html:
    rows = [
        [facts.label(row.period), facts.server(facts.existing[row.existing].server).name,
         facts.places[facts.existing[row.existing].site], whole(row.nodes)]
        for row in sorted(facts.plan.retirements, key=lambda r: (facts.index[r.period], r.existing))
    ]  # fmt: skip
    return (
        table("Existing nodes retired and resold", ["At the start of", "What", "Where", "> Nodes"], rows)
        if rows
        else Html("")
    )


def _stock(facts: Facts) -> Html:
    """Nodes held by period: what stands there, year by year."""
    periods = facts.plan.periods
    rows: list[list[object]] = []
    for site, server in facts.pools:
        held = [facts.own_nodes(site, server, period) for period in periods]
        rows.append([f"{server}, {site}", "own", *map(whole, held)])
    for offer in facts.factory.rentals:
        held = [facts.rented_nodes(offer, period) for period in periods]
        if any(held):
            rows.append([f"{offer.server}, {offer.site}", f"rented {offer.term}", *map(whole, held)])
    heads = ["Server, site", "Held", *(f"> {facts.label(period.id)}" for period in periods)]
    return details("Show the nodes held in each period", table("Nodes held by period", heads, rows, wide=True))
