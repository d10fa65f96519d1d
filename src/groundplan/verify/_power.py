"""Watts of a site: draw, limits, heat, blocks, billed peaks, carbon."""

from __future__ import annotations

from collections import defaultdict
from math import inf

from groundplan.plan import PEAK
from groundplan.spec import Hosting, month_number
from groundplan.verify._book import Book
from groundplan.verify._world import Pool, Span, World


def busy_kw(world: World, pool: Pool, span: Span, bucket: str) -> float:
    """Extra IT kW of what runs on a pool; batch work pauses at the design peak."""
    serving = sum(point.dynamic_kw * load / point.capacity_per_s for point, load in world.loads_at(pool, span, bucket))
    if bucket == PEAK:
        return serving
    hours = world.hours(span, bucket)
    return serving + sum(point.dynamic_kw * gang / hours for point, gang in world.gangs_at(pool, span, bucket))


def draw_kw(world: World, site: str, span: Span, bucket: str) -> float:
    """IT draw of the own hardware of a site."""
    total = 0.0
    for pool in world.pools:
        if pool[0] == site and (nodes := world.installed(pool, span)):
            total += world.need(pool[1], "idle_power_kw") * nodes + busy_kw(world, pool, span, bucket)
    return total


def usable_blocks(world: World, site: str, hosting: Hosting, span: Span) -> dict[str, int]:
    """Blocks in use by id."""
    found = dict.fromkeys((block.id for block in hosting.blocks), 0)
    for row in world.plan.blocks:
        if row.site == site and world.span[row.usable_from].index <= span.index:
            found[row.block] += row.count
    return found


def _limit(world: World, site: str, hosting: Hosting, span: Span, figure: str) -> float:
    blocks = usable_blocks(world, site, hosting, span)
    built = sum(blocks[block.id] * getattr(block, figure) for block in hosting.blocks)
    return getattr(hosting, figure) + built


def _total(world: World, site: str, span: Span, figure: str) -> float:
    """A figure of the servers, summed over the own nodes of a site."""
    nodes = {pool: world.installed(pool, span) for pool in world.pools if pool[0] == site}
    return sum(world.need(pool[1], figure) * count for pool, count in nodes.items() if count)


def power(world: World, book: Book) -> None:
    """Nameplate kW behind the UPS tier at the peak PUE."""
    for site, hosting in world.hosts:
        for span in world.spans:
            kw = hosting.pue_peak * _total(world, site, span, "max_power_kw")
            limit = _limit(world, site, hosting, span, "usable_kw")
            book.at_most(kw, limit, f"{site} {span.id}", "facility kW", "fewer nodes, or a block earlier")


def cooling(world: World, book: Book) -> None:
    """Heat to air, heat to liquid, rack positions, and kW per rack."""
    for site, hosting in world.hosts:
        for span in world.spans:
            _heat(world, book, site, hosting, span)
    for index, row in enumerate(world.plan.orders):
        if (hosting := world.hosting(row.site)) is not None:
            kw = world.need(row.server, "max_power_kw") / max(1.0, world.need(row.server, "racks_share"))
            book.at_most(kw, hosting.rack_limit_kw, f"orders[{index}]", f"kW per rack of {row.server}")
    for index, moved in enumerate(world.plan.moves):
        server, hosting = world.existing[moved.existing].server, world.hosting(moved.to)
        if book.require(hosting is not None, f"moves[{index}]", f"{moved.to} hosts no hardware of yours") and hosting:
            kw = world.need(server, "max_power_kw") / max(1.0, world.need(server, "racks_share"))
            book.at_most(kw, hosting.rack_limit_kw, f"moves[{index}]", f"kW per rack of {server}")


def _heat(world: World, book: Book, site: str, hosting: Hosting, span: Span) -> None:
    air = liquid = racks = 0.0
    for pool in world.pools:
        if pool[0] == site and (nodes := world.installed(pool, span)):
            kw, share = world.need(pool[1], "max_power_kw"), world.liquid_share(pool[1])
            air, liquid = air + kw * nodes * (1 - share), liquid + kw * nodes * share
            racks += nodes * max(world.need(pool[1], "racks_share"), kw / hosting.rack_limit_kw)
    where = f"{site} {span.id}"
    book.at_most(air, _limit(world, site, hosting, span, "air_heat_kw"), where, "kW of heat to air")
    book.at_most(liquid, _limit(world, site, hosting, span, "liquid_heat_kw"), where, "kW of heat to liquid")
    book.at_most(racks, _limit(world, site, hosting, span, "rack_slots_count"), where, "rack positions")


