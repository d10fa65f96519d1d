"""What the first page says, in plain sentences: what to do, at what cost, by when, and what would change it.

The page and the typeset paper say the same words.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from groundplan.report._actions import actions
from groundplan.report._desk import Action
from groundplan.report._facts import Facts
from groundplan.report._words import SPACE, count, day_words, figure, percent, sentence_list, span, whole
from groundplan.study import Alternative, Flip, months_to_full_service, most_fte, uplinks

BINDING = ("order", "power-block", "commitment", "space-contract", "token-api")
"""Kinds of actions that a board signs."""
MOST = 3
"""Lines under each heading of the first page."""
NOT_COMPARED = "Not known: alternatives were not planned. The option --compare plans them."
NO_PRICE = "No price alone, of those that were moved."


@dataclass(frozen=True, slots=True)
class Key:
    """One figure of the first page: its name, its value with unit, and what stands beneath."""

    name: str
    value: str
    about: str
    is_word: bool = False
    """Words instead of a number."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Something to sign: the last safe day, and what at which price."""

    day: str
    what: str


def title_of(facts: Facts) -> str:
    """The plan as an instruction, from where most of each workload's work is done."""
    places = list(main_places(facts).values())
    if not places:
        return "Run nothing: no workload has load inside the plan"
    mainly = "" if _all_own(facts) else "mainly "
    ways = (
        ("own", "run", f" {mainly}on your own hardware"),
        ("rented", "rent for", ""),
        ("tokens", "buy tokens for", ""),
    )
    parts: list[str] = []
    for kind, verb, where in ways:
        if number := places.count(kind):
            of_all = f" of {len(places)} workloads" if not parts else ""
            how_many = f"all {number} workloads" if number == len(places) > 1 else f"{number}{of_all}"
            parts.append(f"{verb} {how_many}{where}")
    said = sentence_list(parts)
    return said[0].upper() + said[1:]


def _all_own(facts: Facts) -> bool:
    return not facts.plan.tokens and all(
        _kind(facts, row.site) == "own" for row in (*facts.plan.loads, *facts.plan.batch)
    )


def main_places(facts: Facts) -> dict[str, str]:
    """``own``, ``rented`` or ``tokens`` by workload: where most of its load (each hour alike) or batch work is."""
    months = {row.id: row.months_count for row in facts.plan.periods}
    shares: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in facts.plan.loads:
        shares[row.workload][_kind(facts, row.site)] += row.units_per_s * months[row.period]
    for token in facts.plan.tokens:
        shares[token.workload]["tokens"] += token.units_per_s * months[token.period]
    for gang in facts.plan.batch:
        shares[gang.workload][_kind(facts, gang.site)] += gang.gang_hours * facts.points[gang.point].capacity_per_s
    return {
        workload: max(parts, key=lambda kind: parts[kind]) for workload, parts in shares.items() if any(parts.values())
    }


def _kind(facts: Facts, site: str) -> str:
    return "own" if facts.sites[site].hosting is not None else "rented"


def kind_line(facts: Facts) -> str:
    """What this document is."""
    start = facts.label(facts.plan.periods[0].id)
    return f"Plan for decision · {facts.factory.title} · {horizon_words(facts)} from {start}"


