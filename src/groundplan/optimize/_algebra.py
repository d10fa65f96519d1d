"""A small algebra of labelled linear expressions over sparse rows.

An expression has axes with labels, and one sparse row of coefficients for each combination of labels. What does
not align by label raises; nothing is guessed (the rule that linopy calls "no silent wrong answers").
Why not linopy itself: `docs/architecture.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Numbers = NDArray[Any]
Sense = Literal["<=", ">=", "=="]


@dataclass(frozen=True)
class Axis:
    """A named list of distinct labels."""

    name: str
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"a label of axis {self.name!r} stands twice")

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, where: int) -> str: ...
    @overload
    def __getitem__(self, where: slice | Sequence[int] | NDArray[np.int64]) -> Axis: ...
    def __getitem__(self, where: int | slice | Sequence[int] | NDArray[np.int64]) -> str | Axis:
        if isinstance(where, (int, np.integer)):
            return self.labels[where]
        picked = self.labels[where] if isinstance(where, slice) else tuple(self.labels[int(k)] for k in where)
        return Axis(self.name, tuple(picked))

    def renamed(self, name: str) -> Axis:
        return Axis(name, self.labels)


Axes = tuple[Axis, ...]


@dataclass(frozen=True)
class Table:
    """Numbers with their axes."""

    axes: Axes
    values: Numbers

    def __mul__(self, other: Table | float) -> Table:
        if isinstance(other, Table):
            axes = _union(self.axes, other.axes)
            return Table(axes, _spread(self, axes) * _spread(other, axes))
        if isinstance(other, Expression):
            return NotImplemented
        return Table(self.axes, self.values * other)

    __rmul__ = __mul__

    def part(self, axis: Axis, where: slice | Sequence[int]) -> Table:
        """Rows of some labels of one axis."""
        k = _place(self.axes, axis)
        values = np.take(self.values, _positions(axis, where), axis=k)
        return Table((*self.axes[:k], axis[where], *self.axes[k + 1 :]), values)


def table(values: object, *axes: Axis) -> Table:
    """Values with axes; either flat, in row order, or of the shape of the axes. Raises ValueError otherwise."""
    numbers, shape = np.asarray(values, dtype=float), tuple(len(axis) for axis in axes)
    if numbers.ndim > 1 and numbers.shape != shape:
        raise ValueError(f"values of shape {numbers.shape} for axes {[axis.name for axis in axes]} of shape {shape}")
    return Table(axes, numbers.reshape(shape))


def _union(left: Axes, right: Axes) -> Axes:
    """Axes of both, the left ones first. Raises where an axis of one name has two sets of labels."""
    found = {axis.name: axis for axis in left}
    for axis in right:
        if found.setdefault(axis.name, axis) != axis:
            raise ValueError(f"labels of axis {axis.name!r} do not align")
    return tuple(found.values())


def _spread(values: Table, axes: Axes) -> Numbers:
    """Values repeated over the axes that they lack, in the order of `axes`."""
    names = [axis.name for axis in values.axes]
    order = [names.index(axis.name) for axis in axes if axis.name in names]
    shape = [len(axis) if axis.name in names else 1 for axis in axes]
    return np.broadcast_to(values.values.transpose(order).reshape(shape), [len(axis) for axis in axes])


def _place(axes: Axes, axis: Axis) -> int:
    if axis not in axes:
        raise ValueError(f"axis {axis.name!r} is not one of {[a.name for a in axes]}, or its labels differ")
    return axes.index(axis)


def _positions(axis: Axis, where: slice | Sequence[int]) -> NDArray[np.int64]:
    return np.arange(len(axis))[where] if isinstance(where, slice) else np.asarray(where, dtype=np.int64)


class Expression:
    """Linear expression: one sparse row (over all columns) and one constant for each combination of labels."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, axes: Axes, rows: Any, constants: Floats) -> None:
        self.axes, self.rows, self.constants = axes, rows, constants

    def over(self, axes: Axes) -> Expression:
        """The same expression, repeated over axes that it lacks."""
        if axes == self.axes:
            return self
        numbers = Table(self.axes, np.arange(len(self.constants)).reshape([len(axis) for axis in self.axes]))
        place = _spread(numbers, axes).ravel()
        return Expression(axes, self.rows[place], self.constants[place])

    def __mul__(self, other: Table | float) -> Expression:
        if not isinstance(other, Table):
            return Expression(self.axes, self.rows * other, self.constants * other)
        wide = self.over(_union(self.axes, other.axes))
        factors = _spread(other, wide.axes).ravel()
        return Expression(wide.axes, (sparse.diags_array(factors) @ wide.rows).tocsr(), wide.constants * factors)

    __rmul__ = __mul__

    def __neg__(self) -> Expression:
        return self * -1.0

    def __add__(self, other: Expression | Table | float) -> Expression:
        if isinstance(other, Expression):
            axes = _union(self.axes, other.axes)
            left, right = self.over(axes), other.over(axes)
            return Expression(axes, left.rows + right.rows, left.constants + right.constants)
        shift = other if isinstance(other, Table) else Table((), np.array(float(other)))
        wide = self.over(_union(self.axes, shift.axes))
        return Expression(wide.axes, wide.rows, wide.constants + _spread(shift, wide.axes).ravel())

    __radd__ = __add__

    def __sub__(self, other: Expression | Table | float) -> Expression:
        return self + other * -1.0

    def __rsub__(self, other: Table | float) -> Expression:
        return -self + other

    def sum(self, *axes: Axis) -> Expression:
        """Sum over axes; over all of them when none is named."""
        gone = axes or self.axes
        for axis in gone:
            _place(self.axes, axis)
        kept = tuple(axis for axis in self.axes if axis not in gone)
        numbers = Table(kept, np.arange(prod(len(axis) for axis in kept)).reshape([len(axis) for axis in kept]))
        return self._gathered(kept, _spread(numbers, self.axes).ravel())

    def total(self, axis: Axis, groups: Sequence[int], into: Axis) -> Expression:
        """Sum of the rows of each group of `axis`; a group without rows sums to zero. Group -1 is left out.

        Raises ValueError unless each label of `axis` has one group, and it is -1 or a position of `into`.
        """
        place = _place(self.axes, axis)
        if len(groups) != len(axis) or not all(-1 <= group < len(into) for group in groups):
            raise ValueError(f"groups {list(groups)} for {len(axis)} labels of {axis.name!r} into {len(into)} groups")
        axes = (*self.axes[:place], into, *self.axes[place + 1 :])
        where = np.unravel_index(np.arange(len(self.constants)), [len(a) for a in self.axes])
        group = np.asarray(groups, dtype=np.int64)[where[place]]
        spots = (*where[:place], np.maximum(group, 0), *where[place + 1 :])
        target = np.ravel_multi_index(spots, [max(len(a), 1) for a in axes]) if len(self.constants) else group
        return self._gathered(axes, target, group >= 0)

    def _gathered(self, axes: Axes, target: Numbers, used: NDArray[np.bool_] | None = None) -> Expression:
        size = prod(len(axis) for axis in axes)
        source = np.arange(len(target)) if used is None else np.flatnonzero(used)
        ones = np.ones(len(source))
        gather = sparse.csr_array((ones, (target[source], source)), shape=(size, len(self.constants)))
        return Expression(axes, (gather @ self.rows).tocsr(), gather @ self.constants)

    def part(self, axis: Axis, where: slice | Sequence[int]) -> Expression:
        """Rows of some labels of one axis."""
        return self.take(axis, _positions(axis, where), axis[where])

    def take(self, axis: Axis, where: Sequence[int] | NDArray[np.int64], into: Axis) -> Expression:
        """For each label of `into`, the row at a position of `axis`."""
        place = _place(self.axes, axis)
        numbers = np.arange(len(self.constants)).reshape([len(a) for a in self.axes])
        picked = np.take(numbers, np.asarray(where, dtype=np.int64), axis=place).ravel()
        axes = (*self.axes[:place], into, *self.axes[place + 1 :])
        return Expression(axes, self.rows[picked], self.constants[picked])

    def entries(self, into: Axis, **where: Sequence[int]) -> Expression:
        """For each label of `into`, the row at positions of several axes, named by keyword."""
        names = [axis.name for axis in self.axes]
        kept = tuple(axis for axis in self.axes if axis.name not in where)
        order = [names.index(name) for name in where] + [names.index(axis.name) for axis in kept]
        numbers = np.arange(len(self.constants)).reshape([len(a) for a in self.axes]).transpose(order)
        picked = numbers[tuple(np.asarray(spots, dtype=np.int64) for spots in where.values())].ravel()
        return Expression((into, *kept), self.rows[picked], self.constants[picked])

    def relabelled(self, old: Axis, new: Axis) -> Expression:
        """The same rows under other labels (a start period read as a period of delivery, for instance)."""
        place = _place(self.axes, old)
        return Expression((*self.axes[:place], new, *self.axes[place + 1 :]), self.rows, self.constants)

    def __le__(self, other: Expression | Table | float) -> Constraint:
        return Constraint(self - other, "<=")

    def __ge__(self, other: Expression | Table | float) -> Constraint:
        return Constraint(self - other, ">=")

    def __eq__(self, other: Expression | Table | float) -> Constraint:  # type: ignore[override]
        return Constraint(self - other, "==")

    def values(self, x: Floats) -> Floats:
        """Value for a solution, in the shape of the axes."""
        return (self.rows @ x + self.constants).reshape([len(axis) for axis in self.axes])


