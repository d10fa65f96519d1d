"""The decision as a typeset paper of a few pages: the words, tables and pictures of the page, without its details."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import groundplan
from groundplan.catalog import Catalog
from groundplan.errors import GroundplanError, Issue
from groundplan.plan import Plan, content_hash
from groundplan.report._actions import actions
from groundplan.report._bought import bought, orders_table
from groundplan.report._brief import (
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
from groundplan.report._charts import WIDE_PX, Picture
from groundplan.report._decision import (
    FLIPS,
    alternatives,
    flips,
    flips_picture,
    ways_caption,
    ways_picture,
    ways_table,
    why_not,
)
from groundplan.report._equipped import money_table
from groundplan.report._facts import Facts
from groundplan.report._headline import SYNTHETIC
from groundplan.report._html import Table, plain
from groundplan.report._signed import first_table, signed
from groundplan.report._sources import conventions_table, prices_table, prices_title, unknowns
from groundplan.report._spent import cash_caption, cash_key, cash_picture, cash_title, groups_table
from groundplan.report._svg import svg
from groundplan.report._units import unit_tables, units
from groundplan.spec import LoadedSpec
from groundplan.study import Comparison
from groundplan.verify import Report

FONTS = ("Libertinus Serif", "DejaVu Sans Mono")
"""Shipped inside typst, so that any machine sets the same page."""
WAYS = (5, 2, 3, 2, 3, 3, 2, 4, 2, 3)
"""Shares of the width for the table of alternatives."""
Content = dict[str, Any]


class PaperError(GroundplanError):
    """The paper was asked for and cannot be set."""


def need_typst() -> None:
    """Raise PaperError where the optional package that sets the paper is not installed."""
    if find_spec("typst") is None:
        hint = "install it with: pip install 'groundplan[pdf]'"
        raise PaperError(Issue("pdf-extra", "--pdf", "needs the package typst, which is not installed", hint))


def paper(
    plan: Plan, loaded: LoadedSpec, catalog: Catalog, verify_report: Report, comparison: Comparison | None = None
) -> bytes:
    """The decision as a PDF that screen readers can follow (PDF/UA-1, which typst checks as it writes).

    Equal inputs give equal bytes: no date and no font of this machine goes in.

    Letters that the built-in fonts lack (Hangul, say) are taken from fonts of this machine.

    Raises PaperError without the extra `pdf`; CatalogError where a figure or a name that it shows is missing.
    """
    need_typst()
    import typst

    said = contents(Facts(plan, loaded, catalog, verify_report, comparison))
    text = json.dumps(said, ensure_ascii=False)
    template = (files("groundplan.report") / "data" / "paper.typ").read_bytes()
    made = typst.compile(
        template,
        sys_inputs={"paper": text},
        format="pdf",
        timestamp=0,
        ignore_system_fonts=not _is_foreign(text),
        pdf_standards="ua-1",
    )
    if not isinstance(made, bytes):
        raise TypeError("typst gave no single document")
    return made


def _is_foreign(text: str) -> bool:
    """Whether it has letters outside the scripts of the built-in fonts."""
    letters = {char for char in text if ord(char) > 0x24F and unicodedata.category(char).startswith("L")}
    return any(not unicodedata.name(char, "").startswith(("LATIN", "GREEK", "CYRILLIC")) for char in letters)


def contents(facts: Facts) -> Content:
    """Everything that the paper says, as data for its template."""
    halted = stopped(facts)
    return {
        "version": groundplan.__version__,
        "fonts": FONTS,
        "factory": facts.factory.title,
        "banner": f"Synthetic. {SYNTHETIC}" if facts.factory.synthetic else "",
        "kind": kind_line(facts),
        "title": title_of(facts),
        "lede": " ".join([buy_words(facts), cost_words(facts), *([halted] if halted else [])]),
        "deadline": first_date(facts),
        "keys": _keys(facts),
        "approvals": [{"lead": f"{one.day}:", "text": one.what} for one in approvals(facts)]
        or [{"lead": "", "text": "Nothing."}],
        "changes": changes(facts),
        "parts": [*_decision(facts), *(make(facts) for make in (_signed, _cash, _units, _bought, _assumed, _end))],
    }


def _keys(facts: Facts) -> list[Content]:
    good = not facts.report.findings
    about = f"independent check: {facts.money.short(facts.report.evaluated_usd)}" if good else "see the report"
    found: list[Content] = [
        {"name": key.name, "value": key.value, "about": key.about, "word": key.is_word, "verdict": ""}
        for key in keys(facts)
    ]
    judged = {"value": "Verified" if good else "Rejected", "verdict": "good" if good else "bad"}
    return [*found, {"name": "Check", "about": about, "word": True, **judged}]


# --- parts ---


def _decision(facts: Facts) -> list[Content]:
    """The alternatives and what flips them, where they were planned."""
    if facts.comparison is None:
        return [_part(alternatives(facts)[0], _text(plain(alternatives(facts)[1])))]
    missing = [
        {"lead": f"{row.title}: no such plan.", "text": why_not(row)}
        for row in facts.comparison.alternatives
        if row.objective_usd is None
    ]
    ways = [_picture(ways_picture(facts), ways_caption(facts)), _table(ways_table(facts), widths=WAYS)]
    if missing:
        ways.append(_list(missing))
    title, body = flips(facts)
    moved = [_picture(flips_picture(facts), FLIPS)] if any(row.flip for row in facts.comparison.alternatives) else []
    return [_part(alternatives(facts)[0], *ways), _part(title, *(moved or [_text(plain(body))]))]


def _signed(facts: Facts) -> Content:
    title, body = signed(facts)
    found = actions(facts)
    if not found:
        return _part(title, _text(plain(body)))
    shown = first_table(facts, found)
    if more := len(found) - len(shown.rows):
        shown = replace(shown, caption=f"{shown.caption}. The other {more} stand in actions.csv and in the report.")
    return _part(title, _table(shown, widths=(5, 0, 0, 0, 6)))


def _cash(facts: Facts) -> Content:
    key = [{"name": name, "colour": _palette()[colour]} for name, colour in cash_key(facts)]
    drawn = _picture(cash_picture(facts), cash_caption(facts), key)
    return _part(cash_title(facts), drawn, _table(groups_table(facts)))


def _units(facts: Facts) -> Content:
    title, body = units(facts)
    tables = unit_tables(facts)
    return _part(title, *(map(_table, tables) if tables else [_text(plain(body))]))


def _bought(facts: Facts) -> Content:
    title = bought(facts)[0]
    if not facts.plan.orders:
        return _part(title, _text("Everything runs on hardware that is there already or rented."))
    tables = [_table(orders_table(facts), widths=(5, 5, 0, *(0 for _ in facts.years), 0, 0, 3))]
    money = money_table(facts)
    return _part(title, *tables, *([_table(money)] if money else []))


def _assumed(facts: Facts) -> Content:
    prices = _table(prices_table(facts), widths=(3, 5, 4, 0, 3, 6))
    return _part(prices_title(facts), prices, _table(conventions_table(facts), widths=(2, 5)))


def _end(facts: Facts) -> Content:
    plan = facts.plan
    hashes = ("factory file", plan.spec_hash), ("catalogue", plan.catalog_hash), ("plan", content_hash(plan))
    proof = {"kind": "proof", "lines": [f"SHA-256 of the {name}: {value}" for name, value in hashes]}
    items = [{"lead": "", "text": item} for item in unknowns(facts)]
    return _part("What this plan does not know", _list(items), proof)


# --- pieces ---


def _part(title: str, *content: Content) -> Content:
    return {"title": title, "content": list(content)}


def _text(said: str) -> Content:
    return {"kind": "text", "text": said}


def _list(items: Sequence[Content]) -> Content:
    return {"kind": "list", "items": list(items)}


def _table(one: Table, widths: Iterable[int] = ()) -> Content:
    """Widths are shares of what is left; 0 takes what the column needs. Without any, the first takes what is left."""
    shares = list(widths) or [1, *(0 for _ in one.heads[1:])]
    return {
        "kind": "table",
        "caption": plain(one.caption),
        "heads": one.names,
        "numeric": one.numeric,
        "widths": shares,
        "rows": [[plain(cell) for cell in row] for row in one.rows],
        "total": one.total,
        "chosen": one.chosen,
    }


def _picture(one: Picture, about: str, key: Sequence[Content] = ()) -> Content:
    drawn = _coloured(svg(one.draw(WIDE_PX)))
    return {"kind": "picture", "svg": drawn, "said": one.said, "about": about, "key": list(key)}


def _coloured(drawn: str) -> str:
    """The drawing with the colours of paper, as a file of its own."""
    colours = _palette()
    whole = re.sub(r"var\((--[\w-]+)\)", lambda found: colours[found.group(1)], drawn)
    named = f'<svg xmlns="http://www.w3.org/2000/svg" font-family="{FONTS[0]}"'
    return whole.replace("<svg", named, 1)


def _palette() -> dict[str, str]:
    """The light colours of the style sheet by variable."""
    text = (files("groundplan.report") / "data" / "style.css").read_text("utf-8")
    light = text[: text.index("@media")]
    return dict(re.findall(r"(--[\w-]+):(#[0-9a-f]{3,6});", light))
