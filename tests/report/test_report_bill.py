"""The bill of materials: its sums are the plan's own, its sizes are worked out by hand."""

from __future__ import annotations

import csv
import io
from collections import defaultdict

import pytest
from action_cases import solved
from report_cases import case, moving_case

from groundplan.plan import PEAK
from groundplan.report._bill import BEFORE, COLUMNS, PURCHASE_LINES, BillRow, bill, bom_csv
from groundplan.report._facts import Facts

RUNNING = ("software", "maintenance", "staff", "training", "colocation", "cloud", "tokens", "links")


@pytest.fixture(scope="module")
def sample() -> Facts:
    return Facts(*case())


@pytest.fixture(scope="module")
def rows(sample) -> tuple[BillRow, ...]:
    return bill(sample)


def totals(rows: tuple[BillRow, ...]) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for row in rows:
        found[row.cost_line] += row.total_usd or 0.0
    return found


def lines(facts: Facts) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for row in facts.plan.costs:
        found[row.line] += row.usd
    return found


def one(rows: tuple[BillRow, ...], site: str, phase: str, kind: str) -> BillRow:
    found = [row for row in rows if (row.site, row.phase, row.kind) == (site, phase, kind)]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("line", [*PURCHASE_LINES, *RUNNING])
def test_rows_of_a_line_sum_to_the_line_of_the_plan(sample, rows, line):
    wanted = lines(sample)[line]
    assert wanted > 0
    assert totals(rows)[line] == pytest.approx(wanted, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("seed", [3, 9])
def test_so_they_do_on_plans_that_the_solver_made(seed):
    facts = solved(seed).facts
    found, wanted = totals(bill(facts)), lines(facts)
    for line in (*PURCHASE_LINES, *RUNNING):
        assert found[line] == pytest.approx(wanted[line], rel=1e-6, abs=1e-6), line


def test_so_they_do_where_nodes_move():
    facts = Facts(*moving_case())
    rows = bill(facts)
    found, wanted = totals(rows), lines(facts)
    for line in (*PURCHASE_LINES, *RUNNING, "moving"):
        assert found[line] == pytest.approx(wanted[line], rel=1e-9, abs=1e-6), line
    # Two boxes come to the annex in q3; nothing is bought for them, and racks and feeds are sized with them.
    way = one(rows, "annex", "q3", "moving")
    assert (way.quantity, way.unit_price_usd, way.accelerators) == (2, 700, None)
    assert "not bought" in way.note
    assert [row.quantity for row in rows if (row.site, row.kind, row.item) == ("shed", "server", way.item[8:])] == [3]
    assert one(rows, "annex", "q3", "air cooling").quantity == 2 * 2.0


def test_a_row_is_quantity_times_price(rows):
    priced = [row for row in rows if row.unit_price_usd is not None]
    assert len(priced) > 20
    for row in priced:
        assert row.total_usd == pytest.approx(row.quantity * (row.unit_price_usd or 0.0))
        assert row.cost_line
    assert all(row.total_usd is None and not row.cost_line for row in rows if row.unit_price_usd is None)


def test_servers_have_units_accelerators_nameplate_and_mean(sample, rows):
    # Two nodes of 8 accelerators and 10 kW come to a site with a peak PUE of 1.4.
    new = one(rows, "plant", "q2", "server")
    assert (new.quantity, new.accelerators, new.rack_slots) == (2, 16, pytest.approx(2 * rack(sample)))
    assert new.provisioned_kw == pytest.approx(1.4 * 20)
    assert new.mean_kw == pytest.approx(mean_kw(sample, "plant", "q2") * 2 / 5)
    old = one(rows, "plant", BEFORE, "server")
    assert (old.quantity, old.unit_price_usd) == (5, None)
    assert old.mean_kw is not None
    assert 0 < old.mean_kw < (old.provisioned_kw or 0)


def rack(facts: Facts) -> float:
    """A node takes half a rack by height, or its 10 kW of what a rack may shed."""
    hosting = facts.sites["plant"].hosting
    assert hosting is not None
    return max(0.5, 10 / hosting.rack_limit_kw)


def mean_kw(facts: Facts, site: str, period: str) -> float:
    """From the plan's own energy: what its loads and gangs draw by hour, idle power beside."""
    shares = {"day": 60 / 168, "night": 60 / 168, "weekend": 48 / 168}
    hours = 8760 / 4
    kw = 2.0 * 5
    for row in facts.plan.loads:
        if (row.site, row.period) == (site, period) and row.bucket != PEAK:
            point = facts.points[row.point]
            kw += shares[row.bucket] * point.dynamic_kw * row.units_per_s / point.capacity_per_s
    for gang in facts.plan.batch:
        if (gang.site, gang.period) == (site, period):
            kw += facts.points[gang.point].dynamic_kw * gang.gang_hours / hours
    return facts.sites[site].pue * kw


def test_racks_feeds_and_ups_follow_the_tier(sample, rows):
    sites = {site.id: site.hosting for site in sample.factory.sites}
    for row in rows:
        hosting = sites[row.site]
        if row.kind == "power feeds":
            assert hosting is not None
            racks = one(rows, row.site, row.phase, "racks")
            assert row.quantity == racks.quantity * (2 if hosting.ups_tier == "2n" else 1)
            assert row.note.startswith(f"{hosting.ups_tier}: ")
        if row.kind == "racks":
            assert row.quantity == int(row.quantity)
    assert one(rows, "plant", BEFORE, "racks").quantity == -(-5 // int(1 / rack(sample)))
    edge = one(rows, "annex", "q1", "UPS")
    assert edge.quantity == pytest.approx(2.0 / 0.95), "n+1: the module more is said, its size is the maker's"


def test_cooling_splits_the_heat(rows):
    # Five liquid-cooled nodes of 10 kW, 0.3 of it to liquid.
    assert one(rows, "plant", BEFORE, "air cooling").quantity == pytest.approx(35)
    assert one(rows, "plant", BEFORE, "liquid cooling").quantity == pytest.approx(15)
    assert one(rows, "annex", "q1", "air cooling").quantity == pytest.approx(2)
    # Two go as two come in q2, so that nothing is added; the sixth node comes in y2.
    assert not [row for row in rows if (row.site, row.phase, row.kind) == ("plant", "q2", "racks")]
    assert one(rows, "plant", "y2", "air cooling").quantity == pytest.approx(7)


def test_network_is_a_share_only_where_the_price_leaves_it_out(sample, rows):
    share = sample.factory.money.overheads.network_share
    assert one(rows, "plant", "q2", "network").unit_price_usd == pytest.approx(share * 250_000)
    covered = one(rows, "annex", "q1", "network")
    assert covered.total_usd == 0
    assert "all-in site" in covered.note


def test_prices_name_who_says_so(rows):
    for row in rows:
        if row.kind in ("server", "network", "storage", "spares", "licences", "rented nodes", "tokens"):
            assert row.source is not None, row
            assert row.source.who


def test_the_table_has_stable_columns_and_reads_back(rows):
    read = list(csv.DictReader(io.StringIO(bom_csv(rows))))
    assert tuple(read[0]) == COLUMNS
    assert len(read) == len(rows)
    for text, row in zip(read, rows, strict=True):
        assert float(text["quantity"]) == pytest.approx(row.quantity, abs=1e-6)
        assert (text["total_usd"] == "") == (row.total_usd is None)
        assert text["total_usd"] == "" or float(text["total_usd"]) == pytest.approx(row.total_usd or 0.0, abs=1e-5)
