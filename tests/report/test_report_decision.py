"""The decision on the page: alternatives, flips, who sees which data, what a unit costs."""

from __future__ import annotations

import re

import pytest
from report_cases import PRICE, case, compared

from groundplan.finance import unit_costs
from groundplan.report import Facts, render
from groundplan.report._brief import NO_PRICE, NOT_COMPARED, buy_words, changes
from groundplan.report._data import sovereignty
from groundplan.report._decision import alternatives, flips
from groundplan.report._priced import rental_price
from groundplan.report._units import unit_tables, units
from groundplan.report._words import percent
from groundplan.study import Comparison, Flip
from groundplan.verify import ledger


def _facts(comparison: Comparison | None) -> Facts:
    return Facts(*case(), comparison)


def test_without_alternatives_the_page_says_how_to_get_them() -> None:
    assert "--compare" in alternatives(_facts(None))[1]
    assert flips(_facts(None))[0] == "No price was found that changes the answer"
    assert changes(_facts(None)) == [NOT_COMPARED]


def test_the_title_states_the_proved_margin_of_the_next_way() -> None:
    title, body = alternatives(_facts(compared()))
    assert title.startswith("The next way, all in public cloud, costs at least ")
    assert "All in colocation" in body
    assert re.search(r"no such plan\.</span> No room\.", body)
    assert "a rule keeps it" in body
    assert "month\N{NO-BREAK SPACE}14" in body


def test_a_tie_is_written_as_a_tie() -> None:
    title, body = alternatives(_facts(compared(verdict="undecided", dearer_usd=(-1e3, 1e5))))
    assert "cannot be told apart" in title
    assert "cannot be told apart" in body


def test_a_flip_is_an_interval_in_dollars_and_a_threshold_where_assumed() -> None:
    title, body = flips(_facts(compared()))
    assert title == "The answer holds until prices of public cloud nodes fall by 40\N{NO-BREAK SPACE}%"
    row = re.search(r"<tr><th scope=\"row\">All in public cloud: 8x L40S.*?</tr>", body)
    assert row is not None
    assert "10.0–12.0" in row.group(0)
    assert "assumed: a threshold" in row.group(0)
    (said,) = changes(_facts(compared()))
    assert "fall by 40–50\N{NO-BREAK SPACE}%: then all in public cloud costs less" in said
    assert "USD\N{NO-BREAK SPACE}10.0–12.0 per node-hour instead of 20.0; today's is assumed" in said


def test_what_no_price_flips_says_never() -> None:
    flip = Flip(lever="prices of public cloud nodes", prices=(PRICE,), wins_below=None, loses_above=0.01, solves=1)
    title, body = flips(_facts(compared(flip=flip)))
    assert "not even at nothing" in title
    assert "never" in body
    assert changes(_facts(compared(flip=flip))) == [NO_PRICE]


def test_every_data_class_stands_with_places_and_those_who_could_open_it() -> None:
    facts = _facts(None)
    _, body = sovereignty(facts)
    for row in facts.factory.data_classes:
        assert row.title in body
    used = {row.site for row in facts.plan.loads}
    assert used
    assert all(facts.sites[site].title in body for site in used)


def test_unit_costs_on_the_page_are_those_of_finance() -> None:
    plan, loaded, catalog, _ = case()
    costs = unit_costs(plan, loaded.factory, catalog, ledger(plan, loaded, catalog))
    _, body = units(_facts(None))
    shown = [unit.unit for row in costs.workloads for unit in row.units]
    assert shown
    assert all(unit in body for unit in shown)
    assert costs.convention.name in body


def test_the_first_page_counts_what_is_bought_and_rented() -> None:
    facts = _facts(None)
    plan = facts.plan
    nodes = sum(order.nodes for order in plan.orders)
    assert nodes > 0
    said = buy_words(facts)
    assert said.startswith(f"Order {nodes}\N{NO-BREAK SPACE}servers for {facts.money.currency}")
    # The sample holds a committed and two on-demand nodes, three of them in the last quarter (test_report_page).
    assert said.endswith("rent at most 3\N{NO-BREAK SPACE}servers at a time.")


def test_break_even_utilisation_is_own_cost_over_the_price_of_the_offer() -> None:
    facts = _facts(None)
    costs = unit_costs(facts.plan, facts.factory, facts.catalog, ledger(facts.plan, facts.loaded, facts.catalog))
    own = next(row for row in costs.hours if (row.site, row.unit, row.tenure) == ("", "GPU-hour", "own"))
    table = next(one for one in unit_tables(facts) if "Break-even utilisation" in str(one.caption))
    gpus = {offer.id: facts.server(offer.server).accelerators_count for offer in facts.factory.rentals}
    assert len(table.rows) == sum(number > 0 for number in gpus.values()) > 0
    for row, offer in zip(table.rows, (one for one in facts.factory.rentals if gpus[one.id]), strict=True):
        needed = own.usd_per_available / (rental_price(facts, offer)[0] / gpus[offer.id])
        assert row[2] == (percent(needed) if needed <= 1 else "never")
        assert ("own is cheaper" in str(row[3])) is (own.utilised_share >= needed)


def test_the_break_even_month_of_each_way_stands_with_the_units() -> None:
    _, body = units(_facts(compared()))
    assert "Break-even month" in body
    assert "month\N{NO-BREAK SPACE}14" in body


@pytest.mark.parametrize("is_compared", [True, False])
def test_the_first_page_names_what_to_approve_and_what_changes_the_answer(is_compared: bool) -> None:
    text = render(*case(), compared() if is_compared else None)
    header = re.search(r"<header.*?</header>", text, flags=re.DOTALL)
    assert header is not None
    assert "Approve first" in header.group(0)
    assert ("then all in public cloud costs less" in header.group(0)) is is_compared
    assert ("The next best way, all in public cloud, costs " in header.group(0)) is is_compared
