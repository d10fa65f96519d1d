"""Every cost line again, in decimal, from the decisions of a plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from groundplan.catalog import DayType, Tariff, token_price
from groundplan.plan import COST_LINES, BlockRow, LedgerRow, OrderRow
from groundplan.spec import LlmWorkload, RentalOffer, Served, TokenOffer, month_number
from groundplan.verify._power import draw_kw
from groundplan.verify._world import Span, World


class Payment(NamedTuple):
    """US dollars, when and where they fall, and for what; `docs/conventions.md` says what stands in each line."""

    span: Span
    usd: Decimal
    place: str
    item: str = ""
    workload: str = ""


DAY_WEIGHTS: Mapping[str, tuple[tuple[DayType, int], ...]] = {
    "weekday": (("weekday", 5),),
    "weekend": (("saturday", 1), ("sunday", 1)),
    "all": (("weekday", 5), ("saturday", 1), ("sunday", 1)),
}
SECONDS = 3600


def exact(value: float) -> Decimal:
    """The decimal that the shortest text of a float names."""
    return Decimal(repr(value))


def evaluate(world: World) -> Mapping[tuple[str, str], Decimal]:
    """US dollars by (period, line), undiscounted; lines that cost nothing are left out."""
    if world.ledger is None:
        world.ledger = _evaluated(world)
    return world.ledger


def _evaluated(world: World) -> dict[tuple[str, str], Decimal]:
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in COST_LINES:
        for payment in LINES[line](world):
            found[payment.span.id, line] += payment.usd
    return {key: usd for key, usd in found.items() if usd}


def ledger_rows(world: World) -> tuple[LedgerRow, ...]:
    """The same payments by place, item and workload, in the order of periods and lines; nothing is left at zero."""
    found: dict[tuple[int, int, str, str, str], Decimal] = defaultdict(Decimal)
    for index, line in enumerate(COST_LINES):
        for paid in LINES[line](world):
            found[paid.span.index, index, paid.place, paid.item, paid.workload] += paid.usd
    return tuple(
        LedgerRow(world.spans[when].id, COST_LINES[line], place, item, workload, float(usd))
        for (when, line, place, item, workload), usd in sorted(found.items())
        if usd
    )


def npv(world: World, lines: Mapping[tuple[str, str], Decimal]) -> Decimal:
    """Net present value of cost: flows at the middle of their period, residual values at the end."""
    total = Decimal(0)
    for (period, line), usd in lines.items():
        month = world.horizon if line == "residual" else world.span[period].middle
        total += usd / yearly(world.factory.money.discount_rate, month)
    return total


def yearly(rate: float, months: float) -> Decimal:
    """(1 + rate) to the power of months / 12."""
    return (1 + exact(rate)) ** (exact(months) / 12)


# --- what is bought ---


def unit_price(world: World, order: OrderRow) -> Decimal:
    """Price of a node in the period of its order."""
    offer = world.purchases[order.offer]
    start = world.span[order.period].start
    return exact(offer.price_usd) * yearly(offer.price_change_per_year_rate, start)


def network_share(world: World, order: OrderRow) -> Decimal:
    """Fabric on top of the price, where the scope of the quote leaves it out."""
    scope = world.purchases[order.offer].price_scope
    return exact(world.factory.money.overheads.network_share) if scope in ("node", "rack") else Decimal(0)


def duty_share(world: World, order: OrderRow) -> Decimal:
    hosting = world.hosting(order.site)
    return exact(hosting.import_duty_share) if hosting else Decimal(0)


def per_node(world: World, order: OrderRow, line: str) -> Decimal:
    """What one node of an order costs on one of the lines that are paid as hardware is."""
    overheads = world.factory.money.overheads
    if line == "storage":
        return exact(overheads.storage_usd_per_node)
    shares: dict[str, Callable[[], Decimal]] = {
        "hardware": lambda: Decimal(1),
        "network": lambda: network_share(world, order),
        "spares": lambda: exact(overheads.spares_share),
        "duty": lambda: duty_share(world, order),
    }
    return shares[line]() * unit_price(world, order)


def _as_hardware(line: str) -> Callable[[World], Iterator[Payment]]:
    def payments(world: World) -> Iterator[Payment]:
        for order in world.plan.orders:
            usd = order.nodes * per_node(world, order, line)
            deposit = exact(world.purchases[order.offer].deposit_share)
            yield Payment(world.span[order.period], usd * deposit, order.site, order.offer)
            yield Payment(world.span[order.arrives], usd * (1 - deposit), order.site, order.offer)

    return payments


def block_name(block: str) -> str:
    """A power block as the ledger names it: ids of offers, blocks and existing nodes may be alike."""
    return f"block:{block}"


def owned_name(existing: str) -> str:
    """Existing nodes as the ledger names them."""
    return f"existing:{existing}"


def _block_usd(world: World, row: BlockRow) -> Decimal:
    hosting = world.hosting(row.site)
    blocks = {block.id: block for block in hosting.blocks} if hosting else {}
    return row.count * exact(blocks[row.block].price_usd)


def _facility(world: World) -> Iterator[Payment]:
    for row in world.plan.blocks:
        yield Payment(world.span[row.period], _block_usd(world, row), row.site, block_name(row.block))


def _opening(world: World) -> Iterator[Payment]:
    owned = {item.site for item in world.factory.existing}
    for site, hosting in world.hosts:
        first = world.opening(site)
        if first is not None and site not in owned:
            yield Payment(first, exact(hosting.opening_usd), site)


# --- energy ---


def _energy(world: World) -> Iterator[Payment]:
    for site, hosting in world.hosts:
        tariff = world.catalog.tariff(hosting.tariff)
        for span in world.spans:
            for bucket in world.plan.buckets:
                kwh = world.sites[site].pue * draw_kw(world, site, span, bucket) * world.hours(span, bucket)
                if kwh:
                    usd = exact(kwh) * energy_price(world, site, tariff, span, bucket)
                    yield Payment(span, usd, site)


def energy_price(world: World, site: str, tariff: Tariff, span: Span, bucket_id: str) -> Decimal:
    """US dollars per kWh: mean over the months of a period and the hours of a bucket, at the site's clock."""
    bucket = next(item for item in world.factory.buckets if item.id == bucket_id)
    shift = world.sites[site].utc_offset_h - world.factory.utc_offset_h
    hours = [int((hour + shift) % 24) for start, stop in bucket.hours for hour in range(start, stop)]
    first = month_number(world.factory.start) + span.start
    total = weight = Decimal(0)
    for month in range(first, first + span.months):
        for day, days in DAY_WEIGHTS[bucket.days]:
            prices = (exact(tariff.price_usd_per_kwh(month % 12 + 1, day, hour)) for hour in hours)
            total += days * sum(prices, Decimal(0))
            weight += days * len(hours)
    change = yearly(world.factory.money.energy_price_change_per_year_rate, span.middle)
    return total / weight * exchange(world, tariff) * change


