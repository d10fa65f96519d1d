"""Power of each site of one's own against what it can carry."""

from __future__ import annotations

from dataclasses import dataclass

from groundplan.errors import CatalogError, Issue
from groundplan.plan import PeriodRow
from groundplan.report._charts import Step, steps_under_limit
from groundplan.report._facts import Facts
from groundplan.report._html import Html, details, join, table, tag, warning
from groundplan.report._words import SPACE, figure, percent
from groundplan.spec import Hosting, Site

NEAR_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Draw:
    """A site in a period, facility kW."""

    period: PeriodRow
    nameplate_kw: float
    usable_kw: float
    billed_peak_kw: float

    @property
    def share(self) -> float:
        return self.nameplate_kw / self.usable_kw if self.usable_kw else 0.0


def power(facts: Facts) -> tuple[str, Html]:
    """Title and body."""
    sites = [(site, _draws(facts, site, site.hosting)) for site in facts.factory.sites if site.hosting]
    used = [(site, draws) for site, draws in sites if any(draw.nameplate_kw for draw in draws)]
    if not used:
        return "No site of your own draws power", tag(
            "p", "Nothing of your own stands anywhere, so there is no power to compare."
        )
    fullest, draws = max(used, key=lambda item: max(draw.share for draw in item[1]))
    title = f"{fullest.title} reaches {_share(max(draw.share for draw in draws))} of its usable power"
    title += "; the other sites have more room" if len(used) > 1 else ""
    said = (
        "Facility kW by period: nameplate of all installed nodes at the peak PUE (bars), against usable power "
        f"with its blocks (red line). Orange from {percent(NEAR_SHARE)} up."
    )
    under = tag("p", said, class_="under")
    pictures = tag("div", *(_picture(facts, site, draws) for site, draws in used), class_="pair")
    return title, join([under, pictures, details("Show these numbers as a table", _numbers(facts, used))])


def _share(share: float) -> str:
    """What is nearly full is not called full."""
    return percent(share, 1 if 0.985 < share < 1 else 0)


def _draws(facts: Facts, site: Site, hosting: Hosting) -> list[Draw]:
    billed = {row.period: row.billed_peak_kw for row in facts.plan.peaks if row.site == site.id}
    return [
        Draw(
            row,
            hosting.pue_peak * _nameplate(facts, site, row),
            _usable(facts, site, hosting, row),
            billed.get(row.id, 0.0),
        )
        for row in facts.plan.periods
    ]


def _nameplate(facts: Facts, site: Site, period: PeriodRow) -> float:
    total = 0.0
    for place, server in facts.pools:
        if place == site.id and (nodes := facts.own_nodes(place, server, period)):
            total += nodes * _max_power_kw(facts, server)
    return total


def _max_power_kw(facts: Facts, server: str) -> float:
    kw = facts.server(server).max_power_kw
    if kw is None:
        raise CatalogError(Issue("catalog-blank", f"catalog:{server}", "no figure for max_power_kw", "add it"))
    return kw


def _usable(facts: Facts, site: Site, hosting: Hosting, period: PeriodRow) -> float:
    block_kw = {block.id: block.usable_kw for block in hosting.blocks}
    rows = (
        row
        for row in facts.plan.blocks
        if row.site == site.id and facts.index[row.usable_from] <= facts.index[period.id]
    )
    return hosting.usable_kw + sum(row.count * block_kw[row.block] for row in rows)


def _picture(facts: Facts, site: Site, draws: list[Draw]) -> Html:
    steps = [
        Step(
            start_month=draw.period.start_month_count,
            end_month=draw.period.start_month_count + draw.period.months_count,
            value=draw.nameplate_kw,
            limit=draw.usable_kw,
            is_near=draw.share >= NEAR_SHARE,
        )
        for draw in draws
    ]
    worst = max(draws, key=lambda draw: draw.share)
    said = (f"{figure(worst.nameplate_kw)} of {figure(worst.usable_kw)}{SPACE}kW in {facts.label(worst.period.id)}, "
            f"{_share(worst.share)}")  # fmt: skip
    caption = tag("figcaption", tag("b", site.title), warning(said) if worst.share >= NEAR_SHARE else said)
    year, month = facts.calendar(0)
    drawing = steps_under_limit(steps, year, month)
    return tag("figure", caption, tag("div", drawing, role="img", aria_label=f"Power at {site.title}: at most {said}."))


def _numbers(facts: Facts, used: list[tuple[Site, list[Draw]]]) -> Html:
    rows: list[list[object]] = []
    for site, draws in used:
        rows.append([site.title, "nameplate at peak PUE", *(figure(draw.nameplate_kw) for draw in draws)])
        rows.append([site.title, "usable", *(figure(draw.usable_kw) for draw in draws)])
        rows.append([site.title, "billed peak", *(figure(draw.billed_peak_kw) for draw in draws)])
    heads = ["Site", "kW", *(f"> {facts.label(period.id)}" for period in facts.plan.periods)]
    return table("Facility kW by period", heads, rows, wide=True)