def horizon_words(facts: Facts) -> str:
    """``5 years``, or months where these are no whole years."""
    months = facts.horizon_months
    return count(months // 12, "year") if months % 12 == 0 and months > 12 else count(months, "month")


# --- what to buy, at what cost, by when ---


def buy_words(facts: Facts) -> str:
    """What is ordered, and the most that is rented at a time."""
    plan = facts.plan
    rented = max(sum(facts.rented_nodes(offer, row) for offer in facts.factory.rentals) for row in plan.periods)
    nodes = sum(order.nodes for order in plan.orders)
    rents = f"rent at most {count(rented, 'server')} at a time" if rented else ""
    if not nodes:
        return f"{rents[0].upper()}{rents[1:]}, and order none." if rents else "Order no server and rent none."
    first = sum(order.nodes for order in plan.orders if plan.periods[facts.index[order.period]].plan_year == 1)
    usd = sum(order.nodes * facts.order_usd(order) for order in plan.orders)
    when = f", {whole(first)} of them in year 1" if 0 < first < nodes else ", all in year 1" if first else ""
    ordered = f"Order {count(nodes, 'server')} for {facts.money.short(usd)}{when}"
    return f"{ordered}, and {rents}." if rents else f"{ordered}; rent none."


def cost_words(facts: Facts) -> str:
    """Cost, and how far the next way is, where that is proved."""
    result, money = facts.plan.result, facts.money
    rate = percent(facts.factory.money.discount_rate, 1)
    return (
        f"All of it costs {money.short(result.objective_usd)} over {horizon_words(facts)} in present value "
        f"at {rate} a year{_net(facts)}{_margin(facts)}."
    )


def _net(facts: Facts) -> str:
    value = -sum(usd for (line, _), usd in facts.costs.items() if line == "value_served")
    return ", net of the stated value of service" if value > 0 else ""


def _margin(facts: Facts) -> str:
    rows = facts.comparison.alternatives if facts.comparison else ()
    if tied := [row for row in rows if row.verdict == "undecided"]:
        return f". {sentence_list(_name(row) for row in tied).capitalize()} cannot be told apart from it by cost"
    dearer = [(row.dearer_usd, row) for row in rows if row.verdict == "dearer" and row.dearer_usd]
    if not dearer:
        return ""
    (low, high), row = min(dearer, key=lambda pair: pair[0])
    return f". The next best way, {_name(row)}, costs {facts.money.span(low, high)} more"


def _name(row: Alternative) -> str:
    return row.title[0].lower() + row.title[1:]


def stopped(facts: Facts) -> str:
    """What to say of a search that a limit ended; empty for one that ran to its end."""
    if facts.plan.result.status != "limit":
        return ""
    return "The search was stopped before the gap asked for: a cheaper plan may exist."


def first_date(facts: Facts) -> str:
    """The first thing to sign."""
    first = next((action for action in actions(facts) if action.kind in BINDING), None)
    if first is None:
        return "Nothing has to be ordered or rented."
    return f"The first deadline is {day_words(first.last_safe)}: {first.what[0].lower()}{first.what[1:]}."


# --- figures ---


def keys(facts: Facts) -> list[Key]:
    """The figures of the first page, without the judgement."""
    result, money, cash = facts.plan.result, facts.money, facts.cash
    peak = max(cash, key=lambda year: cash[year])
    dearest = "the dearest year" if peak == facts.years[0] else f"peak {money.short(cash[peak])} in year {peak}"
    bound = f"proved within {percent(result.gap, 2)} of the least that any plan of this file can cost"
    return [
        Key(f"Cost over {horizon_words(facts)}", money.short(result.objective_usd), bound),
        Key("Cash, year 1", money.short(cash[facts.years[0]]), dearest),
        _service(facts),
        Key("People", whole(most_fte(facts.plan)), "at most, over all your sites"),
        Key("If the uplink dies", _uplink(facts), "workloads that answer requests run on", is_word=True),
    ]


def _service(facts: Facts) -> Key:
    months = months_to_full_service(facts.plan)
    if months == 0:
        return Key("All load is served", "from day one", "nothing is turned away")
    if months is None:
        return Key("All load is served", "never", "some is turned away to the end")
    return Key("All load is served", f"from month{SPACE}{months + 1}", "some is turned away before")


def _uplink(facts: Facts) -> str:
    found = uplinks(facts.plan, facts.factory)
    return f"{sum(one.state == 'runs' for one in found)} of {len(found)}" if found else "–"


# --- to approve, and what would change the answer ---


def approvals(facts: Facts) -> list[Approval]:
    """What a board signs first, by last safe day."""
    found = [action for action in actions(facts) if action.kind in BINDING]
    return [Approval(day_words(action.last_safe), _priced(facts, action)) for action in found[:MOST]]


def _priced(facts: Facts, action: Action) -> str:
    return f"{action.what}; {facts.money.short(abs(action.amount_usd))}"


def changes(facts: Facts) -> list[str]:
    """What would change the answer, in a sentence each, narrowest margin first."""
    found = [_change(row, flip) for row, flip in flips_found(facts)[:MOST] if flip.wins_below is not None]
    return found or [NO_PRICE if facts.comparison else NOT_COMPARED]


def flips_found(facts: Facts) -> list[tuple[Alternative, Flip]]:
    """Alternatives with a price that was moved, narrowest margin first."""
    rows = facts.comparison.alternatives if facts.comparison else ()
    return sorted(((row, row.flip) for row in rows if row.flip), key=lambda pair: -(pair[1].loses_above or 1.0))


def _change(row: Alternative, flip: Flip) -> str:
    wins, loses = flip.wins_below or 0.0, flip.loses_above or 1.0
    example = max(flip.prices, key=lambda price: price.price_usd)
    falls = span(percent(1 - loses), percent(1 - wins))
    lever = flip.lever[0].upper() + flip.lever[1:]
    fall = "fall" if flip.lever.startswith("prices") else "falls"
    to = span(figure(example.price_usd * wins), figure(example.price_usd * loses))
    quote = "; today's is assumed, so check a quote" if flip.rests_on_assumed else ""
    return (
        f"{lever} {fall} by {falls}: then {_name(row)} costs less. For example {example.what}: "
        f"USD{SPACE}{to} per {example.unit} instead of {figure(example.price_usd)}{quote}."
    )
