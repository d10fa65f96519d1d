"""The first page: what to do, what it costs, how sure the figures are, what to sign, and what would change it."""

from __future__ import annotations

import re

from groundplan.report._brief import (
    Key,
    approvals,
    buy_words,
    changes,
    cost_words,
    first_date,
    keys,
    kind_line,
    stopped,
    title_of,
)
from groundplan.report._facts import Facts
from groundplan.report._html import Html, join, listing, tag, verdict, warning
from groundplan.report._words import SPACE, count

SYNTHETIC = "Sizes or quotes of this plan are invented, as its factory file says. No figure here is a company's own."


def banner(facts: Facts) -> Html:
    """Said first where sizes or quotes are invented."""
    if not facts.factory.synthetic:
        return Html("")
    said = tag("p", tag("b", "Synthetic."), " ", SYNTHETIC)
    return tag("aside", said, class_="banner", aria_label="Synthetic figures")


def headline(facts: Facts) -> Html:
    """Title, three sentences, six figures, what to approve, what would change the answer."""
    return tag(
        "header",
        tag("p", kind_line(facts), class_="kind"),
        tag("h1", title_of(facts)),
        tag("p", *_lede(facts), class_="lede"),
        _figures(facts),
        _asked(facts),
        _broken(facts),
        id="plan",
    )


def _lede(facts: Facts) -> list[object]:
    """What to buy, cost and margin, the first date that binds."""
    halted = stopped(facts)
    warned: list[object] = [warning(halted), " "] if halted else []
    return [_kept(f"{buy_words(facts)} {cost_words(facts)} "), *warned, tag("b", first_date(facts))]


def _kept(said: str) -> Html:
    """Intervals stay on one line with their currency and unit."""
    parts = re.split(r"([^ ]*\d–\d[^ ]*)", said)
    return join(tag("span", part, class_="nb") if index % 2 else part for index, part in enumerate(parts))


def _asked(facts: Facts) -> Html:
    """What is to be approved, beside what would change the answer."""
    asked = [join([tag("b", one.day), f": {one.what}"]) for one in approvals(facts)]
    left = tag("div", tag("h2", "Approve first, by last safe day"), listing(asked or ["Nothing."]))
    right = tag("div", tag("h2", "What would change the answer"), listing(map(_kept, changes(facts))))
    return tag("div", left, right, class_="pair asked")


def _figures(facts: Facts) -> Html:
    good = not facts.report.findings
    checked = f"independent check: {facts.money.short(facts.report.evaluated_usd)}" if good else "see below"
    cells = [_cell(key, key.value) for key in keys(facts)]
    judged = verdict(good, "Verified" if good else "Rejected")
    return tag("dl", *cells, _cell(Key("Check", "", checked, is_word=True), judged), class_="five")


def _cell(key: Key, value: object) -> Html:
    return tag(
        "div",
        tag("dt", key.name),
        tag("dd", value, class_="big said" if key.is_word else "big"),
        tag("dd", key.about, class_="small"),
    )


def _broken(facts: Facts) -> Html:
    findings = facts.report.findings
    if not findings:
        return Html("")
    items = [join([tag("b", issue.code), f" {issue.where}: {issue.what}"]) for issue in findings[:50]]
    said = verdict(False, f"{count(len(findings), 'finding')}{SPACE}of the independent check:")
    return join([tag("p", said, class_="judged"), listing(items)])
