"""Electricity tariffs: energy by month, day type and half hour, demand charge, levies, dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from groundplan.catalog._base import CountryCode, Frozen, NamedRow, NotNegative, Positive, Share
from groundplan.errors import CatalogError, Issue

DayType = Literal["weekday", "saturday", "sunday"]
DAY_TYPES: tuple[DayType, ...] = ("weekday", "saturday", "sunday")
Month = Annotated[int, Field(ge=1, le=12)]
HourRange = tuple[Annotated[float, Field(ge=0, lt=24)], Annotated[float, Field(gt=0, le=24)]]
HALF_HOURS = 48
ALL_DAY = (1 << HALF_HOURS) - 1


class EnergyBlock(Frozen):
    """One price. Hours are local wall time [from, to), half-hour grid; a range may wrap past midnight."""

    label: str = ""
    season: tuple[Month, ...] = Field(min_length=1)
    day_type: Literal["weekday", "saturday", "sunday", "all"]
    hours: tuple[HourRange, ...] = Field(min_length=1)
    price_local_per_kwh: Positive

    @cached_property
    def mask(self) -> int:
        """Half hours that the block prices, bit i for the half hour that starts at i/2."""
        return sum({1 << half for start, end in self.hours for half in _half_hours(start, end)})

    def cells(self) -> Iterator[tuple[int, DayType]]:
        """(month, day type) that the block prices."""
        days = DAY_TYPES if self.day_type == "all" else (self.day_type,)
        yield from ((month, day) for month in self.season for day in days)

    @model_validator(mode="after")
    def _on_the_grid(self) -> Self:
        if self.mask.bit_count() != sum(len(list(_half_hours(start, end))) for start, end in self.hours):
            raise ValueError(f"block {self.label!r}: its hours overlap")
        if len(set(self.season)) != len(self.season):
            raise ValueError(f"block {self.label!r}: a month is named twice")
        return self


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
        priced = dict.fromkeys(((month, day) for month in range(1, 13) for day in DAY_TYPES), 0)
        for block in self.energy:
            for cell in block.cells():
                if twice := priced[cell] & block.mask:
                    raise ValueError(f"{self.id}: {_when(cell, twice)} priced twice ({block.label!r})")
                priced[cell] |= block.mask
        for cell, mask in priced.items():
            if missing := ~mask & ALL_DAY:
                raise ValueError(f"{self.id}: {_when(cell, missing)} has no price")
        if self.effective_to is not None and self.effective_to < self.effective_from:
            raise ValueError(f"{self.id}: effective_to is before effective_from")
        return self

    def price_usd_per_kwh(self, month: int, day_type: DayType, hour: int) -> float:
        """Energy price in USD with per-kWh and share levies, mean over the hour that starts at `hour`."""
        if not (1 <= month <= 12 and day_type in DAY_TYPES and 0 <= hour < 24):
            what = f"no such hour: month {month}, {day_type}, hour {hour}"
            raise CatalogError(Issue("catalog-hour", f"catalog:{self.id}", what, "month 1-12, hour 0-23"))
        blocks = [b for b in self.energy if month in b.season and b.day_type in ("all", day_type)]
        halves = [
            next(block.price_local_per_kwh for block in blocks if block.mask >> half & 1)
            for half in (2 * hour, 2 * hour + 1)
        ]
        local = (sum(halves) / 2 + self.levies_local_per_kwh) * (1 + self.levy_share)
        return local / self.fx_local_per_usd

    @property
    def demand_charge_usd_per_kw_month(self) -> float:
        """Demand charge in USD, share levies included."""
        return self.demand_charge_local_per_kw_month * (1 + self.levy_share) / self.fx_local_per_usd

    def in_force(self, on: date) -> bool:
        """Whether the tariff applies on a day."""
        return self.effective_from <= on and (self.effective_to is None or on <= self.effective_to)


def _when(cell: tuple[int, DayType], halves: int) -> str:
    first = (halves & -halves).bit_length() - 1
    return f"month {cell[0]}, {cell[1]}, {first // 2:02d}:{30 * (first % 2):02d}"
