"""Actions on existing nodes that change their place: take down and ship, then install."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from groundplan.plan import MoveRow
from groundplan.report._act_hardware import kept_too_long, move_id, place_needs, under_law
from groundplan.report._desk import Action, Desk
from groundplan.report._room import Shortage

SEATS = ("country", "owner_country", "operator_country", "parent_country")


def moves(desk: Desk) -> Iterator[Action]:
    """Two actions a move: what the site it leaves does, and what the site it comes to does."""
    facts = desk.facts
    for row in desk.plan.moves:
        item = facts.existing[row.existing]
        offered = next(move for move in item.moves if move.to == row.to)
        server, here, there = facts.server(item.server), facts.places[item.site], facts.places[row.to]
        short = _late(desk, row)
        latest = desk.room.starts[short.index if short else -1]
        leave, law = _leave(desk, row, desk.day(latest - offered.lead_months))
        lacking = desk.lacking((row.to, server.id), short)
        yield desk.action(
            id=move_id(row), kind="move", site=item.site, item=row.existing, quantity=row.nodes, unit="node",
            what=f"Take down {row.nodes} × {server.name} at {here} and ship them to {there}",
            planned=desk.day(desk.start(row.period)), last_safe=leave, ready=desk.day(desk.start(row.arrives)),
            lead_months=offered.lead_months, amount_usd=row.nodes * offered.usd_per_node, cost_line="moving",
            consequence=law or lacking,
        )  # fmt: skip
        yield desk.action(
            id=f"install:{row.existing}:{row.to}:{row.period}", kind="install", site=row.to, item=row.existing,
            what=f"Install {row.nodes} × {server.name} from {here} at {there}", quantity=row.nodes, unit="node",
            planned=desk.day(desk.start(row.arrives)), last_safe=desk.day(max(latest, desk.start(row.arrives))),
            ready=desk.day(desk.start(row.arrives)), amount_usd=0.0, cost_line="", consequence=lacking,
            depends_on=(move_id(row), *place_needs(desk, row.to, facts.index[row.arrives])),
        )  # fmt: skip


def _late(desk: Desk, row: MoveRow) -> Shortage | None:
    """What is short when the nodes come a period after the latest that works; None where they are never missed."""
    server = desk.facts.server(desk.facts.existing[row.existing].server).id
    pool, others = (row.to, server), [other for other in desk.plan.moves if other is not row]
    for index in range(desk.facts.index[row.arrives] + 1, len(desk.plan.periods)):
        late = [*others, row.model_copy(update={"arrives": desk.plan.periods[index].id})]
        if short := desk.room.shortage(pool, moves=late):
            return Shortage(index - 1, short.nodes, short.needed)
    short = desk.room.shortage(pool, moves=others)
    return Shortage(len(desk.plan.periods) - 1, short.nodes, short.needed) if short else None


def _leave(desk: Desk, row: MoveRow, last_safe: date) -> tuple[date, str]:
    """The last day on which they may leave, and why it is earlier than the new place asks for."""
    facts, item = desk.facts, desk.facts.existing[row.existing]
    first, starts, why = facts.index[row.period], desk.room.starts, ""
    here, there = facts.sites[item.site], facts.sites[row.to]
    if any(getattr(here, seat) != getattr(there, seat) for seat in SEATS):
        last_safe, why = under_law(desk, item.server, row.to, row.period, last_safe)
    over = (i for i in range(first, len(starts)) if kept_too_long(desk, item, item.site, row.nodes, i))
    full = next(over, None)
    if full is not None and desk.day(starts[full]) < last_safe:
        return desk.day(starts[full]), f"{facts.places[item.site]} has no room for them from {desk.label(full)}."
    return max(last_safe, desk.day(starts[first])), why
