"""The re-check of a plan from the factory file, the catalogue and the plan file alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from groundplan.catalog import Catalog
from groundplan.errors import Issue, RuleBroken
from groundplan.plan import COST_LINES, LedgerRow, Plan
from groundplan.verify._accounts import bound, budget, cost
from groundplan.verify._assets import deliveries, opening, rent, staff, stock
from groundplan.verify._book import Book
from groundplan.verify._law import law
from groundplan.verify._money import evaluate, ledger_rows, npv
from groundplan.verify._packing import batch, packing, spares
from groundplan.verify._power import blocks, carbon, cooling, peaks, power
from groundplan.verify._service import (
    bandwidth,
    capacity,
    demand,
    failover,
    links,
    on_premise,
    replicas,
    tokens,
)
from groundplan.verify._tables import format_, hash_, latency, memory, tables
from groundplan.verify._world import Checked, World

FAMILIES: Mapping[str, Callable[[World, Book], None]] = {
    "hash": hash_,
    "tables": tables,
    "stock": stock,
    "deliveries": deliveries,
    "rent": rent,
    "blocks": blocks,
    "power": power,
    "cooling": cooling,
    "opening": opening,
    "staff": staff,
    "peaks": peaks,
    "law": law,
    "latency": latency,
    "memory": memory,
    "format": format_,
    "demand": demand,
    "replicas": replicas,
    "capacity": capacity,
    "packing": packing,
    "spares": spares,
    "failover": failover,
    "batch": batch,
    "tokens": tokens,
    "bandwidth": bandwidth,
    "links": links,
    "on_premise": on_premise,
    "carbon": carbon,
    "budget": budget,
    "cost": cost,
    "bound": bound,
}
"""Rule families by name, in the order in which they are checked; the first two say whether the rest can be."""
REST = {
    "hash": "the rest was not compared: its rows speak of another input",
    "tables": "the rest was not compared: its rows cannot be read against the file",
}
FIRST = tuple(REST)
"""Families after which nothing else is said: what follows from their faults is no fault of its own."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the re-check found. `lines` are undiscounted totals; where the plan is of another input, or its tables
    are broken, there is no evaluation (0)."""

    evaluated_usd: float
    lines: Mapping[str, float]
    findings: tuple[Issue, ...]
    max_residual: float

    @property
    def families(self) -> frozenset[str]:
        """Families with a finding."""
        return frozenset(issue.code for issue in self.findings)


def verify(plan: Plan, spec: Checked, catalog: Catalog) -> Report:
    """Check every family of rules and recompute every cost line; a finding's code is its family.

    Raises CatalogError where a figure that a rule needs is blank in the catalogue.
    """
    world = World(plan, spec, catalog)
    books: list[Book] = []
    for name in FIRST:
        books.append(book := _checked(world, name))
        if book.findings:
            book.require(False, "plan", REST[name])
            return _report(books, Decimal(0), {})
    books += [_checked(world, name) for name in FAMILIES if name not in FIRST]
    found = evaluate(world)
    lines: dict[str, Decimal] = defaultdict(Decimal, {line: Decimal(0) for line in COST_LINES})
    for (_, line), usd in found.items():
        lines[line] += usd
    return _report(books, npv(world, found), lines)


def evaluated_usd(plan: Plan, spec: Checked, catalog: Catalog) -> float:
    """Net present cost of the decisions of a plan at the prices of a file, which need not be those it was made for."""
    world = World(plan, spec, catalog)
    return float(npv(world, evaluate(world)))


def ledger(plan: Plan, spec: Checked, catalog: Catalog) -> tuple[LedgerRow, ...]:
    """What a plan pays by period, line, place, item and workload; of one that breaks no rule (`check` it first)."""
    return ledger_rows(World(plan, spec, catalog))


def check(plan: Plan, spec: Checked, catalog: Catalog) -> Report:
    """`verify`, but RuleBroken where anything is found."""
    report = verify(plan, spec, catalog)
    if report.findings:
        raise RuleBroken(report.findings)
    return report


def _checked(world: World, name: str) -> Book:
    book = Book(name)
    FAMILIES[name](world, book)
    return book


def _report(books: list[Book], usd: Decimal, lines: Mapping[str, Decimal]) -> Report:
    return Report(
        evaluated_usd=float(usd),
        lines={line: float(value) for line, value in lines.items()},
        findings=tuple(issue for book in books for issue in book.findings),
        max_residual=max((book.max_residual for book in books), default=0.0),
    )
