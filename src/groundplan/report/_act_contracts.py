"""Actions on paper: commitments and their ends, quotas, token APIs, links, people, permits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import ceil

from groundplan.plan import BurstRow, RentRow
from groundplan.report._desk import NO_NOTICE, Action, Desk, few
from groundplan.report._priced import rental_price, token_prices, tokens_sold
from groundplan.report._room import SLACK, TERM_MONTHS, Pool, Shortage
from groundplan.report._words import count, day_words, figure
from groundplan.spec import TokenOffer, month_number

TERM_WORDS = {"1y": "1 year", "3y": "3 years"}


def commitments(desk: Desk) -> Iterator[Action]:
    facts = desk.facts
    for row in desk.plan.rents:
        offer = facts.rentals[row.offer]
        term = TERM_MONTHS.get(offer.term)
        if term is None:
            continue
        pool, start = (offer.site, facts.server(offer.server).id), desk.start(row.period)
        short = _late_rent(desk, row, pool)
        latest = desk.room.starts[short.index] if short else desk.facts.horizon_months - term
        name, place = facts.server(offer.server).name, facts.places[offer.site]
        usd = row.nodes * rental_price(facts, offer)[0] * facts.factory.money.hours_per_year / 12 * term
        words = TERM_WORDS[offer.term]
        yield desk.action(
            id=f"commitment:{row.offer}:{row.period}", kind="commitment", site=offer.site, item=row.offer,
            what=f"Sign {row.nodes} × {name} at {place} for {words}", quantity=row.nodes, unit="node",
            planned=desk.day(start), last_safe=desk.day(max(start, min(latest, facts.horizon_months - term))),
            ready=desk.day(start), amount_usd=usd, due_now_usd=0.0, cost_line="cloud", notice=NO_NOTICE,
            consequence=desk.lacking(pool, short),
        )  # fmt: skip
        yield _notice(desk, row, start + term, f"{row.nodes} × {name} at {place}")


def _notice(desk: Desk, row: RentRow, end: int, what: str) -> Action:
    """End of a commitment: the plan goes on with what it holds then."""
    offer, day = desk.facts.rentals[row.offer], desk.day(end)
    follow = sum(
        other.nodes for other in desk.plan.rents if other.offer == row.offer and desk.start(other.period) >= end
    )
    then = f"the plan signs {follow} nodes anew" if follow else "the plan does not renew"
    return desk.action(
        id=f"notice:{row.offer}:{row.period}", kind="notice", site=offer.site, item=row.offer,
        what=f"Renew or end {what}", quantity=row.nodes, unit="node", planned=day, last_safe=day, ready=day,
        amount_usd=0.0, cost_line="cloud", notice=NO_NOTICE,
        consequence=f"The term ends on {day_words(day)}; {then}. "
        "A contract that renews itself would go on being billed.",
    )  # fmt: skip


def _late_rent(desk: Desk, row: RentRow, pool: Pool) -> Shortage | None:
    """What is short when the term starts a period after the latest that works; None where it is never missed."""
    others, first = [other for other in desk.plan.rents if other is not row], desk.facts.index[row.period]
    for index in range(first + 1, len(desk.plan.periods)):
        late = [*others, row.model_copy(update={"period": desk.plan.periods[index].id})]
        if short := desk.room.shortage(pool, rents=late):
            return Shortage(index - 1, short.nodes, short.needed)
    return None


def quotas(desk: Desk) -> Iterator[Action]:
    facts, plan = desk.facts, desk.plan
    for offer in facts.factory.rentals:
        held = [row for row in plan.rents if row.offer == offer.id and offer.term == "on-demand"]
        burst = [row for row in plan.bursts if row.offer == offer.id]
        if not held and not burst:
            continue
        first = min(facts.index[row.period] for row in (*held, *burst))
        pool, nodes = (offer.site, facts.server(offer.server).id), _quota_nodes(desk, held, burst)
        short = desk.room.shortage(
            pool, rents=[row for row in plan.rents if row not in held],
            bursts=[row for row in plan.bursts if row not in burst],
        )  # fmt: skip
        month = desk.room.starts[max(first, short.index) if short else -1]
        yield desk.action(
            id=f"quota:{offer.id}", kind="quota", site=offer.site, item=offer.id, quantity=nodes, unit="node",
            what=f"Have on-demand quota of {nodes} × {facts.server(offer.server).name} granted at "
            f"{facts.places[offer.site]}",
            planned=desk.day(desk.room.starts[first]), last_safe=desk.day(month),
            ready=desk.day(desk.room.starts[first]), cost_line="cloud", due_now_usd=0.0,
            amount_usd=_on_demand_usd(desk, held, sum(row.node_hours for row in burst), offer.id),
            consequence=desk.lacking(pool, short),
        )  # fmt: skip


def _quota_nodes(desk: Desk, held: list[RentRow], burst: list[BurstRow]) -> int:
    """Most nodes at a time: held, and the bursts of the busiest bucket."""
    most = 0.0
    for index, period in enumerate(desk.plan.periods):
        nodes = sum(row.nodes for row in held if row.period == period.id)
        mine = [row for row in burst if row.period == period.id]
        most = max([most, nodes, *(nodes + row.node_hours / desk.room.hours(index, row.bucket) for row in mine)])
    return ceil(most - SLACK)


def _on_demand_usd(desk: Desk, held: list[RentRow], burst_hours: float, offer: str) -> float:
    months = {row.id: row.months_count for row in desk.plan.periods}
    hours = sum(row.nodes * months[row.period] for row in held) * desk.facts.factory.money.hours_per_year / 12
    return (hours + burst_hours) * rental_price(desk.facts, desk.facts.rentals[offer])[0]


def token_apis(desk: Desk) -> Iterator[Action]:
    facts = desk.facts
    for offer in facts.factory.token_offers:
        rows = [row for row in desk.plan.tokens if row.offer == offer.id and row.units_per_s > 0]
        if not rows:
            continue
        first = min(facts.index[row.period] for row in rows)
        by_moment: dict[tuple[str, str], float] = defaultdict(float)
        for row in rows:
            by_moment[row.period, row.bucket] += row.units_per_s
        most, day = max(by_moment.values()), desk.day(desk.room.starts[first])
        who = few(facts.workloads[name].title for name in facts.workloads if any(r.workload == name for r in rows))
        yield desk.action(
            id=f"token-api:{offer.id}", kind="token-api", site=offer.site, item=offer.id, quantity=most,
            unit="request/s", what=f"Sign the token API {offer.id} for up to {figure(most)} requests a second",
            planned=day, last_safe=day, ready=day, due_now_usd=0.0, cost_line="tokens", notice=NO_NOTICE,
            amount_usd=_tokens_usd(desk, offer),
            consequence=f"{who}: up to {figure(most)} requests a second not served from {desk.label(first)}.",
        )  # fmt: skip


def _tokens_usd(desk: Desk, offer: TokenOffer) -> float:
    price_in, price_out, _ = token_prices(desk.facts, offer)
    sold = (tokens for (name, _), tokens in tokens_sold(desk.facts, desk.room).items() if name == offer.id)
    return sum(m_in * price_in + m_out * price_out for m_in, m_out in sold)


def links(desk: Desk) -> Iterator[Action]:
    facts, offered = desk.facts, {(link.origin, link.site): link for link in desk.facts.factory.links}
    used: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in desk.plan.links:
        used[row.origin, row.site].append(facts.index[row.period])
    for (origin, site), indices in used.items():
        link, day = offered[origin, site], desk.day(desk.room.starts[min(indices)])
        months = sum(desk.plan.periods[index].months_count for index in indices)
        rows = [row for row in (*desk.plan.loads, *desk.plan.failovers) if (row.origin, row.site) == (origin, site)]
        ids = {row.workload for row in rows}
        ids |= {r.workload for r in desk.plan.tokens if (r.origin, facts.token_offers[r.offer].site) == (origin, site)}
        who = few(facts.workloads[name].title for name in facts.workloads if name in ids)
        way = f"{facts.places[origin]} to {facts.places[site]}"
        yield desk.action(
            id=f"link:{origin}:{site}", kind="link", site=site, item=f"{origin} -> {site}",
            quantity=link.bandwidth_mbit_per_s, unit="Mbit/s", planned=day, last_safe=day, ready=day,
            what=f"Contract the link {way}, {figure(link.bandwidth_mbit_per_s)} Mbit/s each way",
            amount_usd=months * link.price_usd_per_month, due_now_usd=0.0, cost_line="links", notice=NO_NOTICE,
            consequence=f"{who}: no way from {way} from {desk.label(min(indices))} on.",
        )  # fmt: skip


def hires(desk: Desk) -> Iterator[Action]:
    people = {(row.site, row.period): row.fte for row in desk.plan.staff}
    for site in desk.facts.factory.sites:
        if site.hosting is None:
            continue
        before = site.hosting.staff.existing_fte
        for index, period in enumerate(desk.plan.periods):
            fte = people.get((site.id, period.id), 0)
            if fte > before:
                yield _hire(desk, site.id, index, before, fte - before)
            before = fte


def _hire(desk: Desk, site: str, index: int, before: int, rise: int) -> Action:
    staff, place, starts = desk.hosting(site).staff, desk.facts.places[site], desk.room.starts
    later = range(index, len(starts))
    first = next((number for number in later if _people(desk, site, number) > before), None)
    return desk.action(
        id=f"hire:{site}:{desk.plan.periods[index].id}", kind="hire", site=site, item=site, quantity=rise, unit="FTE",
        what=f"Hire and train {count(rise, 'person', 'people')} at {place}", planned=desk.day(starts[index]),
        last_safe=desk.day(starts[-1 if first is None else first]), ready=desk.day(starts[index]),
        amount_usd=rise * staff.training_usd_per_fte, cost_line="training",
        consequence="Nobody is missed without it." if first is None
        else f"{place} has {before} of {count(_people(desk, site, first), 'person', 'people')} for its nodes "
        f"from {desk.label(first)}.",
    )  # fmt: skip


def _people(desk: Desk, site: str, index: int) -> int:
    """Least FTE of a site in a period."""
    staff, period = desk.hosting(site).staff, desk.plan.periods[index]
    nodes = sum(desk.facts.own_nodes(at, server, period) for at, server in desk.facts.pools if at == site)
    opened = desk.plan.opened.get(site)
    least = staff.min_fte if opened is not None and desk.facts.index[opened] <= index else 0
    return max(least, ceil(nodes / staff.nodes_per_fte - SLACK))


def permits(desk: Desk) -> Iterator[Action]:
    start = month_number(desk.facts.factory.start)
    for permit in desk.facts.factory.held_permits:
        month = month_number(permit.until_month) - start
        if 0 <= month <= desk.facts.horizon_months:
            day = desk.day(month)
            said = day_words(day)
            yield desk.action(
                id=f"permit:{permit.permit}:{permit.until_month}", kind="permit", site="", item=permit.permit,
                what=f"Renew permit {permit.permit} if anything after {said} needs it", quantity=1, unit="permit",
                planned=day, last_safe=day, ready=day, amount_usd=0.0, cost_line="",
                consequence=f"From {said} nothing may rest on it: no order, rent or processing that a rule forbids.",
            )  # fmt: skip
