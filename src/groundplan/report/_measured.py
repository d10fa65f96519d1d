"""Speeds that the user measured: what they say of the model, and which operating points rest on them."""

from __future__ import annotations

from groundplan.report._facts import Facts
from groundplan.report._html import Html, join, listing, table, tag
from groundplan.report._words import count
from groundplan.spec import MeasuredSpeed

HEADS = ["Deployment", "> Work takes, times predicted", "> Fixed times", "> Points", "> Spread", "Measured by you"]


def measured(facts: Facts) -> Html:
    """The table of a file that states measured speeds, and the points of the plan that follow them."""
    rows = facts.factory.measured
    if not rows:
        return Html("")
    points = [f"{p.id}: {p.measured}" for p in facts.plan.points if p.measured]
    said = f"Operating points of this plan that rest on them: {len(points) or 'none'}."
    parts = [table("Speeds that you measured", HEADS, [_row(row) for row in rows]), tag("p", said), listing(points)]
    return join(parts)


def _row(row: MeasuredSpeed) -> list[object]:
    how = f"{row.engine} ({row.tuning}), {row.precision}, {count(row.tensor_ranks_count, 'rank')}"
    who = f"{', '.join(row.files)} ({row.tool}, {row.dated or 'undated'}), against {row.against}"
    return [
        join([f"{row.model} on {row.accelerator}", tag("br"), tag("small", how)]),
        f"{row.level_factor:.4g}",
        f"{row.fixed_factor:.4g}",
        str(row.points_count),
        f"x/{row.spread_factor:.4g}",
        who,
    ]
