"""What to order, apply for, sign or give notice on, by which last safe date.

A last safe date is the latest day on which the thing still arrives before it is first needed, lead time included,
while everything else goes as planned. Needs are those of docs/conventions.md: replicas and batch work in the nodes of
their pool with its spares, power, heat and racks of a site, people for its nodes, export law on its day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from groundplan.report._act_contracts import commitments, hires, links, permits, quotas, token_apis
from groundplan.report._act_hardware import blocks, ends_of_life, openings, orders, retirements
from groundplan.report._act_moves import moves
from groundplan.report._desk import Action, Desk
from groundplan.report._facts import Facts

MAKERS: tuple[Callable[[Desk], Iterator[Action]], ...] = (
    orders, blocks, openings, commitments, quotas, token_apis, links, hires, moves, retirements, ends_of_life, permits,
)  # fmt: skip


def actions(facts: Facts) -> tuple[Action, ...]:
    """Every action of a plan, by last safe date, the largest amount first. Each date supposes the others as planned."""
    desk = Desk(facts)
    found = (action for make in MAKERS for action in make(desk))
    return tuple(sorted(found, key=lambda action: (action.last_safe, -abs(action.amount_usd), action.id)))
