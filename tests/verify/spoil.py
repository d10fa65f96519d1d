"""How any plan is spoilt: find a suitable row, break one rule, say which family must see it.

Each function takes (plan, spec, catalogue) and gives the spoilt plan, or None where the plan has no such row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from groundplan.catalog import Catalog
from groundplan.plan import Plan
from groundplan.verify import FAMILIES
from groundplan.verify._book import Book
from groundplan.verify._world import World

Spoil = Callable[[Plan, Any, Catalog], Plan | None]


@dataclass(frozen=True)
class Mutation:
    """A spoiling and the family that must name it."""

    name: str
    family: str
    spoil: Spoil


MUTATIONS: list[Mutation] = []


def breaks(family: str) -> Callable[[Spoil], Spoil]:
    def register(spoil: Spoil) -> Spoil:
        MUTATIONS.append(Mutation(spoil.__name__, family, spoil))
        return spoil

    return register


# --- editing ---


def rows(plan: Plan, name: str) -> list[dict[str, Any]]:
    return [row.model_dump() for row in getattr(plan, name)]


def put(plan: Plan, **lists: Any) -> Plan:
    """The plan with whole fields replaced by plain values; types are checked, rules are not."""
    return Plan.model_validate({**plan.model_dump(), **lists})


def edit(plan: Plan, name: str, pick: Callable[[Any], bool], change: Callable[[Any], dict[str, Any]]) -> Plan | None:
    """Change the first row that is picked."""
    for index, row in enumerate(getattr(plan, name)):
        if pick(row):
            found = rows(plan, name)
            found[index] |= change(row)
            return put(plan, **{name: found})
    return None


def edit_all(plan: Plan, name: str, change: Callable[[Any], dict[str, Any]]) -> Plan | None:
    if not getattr(plan, name):
        return None
    return put(plan, **{name: [row.model_dump() | change(row) for row in getattr(plan, name)]})


def drop(plan: Plan, name: str, pick: Callable[[Any], bool]) -> Plan | None:
    """Leave out the first row that is picked."""
    for index, row in enumerate(getattr(plan, name)):
        if pick(row):
            found = rows(plan, name)
            del found[index]
            return put(plan, **{name: found})
    return None


def any_row(_row: Any) -> bool:
    return True


def result(plan: Plan, **changes: Any) -> Plan:
    return put(plan, result=plan.result.model_dump() | changes)


def sees(family: str, plan: Plan, spec: Any, catalog: Catalog) -> bool:
    book = Book(family)
    FAMILIES[family](World(plan, spec, catalog), book)
    return bool(book.findings)