def exchange(world: World, tariff: Tariff) -> Decimal:
    """Dollars at the file's exchange rate for one dollar at the tariff's own."""
    for rate in world.factory.money.exchange_rates:
        if rate.currency == tariff.currency:
            return exact(tariff.fx_local_per_usd) / exact(rate.local_per_usd)
    return Decimal(1)


def _demand_charge(world: World) -> Iterator[Payment]:
    for row in world.plan.peaks:
        hosting = world.hosting(row.site)
        if hosting is None:
            continue
        tariff, span = world.catalog.tariff(hosting.tariff), world.span[row.period]
        charge = exact(tariff.demand_charge_usd_per_kw_month) * exchange(world, tariff)
        yield Payment(span, exact(row.billed_peak_kw) * charge * span.months, row.site)


# --- running ---


def _maintenance(world: World) -> Iterator[Payment]:
    rate = exact(world.factory.money.overheads.maintenance_per_year_rate)
    for span in world.spans:
        for cohort in world.cohorts:
            if cohort.alive(span.start):
                order = cohort.order
                price = exact(world.purchases[order.offer].price_usd)
                yield Payment(span, order.nodes * rate * price * span.months / 12, order.site, order.offer)
        for item in world.factory.existing:
            yearly_usd = exact(item.maintenance_usd_per_year)
            for site in world.places(item):
                usd = world.kept(item, site, span.start) * yearly_usd * span.months / 12
                yield Payment(span, usd, site, owned_name(item.id))


def _software(world: World) -> Iterator[Payment]:
    usd = exact(world.factory.money.overheads.software_usd_per_gpu_year)
    for span in world.spans:
        for pool in world.pools:
            gpus = world.installed(pool, span) * world.server(pool[1]).accelerators_count
            yield Payment(span, gpus * usd * span.months / 12, *pool)


def _staff(world: World) -> Iterator[Payment]:
    for row in world.plan.staff:
        if (hosting := world.hosting(row.site)) is not None:
            span = world.span[row.period]
            usd = row.fte * exact(hosting.staff.salary_usd_per_year) * span.months / 12
            yield Payment(span, usd, row.site)


