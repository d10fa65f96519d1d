"""Every cost line of the sample by hand, from docs/conventions.md, in plain arithmetic."""

from __future__ import annotations

from datetime import date

import pytest
from sample import PERIODS, PLANT_NODES, chat, factory_values, plant_draw_kw, sample, tau

from groundplan.plan import CAPEX_LINES, COST_LINES
from groundplan.verify import verify
from groundplan.verify._money import annuity_left, energy_price
from groundplan.verify._world import World

BUCKETS = ("day", "night", "weekend")
YEAR_PRICE = 250000 * 0.9**0.75  # the third node is ordered in q4, nine months in
SOLD = {"q2": 2190, "q3": 2190, "q4": 2190, "y2": 8760}


@pytest.fixture(scope="module")
def made():
    return sample()


@pytest.fixture(scope="module")
def world(made):
    return World(*made)


def by_period(made, line):
    return {row.period: row.usd for row in made[0].costs if row.line == line and row.usd}


def assert_paid(made, line, **usd):
    found = by_period(made, line)
    assert found == pytest.approx(usd, rel=1e-9), line


def test_hardware_is_paid_in_two_parts(made):
    # annex: 40000 at once; plant: 2 x 250000, 30 % at order; then one more at 10 % a year less.
    assert_paid(made, "hardware", q1=40000 + 150000, q2=350000, q4=0.3 * YEAR_PRICE, y2=0.7 * YEAR_PRICE)


def test_network_comes_on_top_of_node_prices_only(made):
    assert_paid(made, "network", q1=15000, q2=35000, q4=0.03 * YEAR_PRICE, y2=0.07 * YEAR_PRICE)


def test_storage_spares_and_duty_are_paid_as_hardware_is(made):
    assert_paid(made, "storage", q1=5000 + 3000, q2=7000, q4=1500, y2=3500)
    assert_paid(made, "spares", q1=800 + 3000, q2=7000, q4=0.006 * YEAR_PRICE, y2=0.014 * YEAR_PRICE)
    assert_paid(made, "duty", q1=3200 + 12000, q2=28000, q4=0.024 * YEAR_PRICE, y2=0.056 * YEAR_PRICE)


def test_facility_and_opening(made):
    assert_paid(made, "facility", q2=70000)
    assert_paid(made, "opening", q1=5000)  # the plant has nodes already and pays none


def krw_per_kwh(period: str, bucket: str) -> float:
    """Plant: the clock of the plan. One month in three of q3 and two of q2 ... are summer: 6, 7, 8."""
    summer = {"q1": 0, "q2": 1 / 3, "q3": 2 / 3, "q4": 0, "y2": 3 / 12}[period]
    return {"day": 120 + 60 * summer, "night": 80.0, "weekend": 80.0}[bucket]


def annex_krw_per_kwh(period: str, bucket: str) -> float:
    """Annex: 1.5 hours behind; hours [8, 20) of the plan are 6 ... 17 there: two of them at the night price."""
    day = krw_per_kwh(period, "day")
    return {"day": (2 * 80 + 10 * day) / 12, "night": (2 * day + 10 * 80) / 12, "weekend": 80.0}[bucket]


def test_energy(made):
    expected = {}
    for period, (start, months) in PERIODS.items():
        change = 1.03 ** ((start + months / 2) / 12)
        total = 0.0
        for bucket in BUCKETS:
            plant_kwh = 1.2 * plant_draw_kw(period, bucket) * tau(period, bucket)
            annex_kwh = 1.2 * 0.5 * tau(period, bucket)
            local = plant_kwh * (krw_per_kwh(period, bucket) + 10) * 1.05
            local += annex_kwh * (annex_krw_per_kwh(period, bucket) + 10) * 1.05
            total += local / 1250 * change
        expected[period] = total
    assert_paid(made, "energy", **expected)


def test_hours_before_midnight_are_priced_at_the_clock_of_the_site(world):
    tariff = world.catalog.tariff("grid")
    here = energy_price(world, "plant", tariff, world.spans[0], "night")
    there = energy_price(world, "annex", tariff, world.spans[0], "night")
    assert float(here) == pytest.approx(90 * 1.05 / 1250 * 1.03**0.125, rel=1e-12)
    assert float(there) == pytest.approx((10 * 90 + 2 * 130) / 12 * 1.05 / 1250 * 1.03**0.125, rel=1e-12)


def test_demand_charge(made):
    peaks = dict.fromkeys(PERIODS, 0.0)
    for row in made[0].peaks:
        peaks[row.period] += row.billed_peak_kw
    charge = 10000 * 1.05 / 1250
    assert_paid(made, "demand_charge", **{p: peaks[p] * charge * PERIODS[p][1] for p in PERIODS})


def test_maintenance_and_software(made):
    # annex 5 % of 40000; plant: bought nodes 5 % of 250000 (not of what was paid), old ones 9000 a year each.
    assert_paid(made, "maintenance", q1=500 + 5 * 2250, q2=500 + 6250 + 3 * 2250, q3=500 + 6250 + 3 * 2250,
           q4=500 + 6250 + 3 * 2250, y2=2000 + 37500 + 27000)  # fmt: skip
    gpus = {p: 8 * nodes + 2 for p, nodes in PLANT_NODES.items()}
    assert_paid(made, "software", **{p: gpus[p] * 1000 * PERIODS[p][1] / 12 for p in PERIODS})


