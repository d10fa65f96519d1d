"""Who sees which data: every data class with where it is processed, who could open it there, and under which rules."""

from __future__ import annotations

from groundplan.problem import rules_of
from groundplan.report._facts import Facts
from groundplan.report._html import Html, join, table, tag, warning
from groundplan.report._words import count, sentence_list
from groundplan.spec import DataClass, Site
from groundplan.study import exposed

NOTE = (
    "Stored means with the work: data sets, copies and backups are not planned yet. Seen by names the countries of "
    "owner, operator, ultimate parent and key holder, each of whom a law of their own may compel. Not legal advice."
)


def sovereignty(facts: Facts) -> tuple[str, Html]:
    """Title and body."""
    rows = [_row(facts, row) for row in facts.factory.data_classes]
    abroad = [facts.workloads[name].title for name in exposed(facts.plan, facts.factory)]
    title = "No one outside the law of the data can be made to open it"
    if abroad:
        verb = "is" if len(abroad) == 1 else "are"
        title = f"{sentence_list(abroad)} {verb} within reach of a foreign law"
    heads = ["Data class", "Law of", "Stored and processed at", "Seen by", "Rules that speak of it"]
    caption = f"{count(len(rows), 'data class', 'data classes').capitalize()}, with every place where the plan has them"
    return title, join([table(caption, heads, rows), tag("p", NOTE, class_="under")])


def _row(facts: Facts, row: DataClass) -> list[object]:
    sites = _sites(facts, row)
    seen = list(dict.fromkeys(country for site in sites for country in _reach(site)))
    foreign = [country for country in seen if country != row.law_of]
    who: object = sentence_list(seen) if seen else "–"
    name = join([row.title, tag("br"), tag("small", ", ".join(row.labels))])
    places = sentence_list([site.title for site in sites]) if sites else "nowhere in this plan"
    return [name, row.law_of, places, warning(who) if foreign else who, ", ".join(_rules(facts, row)) or "none"]


def _sites(facts: Facts, row: DataClass) -> list[Site]:
    """Where workloads with this class run, in the order of the file."""
    workloads = {workload.id for workload in facts.factory.workloads if row.id in workload.data_classes}
    used = {run.site for run in (*facts.plan.loads, *facts.plan.batch) if run.workload in workloads}
    used |= {facts.token_offers[token.offer].site for token in facts.plan.tokens if token.workload in workloads}
    return [site for site in facts.factory.sites if site.id in used]


def _reach(site: Site) -> tuple[str, ...]:
    return site.owner_country, site.operator_country, site.parent_country, site.key_holder_country


def _rules(facts: Facts, row: DataClass) -> list[str]:
    return [
        rule.id
        for rule in rules_of(facts.factory)
        if set(rule.when.labels) & set(row.labels) and rule.when.law_of in (None, row.law_of)
    ]