@dataclass(frozen=True, eq=False)
class Constraint:
    """expression (sense) 0, row by row."""

    left: Expression
    sense: Sense


@dataclass(frozen=True, eq=False)
class Variable:
    """A block of columns."""

    name: str
    axes: Axes
    start: int
    lower: Floats
    upper: Floats
    integer: bool

    def __len__(self) -> int:
        return prod(len(axis) for axis in self.axes)

    def values(self, x: Floats) -> Floats:
        """Value for a solution, in the shape of the axes."""
        return x[self.start : self.start + len(self)].reshape([len(axis) for axis in self.axes])


class Columns:
    """All columns of a program, block after block. Expressions are made once every block is there."""

    def __init__(self) -> None:
        self.blocks: list[Variable] = []

    @property
    def width(self) -> int:
        return sum(len(block) for block in self.blocks)

    def add(
        self, name: str, *axes: Axis, lower: Table | float = 0.0, upper: Table | float = inf, integer: bool = False
    ) -> Variable:
        """A new block with bounds by label."""
        low, high = (
            _spread(bound if isinstance(bound, Table) else Table((), np.array(float(bound))), axes).ravel()
            for bound in (lower, upper)
        )
        block = Variable(name, axes, self.width, low, high, integer)
        self.blocks.append(block)
        return block

    def expression(self, block: Variable) -> Expression:
        """The block as an expression."""
        size = len(block)
        where = (np.arange(size), block.start + np.arange(size))
        rows = sparse.csr_array((np.ones(size), where), shape=(size, self.width))
        return Expression(block.axes, rows, np.zeros(size))

    def zero(self, *axes: Axis) -> Expression:
        """An expression that is nothing."""
        size = prod(len(axis) for axis in axes)
        return Expression(axes, sparse.csr_array((size, self.width)), np.zeros(size))


def labels_of(axes: Axes) -> Iterator[str]:
    """``a,b,c`` for each combination of labels, in row order."""
    places: Iterable[tuple[int, ...]] = np.ndindex(*[len(axis) for axis in axes])
    yield from (",".join(axis.labels[k] for axis, k in zip(axes, place, strict=True)) for place in places)
