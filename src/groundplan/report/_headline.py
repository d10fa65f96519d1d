"""The first page: what to do, what it costs, how sure the figures are."""

from __future__ import annotations

from collections import defaultdict

from groundplan.report._actions import actions
from groundplan.report._decision import narrowest
from groundplan.report._facts import Facts
from groundplan.report._html import Html, join, listing, tag, verdict, warning
from groundplan.report._words import SPACE, count, day_words, percent, sentence_list, whole
from groundplan.study import months_to_full_service, most_fte, uplinks

BINDING = ("order", "power-block", "commitment", "space-contract", "token-api")
"""Kinds of actions that a board signs."""


def title_of(facts: Facts) -> str:
    """The plan as an instruction, from where most of each workload's work is done."""
    places = list(main_places(facts).values())
    if not places:
        return "Run nothing: no workload has load inside the plan"
    mainly = "" if _all_own(facts) else "mainly "
    ways = (
        ("own", "run", f" {mainly}on hardware of your own"),
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


def banner(facts: Facts) -> Html:
    """Said first where sizes or quotes are invented."""
    if not facts.factory.synthetic:
        return Html("")
    said = "Sizes or quotes of this plan are invented, as its factory file says. No figure here is a company's own."
    return tag("aside", tag("p", tag("b", "Synthetic."), " ", said), class_="banner", aria_label="Synthetic figures")


def headline(facts: Facts) -> Html:
    """Title, three sentences, five figures."""
    factory = facts.factory
    kind = (
        f"Capacity plan · {factory.title} · from {facts.label(facts.plan.periods[0].id)}, {facts.horizon_months} months"
    )
    return tag(
        "header",
        tag("p", kind, class_="kind"),
        tag("h1", title_of(facts)),
        tag("p", *_lede(facts), class_="lede"),
        _five(facts),
        _asked(facts),
        _broken(facts),
        id="plan",
    )


def _lede(facts: Facts) -> list[object]:
    """Cost and margin, how sure that is, the first date that binds."""
    result, money = facts.plan.result, facts.money
    rate = percent(facts.factory.money.discount_rate, 1)
    parts: list[object] = [
        f"It costs {money.short(result.objective_usd)} in present value at {rate} a year{_margin(facts)}. "
        f"No plan under the same tables costs less than {money.short(result.bound_usd)}. "
    ]
    if result.status == "limit":
        parts.append(warning("The search was stopped before the gap asked for: a cheaper plan may exist."))
        parts.append(" ")
    first = next((action for action in actions(facts) if action.kind in BINDING), None)
    if first is None:
        return [*parts, "Nothing has to be ordered or rented."]
    said = f"The first date that binds is {day_words(first.last_safe)}: {first.what[0].lower()}{first.what[1:]}."
    return [*parts, tag("b", said)]


def _margin(facts: Facts) -> str:
    """How far the next way is, where that is proved."""
    rows = facts.comparison.alternatives if facts.comparison else ()
    dearer = [(row.dearer_usd, row) for row in rows if row.verdict == "dearer" and row.dearer_usd]
    if not dearer:
        return ""
    (low, high), row = min(dearer, key=lambda pair: pair[0])
    span = f"{facts.money.short(low)} to {facts.money.short(high)}"
    return f", {span} less than the next way ({row.title[0].lower()}{row.title[1:]})"


def _asked(facts: Facts) -> Html:
    """What is to be approved, beside what would change the answer."""
    found = [action for action in actions(facts) if action.kind in BINDING][:3]
    asked = [
        join([tag("b", day_words(action.last_safe)), f": {action.what}; {facts.money.short(abs(action.amount_usd))}"])
        for action in found
    ]
    change: list[object] = list(narrowest(facts))
    if not change:
        said = "Alternatives were not planned: --compare finds the prices that change the answer."
        change = ["No price alone, of those that were moved." if facts.comparison else said]
    left = tag("div", tag("h3", "To approve first"), listing(asked or ["Nothing."]))
    right = tag("div", tag("h3", "What would change the answer"), listing(change))
    return tag("div", left, right, class_="pair asked")


def _five(facts: Facts) -> Html:
    result, money, cash = facts.plan.result, facts.money, facts.cash
    peak_year = max(cash, key=lambda year: cash[year])
    good = not facts.report.findings
    checked = f"cost recomputed: {money.short(facts.report.evaluated_usd)}" if good else "see below"
    cells: list[tuple[str, object, str, str]] = [
        (
            "Present value of cost",
            money.short(result.objective_usd),
            f"at least {money.short(result.bound_usd)}, gap {percent(result.gap, 2)}",
            "",
        ),
        (
            "Cash, year 1",
            money.short(cash[facts.years[0]]),
            f"peak {money.short(cash[peak_year])} in year {peak_year}",
            "",
        ),
        ("Full service", _service(facts), "until nothing is shed any more", ""),
        ("People", whole(most_fte(facts.plan)), "most at any time, all own sites", ""),
        ("Without the uplink", _uplink(facts), "at the places where the load arises", " said"),
        ("Check", verdict(good, "Verified" if good else "Rejected"), checked, " said"),
    ]
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value, class_="big" + extra), tag("dd", small, class_="small"))
            for name, value, small, extra in cells
        ),
        class_="five",
    )


def _service(facts: Facts) -> str:
    months = months_to_full_service(facts.plan)
    return "never" if months is None else f"month{SPACE}{months}"


def _uplink(facts: Facts) -> str:
    """How many workloads go on where they arise."""
    found = uplinks(facts.plan, facts.factory)
    return f"{sum(one.state == 'runs' for one in found)} of {len(found)} run on" if found else "–"


def _broken(facts: Facts) -> Html:
    findings = facts.report.findings
    if not findings:
        return Html("")
    items = [join([tag("b", issue.code), f" {issue.where}: {issue.what}"]) for issue in findings[:50]]
    return join(
        [
            tag(
                "p",
                verdict(False, f"{count(len(findings), 'finding')}{SPACE}of the independent check:"),
                class_="judged",
            ),
            listing(items),
        ]
    )
