"""What the sections ask of a plan: names, stock by period, money by year."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property

from groundplan.catalog import Catalog, Server
from groundplan.errors import CatalogError, Issue
from groundplan.finance import Stock, cash_by_year, report_rate
from groundplan.plan import PEAK, OrderRow, PeriodRow, Plan, PointRow, StaffingRow
from groundplan.report._words import Money, month_name
from groundplan.spec import ExchangeRate, Existing, Factory, LoadedSpec, RentalOffer, month_number
from groundplan.study import Comparison
from groundplan.verify import Report


class Facts:
    """A plan, the file it answers, the catalogue and the judgement of `verify`, side by side."""

    def __init__(
        self, plan: Plan, loaded: LoadedSpec, catalog: Catalog, report: Report, comparison: Comparison | None = None
    ) -> None:
        self.plan, self.loaded, self.report, self.comparison = plan, loaded, report, comparison
        self.catalog = catalog.with_models(loaded.factory.models)
        self.factory: Factory = loaded.factory
        self.sites = {site.id: site for site in self.factory.sites}
        self.places = {
            **{zone.id: zone.title for zone in self.factory.zones},
            **{s.id: s.title for s in self.factory.sites},
        }
        self.workloads = {workload.id: workload for workload in self.factory.workloads}
        self.purchases = {offer.id: offer for offer in self.factory.purchases}
        self.rentals = {offer.id: offer for offer in self.factory.rentals}
        self.token_offers = {offer.id: offer for offer in self.factory.token_offers}
        self.existing = {item.id: item for item in self.factory.existing}
        self.points: Mapping[str, PointRow] = {point.id: point for point in plan.points}
        self.index = {row.id: number for number, row in enumerate(plan.periods)}
        self.staffing: Mapping[tuple[str, str, str], StaffingRow] = {
            (r.point, r.origin, r.site): r for r in plan.staffing
        }

    # --- time ---

    @property
    def last(self) -> PeriodRow:
        return self.plan.periods[-1]

    @cached_property
    def years(self) -> tuple[int, ...]:
        """Plan years, from 1."""
        return tuple(sorted({row.plan_year for row in self.plan.periods}))

    @cached_property
    def horizon_months(self) -> int:
        return self.last.start_month_count + self.last.months_count

    def calendar(self, month: int) -> tuple[int, int]:
        """Year and month (from 1) of so many months after the start."""
        number = month_number(self.factory.start) + month
        return number // 12, number % 12 + 1

    def label(self, period: str) -> str:
        """``Mar 2027``, ``Q3 2027`` or ``2028``; other spans as the plan names them."""
        row = self.plan.periods[self.index[period]]
        year, month = self.calendar(row.start_month_count)
        if row.months_count == 1:
            return month_name(f"{year}-{month:02d}")
        if row.months_count == 3 and month % 3 == 1:
            return f"Q{month // 3 + 1} {year}"
        return str(year) if row.months_count == 12 and month == 1 else period

    # --- money ---

    @cached_property
    def rate(self) -> ExchangeRate | None:
        """The exchange rate of the report currency; None for US dollars."""
        return report_rate(self.factory, self.catalog)

    @cached_property
    def money(self) -> Money:
        return Money(self.rate.currency, self.rate.local_per_usd) if self.rate else Money("USD", 1.0)

    @cached_property
    def costs(self) -> Mapping[tuple[str, int], float]:
        """Undiscounted US dollars by line and plan year."""
        year_of = {row.id: row.plan_year for row in self.plan.periods}
        found: dict[tuple[str, int], float] = defaultdict(float)
        for row in self.plan.costs:
            found[row.line, year_of[row.period]] += row.usd
        return found

    @cached_property
    def cash(self) -> Mapping[int, float]:
        """US dollars paid by plan year, as cash budgets count them."""
        return cash_by_year(self.plan).by_year

    def order_usd(self, order: OrderRow) -> float:
        """Price of one node at the period of the order."""
        offer = self.purchases[order.offer]
        years = self.plan.periods[self.index[order.period]].start_month_count / 12
        return offer.price_usd * (1 + offer.price_change_per_year_rate) ** years

    # --- stock ---

    @cached_property
    def stock(self) -> Stock:
        return Stock(self.plan, self.factory, self.catalog)

    def server(self, name: str) -> Server:
        return self.catalog.server(name)

    def life_months(self, server: str) -> float:
        life_years = self.server(server).life_years
        if life_years is None:
            raise CatalogError(Issue("catalog-blank", f"catalog:{server}", "no figure for life_years", "add it"))
        return 12 * life_years

    @cached_property
    def pools(self) -> tuple[tuple[str, str], ...]:
        """Site and server of everything owned at any time."""
        bought = {(row.site, row.server) for row in self.plan.orders}
        owned = {(item.site, self.server(item.server).id) for item in self.factory.existing}
        moved = {(row.to, self.server(self.existing[row.existing].server).id) for row in self.plan.moves}
        return tuple(sorted(bought | owned | moved))

    def own_nodes(self, site: str, server: str, period: PeriodRow) -> int:
        """Nodes of one's own that stand there in a period."""
        return self.stock.own((site, server), self.index[period.id])

    def stands_at(self, item: Existing) -> tuple[str, ...]:
        """Sites where existing nodes ever stand: their own, and those to which the plan moves them."""
        return tuple(dict.fromkeys([item.site, *(row.to for row in self.plan.moves if row.existing == item.id)]))

    def kept(self, item: Existing, site: str, index: int) -> int:
        """Existing nodes that stand at a site in a period."""
        return self.stock.kept(item, site, index)

    def rented_nodes(self, offer: RentalOffer, period: PeriodRow) -> int:
        """Nodes of a rental held in a period: on-demand in it, or committed since an earlier one."""
        return self.stock.held(offer, self.index[period.id])

    # --- what runs ---

    @cached_property
    def peak_load(self) -> Mapping[tuple[str, str, str, str, str], float]:
        """Units per second at the design peak by workload, origin, site, point and period."""
        return {
            (r.workload, r.origin, r.site, r.point, r.period): r.units_per_s
            for r in self.plan.loads
            if r.bucket == PEAK
        }

    def lowered_from(self, point: PointRow) -> str:
        """The checkpoint's own format where the point runs below it; else an empty text."""
        workload = self.workloads[point.workload]
        if not getattr(workload, "model", None):
            return ""
        native = self.catalog.model(point.model).native_precision
        bits = {"fp32": 32, "bf16": 16, "fp8": 8, "int8": 8, "fp4": 4, "int4": 4}
        return native if bits.get(point.precision, 99) < bits[native] else ""