def test_people(made):
    assert_paid(made, "staff", **{p: (2 * 60000 + 30000) * PERIODS[p][1] / 12 for p in PERIODS})
    assert_paid(made, "training", q1=4000 + 1000)  # one more than the one at the plant, one at the annex
    assert_paid(made, "colocation", **{p: 12 * 2.0 * PERIODS[p][1] for p in PERIODS})


def test_cloud_is_billed_by_the_month(made):
    quarter = 730 * 3 * (2 * 25 + 16)
    assert_paid(made, "cloud", q1=quarter, q2=quarter, q3=quarter, q4=quarter, y2=8760 * 75 + 100 * 25)


def test_tokens_links_and_egress(made):
    seconds = {p: 3600 * h for p, h in SOLD.items()}
    assert_paid(made, "tokens", **{p: 0.0009 * 1.5 * s for p, s in seconds.items()})
    months = {p: m for p, (_, m) in PERIODS.items()}
    assert_paid(made, "links", **{p: 1000 * m + (200 * m if p != "q1" else 0) for p, m in months.items()})
    gb = 50 / 1e6
    expected = {}
    for p in PERIODS:
        away = sum(0.4 * chat(p, b) * 3600 * tau(p, b) for b in BUCKETS)
        expected[p] = away * gb * 0.05 + (1.5 * seconds[p] * gb * 0.1 if p != "q1" else 0)
    assert_paid(made, "egress", **expected)


def test_shedding_and_value(made):
    seconds = {p: 3600 * h for p, h in SOLD.items()}
    assert_paid(made, "shed_penalty", **{p: 0.5 * 0.002 * s for p, s in seconds.items()})
    assert_paid(made, "value_served", **{p: -1.5 * 0.004 * s for p, s in seconds.items()})


def test_what_is_left(made):
    assert_paid(made, "resale", q2=-2 * 60000 * 0.75**0.25)
    left = lambda rest, life: (1 - 1.08 ** (-rest / 12)) / (1 - 1.08 ** (-life / 12))  # noqa: E731
    annex = (40000 + 5000) * left(12, 36)
    plant = 2 * (250000 * 1.1 + 5000) * left(60 - 21, 60) + (YEAR_PRICE * 1.1 + 5000) * left(60 - 12, 60)
    block = 70000 * left(180 - 15, 180)
    # The old nodes are 66 months old at the end, past their life of 60: they bring nothing more.
    assert_paid(made, "residual", y2=-(annex + plant + block))


def test_all_lines_are_covered(made):
    """The one that is left, of moves, is worked out in test_verify_moves."""
    assert {row.line for row in made[0].costs if row.usd} | {"moving"} == set(COST_LINES)


def test_flows_are_discounted_at_mid_period_and_residuals_at_the_end(made):
    total = 0.0
    for row in made[0].costs:
        start, months = PERIODS[row.period]
        total += row.usd * 1.08 ** -((24 if row.line == "residual" else start + months / 2) / 12)
    assert verify(*made).evaluated_usd == pytest.approx(total, rel=1e-12)


def test_budgets_hold_what_is_said(made):
    plan = made[0]
    year = [row for row in plan.costs if row.period != "y2"]
    capex = sum(row.usd for row in year if row.line in CAPEX_LINES)
    credits_ = ("value_served", "shed_penalty", "resale", "residual")
    cash = sum(row.usd for row in year if row.line not in credits_)
    for key, usd in (("capex_usd_by_year", capex), ("cash_usd_by_year", cash)):
        assert "budget" not in verify(*sample(budgets={key: [usd * 1.0000001]})).families
        assert "budget" in verify(*sample(budgets={key: [usd * 0.99999]})).families


def test_carbon_counts_own_and_rented_nodes(made):
    kg = 0.0
    for period in [p for p in PERIODS if p != "y2"]:
        for bucket in BUCKETS:
            own = 1.2 * (plant_draw_kw(period, bucket) + 0.5)
            cloud = 1.1 * (3 * 2.0 + 1.5 * 0.4 * chat(period, bucket) / 4)
            kg += 0.4 * (own + cloud) * tau(period, bucket)
    assert "carbon" not in verify(*sample(budgets={"carbon_tonnes_by_year": [kg / 1000 * 1.0000001]})).families
    assert "carbon" in verify(*sample(budgets={"carbon_tonnes_by_year": [kg / 1000 * 0.99999]})).families


@pytest.mark.parametrize("rate", [0.0, 0.08])
def test_unpaid_annuity(rate):
    """The present value of what is still to be paid, month by month, over that of all payments."""
    life, age = 36, 10
    worth = lambda months: sum((1 + rate) ** (-(k + 1) / 12) for k in range(months))  # noqa: E731
    assert float(annuity_left(rate, life, age)) == pytest.approx(worth(life - age) / worth(life), rel=1e-12)
    assert annuity_left(rate, life, life) == annuity_left(rate, life, life + 5) == 0


def test_the_clock_of_a_site_moves_the_cost(made, world):
    assert world.first_day(world.spans[-1]) == date(2028, 1, 1)
    values = factory_values()
    values["sites"][0]["utc_offset_h"] = 3
    moved, *_ = sample(sites=values["sites"])
    assert moved.result.objective_usd != made[0].result.objective_usd
