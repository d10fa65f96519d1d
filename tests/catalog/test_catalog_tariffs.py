"""Tariffs: every hour has exactly one price, and the published ones come out."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from groundplan.catalog import DAY_TYPES, Catalog, Tariff
from groundplan.errors import CatalogError
from groundplan.spec import Source

CATALOG = Catalog.default()
FLAT = {
    "id": "flat", "name": "flat", "country": "US", "utility": "u", "currency": "USD", "fx_local_per_usd": 1,
    "utc_offset_h": 0, "demand_charge_local_per_kw_month": 10, "effective_from": date(2026, 1, 1),
    "source": Source(who="test", kind="assumed"),
    "energy": [{"season": range(1, 13), "day_type": "all", "hours": [(0, 24)], "price_local_per_kwh": 0.1}],
}  # fmt: skip


def _blocks(*blocks: tuple[range, str, list, float]) -> dict:
    keys = ("season", "day_type", "hours", "price_local_per_kwh")
    return {**FLAT, "energy": [dict(zip(keys, block, strict=True)) for block in blocks]}


@pytest.mark.parametrize("tariff", CATALOG.tariffs.rows, ids=lambda row: row.id)
def test_every_hour_has_a_price_between_the_cheapest_and_the_dearest_block(tariff: Tariff):
    prices = [
        tariff.price_usd_per_kwh(month, day, hour) for month in range(1, 13) for day in DAY_TYPES for hour in range(24)
    ]
    blocks = [block.price_local_per_kwh for block in tariff.energy]
    ends = [
        (price + tariff.levies_local_per_kwh) * (1 + tariff.levy_share) / tariff.fx_local_per_usd
        for price in (min(blocks), max(blocks))
    ]
    assert ends[0] - 1e-12 <= min(prices) <= max(prices) <= ends[1] + 1e-12
    assert 0.02 < min(prices) < 0.4


def test_korea_moved_its_cheap_hours():
    """The reform of 2026-04-16: evenings become dear, the noon of mild weekends half price."""
    before, after = (CATALOG.tariff(f"kepco-industrial-eul-hv-a-2-{year}") for year in (2024, 2026))
    assert after.price_usd_per_kwh(7, "weekday", 19) > before.price_usd_per_kwh(7, "weekday", 19)
    assert after.price_usd_per_kwh(7, "weekday", 13) < before.price_usd_per_kwh(7, "weekday", 13)
    assert after.price_usd_per_kwh(7, "weekday", 2) > before.price_usd_per_kwh(7, "weekday", 2)
    half = after.price_usd_per_kwh(4, "sunday", 12) * 1380 / 1.037 - 14
    assert half == pytest.approx(116.0 / 2)
    assert not before.in_force(date(2026, 4, 16))
    assert after.in_force(date(2026, 4, 16))


def test_flat_load_means_equal_the_published_derivations():
    """Means over a summer weekday as printed in the fact table: 165.7 KRW (2026), 167.8 KRW (2024), option I."""
    for year, mean in ((2026, 165.7), (2024, 167.8)):
        tariff = CATALOG.tariff(f"kepco-industrial-eul-hv-a-1-{year}")
        local = [tariff.price_usd_per_kwh(7, "weekday", hour) * 1380 / 1.037 - 14 for hour in range(24)]
        assert sum(local) / 24 == pytest.approx(mean, abs=0.1)
    evn = CATALOG.tariff("evn-manufacturing-22kv")
    local = [evn.price_usd_per_kwh(3, "saturday", hour) * 26000 for hour in range(24)]
    assert sum(local) / 24 == pytest.approx(1998, abs=1)


def test_half_hours_are_averaged():
    evn = CATALOG.tariff("evn-manufacturing-22kv")
    mean = (evn.price_usd_per_kwh(3, "weekday", 16) + evn.price_usd_per_kwh(3, "weekday", 18)) / 2
    assert evn.price_usd_per_kwh(3, "weekday", 17) == pytest.approx(mean)
    assert evn.price_usd_per_kwh(3, "sunday", 17) == evn.price_usd_per_kwh(3, "sunday", 16)


@given(cut=st.integers(2, 47), month=st.integers(1, 12), hour=st.integers(0, 23))
def test_two_blocks_that_share_a_day_cover_it_once(cut: int, month: int, hour: int):
    year, at = range(1, 13), cut / 2
    tariff = Tariff(**_blocks((year, "all", [(at, 0.5)], 0.2), (year, "all", [(0.5, at)], 0.1)))
    halves = [0.1 if 1 <= half < cut else 0.2 for half in (2 * hour, 2 * hour + 1)]
    assert tariff.price_usd_per_kwh(month, "weekday", hour) == pytest.approx(sum(halves) / 2)


def test_holes_and_overlaps_are_refused_with_their_hour():
    year = range(1, 13)
    with pytest.raises(ValidationError, match="month 1, weekday, 23:30 has no price"):
        Tariff(**_blocks((year, "all", [(0, 23.5)], 0.1)))
    with pytest.raises(ValidationError, match="month 7, saturday, 08:00 priced twice"):
        Tariff(**_blocks((year, "all", [(0, 24)], 0.1), (range(7, 8), "saturday", [(8, 9)], 0.2)))
    with pytest.raises(ValidationError, match="month 12, weekday, 00:00 has no price"):
        Tariff(**_blocks((range(1, 12), "all", [(0, 24)], 0.1)))
    for hours in ([(0, 12), (11, 24)], [(0, 24.5)], [(0.25, 24)], [(5, 5)]):
        with pytest.raises(ValidationError):
            Tariff(**_blocks((year, "all", hours, 0.1)))


def test_levies_and_demand_charge():
    tariff = Tariff(**{**FLAT, "levies_local_per_kwh": 0.02, "levy_share": 0.5, "fx_local_per_usd": 2})
    assert tariff.price_usd_per_kwh(1, "sunday", 0) == pytest.approx((0.1 + 0.02) * 1.5 / 2)
    assert tariff.demand_charge_usd_per_kw_month == pytest.approx(10 * 1.5 / 2)
    for wrong in ((13, "weekday", 0), (1, "holiday", 0), (1, "weekday", 24)):
        with pytest.raises(CatalogError, match="no such hour"):
            tariff.price_usd_per_kwh(*wrong)
