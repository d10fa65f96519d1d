"""What a kWh and a kW cost at a site, by period and bucket."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.catalog import Catalog, DayType, Tariff
from groundplan.problem._calendar import Calendar
from groundplan.spec import Bucket, Factory, Hosting, Site

DAYS: dict[str, tuple[tuple[DayType, int], ...]] = {
    "weekday": (("weekday", 5),),
    "weekend": (("saturday", 1), ("sunday", 1)),
    "all": (("weekday", 5), ("saturday", 1), ("sunday", 1)),
}


def exchange_factor(factory: Factory, tariff: Tariff) -> float:
    """Turns the tariff's own dollars into dollars at the file's exchange rate, where it states one."""
    stated = {rate.currency: rate.local_per_usd for rate in factory.money.exchange_rates}
    return tariff.fx_local_per_usd / stated.get(tariff.currency, tariff.fx_local_per_usd)


def energy_price_usd_per_kwh(factory: Factory, site: Site, tariff: Tariff, calendar: Calendar) -> NDArray[np.float64]:
    """[period, bucket] mean price, levies included; 0 in the peak bucket, which draws no energy."""
    shift = site.utc_offset_h - factory.utc_offset_h
    by_month = np.array(
        [[_bucket_price(tariff, bucket, month, shift) for bucket in calendar.buckets] for month in range(1, 13)]
    )
    prices = np.zeros_like(calendar.hours)
    change = 1 + factory.money.energy_price_change_per_year_rate
    for t in range(len(calendar.periods)):
        months = [month - 1 for month in calendar.calendar_months(t)]
        middle = float(calendar.start_month[t] + calendar.months[t] / 2) / 12
        prices[t, :-1] = by_month[months].mean(axis=0) * change**middle
    return prices * exchange_factor(factory, tariff)


def _bucket_price(tariff: Tariff, bucket: Bucket, month: int, shift_h: float) -> float:
    hours = [hour for start, stop in bucket.hours for hour in range(start, stop)]
    total = weight = 0.0
    for day, count in DAYS[bucket.days]:
        for hour in hours:
            local = int((hour + shift_h) % 24)
            total += count * tariff.price_usd_per_kwh(month, day, local)
            weight += count
    return total / weight


def demand_charge_usd_per_kw_month(factory: Factory, tariff: Tariff) -> float:
    """Demand charge at the file's exchange rate."""
    return tariff.demand_charge_usd_per_kw_month * exchange_factor(factory, tariff)


def ratchet_pairs(tariff: Tariff, calendar: Calendar) -> tuple[tuple[int, int], ...]:
    """(period, earlier period) pairs where the earlier peak still binds.

    It does where the earlier period holds a month of the season among the `ratchet_months` before the later one.
    """
    starts = calendar.start_month
    return tuple(
        (t, u)
        for t in range(len(starts))
        for u in range(t)
        if _in_season(tariff, calendar, u, since=int(starts[t]) - tariff.ratchet_months)
    )


def _in_season(tariff: Tariff, calendar: Calendar, period: int, since: int) -> bool:
    """Whether a period holds a month, not before `since`, whose peak ratchets."""
    skipped = max(since - int(calendar.start_month[period]), 0)
    months = calendar.calendar_months(period)[skipped:]
    return bool(set(months) & set(tariff.ratchet_season) if tariff.ratchet_season else months)


def tariff_of(hosting: Hosting, catalog: Catalog) -> Tariff:
    """The catalogue tariff that a site names."""
    return catalog.tariff(hosting.tariff)
