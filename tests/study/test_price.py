"""Own, rent or tokens: rows recomputed by hand, break-even on both sides, thresholds, refusals."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.catalog import DAY_TYPES, Catalog, own_costs, server_price, token_price
from groundplan.errors import CatalogError, Infeasible, SpecError
from groundplan.perf import chat_workload, operating_points, staffing
from groundplan.study import PriceAnswer, PriceQuestion, PriceRow, SpeedCache, price
from groundplan.study._price import ground_of, terms_of
from groundplan.study._price_bench import CURVE_LOAD, Bench
from groundplan.study._price_rows import verdict
from groundplan.study._price_ways import MOST_USE, Fleet, Option, own_option

CATALOG = Catalog.default()
DAY = date(2026, 11, 20)
CACHE = SpeedCache()
"""One model and one level throughout, so one cache."""
ASKED = PriceQuestion("qwen3-8b", 20.0)
WORKLOAD = chat_workload("qwen3-8b", prompt_tokens=1000, output_tokens=250, ttft_ms=2000, tpot_ms=60)
L40S_POINT = operating_points(WORKLOAD, CATALOG.server("l40s-8"), CATALOG).points[0]
PEAK_HOUR = 3600.0 * 730


def asked(**changes: object) -> PriceAnswer:
    return price(replace(ASKED, **changes), CATALOG, on=DAY, cache=CACHE)


@pytest.fixture(scope="module")
def answer() -> PriceAnswer:
    return asked()


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(WORKLOAD, CATALOG, terms_of(ASKED), 0.0, CACHE)


def point_of(row: PriceRow, server: str):
    """The operating point behind a row, by the format and accelerators that the row names."""
    found = [
        point
        for point in operating_points(WORKLOAD, CATALOG.server(server), CATALOG).points
        if row.what.endswith(f"{point.precision} on {point.slots_per_replica}")
    ]
    assert len(found) == 1
    return found[0]


def best(answer: PriceAnswer, way: str) -> PriceRow:
    return next(row for row in answer.of(way) if row.exact)


# --- rows by hand -----------------------------------------------------------------------------------------


def mean_kwh_price(tariff: str) -> float:
    row = CATALOG.tariff(tariff)
    weeks = [row.price_usd_per_kwh(m, d, h) * (5 if d == "weekday" else 1)
             for m in range(1, 13) for d in DAY_TYPES for h in range(24)]  # fmt: skip
    return sum(weeks) / (12 * 24 * 7)


def test_an_own_row_by_hand(answer):
    row = best(answer, "own")
    server, point = CATALOG.server(row.name), point_of(row, row.name)
    curve = staffing(WORKLOAD, point, 0.0, CURVE_LOAD, CACHE.staffing)
    replicas = curve.replicas_on_curve(20.0 / point.capacity_per_s)
    nodes = -(-replicas // (8 // point.slots_per_replica))
    assert (row.replicas, row.nodes) == (replicas, nodes)
    monthly = 1.09 ** (1 / 12) - 1
    annuity = monthly / (1 - (1 + monthly) ** -60)
    usd = server_price(server).usd
    capital = nodes * (usd * (1 + 0.15 + 0.03) + 4000) * annuity
    upkeep = nodes * (usd * 0.05 / 12 + 150 * 8 / 12 + 190 * server.max_power_kw)
    tariff = CATALOG.tariff("kepco-industrial-eul-hv-a-2-2026")
    peak_kw = nodes * server.idle_power_kw + point.dynamic_kw * 20.0 / point.capacity_per_s
    mean_kw = nodes * server.idle_power_kw + point.dynamic_kw * 10.0 / point.capacity_per_s
    energy = 1.4 * mean_kw * 730 * mean_kwh_price(tariff.id)
    demand = 1.4 * 1.1 * peak_kw * tariff.demand_charge_usd_per_kw_month
    assert row.lines_usd["energy"] == pytest.approx(energy, rel=1e-9)
    assert row.lines_usd["demand_charge"] == pytest.approx(demand, rel=1e-9)
    assert row.usd_per_month == pytest.approx(capital + upkeep + energy + demand, rel=1e-9)
    assert sum(row.lines_usd.values()) == pytest.approx(row.usd_per_month, rel=1e-9)
    assert row.usd_per_mtok == pytest.approx(row.usd_per_month / (10 * PEAK_HOUR * 1250 / 1e6), rel=1e-9)
    assert row.usd_per_output_mtok == pytest.approx(row.usd_per_mtok * 5, rel=1e-9)
    held = nodes * (8 // point.slots_per_replica)
    assert row.peak_use == pytest.approx(20.0 / (held * point.capacity_per_s))


def test_the_band_of_an_own_row_by_hand(answer):
    row = best(answer, "own")
    point, priced = point_of(row, row.name), server_price(CATALOG.server(row.name))
    curve = staffing(WORKLOAD, point, 0.0, CURVE_LOAD, CACHE.staffing)
    per_node = 8 // point.slots_per_replica
    slow = curve.replicas_on_curve(20.0 / point.capacity_per_s / point.error_low_factor)
    dear = -(-slow // per_node) * (priced.usd_high - priced.usd)
    assert row.low_usd_per_month < row.usd_per_month < row.high_usd_per_month
    assert dear > 0
    fixed = {k: v / row.nodes for k, v in row.lines_usd.items() if k not in ("energy", "demand_charge")}
    per_dollar = (fixed["hardware"] + fixed["network"] + fixed["spares"] + fixed["maintenance"]) / priced.usd
    nodes = -(-slow // per_node)
    energy_high = row.high_usd_per_month - nodes * sum(fixed.values()) - dear * per_dollar
    energy = row.lines_usd["energy"] + row.lines_usd["demand_charge"]
    assert energy * 0.99 < energy_high < energy * nodes / row.nodes / point.error_low_factor


def test_a_rent_row_by_hand(answer):
    row = next(row for row in answer.of("rent") if row.name == "Samsung Cloud Platform")
    assert row.exact, "the cheapest of the region is simulated"
    offers = [o for o in CATALOG.cloud_offers if o.provider == row.name and o.term != "spot"]
    costs = []
    for point in operating_points(WORKLOAD, CATALOG.server("hgx-a100-8"), CATALOG).points:
        curve = staffing(WORKLOAD, point, 0.0, CURVE_LOAD, CACHE.staffing)
        replicas = curve.replicas_on_curve(20.0 / point.capacity_per_s)
        held = {o.id: o.accelerators_count // point.slots_per_replica for o in offers}
        costs += [-(-replicas // held[o.id]) * o.price_usd_per_hour * 730 for o in offers if held[o.id]]
    assert row.usd_per_month == pytest.approx(min(costs), rel=1e-9)
    assert row.country == "KR"
    assert row.offers_count == len(offers)


def test_a_token_row_by_hand(answer):
    row = answer.of("tokens")[0]
    listed = token_price("openrouter", "qwen/qwen3-8b", on=DAY)
    usd = 10 * PEAK_HOUR * (1000 * listed.input_usd_per_mtok + 250 * listed.output_usd_per_mtok) / 1e6
    assert row.usd_per_month == pytest.approx(usd, rel=1e-9)
    assert row.sources[0].dated == DAY
    assert row.nodes is None


def test_rows_are_sorted_and_each_price_has_a_source(answer):
    costs = [row.usd_per_month for row in answer.rows]
    assert costs == sorted(costs)
    assert all(row.sources and row.price for row in answer.rows)
    assert {row.way for row in answer.rows} == {"own", "rent", "tokens"}
    assert not any(row.term == "spot" for row in answer.rows)


def test_built_prices_are_marked_as_assumed(answer):
    flags = {row.name: row.price_assumed for row in answer.of("own")}
    assert flags["l40s-8"]
    assert not flags["hgx-h200-8"]


# --- staffing, bounds, load -------------------------------------------------------------------------------


@given(load=st.floats(0.01, 5e4), factor=st.sampled_from([1.0, 0.79, 1.27]))
def test_a_fleet_counts_as_the_curve_does(load, factor):
    point = L40S_POINT
    curve = staffing(WORKLOAD, point, 0.0, CURVE_LOAD, CACHE.staffing)
    fleet = Fleet(point, 8 // point.slots_per_replica, curve)
    at = np.array(load)
    assert int(fleet.replicas(at, factor)) == curve.replicas_on_curve(load / point.capacity_per_s / factor)
    nodes = fleet.nodes(at)
    assert float(fleet.capacity_per_s(nodes)) >= load * (1 - 1e-8)
    assert float(fleet.capacity_per_s(nodes - 1)) < load


def test_what_is_not_simulated_is_a_lower_bound(bench, answer):
    ground = ground_of(ASKED, CATALOG, answer.region, DAY)
    load = np.array(20.0)
    for option in (o for o in bench.owned(ground) if o.id in ("l40s-8", "hgx-h100-8", "mi300x-8")):
        exact = bench.exact(option)
        assert max(exact.fleet.curve.usable_utilisation()) <= MOST_USE
        assert float(option.usd(load)) <= float(exact.usd(load))


def test_the_cheapest_is_the_cheapest_of_all(bench, answer):
    """Skipping ways by their bound loses nothing."""
    ground = ground_of(ASKED, CATALOG, answer.region, DAY)
    every = [bench.exact(option) for option in bench.owned(ground) if option.id in ("l40s-8", "l4-4", "rtx-pro-6000-8")]
    cost = min(float(option.usd(np.array(20.0))) for option in every if option is not None)
    assert best(answer, "own").usd_per_month == pytest.approx(cost)


def test_more_load_never_costs_less():
    loads = (0.5, 3.0, 20.0, 60.0, 300.0)
    answers = [asked(load_per_s=load) for load in loads]
    for way in ("own", "rent", "tokens"):
        costs = [best(found, way).usd_per_month for found in answers]
        assert all(b >= a * (1 - 1e-9) for a, b in pairwise(costs)), way


# --- break-even and thresholds ----------------------------------------------------------------------------


def saving(found: PriceAnswer, way: str, country: str | None = None) -> float:
    """What owning saves a month against the cheapest of another way."""
    rows = [row for row in found.of(way) if row.exact and (country is None or row.country == country)]
    return min(row.usd_per_month for row in rows) - best(found, "own").usd_per_month


def test_break_even_with_tokens_is_true_on_both_sides(answer):
    crossing = next(found for found in answer.break_even if found.rival.startswith("tokens"))
    assert saving(asked(load_per_s=crossing.first_win_per_s * 0.98), "tokens") < 0
    assert saving(asked(load_per_s=crossing.always_win_per_s * 1.02), "tokens") > 0


def test_break_even_with_rent_is_true_above(answer):
    crossing = next(found for found in answer.break_even if found.rival == "rent anywhere")
    for above in (1.02, 1.7, 4.0):
        assert saving(asked(load_per_s=crossing.always_win_per_s * above), "rent") > 0
    assert saving(asked(load_per_s=crossing.always_win_per_s * 0.999), "rent") < 0


def test_break_even_hours_make_own_and_rent_cost_the_same(answer):
    crossing = next(found for found in answer.break_even if found.rival == "rent in South Korea")
    assert crossing.hours_per_month < 720
    same = asked(hours_per_year=12 * crossing.hours_per_month)
    own = next(row for row in same.of("own") if row.name == best(answer, "own").name)
    assert saving(same, "rent", "KR") == pytest.approx(0, abs=1e-6 * own.usd_per_month)


def test_break_even_load_factor_makes_own_and_tokens_cost_the_same():
    found = asked(load_per_s=150.0)
    crossing = next(row for row in found.break_even if row.rival.startswith("tokens"))
    assert 0 < crossing.load_factor < 1
    same = asked(load_per_s=150.0, load_factor=crossing.load_factor)
    assert saving(same, "tokens") == pytest.approx(0, abs=1e-6 * best(same, "own").usd_per_month)


def test_owning_at_the_threshold_price_costs_what_the_other_way_does(bench, answer):
    here = answer.verdicts[0]
    assert here.scope == "in South Korea"
    ground, row = ground_of(ASKED, CATALOG, answer.region, DAY), best(answer, "own")
    server, point = CATALOG.server(row.name), point_of(row, row.name)
    middle, low, high = here.own_wins_below_usd
    assert low <= middle <= high
    priced = replace(server_price(server), usd_low=middle, usd_high=middle)
    option = bench.exact(own_option(point, server, priced, ground, terms_of(ASKED)))
    rival = min(row.usd_per_month for row in answer.of("rent") if row.exact and row.country == "KR")
    assert float(option.usd(np.array(20.0))) == pytest.approx(rival)


def test_a_threshold_below_zero_means_not_even_for_nothing():
    idle = asked(load_per_s=0.5)
    anywhere = next(found for found in idle.verdicts if found.scope == "anywhere")
    assert anywhere.winner.way == "tokens"
    assert anywhere.own_wins_below_usd[2] < 0


def test_bands_that_overlap_give_no_clear_verdict(answer):
    own, rent = best(answer, "own"), best(answer, "rent")
    apart = replace(rent, usd_per_month=9e5, low_usd_per_month=8e5, high_usd_per_month=1e6)
    near = replace(apart, low_usd_per_month=own.high_usd_per_month - 1)
    terms = terms_of(ASKED)
    assert verdict("here", [own, apart], None, terms).clear
    assert not verdict("here", [own, near], None, terms).clear
    assert not verdict("here", [own, apart, replace(near, exact=False)], None, terms).clear
    assert verdict("here", [replace(own, exact=False)], None, terms) is None


# --- conventions, refusals --------------------------------------------------------------------------------


def test_a_month_of_working_hours_bills_rent_for_them_and_commitments_for_all():
    terms = terms_of(replace(ASKED, convention="pan-2025"))
    assert (terms.hours_per_month, terms.held_hours_per_month) == (176, 730)
    whole = terms_of(replace(ASKED, convention="lenovo-2025"))
    assert (whole.hours_per_month, whole.held_hours_per_month) == (720, 720)
    assert terms_of(replace(ASKED, hours_per_year=2400)).hours_per_month == 200


def test_money_for_nothing_costs_price_over_life():
    terms = terms_of(replace(ASKED, rate=0.0, life_years=4))
    assert terms.monthly_annuity == pytest.approx(1 / 48)


def test_staff_is_added_once_and_said(answer):
    staffed = asked(staff_usd_per_month=5000.0)
    name = best(answer, "own").name
    cost = {row.name: row.usd_per_month for row in staffed.of("own")}[name]
    assert cost == pytest.approx(best(answer, "own").usd_per_month + 5000)
    assert any("5,000 a month" in sentence for sentence in staffed.conventions)
    assert any("none counted" in sentence for sentence in answer.conventions)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"load_per_s": 0.0}, SpecError, "load_per_s"),
        ({"load_per_s": float("nan")}, SpecError, "load_per_s"),
        ({"load_per_s": 1e9}, SpecError, "100,000"),
        ({"load_factor": 1.5}, SpecError, "load_factor"),
        ({"rate": -0.1}, SpecError, "rate"),
        ({"convention": "lenovo"}, SpecError, "lenovo-2026"),
        ({"model": "qwen3-8bb"}, CatalogError, "qwen3-8b"),
        ({"model": "pi0"}, CatalogError, "only language models"),
        ({"region": "Koreaa"}, CatalogError, "unknown country"),
        ({"region": "TW"}, SpecError, "neither a cloud offer nor an electricity tariff"),
        ({"tariff": "kepco-industrial-eul-hv-a-1-2024"}, SpecError, "in force from 2024-10-24 to 2026-04-15"),
        ({"ttft_ms": 2.0, "tpot_ms": 1.0}, Infeasible, r"nearest.*hgx-b300-8 \(TTFT"),
        ({"prompt_tokens": 2e5}, Infeasible, "context"),
    ],
)
def test_what_cannot_be_priced_is_refused(change, error, says):
    with pytest.raises(error) as refused:
        price(replace(ASKED, **change), CATALOG, on=DAY)
    text = "\n".join(str(issue) for issue in refused.value.issues)
    assert re.search(says, text), text


def test_a_region_without_a_tariff_prices_rent_and_says_why_it_cannot_own():
    japan = asked(region="JP")
    assert japan.of("own") == ()
    assert any(what == "own" and "tariff" in why for what, why in japan.refusals)
    assert japan.verdicts[0].winner.country == "JP"
    powered = asked(region="JP", tariff="us-industrial-average")
    assert powered.of("own")


def test_overheads_carry_a_source_and_the_answer_names_it(answer):
    over = own_costs().overheads
    assert over.source.kind == "assumed"
    assert any(over.source.who in sentence for sentence in answer.conventions)


def test_the_same_question_gives_the_same_answer(answer):
    again = price(ASKED, CATALOG, on=DAY, cache=CACHE)
    assert again.rows == answer.rows
    assert again.break_even == answer.break_even


def test_options_never_mutate(bench):
    option = bench.rented()[0]
    assert isinstance(option, Option)
    assert bench.exact(option) is not option
    assert option.fleet.curve is None
