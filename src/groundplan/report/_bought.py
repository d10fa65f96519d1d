"""The bill of materials for readers: what is bought and rented, where, at which price and on whose word."""

from __future__ import annotations

from collections.abc import Sequence

from groundplan.plan import OrderRow
from groundplan.report._equipped import sites, source_words
from groundplan.report._facts import Facts
from groundplan.report._html import Html, Table, details, join, table, tag
from groundplan.report._words import count, whole
from groundplan.spec import RentalOffer


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
    return title, join([_orders(facts), sites(facts), _rents(facts), _stock(facts)])


def _orders(facts: Facts) -> Html:
    if not facts.plan.orders:
        return tag("p", "Everything runs on hardware that is there already or rented, so there is nothing to order.")
    return orders_table(facts).html()


def orders_table(facts: Facts) -> Table:
    """What is ordered, by site and server."""
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
    return Table(caption, heads, rows, total=True)


def _nodes_by_year(facts: Facts, orders: Sequence[OrderRow]) -> list[str]:
    years = [facts.plan.periods[facts.index[order.period]].plan_year for order in orders]
    return [
        whole(sum(order.nodes for order, y in zip(orders, years, strict=True) if y == year)) for year in facts.years
    ]


def _chips(facts: Facts, orders: Sequence[OrderRow]) -> str:
    return whole(sum(order.nodes * facts.server(order.server).accelerators_count for order in orders))


def _order_total(facts: Facts, orders: Sequence[OrderRow]) -> float:
    return sum(order.nodes * facts.order_usd(order) for order in orders)


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
