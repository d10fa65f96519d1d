"""What holds between parts of a factory that is typed rightly: one small function for each rule.

`LOCAL` checks look at one item (and the dates and buckets); `GLOBAL` checks need the whole file.
A figure that could have no effect is a fault: a user who wrote it expects one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from groundplan.spec import _check_ground as ground
from groundplan.spec import _check_time as time
from groundplan.spec import _check_work as work
from groundplan.spec._factory import Factory
from groundplan.spec._faults import Fault

Check = Callable[[Factory], Iterator[Fault]]

LOCAL: tuple[Check, ...] = (
    time.buckets_fill_the_week,
    time.demand_dates,
    time.permit_dates,
    time.rule_dates,
    time.offer_dates,
    time.existing_dates,
    work.control_loops,
    work.shedding,
    work.batch_keys,
    work.formats_of_streams,
    work.survival,
    work.once_each,
    work.profiles_of_batch,
    ground.site_tiers,
    ground.purchase_offers,
    ground.rental_offers,
    ground.existing_sites,
    ground.moves,
    ground.contracts,
    ground.floors,
    ground.budgets,
    ground.currencies,
)
GLOBAL: tuple[Check, ...] = (
    ground.openings,
    ground.token_offers,
    ground.link_targets,
    ground.ways_to_serve,
    ground.unused,
    ground.unused_sites,
    ground.unused_rules,
)


def check(factory: Factory, *, whole: bool = True) -> list[Fault]:
    """Every fault; `whole` is False where items with faults of their own were left out."""
    checks = (*LOCAL, *GLOBAL) if whole else LOCAL
    return [fault for rule in checks for fault in rule(factory)]
