"""The comparison on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from groundplan.cli._tables import table, usd

if TYPE_CHECKING:
    from rich.table import Table

    from groundplan.study import Alternative, Comparison, Flip

WORDS = {
    "recommended": "recommended",
    "same": "is the recommended plan",
    "dearer": "dearer",
    "undecided": "cannot be told apart",
    "infeasible": "no such plan",
    "no-plan": "none found in time",
}


def comparison_tables(found: Comparison) -> Iterator[Table]:
    """Alternatives side by side, then the prices that change the answer."""
    heads = ["alternative", "> present value", "> dearer by", "> cash, year 1", "> people", "verdict"]
    yield table("Alternatives", heads, [_row(row) for row in found.alternatives])
    flips = [(row, row.flip) for row in found.alternatives if row.flip]
    if flips:
        heads = ["alternative", "what would have to fall", "> wins below", "> loses above", "rests on"]
        yield table("Prices that change the answer", heads, [_flip(row, flip) for row, flip in flips])


def _row(row: Alternative) -> list[str]:
    if row.objective_usd is None or row.year1_cash_usd is None:
        return [row.title, "", "", "", "", f"{WORDS[row.verdict]}: {row.reasons[0] if row.reasons else ''}"]
    low, high = row.dearer_usd or (0.0, 0.0)
    dearer = f"{usd(low)} to {usd(high)}" if row.dearer_usd else ""
    verdict = WORDS[row.verdict] + (f"; {len(row.stays)} cannot move" if row.stays else "")
    return [row.title, usd(row.objective_usd), dearer, usd(row.year1_cash_usd), str(row.fte), verdict]


def _flip(row: Alternative, flip: Flip) -> list[str]:
    wins = "never" if flip.wins_below is None else f"{flip.wins_below:.0%} of today"
    loses = "not proved" if flip.loses_above is None else f"{flip.loses_above:.0%} of today"
    return [row.title, flip.lever, wins, loses, "assumed prices" if flip.rests_on_assumed else "list prices"]
