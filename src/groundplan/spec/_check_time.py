"""Checks of dates and hours: spans run forward, touch the plan, and buckets fill the week."""

from __future__ import annotations

from collections.abc import Iterator

from groundplan.spec._base import month_number
from groundplan.spec._document import Path
from groundplan.spec._factory import Bucket, Factory
from groundplan.spec._faults import Fault
from groundplan.spec._law import Rule
from groundplan.spec._work import Demand, OnceDemand

HOURS_OF_DAY = 24


def plan_months(factory: Factory) -> int:
    """Length of the plan in months."""
    periods = factory.periods
    return periods.months + 3 * periods.quarters + 12 * periods.years


def end_of_plan(factory: Factory) -> int:
    """The first month after the plan, as a month number."""
    return month_number(factory.start) + plan_months(factory)


def month_text(number: int) -> str:
    """A month number as the file writes it."""
    return f"{number // 12}-{number % 12 + 1:02d}"


def buckets_fill_the_week(factory: Factory) -> Iterator[Fault]:
    """Each hour of a weekday and of a weekend day is in exactly one bucket."""
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


def demand_dates(factory: Factory) -> Iterator[Fault]:
    """Demand runs forward and touches the plan; work to be done once is due within it."""
    for at, demand in _demands(factory):
        if isinstance(demand, OnceDemand):
            first, last, keys = demand.start_month, demand.due_month, ("start_month", "due_month")
        else:
            first, last, keys = demand.from_month, demand.until_month, ("from_month", "until_month")
        yield from _span(factory, at, keys, first, last)


def _span(factory: Factory, at: Path, keys: tuple[str, str], first: str | None, last: str | None) -> Iterator[Fault]:
    """A span of months must run forward and touch the plan."""
    start, end = month_number(factory.start), end_of_plan(factory)
    if first and last and month_number(last) <= month_number(first):
        what = f"{keys[1]} {last} is not after {keys[0]} {first}"
        yield Fault((*at, keys[1]), "impossible-date", what, f"{keys[1]} is the first month that no longer counts")
    elif first and month_number(first) >= end:
        what = f"{keys[0]} {first} is after the plan, whose last month is {month_text(end - 1)}"
        yield Fault((*at, keys[0]), "no-effect", what, "it could have no effect: remove it, or lengthen periods")
    elif last and month_number(last) <= start:
        what = f"{keys[1]} {last} is not after the start of the plan, {factory.start}"
        yield Fault((*at, keys[1]), "no-effect", what, "it could have no effect: remove it")
    elif last and month_number(last) > end and keys[0] == "start_month":
        what = f"{keys[1]} {last} is after the plan ends ({month_text(end)})"
        yield Fault((*at, keys[1]), "impossible-date", what, "the work must be due within the plan: lengthen periods")


def _demands(factory: Factory) -> Iterator[tuple[Path, Demand | OnceDemand]]:
    for index, workload in enumerate(factory.workloads):
        for number, demand in enumerate(workload.demand):
            yield ("workloads", index, "demand", number), demand


def permit_dates(factory: Factory) -> Iterator[Fault]:
    """Held permits run forward and touch the plan."""
    for index, permit in enumerate(factory.held_permits):
        at, keys = ("held_permits", index), ("from_month", "until_month")
        yield from _span(factory, at, keys, permit.from_month, permit.until_month)


def rule_dates(factory: Factory) -> Iterator[Fault]:
    """Rules run forward and begin before the plan ends."""
    for index, rule in enumerate(factory.rules):
        at = ("rules", index)
        if rule.until_date and rule.until_date <= rule.from_date:
            what = f"until_date {rule.until_date} is not after from_date {rule.from_date}"
            yield Fault((*at, "until_date"), "impossible-date", what, "a rule is in force on [from_date, until_date)")
        elif _date_month(rule) >= end_of_plan(factory):
            last = month_text(end_of_plan(factory) - 1)
            what = f"from_date {rule.from_date} is after the plan, whose last month is {last}"
            yield Fault((*at, "from_date"), "no-effect", what, "the rule could have no effect: remove it")


def _date_month(rule: Rule) -> int:
    return rule.from_date.year * 12 + rule.from_date.month - 1


def offer_dates(factory: Factory) -> Iterator[Fault]:
    """Offers open within the plan; tranches lie in it and rise."""
    start, end = month_number(factory.start), end_of_plan(factory)
    for index, offer in enumerate(factory.purchases):
        at: Path = ("purchases", index)
        if offer.available_from and month_number(offer.available_from) >= end:
            what = f"available_from {offer.available_from} is after the plan, whose last month is {month_text(end - 1)}"
            yield Fault((*at, "available_from"), "no-effect", what, "remove the offer, or lengthen periods")
        previous: tuple[int, int] | None = None
        for number, delivery in enumerate(offer.deliveries):
            here, now = (*at, "deliveries", number), (month_number(delivery.month), delivery.cumulative_nodes)
            if not start <= now[0] < end:
                what = f"delivery month {delivery.month} is outside the plan, {factory.start} to {month_text(end - 1)}"
                yield Fault((*here, "month"), "no-effect", what, "it could have no effect: remove it")
            if previous and (now[0] <= previous[0] or now[1] < previous[1]):
                what = f"delivery of {delivery.month} falls behind the one before it"
                hint = "months rise, and cumulative_nodes never fall"
                yield Fault(here, "impossible-date", what, hint)
            previous = now


def existing_dates(factory: Factory) -> Iterator[Fault]:
    """What is owned was bought by the start of the plan."""
    for index, estate in enumerate(factory.existing):
        if month_number(estate.bought_month) > month_number(factory.start):
            what = f"bought_month {estate.bought_month} is after the start of the plan, {factory.start}"
            yield Fault(("existing", index, "bought_month"), "impossible-date", what, "what is owned was bought before")
