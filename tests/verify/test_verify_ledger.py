"""The ledger of the hand-made plan: every payment at its place, and nothing lost on the way."""

from __future__ import annotations

from collections import defaultdict

import pytest
from sample import PERIODS, sample, tau

from groundplan.plan import COST_LINES
from groundplan.verify import ledger


@pytest.fixture(scope="module")
def made():
    return sample()


@pytest.fixture(scope="module")
def rows(made):
    return ledger(*made)


def of(rows, line, **wanted):
    """US dollars by period of the rows that have these values."""
    found = defaultdict(float)
    for row in rows:
        if row.line == line and all(getattr(row, name) == value for name, value in wanted.items()):
            found[row.period] += row.usd
    return dict(found)


def test_rows_sum_to_the_cost_rows_of_the_plan(made, rows):
    sums = defaultdict(float)
    for row in rows:
        sums[row.period, row.line] += row.usd
    stated = {(row.period, row.line): row.usd for row in made[0].costs if row.usd}
    assert dict(sums) == pytest.approx(stated, rel=1e-12)


def test_rows_stand_once_in_a_fixed_order(rows):
    keys = [(list(PERIODS).index(r.period), COST_LINES.index(r.line), r.place, r.item, r.workload) for r in rows]
    assert keys == sorted(set(keys))


def test_places_are_those_of_the_file(made, rows):
    places = {site.id for site in made[1].factory.sites}
    assert {row.place for row in rows if row.line != "shed_penalty"} <= places
    assert {row.place for row in rows if row.line == "shed_penalty"} == {"homes"}


def test_what_stands_at_a_place(rows):
    assert of(rows, "hardware", place="annex", item="buy-mini") == {"q1": 40000}
    assert of(rows, "facility", place="plant", item="block:hall-a") == {"q2": 70000}
    assert of(rows, "opening", place="annex") == {"q1": 5000}
    assert of(rows, "staff", place="annex") == pytest.approx({p: 2500 * m for p, (_, m) in PERIODS.items()})
    assert of(rows, "maintenance", place="plant", item="existing:old")["y2"] == 27000
    assert of(rows, "software", place="annex", item="mini")["y2"] == 2000
    assert of(rows, "colocation", place="annex", item="mini")["q1"] == 72
    assert of(rows, "cloud", place="cloud", item="cloud-year") == dict.fromkeys(("q1", "q2", "q3", "q4"), 16 * 2190.0)
    assert of(rows, "resale", place="plant", item="existing:old").keys() == {"q2"}
    assert {row.item for row in rows if row.line == "residual"} == {"buy8", "buy-mini", "block:hall-a"}


def test_direct_lines_name_their_workload(rows):
    sold = 1.5 * 3600 * sum(tau("q2", bucket) for bucket in ("day", "night", "weekend"))
    assert of(rows, "tokens", place="api", item="sold", workload="assist")["q2"] == pytest.approx(0.0009 * sold)
    assert of(rows, "value_served", place="api", workload="assist")["q2"] == pytest.approx(-0.004 * sold)
    assert {(r.place, r.item, r.workload) for r in rows if r.line == "egress"} == {
        ("cloud", "plant>cloud", "chat"),
        ("api", "homes>api", "assist"),
    }
    direct = {"tokens", "egress", "shed_penalty", "value_served"}
    assert {row.line for row in rows if row.workload} == direct == {r.line for r in rows if r.line in direct}
