"""Electricity tariffs: energy by month, day type and half hour, demand charge, levies, dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from groundplan.catalog._base import CountryCode, Frozen, NamedRow, NotNegative, Positive, Share

DayType = Literal["weekday", "saturday", "sunday"]
DAY_TYPES: tuple[DayType, ...] = ("weekday", "saturday", "sunday")
Month = Annotated[int, Field(ge=1, le=12)]
HourRange = tuple[Annotated[float, Field(ge=0, lt=24)], Annotated[float, Field(gt=0, le=24)]]
HALF_HOURS = 48


class EnergyBlock(Frozen):
    """One price. Hours are local wall time [from, to), half-hour grid; a range may wrap past midnight."""

    label: str = ""
    season: tuple[Month, ...] = Field(min_length=1)
    day_type: Literal["weekday", "saturday", "sunday", "all"]
    hours: tuple[HourRange, ...] = Field(min_length=1)
    price_local_per_kwh: Positive

    def slots(self) -> Iterator[tuple[int, str, int]]:
        """(month, day type, half hour) cells that the block prices."""
        days = DAY_TYPES if self.day_type == "all" else (self.day_type,)
        halves = [half for start, end in self.hours for half in _half_hours(start, end)]
        yield from ((month, day, half) for month in self.season for day in days for half in halves)


def _half_hours(start: float, end: float) -> Iterator[int]:
    first, last = start * 2, end * 2
    if first != int(first) or last != int(last) or first == last:
        raise ValueError(f"hours {start:g}-{end:g} are not a range on the half-hour grid")
    stop = int(last) if last > first else int(last) + HALF_HOURS
    yield from (half % HALF_HOURS for half in range(int(first), stop))


class Tariff(NamedRow):
    """A tariff. Prices are local currency before VAT; public holidays are priced as sundays."""

    country: CountryCode
    utility: str
    option: str = ""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    fx_local_per_usd: Positive
    utc_offset_h: Annotated[float, Field(ge=-12, le=14)]
    energy: tuple[EnergyBlock, ...] = Field(min_length=1)
    demand_charge_local_per_kw_month: NotNegative
    ratchet_months: int = Field(default=0, ge=0)
    """Months that a peak keeps binding the billed demand; 0 = each month's own peak."""
    ratchet_season: tuple[Month, ...] = ()
    """Months whose peaks ratchet; empty = all."""
    levies_local_per_kwh: NotNegative = 0.0
    levy_share: Share = 0.0
    """Levy on the whole bill (energy and demand), for instance a power fund."""
    effective_from: date
    effective_to: date | None = None

    @model_validator(mode="after")
    def _covers_every_hour_once(self) -> Self:
        seen: dict[tuple[int, str, int], str] = {}
        for block in self.energy:
            for slot in block.slots():
                if slot in seen:
                    both = f"{seen[slot]}, {block.label}"
                    raise ValueError(f"{self.id}: {_slot_name(slot)} priced twice ({both})")
                seen[slot] = block.label
        missing = [slot for slot in _all_slots() if slot not in seen]
        if missing:
            raise ValueError(f"{self.id}: {_slot_name(missing[0])} has no price ({len(missing)} half hours)")
        if self.effective_to is not None and self.effective_to < self.effective_from:
            raise ValueError(f"{self.id}: effective_to is before effective_from")
        return self

    @cached_property
    def _prices(self) -> dict[tuple[int, str, int], float]:
        return {slot: block.price_local_per_kwh for block in self.energy for slot in block.slots()}

    def price_usd_per_kwh(self, month: int, day_type: DayType, hour: int) -> float:
        """Energy price in USD with per-kWh and share levies, mean over the hour that starts at `hour`."""
        halves = [self._prices[month, day_type, 2 * hour + part] for part in (0, 1)]
        local = (sum(halves) / 2 + self.levies_local_per_kwh) * (1 + self.levy_share)
        return local / self.fx_local_per_usd

    @property
    def demand_charge_usd_per_kw_month(self) -> float:
        """Demand charge in USD, share levies included."""
        return self.demand_charge_local_per_kw_month * (1 + self.levy_share) / self.fx_local_per_usd

    def in_force(self, on: date) -> bool:
        """Whether the tariff applies on a day."""
        return self.effective_from <= on and (self.effective_to is None or on <= self.effective_to)


def _all_slots() -> Iterator[tuple[int, str, int]]:
    yield from ((m, day, half) for m in range(1, 13) for day in DAY_TYPES for half in range(HALF_HOURS))


def _slot_name(slot: tuple[int, str, int]) -> str:
    month, day, half = slot
    return f"month {month}, {day}, {half // 2:02d}:{30 * (half % 2):02d}"
