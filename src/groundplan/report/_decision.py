"""The decision: alternatives side by side on what buyers of on-premise AI weigh, and the prices that change it."""

from __future__ import annotations

from collections import Counter

from groundplan.report._brief import flips_found
from groundplan.report._charts import Dot, Picture, Span, dots, spans
from groundplan.report._facts import Facts
from groundplan.report._html import Html, Table, details, join, listing, table, tag, verdict, warning
from groundplan.report._words import SPACE, Column, count, figure, percent, sentence_list, span, whole
from groundplan.study import Alternative, Flip

NOT_ASKED = "Only this plan was made. With --compare, every alternative is planned and judged under the same rules."

FLIPS = "Price as a multiple of today's (the line at 1); the band is the interval in which the answer changes."


def alternatives(facts: Facts) -> tuple[str, Html]:
    """Title and body: present value with its interval, then the four axes."""
    found = facts.comparison
    if found is None:
        return "No alternative was compared", tag("p", NOT_ASKED)
    rows = list(found.alternatives)
    under = (
        "Each alternative moves whatever may move to its kind of ground, from the first period in which it can be "
        "there; the rest keeps the free choice that the plan has. Each is planned and judged under the same rules."
    )
    parts = [tag("p", under, class_="under"), _costs(facts), _axes(facts, rows), _stays(facts, rows)]
    return _title(facts, rows), join(parts)


def _title(facts: Facts, rows: list[Alternative]) -> str:
    dearer = [row for row in rows if row.verdict == "dearer" and row.dearer_usd]
    tied = [row.title.removeprefix("All ") for row in rows if row.verdict == "undecided"]
    if tied:
        return f"The plan and all {sentence_list(tied)} cannot be told apart within the gap"
    if not dearer:
        return "No other way meets every rule of the file"
    first = min(dearer, key=lambda row: row.dearer_usd or (0.0, 0.0))
    low = (first.dearer_usd or (0.0, 0.0))[0]
    return f"The next way, {first.title[0].lower()}{first.title[1:]}, costs at least {facts.money.short(low)} more"


def _costs(facts: Facts) -> Html:
    return tag("figure", tag("figcaption", ways_caption(facts)), ways_picture(facts).html())


def ways_caption(facts: Facts) -> str:
    """What the picture of the ways shows, and in which unit."""
    rows = list(facts.comparison.alternatives) if facts.comparison else []
    column = _column(facts, rows)
    negative = any((row.bound_usd or 0.0) < 0 for row in rows)
    return (
        f"Present value of cost, {column.unit}: the dot is what the plan costs, the bar reaches down to what no plan "
        f"of this kind can undercut.{' Negative where the value of service exceeds the cost.' if negative else ''}"
    )


def _column(facts: Facts, rows: list[Alternative]) -> Column:
    return facts.money.column([row.objective_usd or 0.0 for row in rows], least=10)


def ways_picture(facts: Facts) -> Picture:
    """Present value of each way: from what is proved least to what its plan costs."""
    rows = list(facts.comparison.alternatives) if facts.comparison else []
    column = _column(facts, rows)
    drawn = _dots(column, [row for row in rows if row.objective_usd is not None and row.verdict != "same"])
    said = "; ".join(f"{dot.label} {dot.said}" for dot in drawn)
    return Picture(dots(drawn), f"Present value in {column.unit}: {said}")


def _dots(column: Column, planned: list[Alternative]) -> list[Dot]:
    return [
        Dot(
            row.title,
            column.value(row.objective_usd or 0.0),
            column.value(row.bound_usd or 0.0),
            span(column.show(row.bound_usd or 0.0), column.show(row.objective_usd or 0.0)),
            row.verdict == "recommended",
        )
        for row in planned
    ]


def _axes(facts: Facts, rows: list[Alternative]) -> Html:
    missing = [
        join([tag("b", row.title), ": ", verdict(False, "no such plan."), " ", why_not(row)])
        for row in rows
        if row.objective_usd is None
    ]
    return join([ways_table(facts).html(), listing(missing) if missing else ""])


def ways_table(facts: Facts) -> Table:
    """The four axes of buyers: cost, security, reliability, people."""
    heads = [
        "Way",
        "> Present value",
        "> Dearer by",
        "> Cash, year 1",
        "> Peak cash",
        "Break-even",
        "Foreign reach",
        "If the uplink dies",
        "> People",
        "> Full service",
    ]
    rows = list(facts.comparison.alternatives) if facts.comparison else []
    column = _column(facts, rows)
    lines = [_line(column, row) for row in rows if row.objective_usd is not None]
    caption = (
        f"Money in {column.unit}. Break-even: from when on this plan has cost less cash than that way. Foreign reach: "
        "workloads that somebody outside the law of their data can be made to open. If the uplink dies: what goes on "
        "where it arises. People: at most at any time."
    )
    return Table(caption, heads, lines, chosen=bool(rows) and rows[0].verdict == "recommended")


