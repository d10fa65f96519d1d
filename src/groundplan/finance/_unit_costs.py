"""Levelised unit costs of a plan: per hour of hardware, per token, robot-hour, frame, run (docs/conventions.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import fsum
from typing import Literal

from groundplan.catalog import Catalog
from groundplan.finance._allocate import IDLE, AllocatedRow, Uses, allocate
from groundplan.finance._break_even import CONVENTIONS, Convention
from groundplan.finance._charges import charges
from groundplan.finance._quantities import delivered, units
from groundplan.finance._stock import Stock
from groundplan.finance._time import levelised_cost, npv
from groundplan.plan import LedgerRow, Plan
from groundplan.spec import AnyWorkload, Factory

Hours = Literal["GPU-hour", "core-hour"]
Tenure = Literal["all", "own", "rented"]


@dataclass(frozen=True, slots=True)
class HourCost:
    """What an hour of an accelerator (of a core, on CPU servers) costs; hours and dollars are both discounted."""

    site: str
    """Empty: all sites."""
    unit: Hours
    tenure: Tenure
    npv_usd: float
    """All that these nodes cost, idle included; no token API, no link."""
    available_h: float
    allocated_h: float
    utilised_h: float

    @property
    def usd_per_available(self) -> float:
        return self.npv_usd / self.available_h

    @property
    def usd_per_allocated(self) -> float | None:
        """None where nothing is held."""
        return self.npv_usd / self.allocated_h if self.allocated_h else None

    @property
    def usd_per_utilised(self) -> float | None:
        """None where nothing runs."""
        return self.npv_usd / self.utilised_h if self.utilised_h else None

    @property
    def utilised_share(self) -> float:
        return self.utilised_h / self.available_h


@dataclass(frozen=True, slots=True)
class UnitCost:
    """Levelised cost of one unit that meets its service level."""

    unit: str
    quantity: float
    """Discounted."""
    usd: float
    """What the workload holds and causes."""
    usd_with_idle: float
    """With its part of what stands idle beside it."""


@dataclass(frozen=True, slots=True)
class WorkloadCost:
    """What a workload costs over the plan, without the value of its service and the penalty of what is shed."""

    workload: str
    kind: str
    npv_usd: float
    idle_usd: float
    """Present value of its part of the idle of its pools, in proportion to what it bears there; beside `npv_usd`."""
    units: tuple[UnitCost, ...]
    """Empty where nothing is delivered."""


@dataclass(frozen=True, slots=True)
class IdleCost:
    """Present value of what nobody holds at a site: spare nodes, empty slots, unused links."""

    site: str
    npv_usd: float
    share: float
    """Of all that the site costs."""


@dataclass(frozen=True, slots=True)
class UnitCosts:
    """Every figure of one plan, with the conventions that made it."""

    convention: Convention
    discount_rate: float
    npv_usd: float
    """Workloads and idle: the objective of the plan without value_served and shed_penalty."""
    hours: tuple[HourCost, ...]
    workloads: tuple[WorkloadCost, ...]
    idle: tuple[IdleCost, ...]
    rows: tuple[AllocatedRow, ...]
    """The table from which all of these are summed."""


def plan_convention(factory: Factory, how: Convention | None = None) -> Convention:
    """The convention asked for; without one, months and years as the file has them."""
    hours = factory.money.hours_per_year
    own = CONVENTIONS["groundplan"]
    if how is not None or hours == own.hours_per_year:
        return how or own
    return Convention(f"groundplan, {hours:g} h a year", hours / 12, hours, "hours_per_year of the file")


def unit_costs(
    plan: Plan, factory: Factory, catalog: Catalog, ledger: Iterable[LedgerRow], how: Convention | None = None
) -> UnitCosts:
    """Levelised costs of a plan from its ledger (`verify.ledger`).

    Every dollar goes to one workload or to idle, so that both sum to the present value of the plan. The convention
    says how long a month is where a unit is one (channel-month); hours of hardware are those of the file.
    Raises CatalogError where a server that costs are shared by has no figure for it.
    """
    stock = Stock(plan, factory, catalog.with_models(factory.models))
    convention = plan_convention(factory, how)
    uses = {(pool, t): stock.use(pool, t) for pool in stock.pools for t in range(len(stock.months))}
    rows = tuple(allocate(stock, charges(stock, ledger), uses))
    made = _Made(stock, uses, rows)
    work = delivered(stock)
    return UnitCosts(
        convention=convention,
        discount_rate=factory.money.discount_rate,
        npv_usd=made.worth(lambda _: True),
        hours=made.hours(),
        workloads=tuple(made.workload(one, work[one.id], convention) for one in factory.workloads),
        idle=made.idle(),
        rows=rows,
    )


class _Made:
    """Sums over the allocated rows."""

    def __init__(self, stock: Stock, uses: Uses, rows: Sequence[AllocatedRow]) -> None:
        self.stock, self.uses, self.rows = stock, uses, rows
        self.rate = stock.factory.money.discount_rate

    def worth(self, wanted: Callable[[AllocatedRow], bool]) -> float:
        """Present value of some rows."""
        return npv(self.rate, self.stock.middles, self._by_period(row for row in self.rows if wanted(row)))

    def _by_period(self, rows: Iterable[AllocatedRow]) -> list[float]:
        parts: list[list[float]] = [[] for _ in self.stock.months]
        for row in rows:
            parts[self.stock.index[row.period]].append(row.usd)
        return [fsum(part) for part in parts]

    # --- hours ---

    def hours(self) -> tuple[HourCost, ...]:
        """All sites, then each: together, own, rented."""
        sites = ["", *dict.fromkeys(site for site, _ in self.stock.pools)]
        kinds: tuple[Hours, ...] = ("GPU-hour", "core-hour")
        tenures: tuple[Tenure, ...] = ("all", "own", "rented")
        found = (self._hour(site, unit, tenure) for unit in kinds for site in sites for tenure in tenures)
        return tuple(row for row in found if row.available_h)

    def _hour(self, site: str, unit: Hours, tenure: Tenure) -> HourCost:
        def counts(at: str, server: str) -> bool:
            return site in ("", at) and bool(server) and self._unit(server) == unit

        def mine(row: AllocatedRow) -> bool:
            side = "rented" if row.line == "cloud" else "own"
            return counts(row.site, row.server) and tenure in ("all", side)

        totals = [[0.0] * len(self.stock.months) for _ in range(3)]
        for ((at, server), t), use in self.uses.items():
            if counts(at, server) and use.available:
                here = {"all": use.available, "own": use.own, "rented": use.rented}[tenure] / use.available
                for total, amounts in zip(totals, ([use.available], use.held.values(), use.busy.values()), strict=True):
                    total[t] += here * sum(amounts)
        available, allocated, utilised = (npv(self.rate, self.stock.middles, total) for total in totals)
        return HourCost(site, unit, tenure, self.worth(mine), available, allocated, utilised)

    def _unit(self, server: str) -> Hours:
        return "GPU-hour" if self.stock.server(server).accelerators_count else "core-hour"

    # --- workloads and idle ---

    def workload(self, workload: AnyWorkload, work: Sequence[float], how: Convention) -> WorkloadCost:
        mine = self._by_period(row for row in self.rows if row.workload == workload.id)
        beside = self._by_period(
            replace(row, usd=row.usd * self._part(row, workload.id)) for row in self.rows if row.workload == IDLE
        )
        whole = [a + b for a, b in zip(mine, beside, strict=True)]
        months = self.stock.middles
        found: list[UnitCost] = []
        for unit, factor in units(workload, how).items() if any(work) else ():
            amounts = [factor * done for done in work]
            costs = (levelised_cost(self.rate, months, usd, amounts) for usd in (mine, whole))
            found.append(UnitCost(unit, npv(self.rate, months, amounts), *costs))
        worth = npv(self.rate, months, mine)
        return WorkloadCost(workload.id, workload.kind, worth, npv(self.rate, months, beside), tuple(found))

    def _part(self, row: AllocatedRow, workload: str) -> float:
        """Share of an idle row that a workload bears: by what it holds of the pool in that period."""
        use = self.uses.get(((row.site, row.server), self.stock.index[row.period]))
        held = sum(use.held.values()) if use else 0.0
        return use.held.get(workload, 0.0) / held if use and held else 0.0

    def idle(self) -> tuple[IdleCost, ...]:
        sites = dict.fromkeys(row.site for row in self.rows)
        found: list[IdleCost] = []
        for site in sites:
            whole = self.worth(lambda row, at=site: row.site == at)
            empty = self.worth(lambda row, at=site: row.site == at and row.workload == IDLE)
            if empty:
                found.append(IdleCost(site, empty, empty / whole if whole else 0.0))
        return tuple(found)