def _training(world: World) -> Iterator[Payment]:
    people = {(row.site, row.period): row.fte for row in world.plan.staff}
    for site, hosting in world.hosts:
        before = hosting.staff.existing_fte
        for span in world.spans:
            now = people.get((site, span.id), 0)
            yield Payment(span, max(0, now - before) * exact(hosting.staff.training_usd_per_fte), site)
            before = now


def _moving(world: World) -> Iterator[Payment]:
    """What the way costs, at the site to which it leads."""
    for row in world.plan.moves:
        item = world.existing[row.existing]
        price = next((exact(move.usd_per_node) for move in item.moves if move.to == row.to), Decimal(0))
        yield Payment(world.span[row.period], row.nodes * price, row.to, owned_name(item.id))


def _colocation(world: World) -> Iterator[Payment]:
    for site, hosting in world.hosts:
        rate = exact(hosting.space_usd_per_kw_month)
        for span in world.spans:
            for pool in world.pools:
                if pool[0] == site and (nodes := world.installed(pool, span)):
                    usd = rate * exact(world.need(pool[1], "max_power_kw")) * nodes * span.months
                    yield Payment(span, usd, *pool)


def _cloud(world: World) -> Iterator[Payment]:
    hours_per_month = exact(world.factory.money.hours_per_year) / 12
    for row in world.plan.rents:
        offer = world.rentals[row.offer]
        usd = row.nodes * rent_price(world, offer) * hours_per_month
        first, end = world.term(row)
        for span in world.spans:
            if (months := min(end, span.end) - max(first, span.start)) > 0:
                yield Payment(span, usd * months, offer.site, offer.id)
    for burst in world.plan.bursts:
        offer = world.rentals[burst.offer]
        usd = exact(burst.node_hours) * rent_price(world, offer)
        yield Payment(world.span[burst.period], usd, offer.site, offer.id)


def rent_price(world: World, offer: RentalOffer) -> Decimal:
    """US dollars per node and hour, from the file or from the catalogue offer that it names."""
    if offer.price_usd_per_node_hour is not None:
        return exact(offer.price_usd_per_node_hour)
    listed = world.catalog.offers[offer.cloud_offer or ""]
    per_gpu = exact(listed.price_usd_per_hour) / listed.accelerators_count
    return per_gpu * world.server(offer.server).accelerators_count


def _tokens(world: World) -> Iterator[Payment]:
    for row in world.plan.tokens:
        workload, span = world.workloads[row.workload], world.span[row.period]
        if isinstance(workload, LlmWorkload):
            offer = world.token_offers[row.offer]
            price_in, price_out = token_prices(world, offer)
            usd = exact(workload.prompt.mean_tokens) * price_in + exact(workload.output.mean_tokens) * price_out
            usd *= _units(world, row.units_per_s, span, row.bucket) / 10**6
            yield Payment(span, usd, offer.site, offer.id, workload.id)


def token_prices(world: World, offer: TokenOffer) -> tuple[Decimal, Decimal]:
    """US dollars per million input and output tokens; a listed price is read on the plan's first day."""
    if offer.input_usd_per_mtok is not None and offer.output_usd_per_mtok is not None:
        return exact(offer.input_usd_per_mtok), exact(offer.output_usd_per_mtok)
    listed = token_price(offer.provider or "", offer.provider_model or "", on=world.first_day(world.spans[0]))
    return exact(listed.input_usd_per_mtok), exact(listed.output_usd_per_mtok)


def _units(world: World, units_per_s: float, span: Span, bucket: str) -> Decimal:
    """Units in all the hours of a bucket."""
    return exact(units_per_s) * SECONDS * exact(world.hours(span, bucket))


# --- links, shedding, value ---


def link_uses(world: World) -> dict[tuple[str, str], Span]:
    """First period in which each link carries load, or stands by to carry it after the loss of a site."""
    first: dict[tuple[str, str], Span] = {}
    sites = {offer.id: offer.site for offer in world.token_offers.values()}
    ways = [(row.origin, row.site, row.period, row.units_per_s) for row in world.plan.loads]
    ways += [(row.origin, row.site, row.period, row.units_per_s) for row in world.plan.failovers]
    ways += [(row.origin, sites[row.offer], row.period, row.units_per_s) for row in world.plan.tokens]
    for origin, site, period, load in ways:
        if load > 0 and (origin, site) in world.links:
            span = world.span[period]
            first[origin, site] = min(first.get((origin, site), span), span, key=lambda item: item.index)
    return first