def blocks(world: World, book: Book) -> None:
    """Blocks are bought in the order of the file, within their count, and usable after their lead."""
    for index, row in enumerate(world.plan.blocks):
        hosting = world.hosting(row.site)
        block = next((item for item in hosting.blocks if item.id == row.block), None) if hosting else None
        where = f"blocks[{index}]"
        if block is None:
            book.require(False, where, f"{row.site} offers no block {row.block}")
            continue
        ready = world.arrival(world.span[row.period], block.lead_months)
        found = ready.id if ready else "after the horizon"
        book.require(found == row.usable_from, where, f"usable from {row.usable_from} instead of {found}")
    for site, hosting in world.hosts:
        for span in world.spans:
            _block_order(world, book, site, hosting, span)


def _block_order(world: World, book: Book, site: str, hosting: Hosting, span: Span) -> None:
    bought: dict[str, int] = defaultdict(int)
    for row in world.plan.blocks:
        if row.site == site and world.span[row.period].index <= span.index:
            bought[row.block] += row.count
    open_to = inf
    for block in hosting.blocks:
        where, count = f"blocks: {site}/{block.id} by {span.id}", bought[block.id]
        book.require(count <= block.max_count, where, f"{count} bought, {block.max_count} exist")
        book.require(count == 0 or open_to > 0, where, "bought before the block ahead of it is complete")
        open_to = open_to if count == block.max_count else 0


def peaks(world: World, book: Book) -> None:
    """Billed peak: quarter-hour peaks of the draw, the contract minimum, and the ratchet of the tariff."""
    billed = {(row.site, row.period): row.billed_peak_kw for row in world.plan.peaks}
    for site, hosting in world.hosts:
        opened = world.opening(site)
        measured = {span.id: measured_kw(world, site, hosting, span) for span in world.spans}
        for span in world.spans:
            peak, where = billed.get((site, span.id), 0.0), f"peaks: {site} {span.id}"
            for bucket, kw in measured[span.id].items():
                book.at_least(peak, kw, where, f"billed kW over {bucket}")
            if opened is not None and span.index >= opened.index:
                book.at_least(peak, hosting.contract_minimum_kw, where, "billed kW under the contract minimum")
            for earlier in ratcheted(world, hosting, span):
                floor = max(measured[earlier.id].values())
                book.at_least(peak, floor, where, f"billed kW under the ratchet of {earlier.id}")
    for index, row in enumerate(world.plan.peaks):
        book.require(world.hosting(row.site) is not None, f"peaks[{index}]", f"{row.site} has no power contract")


def measured_kw(world: World, site: str, hosting: Hosting, span: Span) -> dict[str, float]:
    """Quarter-hour peak of the draw by bucket."""
    factor = hosting.intra_bucket_peak_factor * world.sites[site].pue
    return {bucket: factor * draw_kw(world, site, span, bucket) for bucket in (*world.plan.buckets, PEAK)}


def ratcheted(world: World, hosting: Hosting, span: Span) -> list[Span]:
    """Earlier periods whose peak still binds: a month of theirs lies in the season and is not too long ago."""
    tariff = world.catalog.tariff(hosting.tariff)
    season = set(tariff.ratchet_season) or set(range(1, 13))
    since = span.start - tariff.ratchet_months
    return [
        earlier
        for earlier in world.spans[: span.index]
        if any(calendar_month(world, month) in season for month in range(max(earlier.start, since), earlier.end))
    ]


def calendar_month(world: World, month: int) -> int:
    """Month of the calendar, 1 to 12, of a month of the plan."""
    return (month_number(world.factory.start) + month) % 12 + 1


def carbon(world: World, book: Book) -> None:
    """Tonnes by plan year under the budget: own and rented nodes; token APIs publish none."""
    tonnes: dict[int, float] = defaultdict(float)
    for span in world.spans:
        tonnes[span.year] += sum(_pool_kg(world, pool, span) for pool in world.pools) / 1000
    for year, limit in enumerate(world.factory.budgets.carbon_tonnes_by_year, start=1):
        book.at_most(tonnes[year], limit, f"year {year}", "tonnes of CO2")


def _pool_kg(world: World, pool: Pool, span: Span) -> float:
    site, nodes = world.sites[pool[0]], world.installed(pool, span) + world.rented(pool, span)
    kwh = 0.0
    for bucket in world.plan.buckets:
        hours = world.hours(span, bucket)
        held = nodes * hours + world.burst_hours(pool, span, bucket)
        if held:
            kwh += world.need(pool[1], "idle_power_kw") * held + busy_kw(world, pool, span, bucket) * hours
    return site.pue * site.grid_carbon_kg_per_kwh * kwh
