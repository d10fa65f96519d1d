"""The program as text, for people to read and for tests to compare: the style of the CPLEX LP format.

Labels stand as they are, in brackets. They hold signs (``>``, ``/``, ``-``) that readers of the strict format refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from groundplan.optimize._algebra import Columns, Constraint, Expression, labels_of
from groundplan.optimize._model import Family, Program

DIGITS = 12
"""Significant digits: enough to tell figures apart, too few to show in which order they were added."""
WIDTH = 118
NOTHING = 1e-12
"""Coefficients below this are rounding of an exact zero."""

NamedRows = Iterable[tuple[str, Constraint]]


def lp_text(made: Program, families: dict[str, Family] | None = None) -> str:
    """Objective [US dollars], rows, bounds and integers, always in the same order.

    `families`: the rows that these write for the program's variables, instead of its own rows.
    """
    rows = made.rows if families is None else rows_of(made, families)
    parts = [
        "Minimize",
        *expression_lines("cost", made.cost, made.columns),
        "Subject To",
        *row_lines(rows, made.columns),
    ]
    parts += ["Bounds", *bound_lines(made.columns), "Generals", *general_lines(made.columns), "End"]
    return "\n".join(parts) + "\n"


def rows_of(made: Program, families: dict[str, Family]) -> NamedRows:
    """Named rows that families write for a program's variables."""
    return tuple(row for family in families.values() for row in family(made.frame, made.variables, made.ledger))


def row_lines(rows: NamedRows, columns: Columns) -> Iterator[str]:
    """``name(labels): + 2 load(cell,period,bucket) ... <= 3`` for each row."""
    for name, constraint in rows:
        for head, terms, constant in _rows(name, constraint.left, columns):
            sense = "=" if constraint.sense == "==" else constraint.sense
            yield from _wrapped([f"{head}:", *(terms or ["0"]), f"{sense} {_number(-constant)}"])


def expression_lines(name: str, expression: Expression, columns: Columns) -> Iterator[str]:
    """``name(labels): + 2 load(cell,period,bucket) ... + 3`` for each row of an expression."""
    for head, terms, constant in _rows(name, expression, columns):
        tail = [_signed(constant)] if constant or not terms else []
        yield from _wrapped([f"{head}:", *terms, *tail])


def bound_lines(columns: Columns) -> Iterator[str]:
    """``0 <= load(cell,period,bucket) <= 0.8`` for each column that is not simply >= 0."""
    for block in columns.blocks:
        names = labels_of(block.axes)
        for label, low, high in zip(names, block.lower.tolist(), block.upper.tolist(), strict=True):
            if (low, high) != (0.0, float("inf")):
                yield f" {_number(low)} <= {block.name}({label}) <= {_number(high)}"


def general_lines(columns: Columns) -> Iterator[str]:
    """Variables whose columns are whole numbers."""
    for block in columns.blocks:
        if block.integer:
            yield f" {block.name}({','.join(axis.name for axis in block.axes)})"


def _rows(name: str, expression: Expression, columns: Columns) -> Iterator[tuple[str, list[str], float]]:
    """(``name(labels)``, terms, constant) row by row."""
    names = [f"{block.name}({label})" for block in columns.blocks for label in labels_of(block.axes)]
    rows = expression.rows.tocsr(copy=True)
    rows.sum_duplicates()
    ends = list(pairwise(rows.indptr.tolist()))
    for label, (first, stop), constant in zip(labels_of(expression.axes), ends, expression.constants, strict=True):
        pairs = zip(rows.indices[first:stop].tolist(), rows.data[first:stop].tolist(), strict=True)
        terms = [f"{_factor(value)}{names[column]}" for column, value in pairs if abs(value) >= NOTHING]
        yield (f"{name}({label})" if label else name), terms, float(constant)


def _signed(value: float) -> str:
    """``+ 3`` or ``- 0.5``."""
    return f"{'-' if value < 0 else '+'} {_number(abs(value))}"


def _factor(value: float) -> str:
    """``+ 3 `` or ``- ``: the factor 1 is not said."""
    return f"{_signed(value)} ".replace(" 1 ", " ")


def _number(value: float) -> str:
    return f"{value + 0.0:.{DIGITS}g}"


def _wrapped(words: list[str]) -> Iterator[str]:
    """Lines of whole terms; all but the first are indented."""
    line = ""
    for word in words:
        if line and len(line) + len(word) >= WIDTH:
            yield line
            line = "   "
        line += f" {word}"
    yield line
