"""What each site takes, in kW, racks and money, and every line of its bill."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from groundplan.report._bill import BEFORE, PURCHASE_LINES, WHOLE, BillRow, Kind, bill
from groundplan.report._facts import Facts
from groundplan.report._html import Html, Table, details, join, table, tag
from groundplan.report._words import SPACE, figure, whole
from groundplan.spec import Source

GROUND = ("facility", "opening")
SIZES: tuple[tuple[Kind, str], ...] = (
    ("racks", "> Racks"), ("power feeds", "> Feeds"), ("UPS", "> UPS kVA"), ("air cooling", "> kW to air"),
    ("liquid cooling", "> kW to liquid"),
)  # fmt: skip


def source_words(source: Source) -> Html:
    """Kind and confidence of a figure; synthetic quotes say so in their own words."""
    return tag("span", f"{source.kind}, {source.confidence}", class_="near" if source.kind == "assumed" else None)


def sites(facts: Facts) -> Html:
    """Sizes and purchases by site, and the lines that make them up."""
    by_site = _by_site(facts)
    own = _own(facts, by_site)
    if not own:
        return Html("")
    return join([_sizes(facts, own, by_site), _money(facts, own, by_site).html(), _lines(facts, by_site)])


def money_table(facts: Facts) -> Table | None:
    """Purchases by own site; None where there are none."""
    by_site = _by_site(facts)
    own = _own(facts, by_site)
    return _money(facts, own, by_site) if own else None


def _by_site(facts: Facts) -> dict[str, list[BillRow]]:
    found: dict[str, list[BillRow]] = defaultdict(list)
    for row in bill(facts):
        found[row.site].append(row)
    return found


def _own(facts: Facts, by_site: dict[str, list[BillRow]]) -> list[str]:
    return [site.id for site in facts.factory.sites if site.hosting and by_site[site.id]]


def _sizes(facts: Facts, own: Sequence[str], by_site: dict[str, list[BillRow]]) -> Html:
    lines: list[list[object]] = []
    for site in own:
        servers = [row for row in by_site[site] if row.kind == "server"]
        totals = {kind: sum(row.quantity for row in by_site[site] if row.kind == kind) for kind, _ in SIZES}
        lines.append([
            facts.places[site], whole(sum(row.quantity for row in servers)),
            whole(sum(row.accelerators or 0 for row in servers)),
            figure(sum(row.provisioned_kw or 0.0 for row in servers)),
            figure(sum(row.mean_kw or 0.0 for row in servers)),
            *(whole(totals[kind]) if kind in ("racks", "power feeds") else figure(totals[kind]) for kind, _ in SIZES),
        ])  # fmt: skip
    heads = ["Site", "> Nodes", "> GPUs", "> kW peak", "> kW mean", *(head for _, head in SIZES)]
    caption = (
        "What each site takes, existing hardware included. Nodes, GPUs and kW: all that ever comes, kW at the peak and "
        "the mean PUE in the period of arrival. Racks, feeds, UPS and cooling: the most that stands at a time; 2n "
        "counts both feeds and both UPS."
    )
    return table(caption, heads, lines, wide=True)


def _money(facts: Facts, own: Sequence[str], by_site: dict[str, list[BillRow]]) -> Table:
    lines = [line for line in PURCHASE_LINES if line not in GROUND]
    usd: dict[str, dict[str, float]] = {site: defaultdict(float) for site in own}
    for site in own:
        for row in by_site[site]:
            usd[site]["ground" if row.cost_line in GROUND else row.cost_line] += row.total_usd or 0.0
    names = [*lines, "ground"]
    column = facts.money.column([sum(usd[site][name] for name in names) for site in own], least=100)
    rows: list[list[object]] = [
        [facts.places[site], *(column.show(usd[site][name]) for name in names),
         column.show(sum(usd[site][name] for name in names))]
        for site in own
    ]  # fmt: skip
    sums = [sum(usd[site][name] for site in own) for name in names]
    rows.append(["Total", *map(column.show, sums), column.show(sum(sums))])
    heads = ["Site", *(f"> {name.capitalize()}" for name in names), "> Sum"]
    caption = f"Purchases by site in {column.unit}, undiscounted. Ground: power blocks and openings."
    return Table(caption, heads, rows, total=True, wide=True)


def _lines(facts: Facts, by_site: dict[str, list[BillRow]]) -> Html:
    """Every line that costs or sizes something; the file beside the plan holds the rest."""
    parts = []
    for site in facts.factory.sites:
        rows = [row for row in by_site[site.id] if row.total_usd != 0]
        if rows:
            parts.append(details(f"Show every line at {site.title}", _site_lines(facts, rows)))
    note = "Each phase, order and note stands apart in bom.csv beside the plan, zeros as zeros."
    return join([*parts, tag("p", note, class_="under")])


def _site_lines(facts: Facts, rows: Sequence[BillRow]) -> Html:
    """One line a thing: its phases together, since the file has them apart."""
    groups: dict[tuple[str, str, str, str], list[BillRow]] = defaultdict(list)
    for row in rows:
        groups[row.item, row.unit, row.price_scope, row.cost_line].append(row)
    heads = ["What", "Phases", "> Quantity", "Scope", "> Unit price", "> Total", "Graded"]
    caption = "Bill of materials; prices in USD, undiscounted; what has no price is sized here and paid for elsewhere"
    return table(caption, heads, [_together(facts, group) for group in groups.values()])


def _together(facts: Facts, rows: list[BillRow]) -> list[object]:
    first, last = rows[0], rows[-1]
    phases = dict.fromkeys(_phase(facts, row) for row in (first, last))
    prices = dict.fromkeys(_price(row.unit_price_usd) for row in (first, last) if row.unit_price_usd is not None)
    totals = [row.total_usd for row in rows if row.total_usd is not None]
    sources = dict.fromkeys(row.source for row in rows if row.source)
    return [
        first.item[0].upper() + first.item[1:], " to ".join(phases),
        f"{_quantity(sum(row.quantity for row in rows))}{SPACE}{first.unit}", first.price_scope, " to ".join(prices),
        whole(sum(totals)) if totals else "", join(map(source_words, sources), ", "),
    ]  # fmt: skip


def _phase(facts: Facts, row: BillRow) -> str:
    return row.phase if row.phase in (BEFORE, WHOLE) else facts.label(row.phase)


def _quantity(value: float) -> str:
    return whole(value) if value == round(value) or value >= 100 else figure(value)


def _price(usd: float) -> str:
    return whole(usd) if usd >= 100 else figure(usd)
