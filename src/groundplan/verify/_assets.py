"""What is owned and held: orders month by month, deliveries, rent, people, opened sites."""

from __future__ import annotations

from collections import defaultdict

from groundplan.plan import OrderRow
from groundplan.spec import PurchaseOffer, RentalOffer
from groundplan.verify._book import Book
from groundplan.verify._world import Span, World


def stock(world: World, book: Book) -> None:
    """Orders keep to their offers and arrive after their lead; nodes age out; nobody retires what is not there."""
    for index, row in enumerate(world.plan.orders):
        _order(world, book, f"orders[{index}]", row, world.purchases[row.offer])
    for item in world.factory.existing:
        left = item.nodes_count
        for index, row in enumerate(world.plan.retirements):
            if row.existing == item.id:
                left -= row.nodes
                gone = world.age_months(item, world.span[row.period].start) >= 12 * world.need(
                    item.server, "life_years"
                )
                book.require(not gone, f"retirements[{index}]", f"{item.id} is past its life by {row.period}")
        book.require(left >= 0, f"retirements: {item.id}", f"{-left} nodes more than the {item.nodes_count} there are")


def _order(world: World, book: Book, where: str, row: OrderRow, offer: PurchaseOffer) -> None:
    server, hosting, span = world.server(offer.server).id, world.hosting(row.site), world.span[row.period]
    book.require(row.site in offer.sites, where, f"{offer.id} does not deliver to {row.site}")
    book.require(row.server == server, where, f"{offer.id} sells {server}, not {row.server}")
    book.require(hosting is not None, where, f"{row.site} hosts no hardware of yours")
    lots = row.nodes % offer.lot_nodes == 0
    book.require(lots, where, f"{row.nodes} nodes are no whole lots of {offer.lot_nodes}")
    begins = world.offset(offer.available_from) if offer.available_from else 0
    book.require(span.start >= begins, where, f"{offer.id} is not sold before {offer.available_from}")
    ready = world.arrival(span, offer.lead_months)
    arrives = ready.id if ready else "after the horizon"
    book.require(row.arrives == arrives, where, f"arrives {row.arrives}, but {offer.lead_months} months end {arrives}")


def deliveries(world: World, book: Book) -> None:
    """Nodes of an offer ordered so far stay within its tranches."""
    for offer in world.factory.purchases:
        for span in world.spans if offer.deliveries else ():
            ordered = sum(
                row.nodes
                for row in world.plan.orders
                if row.offer == offer.id and world.span[row.period].index <= span.index
            )
            limit = tranche(world, offer, span)
            where = f"orders: {offer.id} by {span.id}"
            book.require(ordered <= limit, where, f"{ordered} nodes ordered, {limit} can be delivered")


def tranche(world: World, offer: PurchaseOffer, span: Span) -> int:
    """Cap of the first row that is not before the last month of the period; after the last row, the last row."""
    rows = sorted(offer.deliveries, key=lambda row: row.month)
    later = [row for row in rows if world.offset(row.month) >= span.end - 1]
    return (later or rows[-1:])[0].cumulative_nodes


def rent(world: World, book: Book) -> None:
    """Commitments end within the horizon; nodes held and bursts stay within the quota."""
    for index, row in enumerate(world.plan.rents):
        _, end = world.term(row)
        where = f"rents[{index}]"
        book.require(end <= world.horizon, where, f"the term ends in month {end}, the plan in {world.horizon}")
    for index, burst in enumerate(world.plan.bursts):
        offer = world.rentals[burst.offer]
        book.require(offer.term == "on-demand", f"bursts[{index}]", f"{offer.id} is a term of {offer.term}")
    for offer in world.factory.rentals:
        for span in world.spans:
            _quota(world, book, offer, span)


def _quota(world: World, book: Book, offer: RentalOffer, span: Span) -> None:
    held = 0
    for row in world.plan.rents:
        first, end = world.term(row)
        held += row.nodes if row.offer == offer.id and first < span.end and span.start < end else 0
    bursts: dict[str, float] = defaultdict(float)
    for burst in world.plan.bursts:
        if (burst.offer, burst.period) == (offer.id, span.id):
            bursts[burst.bucket] += burst.node_hours / world.hours(span, burst.bucket)
    nodes = held + max(bursts.values(), default=0.0)
    book.at_most(nodes, offer.quota_nodes, f"rents: {offer.id} {span.id}", "nodes over the quota")


def staff(world: World, book: Book) -> None:
    """People for the nodes of a site, and at least the minimum while it is open."""
    people = {(row.site, row.period): row.fte for row in world.plan.staff}
    for site, hosting in world.hosts:
        opened = world.opening(site)
        for span in world.spans:
            fte, where = people.get((site, span.id), 0), f"staff: {site} {span.id}"
            needed = world.own_nodes(site, span) / hosting.staff.nodes_per_fte
            book.at_least(fte, needed, where, "people for the nodes")
            if opened is not None and span.index >= opened.index:
                book.at_least(fte, hosting.staff.min_fte, where, "people while the site is open")
    for index, row in enumerate(world.plan.staff):
        book.require(world.hosting(row.site) is not None, f"staff[{index}]", f"{row.site} employs nobody of yours")


def opening(world: World, book: Book) -> None:
    """A site is open from the first period in which nodes of yours stand there."""
    for site in world.sites:
        first = world.opening(site) if world.hosting(site) else None
        due, stated = first.id if first else None, world.plan.opened.get(site)
        book.require(stated == due, f"opened.{site}", f"open from {stated or 'never'} instead of {due or 'never'}")
