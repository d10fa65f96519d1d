"""What to sign by when: the action calendar as a timeline and a table."""

from __future__ import annotations

from datetime import date

from groundplan.report._action_files import ALARM_DAYS
from groundplan.report._actions import actions
from groundplan.report._charts import Picture, Wait, timeline
from groundplan.report._desk import WAIT_DAYS, Action
from groundplan.report._facts import Facts
from groundplan.report._html import Html, Table, details, join, tag
from groundplan.report._words import Column, count, day_words, whole

SHOWN, DRAWN = 12, 14
"""Rows of the first table, and of the timeline; the rest unfolds."""
ABOUT = (
    "The last safe day is the latest on which it still arrives before it is first needed, lead time included, while ",
    "all else goes as planned; two things put off to their last day may miss each other. Float is the time between ",
    f"plan and last safe day; from {WAIT_DAYS} days on it can wait. The factory file states no notice periods. ",
    f"The same list is in actions.csv, and in actions.ics for a diary, with an alarm {ALARM_DAYS} days ahead.",
)
DRAWN_KINDS = ("order", "power-block")


def signed(facts: Facts) -> tuple[str, Html]:
    """Title and body."""
    found = actions(facts)
    if not found:
        return "Nothing to sign", tag("p", "The plan orders, rents and hires nothing, so no date binds.")
    first = found[0].last_safe
    due = sum(action.last_safe == first for action in found)
    waiting = sum(action.can_wait for action in found)
    title = f"{count(due, 'action').capitalize()} due by {day_words(first)}"
    title += f"; {waiting} of {len(found)} can wait a quarter or longer" if waiting else f"; {len(found)} in all"
    said = tag("p", "".join(ABOUT), class_="under")
    return title, join([said, _picture(facts, found), _tables(facts, found)])


def _tables(facts: Facts, found: tuple[Action, ...]) -> Html:
    column = _column(facts, found)
    soon, later = found[:SHOWN], found[SHOWN:]
    parts = [first_table(facts, found).html()]
    if later:
        caption = f"After the first {len(soon)}, by last safe day; amount in {column.unit}"
        parts.append(details(f"Show the other {count(len(later), 'action')}", _table(caption, column, later).html()))
    return join(parts)


def first_table(facts: Facts, found: tuple[Action, ...]) -> Table:
    """What comes first."""
    column, soon = _column(facts, found), found[:SHOWN]
    return _table(f"The first {len(soon)} by last safe day; amount in {column.unit}", column, soon)


def _column(facts: Facts, found: tuple[Action, ...]) -> Column:
    return facts.money.column([action.amount_usd for action in found], least=100)


def _table(caption: str, column: Column, rows: tuple[Action, ...]) -> Table:
    heads = ["What", "Last safe", "> Float, days", "> Amount", "If missed"]
    return Table(caption, heads, [_row(column, action) for action in rows])


def _row(column: Column, action: Action) -> list[object]:
    waits = [tag("br"), tag("small", "can wait")] if action.can_wait else []
    amount = column.show(action.amount_usd) if action.amount_usd else "–"
    return [
        action.what, day_words(action.last_safe), join([whole(action.float_days), *waits]), amount, action.consequence,
    ]  # fmt: skip


def _picture(facts: Facts, found: tuple[Action, ...]) -> Html:
    """Orders and power blocks over time; the first ones where there are many."""
    drawn = [action for action in found if action.kind in DRAWN_KINDS]
    if not drawn:
        return Html("")
    shown = drawn[:DRAWN]
    some = f"The first {len(shown)} of {len(drawn)} orders and power blocks" if len(drawn) > len(shown) else (
        "Orders and power blocks"
    )  # fmt: skip
    year, month = facts.calendar(0)
    waits = [
        Wait(
            f"{whole(action.quantity)} × {_short(facts, action)}, {action.site}", _months(action.planned, year, month),
            _months(action.planned, year, month) + (action.lead_months or 0), _months(action.ready, year, month),
            _months(action.last_safe, year, month),
        )
        for action in shown
    ]  # fmt: skip
    signs = (
        join([tag("span", sign, class_=f"sign {name}", aria_hidden="true"), f" {word}"]) for name, sign, word in KEY
    )
    key = tag("ul", *(tag("li", sign) for sign in signs), class_="key")
    said = "; ".join(
        f"{wait.label} by {day_words(action.last_safe)}" for wait, action in zip(waits, shown, strict=True)
    )
    drawing = Picture(timeline(waits, year, month), f"{some}, last safe day: {said}").html()
    caption = tag("figcaption", f"{some} by last safe day.")
    return tag("figure", caption, key, drawing)


KEY = (
    ("plan", "●", "planned order"),
    ("lead", "—", "lead time"),
    ("use", "|", "in use from"),
    ("last", "◆", "last safe day, at the end of the float"),
)


def _short(facts: Facts, action: Action) -> str:
    """The id of a server or block: names of servers do not fit a drawing."""
    return facts.purchases[action.item].server if action.kind == "order" else action.item


def _months(day: date, year: int, month: int) -> float:
    """Months from the start of the plan."""
    return (day.year - year) * 12 + day.month - month + (day.day - 1) / 31
