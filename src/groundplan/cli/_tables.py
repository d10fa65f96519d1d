"""Tables for a terminal: what is bought when, what runs where, what each line costs."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from groundplan.plan import COST_LINES, PEAK

if TYPE_CHECKING:
    from groundplan.plan import Plan
    from groundplan.spec import Factory

FILE_WIDTH = 120
"""Columns where nobody says how wide the screen is."""


def console(*, to_stdout: bool = False) -> Console:
    """Standard error for people, standard output for an answer that was asked for."""
    made = Console(stderr=not to_stdout, highlight=False, markup=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = FILE_WIDTH
    return made


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A plain table; a head that starts with ``>`` stands over numbers."""
    look = {"title_justify": "left", "title_style": "bold", "box": box.SIMPLE_HEAD, "pad_edge": False}
    made = Table(title=Text(title), show_header=any(head.strip("> ") for head in heads), **look)  # type: ignore[arg-type]
    for head in heads:
        numeric = head.startswith(">")
        made.add_column(Text(head.removeprefix(">").strip()), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def usd(value: float) -> str:
    """Whole dollars, with a true minus."""
    return f"{'−' if round(value) < 0 else ''}USD {abs(round(value)):,}"


def plan_tables(plan: Plan, factory: Factory) -> Iterator[Table]:
    """The plan on one screen."""
    yield table(
        "Bought and rented, by period", ["period", "what", "where", "> nodes", "arrives"], _deals(plan, factory)
    )
    yield table(
        "What runs where at the end",
        ["workload", "from", "runs at", "on", "> replicas", "> peak units/s"],
        _places(plan),
    )
    totals: dict[str, float] = defaultdict(float)
    for row in plan.costs:
        totals[row.line] += row.usd
    yield cost_table(totals)


def cost_table(lines: Mapping[str, float]) -> Table:
    """Every cost line, undiscounted, a zero as zero."""
    rows = [[line.replace("_", " "), usd(lines.get(line, 0.0))] for line in COST_LINES]
    return table("Cost by line, undiscounted", ["line", "> whole plan"], rows)


def _deals(plan: Plan, factory: Factory) -> list[list[str]]:
    rentals = {offer.id: offer for offer in factory.rentals}
    order = {row.id: index for index, row in enumerate(plan.periods)}
    rows = [[o.period, f"buy {o.server} ({o.offer})", o.site, f"{o.nodes:,}", o.arrives] for o in plan.orders]
    rows += [[b.period, f"power block {b.block}", b.site, f"{b.count:,}", b.usable_from] for b in plan.blocks]
    for rent in plan.rents:
        offer = rentals[rent.offer]
        rows.append([rent.period, f"rent {offer.server}, {offer.term} ({offer.id})", offer.site, f"{rent.nodes:,}", ""])
    rows += [[m.period, f"move {m.existing}", m.to, f"{m.nodes:,}", m.arrives] for m in plan.moves]
    rows += [[r.period, f"retire {r.existing}", r.site, f"{r.nodes:,}", ""] for r in plan.retirements]
    return sorted(rows, key=lambda row: (order[row[0]], row[1], row[2]))


def _places(plan: Plan) -> list[list[str]]:
    last = plan.periods[-1].id
    loads = {
        (r.workload, r.origin, r.site, r.point): r.units_per_s
        for r in plan.loads
        if (r.period, r.bucket) == (last, PEAK)
    }
    rows = [
        [
            r.workload,
            r.origin,
            r.site,
            r.server,
            f"{r.replicas:,}",
            f"{loads.get((r.workload, r.origin, r.site, r.point), 0):,.3g}",
        ]
        for r in plan.replicas
        if r.period == last
    ]
    rows += [[t.workload, t.origin, t.offer, "token API", "", f"{t.units_per_s:,.3g}"]
             for t in plan.tokens if (t.period, t.bucket) == (last, PEAK)]  # fmt: skip
    gangs = {(b.workload, b.origin, b.site, b.server) for b in plan.batch if b.period == last}
    return sorted(rows + [[*gang, "batch", ""] for gang in gangs])
