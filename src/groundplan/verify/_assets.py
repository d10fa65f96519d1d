"""What is owned and held: orders month by month, deliveries, rent, people, opened sites."""

from __future__ import annotations

from collections import defaultdict

from groundplan.plan import MoveRow, OrderRow
from groundplan.spec import Existing, PurchaseOffer, RentalOffer
from groundplan.verify._book import Book
from groundplan.verify._world import Span, World


def stock(world: World, book: Book) -> None:
    """Orders keep to their offers and arrive after their lead; only nodes that are there move or retire."""
    for index, row in enumerate(world.plan.orders):
        _order(world, book, f"orders[{index}]", row, world.purchases[row.offer])
    for index, retired in enumerate(world.plan.retirements):
        gone = world.aged_out(world.existing[retired.existing], world.span[retired.period].start)
        what = f"{retired.existing} is past its life by {retired.period}"
        book.require(not gone, f"retirements[{index}]", what)
    for index, moved in enumerate(world.plan.moves):
        _move(world, book, f"moves[{index}]", moved)
    for item in world.factory.existing:
        _estate(world, book, item)


def _move(world: World, book: Book, where: str, row: MoveRow) -> None:
    """A move is one that the file offers, and ends after its lead, within the plan and the life of the nodes."""
    item, span = world.existing[row.existing], world.span[row.period]
    offered = next((move for move in item.moves if move.to == row.to), None)
    if offered is None:
        book.require(False, where, f"the file lets {item.id} stay at {item.site}, but not move to {row.to}")
        return
    ready = world.arrival(span, offered.lead_months)
    arrives = ready.id if ready else "after the horizon"
    what = f"arrives {row.arrives}, but {offered.lead_months} months end {arrives}"
    book.require(row.arrives == arrives, where, what)
    aged = world.aged_out(item, world.span[row.arrives].start)
    book.require(not aged, where, f"{item.id} is past its life when it arrives in {row.arrives}")


def _estate(world: World, book: Book, item: Existing) -> None:
    """No place gives away more nodes than stand there, in any period; those past their life are gone by themselves."""
    at = {row.site for row in world.plan.retirements if row.existing == item.id}
    for site in sorted(at | set(world.places(item))):
        short = min(0, *(world.left(item, site, span.start) for span in world.spans))
        where = f"retirements: {item.id}" if len(world.places(item)) == 1 else f"moves, retirements: {item.id}"
        book.require(short == 0, where, f"{-short} nodes more leave {site} than stand there")


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
