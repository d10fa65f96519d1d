"""The program: variables, one constraint family after another, objective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from groundplan.optimize import _assets, _batch, _limits, _serving
from groundplan.optimize._algebra import Columns, Constraint, Expression
from groundplan.optimize._floor import forced
from groundplan.optimize._frame import Frame
from groundplan.optimize._ledger import Ledger, ledger
from groundplan.optimize._serving import Rows
from groundplan.optimize._variables import Variables, add_variables
from groundplan.problem import Floor, Problem

Family = Callable[[Frame, Variables, Ledger], Rows]


def _plain(family: Callable[[Frame, Variables], Rows]) -> Family:
    return lambda frame, variables, _: family(frame, variables)


FAMILIES: dict[str, Family] = {
    **{
        family.__name__: _plain(family)
        for family in (
            _serving.demand,
            _serving.staffing,
            _serving.least_replicas,
            _serving.node_filling,
            _serving.pool_room,
            _serving.site_loss,
            _serving.bandwidth,
            _serving.link_use,
            _serving.token_quota,
            _batch.batch_work,
            _batch.batch_room,
            _batch.batch_gang,
            _assets.orders,
            _assets.stock,
            _assets.retirement,
            _assets.moves,
            _assets.deliveries,
            _assets.power,
            _assets.cooling,
            _assets.blocks,
            _assets.opening,
            _assets.rental_quota,
            _assets.staff,
            _assets.billed_peak,
        )
    },
    "budgets": _limits.budgets,
    "carbon": _limits.carbon,
    "on_premise": _limits.on_premise,
}
"""Constraint families in the order of the formulation; one function states one family."""

SCALE = 1e-3
"""The objective is kept in thousands of US dollars."""


@dataclass(frozen=True)
class Program:
    """Columns, named rows and cost, with the parts that reading a solution needs."""

    columns: Columns
    frame: Frame
    variables: Variables
    ledger: Ledger
    rows: tuple[tuple[str, Constraint], ...]
    cost: Expression
    """Net present cost [US dollars]."""


def with_floor(floor: Floor) -> dict[str, Family]:
    """All families, and one more: chosen ways carry a share."""
    return {**FAMILIES, "forced": _plain(forced(floor))}


def program(problem: Problem, families: dict[str, Family] = FAMILIES) -> Program:
    """Write the program down; `families` lets a test leave one out or look at one alone."""
    columns, frame = Columns(), Frame(problem)
    variables = add_variables(columns, frame)
    book = ledger(columns, frame, variables)
    rows = tuple(row for family in families.values() for row in family(frame, variables, book))
    return Program(columns, frame, variables, book, rows, book.npv())
