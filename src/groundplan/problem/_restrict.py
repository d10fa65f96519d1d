"""A problem with fewer choices, or with some that must be taken; its plans are plans of the whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from groundplan.problem._check import check_coverage
from groundplan.problem._problem import BatchCell, Cell, Problem, TokenCell

Mask = NDArray[np.bool_]
Way = TypeVar("Way", Cell, BatchCell, TokenCell)


@dataclass(frozen=True)
class Choice:
    """Which ways stay open, each [way, period]."""

    cells: Mask
    batch_cells: Mask
    token_cells: Mask

    @staticmethod
    def all_of(problem: Problem) -> Choice:
        """Everything that the problem offers, to narrow from."""
        groups = problem.cells, problem.batch_cells, problem.token_cells
        masks = (np.array([way.allowed for way in group], dtype=bool) for group in groups)
        return Choice(*(mask.reshape(-1, problem.periods) for mask in masks))


@dataclass(frozen=True)
class Floor:
    """Ways, by their index in the problem, that must together carry a share of what asks for them."""

    share: float
    """Of the volume (load x hours, or work) of their commodities and jobs, in `periods`."""
    periods: tuple[int, ...]
    cells: tuple[int, ...] = ()
    batch_cells: tuple[int, ...] = ()
    token_cells: tuple[int, ...] = ()


def restricted(problem: Problem, choice: Choice, *, acquire: bool = True) -> Problem:
    """The problem with the ways of `choice` alone; without `acquire` nothing is bought, rented or moved.

    Raises Infeasible where a load that must be served is left with no way.
    """
    pools = problem.pools
    if not acquire:
        never = np.zeros(problem.periods, dtype=bool)
        pools = tuple(replace(pool, orderable=never, rentable=never, transfers=()) for pool in pools)
    narrowed = replace(
        problem,
        pools=pools,
        cells=_left(problem.cells, choice.cells),
        batch_cells=_left(problem.batch_cells, choice.batch_cells),
        token_cells=_left(problem.token_cells, choice.token_cells),
    )
    check_coverage(narrowed)
    return narrowed


def _left(ways: tuple[Way, ...], masks: Mask) -> tuple[Way, ...]:
    return tuple(replace(way, allowed=mask) for way, mask in zip(ways, masks, strict=True) if mask.any())