def _links(world: World) -> Iterator[Payment]:
    for way, first in link_uses(world).items():
        for span in world.spans[first.index :]:
            usd = exact(world.links[way].price_usd_per_month) * span.months
            yield Payment(span, usd, way[1], way_name(*way))


def way_name(origin: str, site: str) -> str:
    """A link as the ledger names it."""
    return f"{origin}>{site}"


def _egress(world: World) -> Iterator[Payment]:
    sites = {offer.id: offer.site for offer in world.token_offers.values()}
    rows = [(row, row.site) for row in world.plan.loads]
    rows += [(row, sites[row.offer]) for row in world.plan.tokens]
    for row, site in rows:
        link, workload, span = (
            world.links.get((row.origin, site)),
            world.workloads[row.workload],
            world.span[row.period],
        )
        if link is not None and isinstance(workload, Served):
            gb = exact(workload.download_kb_per_unit) / 10**6
            usd = exact(link.egress_usd_per_gb) * gb * _units(world, row.units_per_s, span, row.bucket)
            yield Payment(span, usd, site, way_name(row.origin, site), row.workload)


def _shed(world: World) -> Iterator[Payment]:
    for row in world.plan.shed:
        span, usd = world.span[row.period], exact(world.workloads[row.workload].shed_usd_per_unit)
        usd *= _units(world, row.units_per_s, span, row.bucket)
        yield Payment(span, usd, row.origin, workload=row.workload)


def _value(world: World) -> Iterator[Payment]:
    rows = [(row, row.site) for row in world.plan.loads]
    rows += [(row, world.token_offers[row.offer].site) for row in world.plan.tokens]
    for row, site in rows:
        span, usd = world.span[row.period], exact(world.workloads[row.workload].value_usd_per_unit)
        yield Payment(span, -usd * _units(world, row.units_per_s, span, row.bucket), site, workload=row.workload)


# --- what is left ---


def _resale(world: World) -> Iterator[Payment]:
    for row in world.plan.retirements:
        item, span = world.existing[row.existing], world.span[row.period]
        if not world.aged_out(item, span.start):
            factor = yearly(-item.resale_decline_per_year_rate, span.start)
            yield Payment(span, -row.nodes * exact(item.resale_usd) * factor, row.site, owned_name(item.id))


def _residual(world: World) -> Iterator[Payment]:
    last, rate = world.spans[-1], world.factory.money.discount_rate
    for cohort in world.cohorts:
        paid = sum((per_node(world, cohort.order, line) for line in ("hardware", "network", "storage")), Decimal(0))
        unpaid = annuity_left(rate, cohort.life_months, world.horizon - cohort.arrives.start)
        order = cohort.order
        yield Payment(last, -order.nodes * paid * unpaid, order.site, order.offer)
    life = 12 * world.factory.money.overheads.facility_life_years
    for row in world.plan.blocks:
        unpaid = annuity_left(rate, life, world.horizon - world.span[row.usable_from].start)
        yield Payment(last, -_block_usd(world, row) * unpaid, row.site, block_name(row.block))
    for item in world.factory.existing:
        factor = yearly(-item.resale_decline_per_year_rate, world.horizon)
        for site in world.places(item):
            usd = -world.kept(item, site, world.horizon) * exact(item.resale_usd) * factor
            yield Payment(last, usd, site, owned_name(item.id))


def annuity_left(rate: float, life_months: float, age_months: float) -> Decimal:
    """Part of an annuity over the life that is still unpaid at an age; 0 from the end of the life on."""
    rest = life_months - age_months
    if rest <= 0:
        return Decimal(0)
    if rate == 0:
        return exact(rest) / exact(life_months)
    return (1 - 1 / yearly(rate, rest)) / (1 - 1 / yearly(rate, life_months))


LINES: Mapping[str, Callable[[World], Iterator[Payment]]] = {
    **{line: _as_hardware(line) for line in ("hardware", "network", "storage", "spares", "duty")},
    "facility": _facility,
    "opening": _opening,
    "energy": _energy,
    "demand_charge": _demand_charge,
    "maintenance": _maintenance,
    "software": _software,
    "staff": _staff,
    "training": _training,
    "moving": _moving,
    "colocation": _colocation,
    "cloud": _cloud,
    "tokens": _tokens,
    "links": _links,
    "egress": _egress,
    "shed_penalty": _shed,
    "value_served": _value,
    "resale": _resale,
    "residual": _residual,
}
