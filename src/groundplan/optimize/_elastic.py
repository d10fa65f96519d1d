"""The program with give: columns by which limits of the file may be exceeded, closed until a question opens them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from groundplan.optimize._algebra import Axes, Columns
from groundplan.optimize._frame import Frame
from groundplan.optimize._highs import Answer, Arrays, Floats, Stop, run
from groundplan.optimize._highs import solve as solve_here
from groundplan.optimize._model import Program, program
from groundplan.optimize._solve import to_arrays
from groundplan.optimize._variables import add_variables
from groundplan.problem import Problem, roomy, unmetered

SMALL_COLUMNS = 2_000
"""Programs up to this size are solved in this process: starting another takes longer."""
NODES = 100_000


@dataclass(frozen=True)
class Give:
    """A column that loosens rows: added to the left side of each row with its coefficient."""

    most: float
    weight: float
    """Price of one unit when several limits share a burden: about one over the limit."""
    whole: bool
    parts: tuple[tuple[str, Floats], ...]
    """(name of the rows, coefficient of each of them in the shape of their axes)"""


@dataclass(frozen=True)
class Rows:
    """Where the rows of a name stand."""

    first: int
    axes: Axes
    sense: str

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(axis) for axis in self.axes)


def rows_by_name(made: Program) -> dict[str, Rows]:
    """Name -> place of its rows in the arrays."""
    found: dict[str, Rows] = {}
    first = 0
    for name, constraint in made.rows:
        found[name] = Rows(first, constraint.left.axes, constraint.sense)
        first += len(constraint.left.constants)
    return found


@dataclass(frozen=True)
class Elastic:
    """A program with closed give columns after its own; group k owns `spans[k]`."""

    arrays: Arrays
    spans: tuple[range, ...]
    most: Floats
    weight: Floats
    """Both [column], zero for columns of the program itself."""

    def solve(
        self,
        free: Iterable[int],
        stop: Stop,
        *,
        columns: Iterable[int] = (),
        price: Floats | None = None,
        relaxed: bool = False,
    ) -> Answer:
        """Solve with the give columns of some groups open, and some more: for any plan, or for the least `price`."""
        upper = self.arrays.upper.copy()
        opened = [*columns, *(column for k in free for column in self.spans[k])]
        upper[opened] = self.most[opened]
        cost = np.zeros_like(upper) if price is None else price
        integer = np.zeros_like(self.arrays.integer) if relaxed else self.arrays.integer
        asked = replace(self.arrays, cost=cost, offset=0.0, upper=upper, integer=integer)
        here = relaxed or len(upper) <= SMALL_COLUMNS
        return solve_here(asked, stop) if here else run(asked, stop)

    def has_plan(self, free: Iterable[int], stop: Stop, columns: Iterable[int] = ()) -> bool | None:
        """Whether any plan exists with some groups open; the relaxation is asked first. None: not known in time."""
        free, columns = tuple(free), tuple(columns)
        if self.solve(free, stop, columns=columns, relaxed=True).status == "infeasible":
            return False
        answer = self.solve(free, stop, columns=columns)
        return False if answer.status == "infeasible" else None if answer.x is None else True

    def given(self, x: Floats, k: int) -> Floats:
        """How much of each column of a group a solution uses."""
        return x[self.spans[k].start : self.spans[k].stop]

    def price_of(self, groups: Iterable[int], *, even: bool = False) -> Floats:
        """[column] prices of the give of some groups: their weights, or one each."""
        price = np.zeros_like(self.weight)
        for k in groups:
            span = slice(self.spans[k].start, self.spans[k].stop)
            price[span] = 1.0 if even else self.weight[span]
        return price


def roomy_program(problem: Problem) -> tuple[Program, Arrays]:
    """The program without the shadows that its limits throw on the bounds of columns."""
    wide = roomy(problem)
    made = program(wide)
    columns = Columns()
    add_variables(columns, Frame(unmetered(wide)))
    upper = np.concatenate([block.upper for block in columns.blocks])
    arrays = to_arrays(made)
    return made, replace(arrays, upper=np.maximum(arrays.upper, upper))


def elastic(made: Program, arrays: Arrays, groups: Sequence[Sequence[Give]]) -> Elastic:
    """Append the give columns of each group."""
    places = rows_by_name(made)
    gives = [give for group in groups for give in group]
    width, height = len(arrays.cost), len(arrays.row_lower)
    entries = [entry for k, give in enumerate(gives) for entry in _entries(places, k, give)]
    table = np.array(entries, dtype=float).reshape(-1, 3)
    row, column, value = table[:, 0].astype(int), table[:, 1].astype(int), table[:, 2]
    added = sparse.csr_array((value, (row, column)), shape=(height, len(gives)))
    own = sparse.csr_array((arrays.values, arrays.columns, arrays.starts), shape=(height, width))
    matrix = sparse.hstack([own, added]).tocsr()
    zeros = np.zeros(len(gives))
    return Elastic(
        replace(
            arrays,
            cost=np.zeros(width + len(gives)),
            lower=np.concatenate([arrays.lower, zeros]),
            upper=np.concatenate([arrays.upper, zeros]),
            integer=np.concatenate([arrays.integer, [give.whole for give in gives]]).astype(bool),
            starts=matrix.indptr.astype(np.int32),
            columns=matrix.indices.astype(np.int32),
            values=matrix.data.astype(float),
        ),
        tuple(_spans(width, groups)),
        np.concatenate([np.zeros(width), [give.most for give in gives]]),
        np.concatenate([np.zeros(width), [give.weight for give in gives]]),
    )


def _spans(first: int, groups: Sequence[Sequence[Give]]) -> Iterator[range]:
    for group in groups:
        yield range(first, first + len(group))
        first += len(group)


def _entries(places: dict[str, Rows], k: int, give: Give) -> Iterator[tuple[int, int, float]]:
    for name, values in give.parts:
        rows = places[name]
        flat = np.broadcast_to(values, rows.shape).ravel()
        yield from ((rows.first + int(spot), k, float(flat[spot])) for spot in np.flatnonzero(flat))


def has_plan(problem: Problem, seconds: float) -> bool | None:
    """Whether any plan exists, whatever it costs; None where that is not known in time."""
    made = program(problem)
    model = elastic(made, to_arrays(made), [])
    return model.has_plan((), Stop(0.0, NODES, seconds))
