"""Actions on hardware and ground: orders, power blocks, openings, retirements, ends of life."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from groundplan.plan import BlockRow, MoveRow, OrderRow, RetireRow
from groundplan.policy import export
from groundplan.report._desk import NO_NOTICE, Action, Desk, few
from groundplan.report._room import SITE_FIGURES, Shortage, over
from groundplan.report._words import day_words, figure
from groundplan.spec import ON_PREMISE_TIERS, Existing, Hosting, month_number


def orders(desk: Desk) -> Iterator[Action]:
    facts = desk.facts
    for row in desk.plan.orders:
        offer, short = facts.purchases[row.offer], _late_order(desk, row)
        latest = desk.room.starts[short.index] if short else desk.room.starts[-1]
        usd = row.nodes * facts.order_usd(row)
        last_safe, law = under_law(desk, row.server, row.site, row.period, desk.day(latest - offer.lead_months))
        yield desk.action(
            id=f"order:{row.offer}:{row.site}:{row.period}", kind="order", site=row.site, item=row.offer,
            what=f"Order {row.nodes} × {facts.server(row.server).name} for {facts.places[row.site]}",
            quantity=row.nodes, unit="node", planned=desk.day(desk.start(row.period)), last_safe=last_safe,
            ready=desk.day(desk.start(row.arrives)), lead_months=offer.lead_months, amount_usd=usd,
            due_now_usd=usd * offer.deposit_share, cost_line="hardware",
            consequence=law or desk.lacking((row.site, row.server), short),
            depends_on=place_needs(desk, row.site, facts.index[row.arrives]),
        )  # fmt: skip


def _late_order(desk: Desk, row: OrderRow) -> Shortage | None:
    """What is short when the nodes come a period after the latest that works; None where they are never missed."""
    pool, others = (row.site, row.server), [other for other in desk.plan.orders if other is not row]
    first = desk.facts.index[row.arrives]
    for period in desk.plan.periods[first + 1 :]:
        late = [*others, row.model_copy(update={"arrives": period.id})]
        if short := desk.room.shortage(pool, orders=late):
            return Shortage(desk.facts.index[period.id] - 1, short.nodes, short.needed)
    short = desk.room.shortage(pool, orders=others)
    last = len(desk.plan.periods) - 1
    return Shortage(last, short.nodes, short.needed) if short else None


def under_law(desk: Desk, server: str, site: str, period: str, last_safe: date) -> tuple[date, str]:
    """The last safe date, and why it is earlier where export law closes first (docs/conventions.md: day of order)."""
    facts = desk.facts
    name = facts.server(server).accelerator
    chip = facts.catalog.accelerator(name) if name else None
    start = desk.start(period)
    for month in range(start, start + (last_safe.year * 12 + last_safe.month) - _number(desk.day(start)) + 1):
        on = desk.day(month)
        verdict = export(chip, site=facts.sites[site], on=on, held_permits=facts.factory.held_permits)
        if not verdict.allowed and month > start:
            return on - timedelta(days=1), f"From {day_words(on)} export law refuses it: {verdict.why}."
    return last_safe, ""


def _number(day: date) -> int:
    return day.year * 12 + day.month


def place_needs(desk: Desk, site: str, index: int) -> tuple[str, ...]:
    """Blocks, openings, retirements and moves away without which nodes that come in a period have no place."""
    room = desk.room
    load, limit = room.load(site, index), room.limit(site, index)
    found = [_open_id(site)] if site in desk.openings else []
    for block in desk.plan.blocks:
        if block.site == site and desk.facts.index[block.usable_from] <= index:
            without = {name: limit[name] - kw for name, kw in _block_size(desk, block).items()}
            found += [_block_id(block)] if over(load, without) else []
    gone: list[tuple[str, RetireRow | MoveRow]] = []
    gone += [(_retire_id(desk, row), row) for row in desk.plan.retirements if row.site == site]
    gone += [(move_id(row), row) for row in desk.plan.moves if desk.facts.existing[row.existing].site == site]
    for name, row in gone:
        server = desk.facts.server(desk.facts.existing[row.existing].server).id
        if desk.facts.index[row.period] <= index and over(room.load(site, index, {server: row.nodes}), limit):
            found.append(name)
    return tuple(found)


def _retire_id(desk: Desk, row: RetireRow) -> str:
    """The site stands in it where the nodes had moved."""
    moved = "" if row.site == desk.facts.existing[row.existing].site else f"{row.site}:"
    return f"retire:{row.existing}:{moved}{row.period}"


def move_id(row: MoveRow) -> str:
    return f"move:{row.existing}:{row.to}:{row.period}"


def _block_id(row: BlockRow) -> str:
    return f"power-block:{row.site}:{row.block}:{row.period}"


def _block_size(desk: Desk, row: BlockRow) -> dict[str, float]:
    block = next(block for block in desk.hosting(row.site).blocks if block.id == row.block)
    return {name: row.count * getattr(block, name) for name in SITE_FIGURES}


def blocks(desk: Desk) -> Iterator[Action]:
    for row in desk.plan.blocks:
        blocks = desk.hosting(row.site).blocks
        block = next(block for block in blocks if block.id == row.block)
        index, figure_over = _first_over(desk, row)
        place, usd = desk.facts.places[row.site], row.count * block.price_usd
        month = min(desk.room.starts[index] - block.lead_months, _next_block(desk, row, [b.id for b in blocks]))
        who = _at_site(desk, row.site, index)
        lack = f"{who}: {place} lacks {SITE_WORDS[figure_over]} from {desk.label(index)}." if figure_over else ""
        yield desk.action(
            id=_block_id(row), kind="power-block", site=row.site, item=row.block,
            what=f"Apply for {row.count} × power block {row.block} at {place}", quantity=row.count, unit="block",
            planned=desk.day(desk.start(row.period)), last_safe=desk.day(month),
            ready=desk.day(desk.start(row.usable_from)), lead_months=block.lead_months, amount_usd=usd,
            cost_line="facility",
            consequence=lack or "Nothing in the plan lacks power without it.",
        )  # fmt: skip


SITE_WORDS = {
    "usable_kw": "power", "air_heat_kw": "air cooling", "liquid_heat_kw": "liquid cooling",
    "rack_slots_count": "rack positions",
}  # fmt: skip


def _at_site(desk: Desk, site: str, index: int) -> str:
    pools = [pool for pool in desk.facts.pools if pool[0] == site]
    return few(desk.facts.workloads[name].title for pool in pools for name in desk.room.workloads(pool, index))


def _first_over(desk: Desk, row: BlockRow) -> tuple[int, str]:
    """First period that is over a limit without the block, and which; the last period and nothing where none is."""
    size = _block_size(desk, row)
    for index in range(desk.facts.index[row.usable_from], len(desk.plan.periods)):
        limit = desk.room.limit(row.site, index)
        if name := over(desk.room.load(row.site, index), {name: limit[name] - kw for name, kw in size.items()}):
            return index, name
    return len(desk.plan.periods) - 1, ""


def _next_block(desk: Desk, row: BlockRow, order: list[str]) -> int:
    """Month in which a block behind this one is bought, which asks for this one to be complete; else the horizon."""
    behind = set(order[order.index(row.block) + 1 :])
    later = [desk.start(b.period) for b in desk.plan.blocks if b.site == row.site and b.block in behind]
    return min([*(month for month in later if month >= desk.start(row.period)), desk.facts.horizon_months])


def _open_id(site: str) -> str:
    return f"open-site:{site}"


def openings(desk: Desk) -> Iterator[Action]:
    for site, period in desk.openings.items():
        hosting, place, start = desk.hosting(site), desk.facts.places[site], desk.start(period)
        rest = [row for row in desk.plan.orders if row.site != site]
        stay = [row for row in desk.plan.moves if row.to != site]
        pools = [pool for pool in desk.facts.pools if pool[0] == site]
        shorts = [(pool, desk.room.shortage(pool, orders=rest, moves=stay)) for pool in pools]
        first = min(((short.index, pool, short) for pool, short in shorts if short), default=None, key=lambda x: x[:2])
        month = desk.room.starts[first[0]] if first else desk.room.starts[-1]
        lacking = desk.lacking(first[1], first[2]) if first else desk.lacking((site, ""), None)
        common = {"site": site, "item": site, "planned": desk.day(start), "last_safe": desk.day(month),
                  "ready": desk.day(start), "consequence": lacking}  # fmt: skip
        yield desk.action(
            id=_open_id(site), kind="open-site", what=f"Open {place}: room, power contract, {hosting.ups_tier} UPS",
            quantity=1, unit="site", amount_usd=hosting.opening_usd, cost_line="opening", **common,
        )  # fmt: skip
        if hosting.space_usd_per_kw_month:
            kw = max(sum(_nameplate_kw(desk, site, index)) for index in range(len(desk.plan.periods)))
            yield desk.action(
                id=f"space-contract:{site}", kind="space-contract", quantity=kw, unit="kW",
                what=f"Sign {_space(desk, site)} at {place}, growing to {figure(kw)} kW nameplate",
                amount_usd=_space_usd(desk, site, hosting), due_now_usd=0.0, cost_line="colocation",
                notice=NO_NOTICE, **common,
            )  # fmt: skip


def _space(desk: Desk, site: str) -> str:
    return "the rent of room" if desk.facts.sites[site].tier in ON_PREMISE_TIERS else "the colocation contract"


def _nameplate_kw(desk: Desk, site: str, index: int) -> Iterator[float]:
    for at, server in desk.facts.pools:
        nodes = desk.facts.own_nodes(at, server, desk.plan.periods[index]) if at == site else 0
        if nodes:
            yield nodes * (desk.facts.server(server).max_power_kw or 0.0)


def _space_usd(desk: Desk, site: str, hosting: Hosting) -> float:
    months = [row.months_count for row in desk.plan.periods]
    kw_months = sum(sum(_nameplate_kw(desk, site, index)) * months[index] for index in range(len(months)))
    return hosting.space_usd_per_kw_month * kw_months


def retirements(desk: Desk) -> Iterator[Action]:
    facts, starts = desk.facts, desk.room.starts
    for row in desk.plan.retirements:
        item, first = facts.existing[row.existing], facts.index[row.period]
        server, place, start = facts.server(item.server), facts.places[row.site], starts[first]
        late = range(first, len(starts))
        full = next((i for i in late if kept_too_long(desk, item, row.site, row.nodes, i)), None)
        month = starts[full] if full is not None else starts[-1]
        factor = (1 - item.resale_decline_per_year_rate) ** (start / 12)
        why = f"{place} has no room for them from {desk.label(full)}." if full is not None else "They may stay."
        yield desk.action(
            id=_retire_id(desk, row), kind="retire", site=row.site, item=row.existing,
            what=f"Retire and resell {row.nodes} × {server.name} at {place}", quantity=row.nodes, unit="node",
            planned=desk.day(start), last_safe=desk.day(month), ready=desk.day(start),
            amount_usd=-row.nodes * item.resale_usd * factor, cost_line="resale",
            consequence=f"{why} Each year of waiting takes {100 * item.resale_decline_per_year_rate:.0f} % of the "
            "resale value.",
        )  # fmt: skip


def kept_too_long(desk: Desk, item: Existing, site: str, nodes: int, index: int) -> bool:
    """Whether a site is over a limit, or the nodes past their life, when they are still there in a period."""
    server = desk.facts.server(item.server).id
    if _age(desk, item, index) >= desk.facts.life_months(server):
        return True
    return bool(over(desk.room.load(site, index, {server: nodes}), desk.room.limit(site, index)))


def _age(desk: Desk, item: Existing, index: int) -> int:
    return month_number(desk.facts.factory.start) + desk.room.starts[index] - month_number(item.bought_month)


def ends_of_life(desk: Desk) -> Iterator[Action]:
    facts = desk.facts
    for item in facts.factory.existing:
        server = facts.server(item.server)
        ages = range(len(desk.plan.periods))
        first = next((i for i in ages if _age(desk, item, i) >= facts.life_months(server.id)), None)
        if first is None:
            continue
        for site in facts.stands_at(item):
            # Those past their life when the plan begins never stand in a period: all of them are taken down.
            left = facts.kept(item, site, first - 1) if first else item.nodes_count
            if left:
                yield _end_of_life(desk, site, server.id, item.id, left, first)
    for row in desk.plan.orders:
        born = desk.start(row.arrives)
        gone = (i for i, start in enumerate(desk.room.starts) if start >= born + facts.life_months(row.server))
        if (first := next(gone, None)) is not None:
            yield _end_of_life(desk, row.site, row.server, f"{row.offer}:{row.period}", row.nodes, first)


def _end_of_life(desk: Desk, site: str, server: str, item: str, nodes: int, index: int) -> Action:
    day, place = desk.day(desk.room.starts[index]), desk.facts.places[site]
    return desk.action(
        id=f"end-of-life:{site}:{item}", kind="end-of-life", site=site, item=item, quantity=nodes, unit="node",
        what=f"Take down {nodes} × {desk.facts.server(server).name} at {place}: end of life", planned=day,
        last_safe=day, ready=day, amount_usd=0.0, cost_line="",
        consequence=f"The plan counts on none of them from {desk.label(index)}.",
    )  # fmt: skip
