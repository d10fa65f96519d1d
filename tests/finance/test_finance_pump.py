"""The money-pump check against hand-made pumps and a trader that tries every order."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import SpecError
from groundplan.finance import MoneyPump, OfferTerms, annuity_share_left, money_pump

SOUND = OfferTerms("h100", price_usd=300_000, price_change_per_year_rate=-0.05, life_months=60, lead_months=3)
MONTHS = (0, 12, 24)


def _pumps(terms: OfferTerms, rate: float = 0.08, horizon: float = 36) -> tuple[MoneyPump, ...]:
    return money_pump([terms], order_months=MONTHS, horizon_months=horizon, rate=rate)


def test_a_sound_offer_cannot_be_pumped() -> None:
    assert _pumps(SOUND) == ()


def test_prices_that_outrun_the_discount_rate_reward_hoarding() -> None:
    found = _pumps(replace(SOUND, price_change_per_year_rate=0.10))
    assert [(pump.kind, pump.from_month, pump.to_month) for pump in found] == [
        ("early", 0, 12), ("early", 0, 24), ("early", 12, 24),
    ]  # fmt: skip
    assert all(pump.is_free_money for pump in found)
    assert found[0].gain_usd == pytest.approx(300_000 * (1.10 / 1.08 - 1), rel=1e-9)


def test_carrying_cost_takes_the_gain_away() -> None:
    rising = replace(SOUND, price_change_per_year_rate=0.10)
    gain_usd = 300_000 * (1.10 / 1.08 - 1)
    carried = gain_usd / 12 * 1.08**0.5
    assert _pumps(replace(rising, carrying_usd_per_month=carried * 0.97))[0].to_month == 12
    assert _pumps(replace(rising, carrying_usd_per_month=carried * 1.15)) == ()


def test_a_tie_is_no_free_money() -> None:
    assert _pumps(replace(SOUND, price_change_per_year_rate=0.08)) == ()
    assert _pumps(replace(SOUND, price_change_per_year_rate=0.0), rate=0.0) == ()


def test_residual_above_the_price_of_the_day() -> None:
    """At -30 % a year a node is worth 49 % after two years; its unpaid annuity is 65 %."""
    terms = replace(SOUND, price_change_per_year_rate=-0.30, lead_months=0)
    found = _pumps(terms, horizon=24)
    assert {pump.kind for pump in found} == {"residual"}
    assert not any(pump.is_free_money for pump in found)
    first = next(pump for pump in found if pump.from_month == 0)
    share = (1 - 1.08**-3) / (1 - 1.08**-5)
    assert first.to_month == 24
    assert first.gain_usd == pytest.approx(300_000 * (share - 0.49) / 1.08**2, rel=1e-9)


def test_late_delivery_leaves_more_to_credit() -> None:
    edge = replace(SOUND, price_change_per_year_rate=-0.15, lead_months=0)
    assert _pumps(edge, horizon=24) == ()
    assert {pump.kind for pump in _pumps(replace(edge, lead_months=6), horizon=24)} == {"residual"}


def test_what_arrives_after_the_horizon_is_not_offered() -> None:
    terms = replace(SOUND, price_change_per_year_rate=-0.30, lead_months=13)
    assert {pump.from_month for pump in _pumps(terms, horizon=36)} == {0, 12}


def test_old_node_dearer_than_a_new_one() -> None:
    terms = replace(SOUND, resale_usd=310_000, resale_decline_per_year_rate=0.2)
    assert [(p.kind, p.from_month, p.to_month) for p in _pumps(terms)] == [("resale", 0, 0)]
    assert _pumps(replace(terms, resale_usd=290_000)) == ()


def test_each_offer_answers_for_itself() -> None:
    bad = replace(SOUND, offer="b200", price_change_per_year_rate=0.2)
    found = money_pump([SOUND, bad, SOUND], order_months=MONTHS, horizon_months=36, rate=0.08)
    assert {pump.offer for pump in found} == {"b200"}


@given(
    st.floats(-0.5, 0.5),
    st.floats(0, 0.3),
    st.floats(12, 120),
    st.integers(0, 12),
    st.integers(24, 60),
    st.floats(0, 5000),
)
def test_no_trader_earns_where_the_check_is_silent(
    change: float, rate: float, life: float, lead: int, horizon: int, carrying: float
) -> None:
    """A trader buys in each month and holds to the end, or buys early for a need that comes later."""
    terms = OfferTerms("x", 100_000, change, life, lead, carrying)
    flagged = {
        (pump.kind, pump.from_month, pump.to_month)
        for pump in money_pump([terms], order_months=MONTHS, horizon_months=horizon, rate=rate)
    }
    for kind, start, end, gain in _trades(terms, horizon, rate):
        if abs(gain) > 1e-3:
            assert ((kind, start, end) in flagged) == (gain > 0)


def _trades(terms: OfferTerms, horizon: int, rate: float) -> list[tuple[str, float, float, float]]:
    def price(month: float) -> float:
        return terms.price_usd * (1 + terms.price_change_per_year_rate) ** (month / 12)

    def today(month: float) -> float:
        return (1 + rate) ** (-month / 12)

    def held(u: float, v: float) -> float:
        return (v - u) * terms.carrying_usd_per_month * today((u + v) / 2)

    def credit(u: float) -> float:
        age = horizon - u - terms.lead_months
        return price(u) * annuity_share_left(rate, terms.life_months, age) - price(horizon)

    pairs = [(u, v) for u in MONTHS for v in MONTHS if u < v]
    early = [("early", u, v, today(v) * price(v) - today(u) * price(u) - held(u, v)) for u, v in pairs]
    in_time = [u for u in MONTHS if u + terms.lead_months <= horizon]
    kept = [("residual", u, horizon, today(horizon) * credit(u)) for u in in_time]
    return early + kept


@pytest.mark.parametrize(
    "change",
    [
        {"price_usd": 0}, {"price_usd": math.nan}, {"price_change_per_year_rate": -1}, {"life_months": 0},
        {"lead_months": -1}, {"carrying_usd_per_month": -1}, {"resale_usd": -1}, {"resale_decline_per_year_rate": 1.1},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_offers_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(SpecError, match=f"offer h100.{next(iter(change))}"):
        _pumps(replace(SOUND, **change))
