"""What a board asks of one plan beside its cash: people, when service is whole, what a dead uplink leaves."""

from __future__ import annotations

from collections import defaultdict

from groundplan.plan import PEAK, Plan
from groundplan.spec import Factory, Served, Site
from groundplan.study._types import Uplink

WHOLE, NONE = 0.999, 0.001


def most_fte(plan: Plan) -> int:
    """Most people at any time, all sites together."""
    by_period: dict[str, int] = defaultdict(int)
    for row in plan.staff:
        by_period[row.period] += row.fte
    return max(by_period.values(), default=0)


def months_to_full_service(plan: Plan) -> int | None:
    """Months from the start until nothing is shed any more; None where the last period still sheds."""
    shedding = {row.period for row in plan.shed}
    ends = [p.start_month_count + p.months_count for p in plan.periods if p.id in shedding]
    last = plan.periods[-1]
    month = max(ends, default=0)
    return None if month == last.start_month_count + last.months_count else month


def uplinks(plan: Plan, factory: Factory) -> tuple[Uplink, ...]:
    """Share of each served workload's last peak that stands where it arises, and so outlives a dead uplink."""
    last = plan.periods[-1].id
    local: dict[str, float] = defaultdict(float)
    total: dict[str, float] = defaultdict(float)
    for row in (*plan.loads, *plan.tokens):
        if (row.period, row.bucket) == (last, PEAK):
            total[row.workload] += row.units_per_s
            local[row.workload] += row.units_per_s if getattr(row, "site", "") == row.origin else 0.0
    served = [w.id for w in factory.workloads if isinstance(w, Served) and total[w.id] > 0]
    return tuple(_uplink(workload, local[workload] / total[workload]) for workload in served)


def _uplink(workload: str, share: float) -> Uplink:
    state = "runs" if share >= WHOLE else "stops" if share <= NONE else "degrades"
    return Uplink(workload=workload, state=state, local_share=share)


def exposed(plan: Plan, factory: Factory) -> tuple[str, ...]:
    """Workloads that run anywhere where somebody outside the law of their data owns, operates or holds the keys.

    That somebody may be compelled by a law of their own, whatever the place's own law says.
    """
    sites = {site.id: site for site in factory.sites}
    laws = {row.id: row.law_of for row in factory.data_classes}
    endpoints = {offer.id: offer.site for offer in factory.token_offers}
    runs = {(row.workload, row.site) for row in (*plan.loads, *plan.batch)}
    runs |= {(row.workload, endpoints[row.offer]) for row in plan.tokens}
    found = []
    for workload in factory.workloads:
        home = {laws[name] for name in workload.data_classes}
        reach = {country for name, site in runs if name == workload.id for country in _reach(sites[site])}
        if reach - home:
            found.append(workload.id)
    return tuple(found)


def _reach(site: Site) -> tuple[str, ...]:
    return site.owner_country, site.operator_country, site.parent_country, site.key_holder_country
