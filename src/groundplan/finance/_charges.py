"""From what is paid to what each period bears: capital as a level charge, what a site pays on its nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from groundplan.finance._stock import Pool, Stock
from groundplan.finance._time import discount_factor
from groundplan.plan import LedgerRow

CAPITAL = "capital"
"""The line of the level charge."""
CAPITAL_LINES = frozenset(
    {"hardware", "network", "storage", "spares", "duty", "facility", "opening", "moving", "resale", "residual"}
)
OUTSIDE = frozenset({"value_served", "shed_penalty"})
"""Lines of the objective that nobody pays: they stand beside the unit costs, not in them."""
BLOCK, EXISTING, WAY = "block:", "existing:", ">"


@dataclass(frozen=True, slots=True)
class Charge:
    """US dollars that a period bears: at a pool, or (server empty) at a site or for one workload."""

    t: int
    line: str
    site: str
    server: str
    item: str
    workload: str
    usd: float


def charges(stock: Stock, ledger: Iterable[LedgerRow]) -> list[Charge]:
    """The ledger with capital levelised; the present value is that of the ledger without value and shedding."""
    rows = [row for row in ledger if row.line not in OUTSIDE]
    running = [_running(stock, row) for row in rows if row.line not in CAPITAL_LINES]
    return on_pools(stock, [*_capital(stock, rows), *running])


def level(worth_usd: float, weights: Sequence[float], discount: Sequence[float]) -> list[float]:
    """Charges in proportion to the weights whose present value is `worth_usd`; in the last period if all are 0."""
    if not any(weights):
        weights = [0.0] * (len(weights) - 1) + [1.0]
    per_unit = worth_usd / sum(factor * weight for factor, weight in zip(discount, weights, strict=True))
    return [per_unit * weight for weight in weights]


def _running(stock: Stock, row: LedgerRow) -> Charge:
    server = _server(stock, row) if row.line in ("maintenance", "software", "colocation", "cloud") else ""
    return Charge(stock.index[row.period], row.line, row.place, server, row.item, row.workload, row.usd)


def _server(stock: Stock, row: LedgerRow) -> str:
    """Catalogue id of the server that an item is about; empty for blocks and openings."""
    if row.line in ("software", "colocation"):
        return row.item
    if row.line == "cloud":
        return stock.pool_of(stock.rentals[row.item])[1]
    if row.item.startswith(EXISTING):
        items = {item.id: item for item in stock.factory.existing}
        return stock.server(items[row.item.removeprefix(EXISTING)].server).id
    offers = {offer.id: offer for offer in stock.factory.purchases}
    return stock.server(offers[row.item].server).id if row.item in offers else ""


def _capital(stock: Stock, rows: Iterable[LedgerRow]) -> Iterator[Charge]:
    """Of each thing that is owned: what is paid for it and what it leaves, spread evenly over its months in place."""
    worth: dict[tuple[str, str, str], float] = defaultdict(float)
    opened: dict[str, int] = {}
    end = discount_factor(stock.factory.money.discount_rate, stock.horizon)
    for row in rows:
        if row.line in CAPITAL_LINES:
            t = stock.index[row.period]
            worth[row.place, row.item, _server(stock, row)] += row.usd * (
                end if row.line == "residual" else stock.discount[t]
            )
            if row.line == "opening":
                opened[row.place] = t
    for (site, item, server), usd in worth.items():
        months = [_in_place(stock, site, item, opened, t) * length for t, length in enumerate(stock.months)]
        for t, charge in enumerate(level(usd, months, stock.discount)):
            if charge:
                yield Charge(t, CAPITAL, site, server, item, "", charge)


def _in_place(stock: Stock, site: str, item: str, opened: dict[str, int], t: int) -> int:
    """How much of an item stands there in a period."""
    if item.startswith(BLOCK):
        return stock.blocks(site, item.removeprefix(BLOCK), t)
    if item.startswith(EXISTING):
        return sum(stock.kept(one, site, t) for one in stock.factory.existing if one.id == item.removeprefix(EXISTING))
    return stock.bought(site, item, t) if item else int(t >= opened[site])


def on_pools(stock: Stock, found: Iterable[Charge]) -> list[Charge]:
    """What a site pays for all its nodes, shared over its pools by nameplate kW of own nodes, period by period.

    What falls in a period without own nodes is levelised over those with; a site that never has any keeps it.
    """
    done: list[Charge] = []
    power = _Power(stock)
    left: dict[tuple[str, str, str], float] = defaultdict(float)
    for charge in found:
        if charge.server or charge.workload or WAY in charge.item or not power.any_at(charge.site):
            done.append(charge)
        elif power.at(charge.site, charge.t):
            done += power.shared(charge)
        else:
            left[charge.site, charge.line, charge.item] += charge.usd * stock.discount[charge.t]
    for (site, line, item), usd in left.items():
        kw_months = [power.at(site, t) * length for t, length in enumerate(stock.months)]
        for t, charge_usd in enumerate(level(usd, kw_months, stock.discount)):
            done += power.shared(Charge(t, line, site, "", item, "", charge_usd)) if charge_usd else []
    return done


class _Power:
    """Nameplate kW of own nodes by pool and period."""

    def __init__(self, stock: Stock) -> None:
        self.by_site: dict[tuple[str, int], dict[Pool, float]] = defaultdict(dict)
        for pool in stock.pools:
            for t in range(len(stock.months)):
                if nodes := stock.own(pool, t):
                    self.by_site[pool[0], t][pool] = nodes * stock.need(pool[1], "max_power_kw")
        self.sites = {site for site, _ in self.by_site}

    def any_at(self, site: str) -> bool:
        return site in self.sites

    def at(self, site: str, t: int) -> float:
        return sum(self.by_site.get((site, t), {}).values())

    def shared(self, charge: Charge) -> list[Charge]:
        parts, total = self.by_site[charge.site, charge.t], self.at(charge.site, charge.t)
        return [
            Charge(charge.t, charge.line, charge.site, pool[1], charge.item, "", charge.usd * kw / total)
            for pool, kw in parts.items()
        ]
