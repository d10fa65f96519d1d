"""Cost over time, by group for the eye and by line for the books."""

from __future__ import annotations

from groundplan.finance import NOT_CASH
from groundplan.plan import COST_LINES
from groundplan.report._charts import Picture, Series, stacked_bars
from groundplan.report._facts import Facts
from groundplan.report._html import Html, Table, details, join, table, tag
from groundplan.report._words import Column

GROUPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Own hardware", "--g1", ("hardware", "network", "storage", "spares", "duty", "moving")),
    ("Ground", "--g2", ("facility", "opening", "colocation")),
    ("Electricity", "--g3", ("energy", "demand_charge")),
    ("People and upkeep", "--g4", ("maintenance", "software", "staff", "training")),
    ("Cloud, tokens, links", "--g5", ("cloud", "tokens", "links", "egress")),
    ("Load not served", "--g6", ("shed_penalty",)),
    ("Credits", "--g7", ("value_served", "resale", "residual")),
)


def over_time(facts: Facts) -> tuple[str, Html]:
    """Title and body: stacked by group and plan year."""
    marks = (tag("li", tag("i", style=f"background:var({colour})"), name) for name, colour in cash_key(facts))
    key = tag("ul", *marks, class_="key")
    caption = tag("figcaption", cash_caption(facts))
    folded = details("Show these numbers as a table", groups_table(facts).html())
    return cash_title(facts), join([tag("figure", caption, key, cash_picture(facts).html()), folded])


def cash_title(facts: Facts) -> str:
    """Cash of the first year, and which year is the dearest."""
    cash, money, first = facts.cash, facts.money, facts.years[0]
    dearest = max(cash, key=lambda year: cash[year])
    more = f"; year {dearest} is the dearest at {money.short(cash[dearest])}"
    return f"Year 1 takes {money.short(cash[first])} in cash" + (
        ", more than any later year" if dearest == first else more
    )


def _totals(facts: Facts) -> dict[int, list[float]]:
    """US dollars of each group, by plan year."""
    return {year: [_group(facts, lines, year) for _, _, lines in GROUPS] for year in facts.years}


def _column(facts: Facts) -> Column:
    return facts.money.column([sum(v for v in values if v > 0) for values in _totals(facts).values()])


def _shown(facts: Facts, column: Column) -> list[Series]:
    """Groups that are anything in any year."""
    totals = _totals(facts)
    return [
        Series(name, colour, [column.value(totals[year][index]) for year in facts.years])
        for index, (name, colour, _) in enumerate(GROUPS)
        if any(totals[year][index] for year in facts.years)
    ]


def cash_caption(facts: Facts) -> str:
    """In which unit the picture is, and how to read it."""
    return f"{_unit(facts, _column(facts))}, undiscounted. Credits hang below zero; a bar's figure sums what is above."


def cash_key(facts: Facts) -> list[tuple[str, str]]:
    """Groups that are drawn, each with the variable of its colour."""
    return [(part.name, part.colour) for part in _shown(facts, _column(facts))]


def cash_picture(facts: Facts) -> Picture:
    """Groups stacked by plan year."""
    totals, column = _totals(facts), _column(facts)
    categories = [f"Year {year}" for year in facts.years]
    tops = [column.show(sum(v for v in values if v > 0)) for values in totals.values()]
    sums = zip(categories, totals.values(), strict=True)
    said = "; ".join(f"{name} {column.show(sum(values))}" for name, values in sums)
    return Picture(stacked_bars(categories, _shown(facts, column), tops), f"Cost by plan year in {column.unit}: {said}")


def by_line(facts: Facts) -> tuple[str, Html]:
    """Title and body: every line of every year, zeros printed."""
    lines = {line: [facts.costs.get((line, year), 0.0) for year in facts.years] for line in COST_LINES}
    zero = [line for line, values in lines.items() if not any(values)]
    title = f"All {len(COST_LINES)} cost lines" + (f", {len(zero)} of them zero" if zero else "")
    column = facts.money.column([sum(values) for values in lines.values()], least=100)
    rows = [
        [line.replace("_", " "), *map(column.show, values), column.show(sum(values))] for line, values in lines.items()
    ]
    cash = [facts.cash[year] for year in facts.years]
    rows.append(["cash", *map(column.show, cash), column.show(sum(cash))])
    heads = ["Line", *(f"> Year {year}" for year in facts.years), "> Whole plan"]
    left_out = ", ".join(name.replace("_", " ") for name in NOT_CASH)
    said = "The present value discounts each period at its middle and the residual at the end of the plan."
    note = tag("p", f"Cash leaves out {left_out}. {said}")
    caption = f"{_unit(facts, column)}, undiscounted, by plan year"
    return title, join([table(caption, heads, rows, total=True, wide=True), note])


def _group(facts: Facts, lines: tuple[str, ...], year: int) -> float:
    return sum(facts.costs.get((line, year), 0.0) for line in lines)


def _unit(facts: Facts, column: Column) -> str:
    if facts.rate is None:
        return column.unit
    rate = facts.rate
    return f"{column.unit} at {rate.local_per_usd:,g} {rate.currency} for one USD ({rate.dated})"


def groups_table(facts: Facts) -> Table:
    """The numbers of the picture."""
    totals, column = _totals(facts), _column(facts)
    rows = [
        [name, *(column.show(totals[year][index]) for year in facts.years)] for index, (name, _, _) in enumerate(GROUPS)
    ]
    rows.append(["Sum", *(column.show(sum(totals[year])) for year in facts.years)])
    heads = ["Group", *(f"> Year {year}" for year in facts.years)]
    return Table(f"Cost by group in {column.unit}, undiscounted", heads, rows, total=True, wide=True)