def _line(column: Column, row: Alternative) -> list[object]:
    low, high = row.dearer_usd or (0.0, 0.0)
    title: object = tag("b", row.title) if row.verdict == "recommended" else row.title
    if row.verdict == "same":
        title = join([row.title, tag("br"), tag("small", "is the recommended plan")])
    if row.verdict == "undecided":
        title = join([row.title, tag("br"), warning("cannot be told apart")])
    return [
        title,
        column.show(row.objective_usd or 0.0),
        span(column.show(low), column.show(high)) if row.dearer_usd else "–",
        column.show(row.year1_cash_usd or 0.0),
        join([column.show(row.peak_cash_usd or 0.0), tag("br"), tag("small", f"year {row.peak_cash_year}")]),
        ahead(row),
        f"{len(row.exposed)} of {len(row.uplink) or len(row.exposed)}" if row.exposed else "none",
        _uplink(row),
        whole(row.fte or 0),
        "never" if row.months_to_full_service is None else _from(row.months_to_full_service),
    ]


def _from(months: int) -> str:
    return f"month{SPACE}{months + 1}" if months else "day one"


def why_not(row: Alternative) -> str:
    """Why a way has no plan."""
    if row.verdict == "no-plan":
        return "None was found in time."
    more = f"; and {len(row.reasons) - 1} more reasons" if len(row.reasons) > 1 else ""
    said = f"{row.reasons[0] if row.reasons else 'the rules refuse it'}{more}"
    return f"{said[0].upper()}{said[1:]}."


def ahead(row: Alternative) -> str:
    """When the cash of the plan is below that of the way, for good."""
    if not row.dearer_usd:
        return "–"
    if row.ahead_from_month is None:
        return "not inside the plan"
    return f"month{SPACE}{row.ahead_from_month:.0f}" if row.ahead_from_month else "from the start"


def _uplink(row: Alternative) -> str:
    states: Counter[str] = Counter(link.state for link in row.uplink)
    words = {"runs": "run", "degrades": "degrade", "stops": "stop"}
    return ", ".join(f"{states[state]} {word}" for state, word in words.items() if states[state]) or "–"


def _stays(facts: Facts, rows: list[Alternative]) -> Html:
    parts = []
    for row in rows:
        if not row.stays and len(row.reasons) <= 1:
            continue
        held = [
            join([tag("b", facts.workloads[stay.workload].title), f" from {stay.origin}: {stay.why}"])
            for stay in row.stays
        ]
        items = [*(join([reason]) for reason in row.reasons), *held]
        said = f"{row.title}: {count(len(row.stays), 'load')} cannot move" if row.stays else f"{row.title}: why not"
        parts.append(details(said, listing(items)))
    return join(parts)


# --- what flips it ---


def flips(facts: Facts) -> tuple[str, Html]:
    """Title and body: by how much prices would have to move, narrowest margin first."""
    found = flips_found(facts)
    if not found:
        why = NOT_ASKED if facts.comparison is None else "No alternative has a price by which it could win."
        return "No price was found that changes the answer", tag("p", why)
    flip = found[0][1]
    title = "No single kind of price changes the answer, not even at nothing"
    if flip.wins_below is not None:
        fall = percent(1 - (flip.loses_above or 1.0))
        title = f"The answer holds until {flip.lever} fall by {fall}"
    under = (
        "All prices of a kind move together. Below the interval the alternative is cheaper than this plan at the same "
        "prices, proved by its plan; above it, dearer, proved by a bound. Prices that are assumed make a threshold "
        "to check quotes against, no verdict."
    )
    caption = tag("figcaption", FLIPS)
    figure_ = tag("figure", caption, flips_picture(facts).html())
    return title, join([tag("p", under, class_="under"), figure_, _prices(facts, found)])


def flips_picture(facts: Facts) -> Picture:
    """One band a way: where its prices, as multiples of today's, change the answer."""
    drawn = [
        Span(
            row.title,
            max(flip.wins_below or 0.0, 0.01),
            flip.loses_above or 1.0,
            _flip_words(flip),
            flip.wins_below is None,
        )
        for row, flip in flips_found(facts)
    ]
    said = "; ".join(f"{span_.label}: {span_.said}" for span_ in drawn)
    return Picture(spans(drawn), f"Price as a share of today's: {said}")


def _flip_words(flip: Flip) -> str:
    if flip.wins_below is None:
        return "never"
    return span(figure(flip.wins_below, 2), figure(flip.loses_above or 1.0, 2))


def _prices(facts: Facts, found: list[tuple[Alternative, Flip]]) -> Html:
    lines = []
    for row, flip in found:
        for price in flip.prices:
            unit = f"USD{SPACE}per {price.unit}"
            flips_at = (
                "never"
                if flip.wins_below is None
                else span(
                    figure(price.price_usd * flip.wins_below), figure(price.price_usd * (flip.loses_above or 1.0))
                )
            )
            grade = warning("assumed: a threshold") if price.kind == "assumed" else price.kind
            lines.append([f"{row.title}: {price.what}", unit, figure(price.price_usd), flips_at, grade, price.who])
    heads = ["Price", "Unit", "> Today", "> Flips at", "Grade", "Source"]
    return table("Prices behind each flip; those of one kind move together", heads, lines)
