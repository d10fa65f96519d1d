"""Speeds from outside: what measurements and tables say of the model, and which operating points rest on them."""

from __future__ import annotations

from groundplan.report._facts import Facts
from groundplan.report._html import Html, join, listing, table, tag
from groundplan.report._words import count
from groundplan.spec import MeasuredSpeed

HEADS = ["Deployment", "> Work takes, times predicted", "> Fixed times", "> Points", "> Spread"]


def measured(facts: Facts) -> Html:
    """Tables of a file that states speeds of its own, and the points of the plan that follow them or timed calls."""
    rows = facts.factory.measured
    points = [f"{p.id}: {p.measured}" for p in facts.plan.points if p.measured]
    if not rows and not points:
        return Html("")
    mine = [[*_row(row), _files(row)] for row in rows if row.tables is None]
    others = [[*_row(row), _files(row), row.tables.words] for row in rows if row.tables is not None]
    said = f"Operating points of this plan that rest on speeds from outside: {len(points) or 'none'}."
    parts = [table("Speeds that you measured", [*HEADS, "Measured by you"], mine)] if mine else []
    if others:
        heads = [*HEADS, "Another tool's tables, not measured by you", "Steps that did not count"]
        parts.append(table("Speeds from another tool's tables", heads, others))
    return join([*parts, tag("p", said), listing(points)])


def _row(row: MeasuredSpeed) -> list[object]:
    how = f"{row.engine} ({row.tuning}), {row.precision}, {count(row.tensor_ranks_count, 'rank')}"
    return [
        join([f"{row.model} on {row.accelerator}", tag("br"), tag("small", how)]),
        f"{row.level_factor:.4g}",
        f"{row.fixed_factor:.4g}",
        str(row.points_count),
        f"x/{row.spread_factor:.4g}",
    ]


def _files(row: MeasuredSpeed) -> str:
    return f"{', '.join(row.files)} ({row.tool}, {row.dated or 'undated'}), against {row.against}"
