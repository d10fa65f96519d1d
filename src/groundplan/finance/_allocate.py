"""Who bears what: every charge to the workloads that hold a pool, the rest to idle (docs/conventions.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from groundplan.finance._charges import WAY, Charge
from groundplan.finance._stock import Pool, PoolUse, Stock
from groundplan.plan import FailoverRow, LoadRow, TokenRow
from groundplan.spec import Served

IDLE = ""
"""The workload of what nobody holds."""


@dataclass(frozen=True, slots=True)
class AllocatedRow:
    """US dollars that a workload (idle: empty) bears in a period, undiscounted, capital as its level charge."""

    period: str
    line: str
    """A running line of the plan, or ``capital``."""
    site: str
    server: str
    """Empty: no hardware (tokens, links, egress), or a site that never has own nodes."""
    item: str
    workload: str
    usd: float


Uses = dict[tuple[Pool, int], PoolUse]


def allocate(stock: Stock, found: Iterable[Charge], uses: Uses) -> Iterator[AllocatedRow]:
    """Split charges: a pool's by slot-hours held, a link's by bytes carried, direct ones whole."""
    carried = _carried(stock)
    for charge in found:
        period = stock.plan.periods[charge.t].id
        for workload, share in _shares(charge, uses, carried):
            yield AllocatedRow(
                period, charge.line, charge.site, charge.server, charge.item, workload, charge.usd * share
            )


def _shares(
    charge: Charge, uses: Uses, carried: dict[tuple[str, int], dict[str, float]]
) -> Iterator[tuple[str, float]]:
    """Workloads and their share of a charge; what is left is idle. Shares sum to 1."""
    if charge.workload:
        parts, whole = {charge.workload: 1.0}, 1.0
    elif charge.server:
        use = uses[(charge.site, charge.server), charge.t]
        parts, whole = dict(use.held), max(use.available, sum(use.held.values()))
    else:
        parts = carried.get((charge.item, charge.t), {}) if WAY in charge.item else {}
        whole = sum(parts.values())
    left = 1.0
    for name, amount in sorted(parts.items()):
        if amount > 0:
            yield name, amount / whole
            left -= amount / whole
    if left > 1e-12:
        yield IDLE, left


def _carried(stock: Stock) -> dict[tuple[str, int], dict[str, float]]:
    """Kilobytes by link, period and workload; where it only stands by for the loss of a site, those of that hour."""
    at = {offer.id: offer.site for offer in stock.factory.token_offers}
    rows: list[tuple[LoadRow | TokenRow | FailoverRow, str, float]]
    rows = [(row, row.site, stock.hours(stock.index[row.period], row.bucket)) for row in stock.plan.loads]
    rows += [(row, at[row.offer], stock.hours(stock.index[row.period], row.bucket)) for row in stock.plan.tokens]
    found = _kilobytes(stock, rows)
    waiting = _kilobytes(stock, [(row, row.site, 1.0) for row in stock.plan.failovers])
    return {**waiting, **{key: parts for key, parts in found.items() if sum(parts.values()) > 0}}


def _kilobytes(
    stock: Stock, rows: Iterable[tuple[LoadRow | TokenRow | FailoverRow, str, float]]
) -> dict[tuple[str, int], dict[str, float]]:
    found: dict[tuple[str, int], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row, site, hours in rows:
        workload = stock.workloads[row.workload]
        if isinstance(workload, Served) and row.origin != site:
            kilobytes = workload.upload_kb_per_unit + workload.download_kb_per_unit
            found[f"{row.origin}{WAY}{site}", stock.index[row.period]][row.workload] += (
                row.units_per_s * hours * kilobytes
            )
    return found
