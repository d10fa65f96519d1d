"""What holds between parts of a factory that is typed rightly: one small function for each rule.

`LOCAL` checks look at one item (and the dates and buckets); `GLOBAL` checks need the whole file.
A figure that could have no effect is a fault: a user who wrote it expects one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from math import ceil

from groundplan.spec._base import month_number
from groundplan.spec._document import Path
from groundplan.spec._factory import Bucket, Factory
from groundplan.spec._faults import Fault
from groundplan.spec._law import Rule
from groundplan.spec._place import Site
from groundplan.spec._work import (
    AnalyticsWorkload,
    AnyWorkload,
    ControlWorkload,
    Demand,
    LlmWorkload,
    OnceDemand,
    Served,
)

Check = Callable[[Factory], Iterator[Fault]]

RENTED_TIERS: frozenset[str] = frozenset({"colocation", "sovereign-cloud", "public-cloud"})
MAX_CONTROL_HZ = 200.0
MIN_CONTROL_LATENCY_MS = 20.0
HOURS_OF_DAY = 24


def check(factory: Factory, *, whole: bool = True) -> list[Fault]:
    """Every fault; `whole` is False where items with faults of their own were left out."""
    checks = (*LOCAL, *GLOBAL) if whole else LOCAL
    return [fault for rule in checks for fault in rule(factory)]


def plan_months(factory: Factory) -> int:
    """Length of the plan in months."""
    periods = factory.periods
    return periods.months + 3 * periods.quarters + 12 * periods.years


def _end(factory: Factory) -> int:
    return month_number(factory.start) + plan_months(factory)


def _text(number: int) -> str:
    return f"{number // 12}-{number % 12 + 1:02d}"


# --- time -------------------------------------------------------------------------------------------------


def _buckets_fill_the_week(factory: Factory) -> Iterator[Fault]:
    seen: dict[tuple[str, int], str] = {}
    for index, bucket in enumerate(factory.buckets):
        at: Path = ("buckets", index, "hours")
        for start, end in bucket.hours:
            if not 0 <= start < end <= HOURS_OF_DAY:
                hint = "write [from, to) within 0 and 24; a night is two ranges, [0, 6] and [22, 24]"
                yield Fault(at, "bucket-hours", f"buckets[{bucket.id}].hours has the range [{start}, {end}]", hint)
                return
        for slot in _slots(bucket):
            if slot in seen:
                what = f"hour {slot[1]} of a {slot[0]} is in buckets {seen[slot]!r} and {bucket.id!r}"
                yield Fault(at, "bucket-hours", what, "each hour of the week belongs to one bucket")
                return
            seen[slot] = bucket.id
    missing = [f"{hour} of a {day}" for day in ("weekday", "weekend") for hour in range(24) if (day, hour) not in seen]
    if missing:
        what = f"{len(missing)} hours of the week are in no bucket, the first is hour {missing[0]}"
        yield Fault(("buckets",), "bucket-hours", what, "buckets cover each hour of the week once")


def _slots(bucket: Bucket) -> Iterator[tuple[str, int]]:
    days = ("weekday", "weekend") if bucket.days == "all" else (bucket.days,)
    yield from ((day, hour) for day in days for start, end in bucket.hours for hour in range(start, end))


def _demand_dates(factory: Factory) -> Iterator[Fault]:
    for at, demand in _demands(factory):
        if isinstance(demand, OnceDemand):
            first, last, keys = demand.start_month, demand.due_month, ("start_month", "due_month")
        else:
            first, last, keys = demand.from_month, demand.until_month, ("from_month", "until_month")
        yield from _span(factory, at, keys, first, last)


def _span(
    factory: Factory, at: Path, keys: tuple[str, str], first: str | None, last: str | None
) -> Iterator[Fault]:
    """A span of months must run forward and touch the plan."""
    start, end = month_number(factory.start), _end(factory)
    if first and last and month_number(last) <= month_number(first):
        what = f"{keys[1]} {last} is not after {keys[0]} {first}"
        yield Fault((*at, keys[1]), "impossible-date", what, f"{keys[1]} is the first month that no longer counts")
    elif first and month_number(first) >= end:
        what = f"{keys[0]} {first} is after the plan, whose last month is {_text(end - 1)}"
        yield Fault((*at, keys[0]), "no-effect", what, "it could have no effect: remove it, or lengthen periods")
    elif last and month_number(last) <= start:
        what = f"{keys[1]} {last} is not after the start of the plan, {factory.start}"
        yield Fault((*at, keys[1]), "no-effect", what, "it could have no effect: remove it")
    elif last and month_number(last) > end and keys[0] == "start_month":
        what = f"{keys[1]} {last} is after the plan ends ({_text(end)})"
        yield Fault((*at, keys[1]), "impossible-date", what, "the work must be due within the plan: lengthen periods")


def _demands(factory: Factory) -> Iterator[tuple[Path, Demand | OnceDemand]]:
    for index, workload in enumerate(factory.workloads):
        for number, demand in enumerate(workload.demand):
            yield ("workloads", index, "demand", number), demand


def _permit_dates(factory: Factory) -> Iterator[Fault]:
    for index, permit in enumerate(factory.held_permits):
        at, keys = ("held_permits", index), ("from_month", "until_month")
        yield from _span(factory, at, keys, permit.from_month, permit.until_month)


def _rule_dates(factory: Factory) -> Iterator[Fault]:
    for index, rule in enumerate(factory.rules):
        at = ("rules", index)
        if rule.until_date and rule.until_date <= rule.from_date:
            what = f"until_date {rule.until_date} is not after from_date {rule.from_date}"
            yield Fault((*at, "until_date"), "impossible-date", what, "a rule is in force on [from_date, until_date)")
        elif _date_month(rule) >= _end(factory):
            what = f"from_date {rule.from_date} is after the plan, whose last month is {_text(_end(factory) - 1)}"
            yield Fault((*at, "from_date"), "no-effect", what, "the rule could have no effect: remove it")


def _date_month(rule: Rule) -> int:
    return rule.from_date.year * 12 + rule.from_date.month - 1


def _offer_dates(factory: Factory) -> Iterator[Fault]:
    start, end = month_number(factory.start), _end(factory)
    for index, offer in enumerate(factory.purchases):
        at: Path = ("purchases", index)
        if offer.available_from and month_number(offer.available_from) >= end:
            what = f"available_from {offer.available_from} is after the plan, whose last month is {_text(end - 1)}"
            yield Fault((*at, "available_from"), "no-effect", what, "remove the offer, or lengthen periods")
        previous: tuple[int, int] | None = None
        for number, delivery in enumerate(offer.deliveries):
            here, now = (*at, "deliveries", number), (month_number(delivery.month), delivery.cumulative_nodes)
            if not start <= now[0] < end:
                what = f"delivery month {delivery.month} is outside the plan, {factory.start} to {_text(end - 1)}"
                yield Fault((*here, "month"), "no-effect", what, "it could have no effect: remove it")
            if previous and (now[0] <= previous[0] or now[1] < previous[1]):
                what = f"delivery of {delivery.month} falls behind the one before it"
                hint = "months rise, and cumulative_nodes never fall"
                yield Fault(here, "impossible-date", what, hint)
            previous = now


def _existing_dates(factory: Factory) -> Iterator[Fault]:
    for index, estate in enumerate(factory.existing):
        if month_number(estate.bought_month) > month_number(factory.start):
            what = f"bought_month {estate.bought_month} is after the start of the plan, {factory.start}"
            yield Fault(("existing", index, "bought_month"), "impossible-date", what, "what is owned was bought before")


# --- workloads --------------------------------------------------------------------------------------------


def _control_loops(factory: Factory) -> Iterator[Fault]:
    for index, workload in enumerate(factory.workloads):
        if isinstance(workload, ControlWorkload):
            yield from _motion_loop(workload, ("workloads", index))
            yield from _chunks(workload, ("workloads", index))


def _motion_loop(workload: ControlWorkload, at: Path) -> Iterator[Fault]:
    """AI plans at 20 to 500 ms above a local 500 to 1,000 Hz controller (3GPP TS 22.261 annex D, TR 22.804)."""
    hint = "leave the motion loop and safety stops to a controller on the machine; the pool plans above it"
    reason = "a GPU pool never sits inside a motion loop"
    if workload.control_hz > MAX_CONTROL_HZ:
        what = f"control_hz {workload.control_hz:g} is above {MAX_CONTROL_HZ:g} Hz: {reason}"
        yield Fault((*at, "control_hz"), "motion-loop", what, hint)
    latency_ms = workload.service_level.latency_ms
    if latency_ms < MIN_CONTROL_LATENCY_MS:
        what = f"latency_ms {latency_ms:g} is below {MIN_CONTROL_LATENCY_MS:g} ms: {reason}"
        yield Fault((*at, "service_level", "latency_ms"), "motion-loop", what, hint)


def _chunks(workload: ControlWorkload, at: Path) -> Iterator[Fault]:
    """Replan every s of H steps with a delay of d steps: s <= H; async d <= s; rtc d <= s <= H - d."""
    chunk, replan = workload.chunk_steps, workload.replan_every_steps
    delay = ceil(workload.service_level.latency_ms / 1000 * workload.control_hz - 1e-9)
    why = f"at {workload.control_hz:g} Hz, {workload.service_level.latency_ms:g} ms are {delay} steps"
    if replan > chunk:
        what = f"replan_every_steps {replan} is above chunk_steps {chunk}: the robot runs out of actions"
        yield Fault((*at, "replan_every_steps"), "chunk", what, f"at most {chunk}")
    elif workload.mode != "sync" and delay > replan:
        what = f"mode {workload.mode} needs the delay within replan_every_steps {replan}, but {why}"
        yield Fault((*at, "replan_every_steps"), "chunk", what, f"at least {delay} steps, or sooner answers")
    elif workload.mode == "rtc" and replan > chunk - delay:
        what = f"mode rtc needs replan_every_steps {replan} <= chunk_steps {chunk} - delay, but {why}"
        yield Fault((*at, "replan_every_steps"), "chunk", what, f"at most {max(chunk - delay, 0)}, or a longer chunk")


def _shedding(factory: Factory) -> Iterator[Fault]:
    for index, workload in enumerate(factory.workloads):
        if not workload.required or not isinstance(workload, Served):
            continue
        for key in sorted({"shed_usd_per_unit", "priority"} & workload.model_fields_set):
            if key == "priority" or workload.shed_usd_per_unit > 0:
                what = f"{key} has no effect where the workload is required"
                yield Fault(("workloads", index, key), "no-effect", what, "set required: false, or remove it")


def _batch_keys(factory: Factory) -> Iterator[Fault]:
    """Batch work is done, or there is no plan: shedding it is not planned yet."""
    served_only = {"required", "value_usd_per_unit", "shed_usd_per_unit", "priority"}
    for index, workload in enumerate(factory.workloads):
        if isinstance(workload, Served):
            continue
        without_model = {"allowed_precisions"} if isinstance(workload, AnalyticsWorkload) else set()
        for key in sorted((served_only | without_model) & workload.model_fields_set):
            if getattr(workload, key) != type(workload).model_fields[key].default:
                what = f"{key} is not supported yet on batch work, such as {workload.kind}"
                yield Fault(("workloads", index, key), "not-supported-yet", what, "remove it: batch is always done")


def _survival(factory: Factory) -> Iterator[Fault]:
    for index, workload in enumerate(factory.workloads):
        at: Path = ("workloads", index)
        if "failover_share" in workload.model_fields_set and workload.survives != "site":
            what = f"failover_share has no effect where survives is {workload.survives}"
            yield Fault((*at, "failover_share"), "no-effect", what, "set survives: site, or remove it")
        elif workload.survives == "site" and not isinstance(workload, Served):
            what = f"survives: site is for workloads that answer requests, not for {workload.kind}"
            yield Fault((*at, "survives"), "no-effect", what, "use none or node")
        elif workload.survives == "site" and workload.failover_share == 0:
            what = "failover_share 0 asks for nothing when a site is lost"
            yield Fault((*at, "failover_share"), "no-effect", what, "set survives: node, or a share above 0")


def _once_each(factory: Factory) -> Iterator[Fault]:
    """A list of names that must not repeat: data classes and precisions, origins of a workload."""
    for index, workload in enumerate(factory.workloads):
        at: Path = ("workloads", index)
        yield from _repeated((*at, "data_classes"), workload.data_classes)
        yield from _repeated((*at, "allowed_precisions"), workload.allowed_precisions)
        # A plan knows a load by workload and origin.
        yield from _repeated((*at, "demand"), [demand.origin for demand in workload.demand])
    for index, offer in enumerate(factory.purchases):
        yield from _repeated(("purchases", index, "sites"), offer.sites)
    for index, offer in enumerate(factory.token_offers):
        yield from _repeated(("token_offers", index, "workloads"), offer.workloads)


def _repeated(at: Path, names: tuple[str, ...] | list[str]) -> Iterator[Fault]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Fault(at, "duplicate-name", f"{at[-1]} names {name} twice", "name it once")


def _profiles_of_batch(factory: Factory) -> Iterator[Fault]:
    for index, workload in enumerate(factory.workloads):
        if isinstance(workload, Served):
            continue
        for number, demand in enumerate(workload.demand):
            if "profile" in demand.model_fields_set:
                at = ("workloads", index, "demand", number, "profile")
                what = "a profile has no effect on batch work, which fills the valleys"
                yield Fault(at, "no-effect", what, "remove it")


# --- ground and offers --------------------------------------------------------------------------------------


def _sites(factory: Factory) -> dict[str, Site]:
    return {site.id: site for site in factory.sites}


def _site_tiers(factory: Factory) -> Iterator[Fault]:
    for index, site in enumerate(factory.sites):
        if site.hosting and site.tier in ("sovereign-cloud", "public-cloud", "token-api"):
            what = f"site {site.id!r} of tier {site.tier} has hosting, but nothing of your own can stand there"
            yield Fault(("sites", index, "hosting"), "wrong-tier", what, "remove hosting, or use tier colocation")


def _link_targets(factory: Factory) -> Iterator[Fault]:
    serving = _serving_sites(factory)
    for index, link in enumerate(factory.links):
        if link.site not in serving:
            what = f"link to {link.site!r}, where nothing can run: it has no hosting, rental or token offer"
            yield Fault(("links", index, "site"), "no-effect", what, "give the site one, or remove the link")
    pairs = Counter((link.origin, link.site) for link in factory.links)
    for index, link in enumerate(factory.links):
        if pairs[link.origin, link.site] > 1:
            what = f"{pairs[link.origin, link.site]} links from {link.origin!r} to {link.site!r}"
            yield Fault(("links", index), "duplicate-id", what, "state one link for each way")


def _serving_sites(factory: Factory) -> set[str]:
    hosting = {site.id for site in factory.sites if site.hosting}
    return hosting | {offer.site for offer in (*factory.rentals, *factory.token_offers)}


def _purchase_offers(factory: Factory) -> Iterator[Fault]:
    sites, seen = _sites(factory), set()
    for index, offer in enumerate(factory.purchases):
        at: Path = ("purchases", index, "sites")
        for number, name in enumerate(offer.sites):
            if (offer.server, name) in seen:
                what = f"a second offer of {offer.server!r} at {name!r}"
                yield Fault((*at, number), "duplicate-id", what, "keep one offer for each server and site")
            seen.add((offer.server, name))
            if name in sites and not sites[name].hosting:
                what = f"nodes cannot be bought for {name!r}, which has no hosting"
                yield Fault((*at, number), "wrong-tier", what, "describe hosting there, or rent")


def _rental_offers(factory: Factory) -> Iterator[Fault]:
    sites, seen = _sites(factory), set()
    for index, offer in enumerate(factory.rentals):
        at: Path = ("rentals", index)
        if offer.site in sites and sites[offer.site].tier not in RENTED_TIERS:
            what = f"rental at {offer.site!r} of tier {sites[offer.site].tier}"
            hint = f"rent at one of {', '.join(sorted(RENTED_TIERS))}"
            yield Fault((*at, "site"), "wrong-tier", what, hint)
        if (offer.site, offer.server, offer.term) in seen:
            what = f"a second {offer.term} rental of {offer.server!r} at {offer.site!r}"
            yield Fault(at, "duplicate-id", what, "keep one rental for each site, server and term")
        seen.add((offer.site, offer.server, offer.term))
        term_months = {"on-demand": 0, "1y": 12, "3y": 36}[offer.term]
        if term_months > plan_months(factory):
            what = f"term {offer.term} is longer than the plan of {plan_months(factory)} months"
            yield Fault((*at, "term"), "no-effect", what, "it could never be signed: remove it, or lengthen periods")


def _token_offers(factory: Factory) -> Iterator[Fault]:
    sites = _sites(factory)
    kinds = {workload.id: workload for workload in factory.workloads}
    for index, offer in enumerate(factory.token_offers):
        at: Path = ("token_offers", index)
        if offer.site in sites and sites[offer.site].tier != "token-api":
            what = f"token offer at {offer.site!r} of tier {sites[offer.site].tier}"
            yield Fault((*at, "site"), "wrong-tier", what, "give it a site of tier token-api")
        for number, name in enumerate(offer.workloads):
            if name in kinds and not isinstance(kinds[name], LlmWorkload):
                what = f"token offer for {name!r}, a workload of kind {kinds[name].kind}"
                yield Fault((*at, "workloads", number), "wrong-kind", what, "only llm workloads are served by tokens")
            elif name in kinds and not _reachable(factory, kinds[name], offer.site):
                what = f"no link leads from where {name!r} arises to {offer.site!r}"
                yield Fault((*at, "workloads", number), "missing-link", what, "add the link, or drop the workload here")


def _reachable(factory: Factory, workload: AnyWorkload, site: str) -> bool:
    origins = {demand.origin for demand in workload.demand}
    return site in origins or any(link.site == site and link.origin in origins for link in factory.links)


def _existing_sites(factory: Factory) -> Iterator[Fault]:
    sites = _sites(factory)
    for index, estate in enumerate(factory.existing):
        if estate.site in sites and not sites[estate.site].hosting:
            what = f"nodes of your own stand at {estate.site!r}, which has no hosting"
            yield Fault(("existing", index, "site"), "wrong-tier", what, "describe hosting of that site")


def _floors(factory: Factory) -> Iterator[Fault]:
    served = {workload.id: isinstance(workload, Served) for workload in factory.workloads}
    for index, floor in enumerate(factory.on_premise_floors):
        at: Path = ("on_premise_floors", index)
        if floor.min_share == 0:
            yield Fault((*at, "min_share"), "no-effect", "min_share 0 asks for nothing", "remove the floor")
        for number, name in enumerate(floor.workloads):
            if not served.get(name, True):
                what = f"on_premise_floors names {name!r}, which answers no requests"
                hint = "name workloads of kind llm, control, vision or stream"
                yield Fault((*at, "workloads", number), "wrong-kind", what, hint)


# --- money --------------------------------------------------------------------------------------------------


def _budgets(factory: Factory) -> Iterator[Fault]:
    years = ceil(plan_months(factory) / 12)
    for key in sorted(factory.budgets.model_fields_set):
        given = len(getattr(factory.budgets, key))
        if given > years:
            what = f"budgets.{key} has {given} years, but the plan has {years}"
            yield Fault(("budgets", key), "no-effect", what, f"give at most {years} figures")


def _currencies(factory: Factory) -> Iterator[Fault]:
    money = factory.money
    known = [rate.currency for rate in money.exchange_rates]
    yield from _repeated(("money", "exchange_rates"), known)
    if money.report_currency != "USD" and money.report_currency not in known:
        what = f"no exchange rate for report_currency {money.report_currency!r}"
        hint = f"add {money.report_currency} to money.exchange_rates, or report in USD"
        yield Fault(("money", "report_currency"), "missing-rate", what, hint)
    for index, rate in enumerate(money.exchange_rates):
        if rate.currency == "USD":
            what = "an exchange rate of USD to itself"
            yield Fault(("money", "exchange_rates", index), "no-effect", what, "remove it")


# --- things that nothing uses -------------------------------------------------------------------------------


def _unused(factory: Factory) -> Iterator[Fault]:
    origins = {demand.origin for workload in factory.workloads for demand in workload.demand}
    linked = {link.origin for link in factory.links}
    used_profiles = {d.profile for w in factory.workloads if isinstance(w, Served) for d in w.demand}
    used_classes = {name for workload in factory.workloads for name in workload.data_classes}
    hint = "remove it, or use it"
    for index, zone in enumerate(factory.zones):
        if zone.id not in origins:
            what = f"no demand arises in zone {zone.id!r}"
            yield Fault(("zones", index), "unused", what, hint)
        elif zone.id not in linked:
            what = f"demand arises in zone {zone.id!r}, but no link leads out of it"
            yield Fault(("zones", index), "missing-link", what, "add a link from the zone to a site")
    for index, profile in enumerate(factory.profiles):
        if profile.id not in used_profiles:
            yield Fault(("profiles", index), "unused", f"no demand uses profile {profile.id!r}", hint)
    for index, data_class in enumerate(factory.data_classes):
        if data_class.id not in used_classes:
            what = f"no workload has data of class {data_class.id!r}"
            yield Fault(("data_classes", index), "unused", what, hint)
    for index, link in enumerate(factory.links):
        if link.origin not in origins:
            what = f"link from {link.origin!r}, where no demand arises"
            yield Fault(("links", index, "origin"), "unused", what, hint)


def _unused_sites(factory: Factory) -> Iterator[Fault]:
    """A site must have demand, or something that can run there."""
    origins = {demand.origin for workload in factory.workloads for demand in workload.demand}
    serving = _serving_sites(factory)
    filled = {name for offer in factory.purchases for name in offer.sites} | {e.site for e in factory.existing}
    filled |= {offer.site for offer in (*factory.rentals, *factory.token_offers)}
    for index, site in enumerate(factory.sites):
        if site.id not in origins and site.id not in serving:
            what = f"site {site.id!r} has neither demand nor hosting, rental or token offer"
            yield Fault(("sites", index), "unused", what, "remove it, or say what can run there")
        elif site.hosting and site.id not in filled:
            what = f"site {site.id!r} has hosting, but no offer sells nodes there and none stand there"
            yield Fault(("sites", index, "hosting"), "unused", what, "add an offer, or remove hosting")


def _unused_rules(factory: Factory) -> Iterator[Fault]:
    for index, rule in enumerate(factory.rules):
        if not any(
            set(rule.when.labels) & set(data_class.labels) and rule.when.law_of in (None, data_class.law_of)
            for data_class in factory.data_classes
        ):
            what = f"rule {rule.id!r} speaks of no data class of this file"
            yield Fault(("rules", index, "when"), "unused", what, "label a data class with it, or remove the rule")


LOCAL: tuple[Check, ...] = (
    _buckets_fill_the_week, _demand_dates, _permit_dates, _rule_dates, _offer_dates, _existing_dates, _control_loops,
    _shedding, _batch_keys, _survival, _once_each, _profiles_of_batch, _site_tiers, _purchase_offers, _rental_offers,
    _existing_sites, _floors, _budgets, _currencies,
)  # fmt: skip
GLOBAL: tuple[Check, ...] = (_token_offers, _link_targets, _unused, _unused_sites, _unused_rules)
