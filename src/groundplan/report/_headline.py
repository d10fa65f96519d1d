"""The first page: what to do, what it costs, how sure the figures are."""

from __future__ import annotations

from collections import defaultdict

from groundplan.report._facts import Facts
from groundplan.report._html import Html, join, listing, tag, verdict, warning
from groundplan.report._words import SPACE, count, percent, sentence_list
from groundplan.spec import ON_PREMISE_TIERS


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
        _broken(facts),
        id="plan",
    )


def _lede(facts: Facts) -> list[object]:
    result, money = facts.plan.result, facts.money
    rate = percent(facts.factory.money.discount_rate, 1)
    parts: list[object] = [
        f"The plan costs {money.short(result.objective_usd)} in present value at {rate} a year; "
        f"no plan under the same tables costs less than {money.short(result.bound_usd)}. "
    ]
    if result.status == "limit":
        parts.append(warning("The search was stopped before the gap asked for: a cheaper plan may exist."))
        parts.append(" ")
    orders = sorted(facts.plan.orders, key=lambda row: facts.index[row.period])
    if orders:
        first = orders[0]
        parts.append(
            tag(
                "b",
                f"The first order, {facts.server(first.server).name}, has to be signed in {facts.label(first.period)}.",
            )
        )
    else:
        parts.append("Nothing has to be ordered.")
    return parts


def _five(facts: Facts) -> Html:
    result, money, cash = facts.plan.result, facts.money, facts.cash
    peak_year = max(cash, key=lambda year: cash[year])
    good = not facts.report.findings
    checked = f"cost recomputed: {money.short(facts.report.evaluated_usd)}" if good else "see below"
    own = [site for site in facts.plan.opened if facts.sites[site].tier in ON_PREMISE_TIERS]
    cells: list[tuple[str, object, str, str]] = [
        ("Present value of cost", money.short(result.objective_usd), f"at least {money.short(result.bound_usd)}", ""),
        ("Cash, year 1", money.short(cash[facts.years[0]]), f"{count(len(own), 'site')} on own ground", ""),
        ("Peak cash of a year", money.short(cash[peak_year]), f"in year {peak_year}", ""),
        ("Gap to bound", percent(result.gap, 2), f"asked for {percent(facts.factory.solve.gap_share, 2)}", ""),
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
