"""The action calendar: last safe dates against `verify`, and its files against parsers of their own."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import replace
from datetime import date

import pytest
from action_cases import Solved, solved
from report_cases import case, moving_case

from groundplan.plan import MoveRow, OrderRow, Plan
from groundplan.report._action_files import ACTION_COLUMNS, actions_csv, actions_ics
from groundplan.report._actions import actions
from groundplan.report._desk import Action
from groundplan.report._facts import Facts
from groundplan.report._room import least_bins, spare_nodes
from groundplan.report._words import SPACE
from groundplan.spec import HeldPermit
from groundplan.verify import verify
from groundplan.verify._packing import least_bins as checked_bins
from groundplan.verify._world import spare_nodes as checked_spares

ROOM = {"tables", "stock", "demand", "capacity", "replicas", "packing", "spares", "batch", "failover"}
"""Families that say whether the work finds its nodes."""
SEEDS = (2, 3, 9, 24)


@pytest.fixture(scope="module")
def sample() -> Facts:
    return Facts(*case())


@pytest.fixture(scope="module")
def found(sample) -> tuple[Action, ...]:
    return actions(sample)


def of_kind(found: tuple[Action, ...], kind: str) -> list[Action]:
    return [action for action in found if action.kind == kind]


# --- last safe dates of orders, on plans that the solver made ---


def starts(facts: Facts) -> list[date]:
    return [date(*facts.calendar(row.start_month_count), 1) for row in facts.plan.periods]


def moved(case: Solved, row: OrderRow, index: int) -> Plan:
    """The plan with one order signed in another period; rows of one offer, site and period become one."""
    periods, lead = case.plan.periods, case.facts.purchases[row.offer].lead_months
    ready = periods[index].start_month_count + lead
    arrives = next(period.id for period in periods if period.start_month_count >= ready)
    change = {"period": periods[index].id, "arrives": arrives}
    merged: dict[tuple[str, str, str], OrderRow] = {}
    for order in case.plan.orders:
        new = order.model_copy(update=change) if order is row else order
        key = new.offer, new.site, new.period
        nodes = new.nodes + (merged[key].nodes if key in merged else 0)
        merged[key] = new.model_copy(update={"nodes": nodes})
    return case.plan.model_copy(update={"orders": tuple(merged.values())})


def broken(case: Solved, plan: Plan) -> frozenset[str]:
    return verify(plan, case.loaded, case.catalog).families & ROOM


def early(case: Solved) -> Solved:
    """The plan with its last order signed in the first free period: float for the test to find."""
    last = max(case.plan.orders, key=lambda row: case.facts.index[row.period])
    taken = {row.period for row in case.plan.orders if (row.offer, row.site) == (last.offer, last.site)}
    free = next(index for index, row in enumerate(case.plan.periods) if row.id not in taken)
    plan = moved(case, last, free)
    return Solved(plan, case.loaded, case.catalog, Facts(plan, case.loaded, case.catalog, case.facts.report))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("prepare", [lambda case: case, early], ids=["as planned", "one order pulled ahead"])
def test_an_order_may_wait_until_its_last_safe_date_and_no_longer(seed, prepare):
    case = prepare(solved(seed))
    assert not broken(case, case.plan)
    begins, tried = starts(case.facts), 0
    by_id = {action.id: action for action in actions(case.facts)}
    for row in case.plan.orders:
        action = by_id[f"order:{row.offer}:{row.site}:{row.period}"]
        latest = max(index for index, day in enumerate(begins) if day <= action.last_safe)
        assert latest >= case.facts.index[row.period]
        assert not broken(case, moved(case, row, latest)), action.what
        lead = case.facts.purchases[row.offer].lead_months
        in_time = latest + 1 < len(begins)
        if (
            in_time
            and case.plan.periods[latest + 1].start_month_count + lead <= case.plan.periods[-1].start_month_count
        ):
            assert broken(case, moved(case, row, latest + 1)) & {"packing", "spares", "batch"}, action.what
            tried += 1
    assert tried


# --- last safe dates of moves ---


def put_off(case: Solved, row: MoveRow, index: int) -> Plan | None:
    """The plan with one move made in another period; None where it would not arrive within the plan."""
    item = case.facts.existing[row.existing]
    lead = next(move.lead_months for move in item.moves if move.to == row.to)
    ready = case.plan.periods[index].start_month_count + lead
    arrives = next((period.id for period in case.plan.periods if period.start_month_count >= ready), None)
    if arrives is None:
        return None
    late = row.model_copy(update={"period": case.plan.periods[index].id, "arrives": arrives})
    same = [
        other for other in case.plan.moves if other is not row and (other.to, other.period) == (row.to, late.period)
    ]
    late = late.model_copy(update={"nodes": late.nodes + sum(other.nodes for other in same)})
    rest = [other for other in case.plan.moves if other is not row and other not in same]
    return case.plan.model_copy(update={"moves": (*rest, late)})


@pytest.mark.parametrize("seed", [1001, 1003, 1021, 1025])
def test_a_move_may_wait_until_its_last_safe_date_and_no_longer(seed):
    case = solved(seed)
    begins, tried = starts(case.facts), 0
    by_id = {action.id: action for action in actions(case.facts)}
    for row in case.plan.moves:
        leave = by_id[f"move:{row.existing}:{row.to}:{row.period}"]
        latest = max(index for index, day in enumerate(begins) if day <= leave.last_safe)
        kept = put_off(case, row, latest)
        assert kept is not None
        assert not broken(case, kept), leave.what
        late = put_off(case, row, latest + 1) if latest + 1 < len(begins) else None
        if late is not None:
            assert broken(case, late) & {"packing", "spares"}, leave.what
            tried += 1
    assert tried or seed == 1025


def test_a_move_is_taken_down_shipped_and_installed():
    facts = Facts(*moving_case())
    found = actions(facts)
    leave, install = of_kind(found, "move")[0], of_kind(found, "install")[0]
    assert leave.what == f"Take down 2 × {facts.server('mini').name} at shed and ship them to annex"
    assert (leave.site, leave.planned, leave.ready) == ("shed", date(2027, 4, 1), date(2027, 7, 1))
    assert (leave.lead_months, leave.amount_usd, leave.cost_line) == (3, 1400, "moving")
    # Nothing runs on them: they may leave in October, to be there in the last period.
    assert (leave.last_safe, install.last_safe) == (date(2027, 10, 1), date(2028, 1, 1))
    assert (install.site, install.planned, install.amount_usd) == ("annex", date(2027, 7, 1), 0)
    assert {leave.id, "open-site:annex"} <= set(install.depends_on)
    sold = of_kind(found, "retire")[-1] if of_kind(found, "retire")[-1].item == "boxes" else of_kind(found, "retire")[0]
    assert (sold.id, sold.site) == ("retire:boxes:annex:q4", "annex")


def test_export_law_ends_the_float_of_a_move():
    plan, loaded, catalog, report = moving_case()
    china = tuple(
        site.model_copy(update={"country": "CN"}) if site.id == "annex" else site for site in loaded.factory.sites
    )
    permits = (HeldPermit(permit="bis-licence", from_month="2026-01", until_month="2027-06"),)
    factory = loaded.factory.model_copy(update={"sites": china, "held_permits": permits})
    closed = of_kind(actions(Facts(plan, replace(loaded, factory=factory), catalog, report)), "move")[0]
    assert closed.last_safe == date(2027, 5, 31)
    assert "export law refuses it" in closed.consequence


def test_an_order_pulled_ahead_has_its_float_back():
    case, ahead = solved(9), early(solved(9))
    first = next(row for row in ahead.plan.orders if row not in case.plan.orders)
    by_id = {action.id: action for action in actions(ahead.facts)}
    action = by_id[f"order:{first.offer}:{first.site}:{first.period}"]
    assert action.float_days >= 90
    assert action.can_wait


@pytest.mark.parametrize("seed", SEEDS)
def test_no_float_is_negative_and_the_order_is_by_last_safe_date(seed):
    found = actions(solved(seed).facts)
    assert found
    assert all(action.float_days >= 0 for action in found)
    assert [action.last_safe for action in found] == sorted(action.last_safe for action in found)
    assert len({action.id for action in found}) == len(found)


def test_spares_and_packing_are_those_of_verify():
    assert [spare_nodes(n, 0.5) for n in range(1, 400, 7)] == [checked_spares(n, 0.5) for n in range(1, 400, 7)]
    assert spare_nodes(60_000, 0.5) == checked_spares(60_000, 0.5) > 200
    # 3 x 4 + 6 x 3 + 4 x 2 = 38 of 40 slots: first fit decreasing needs six nodes, a search finds five.
    for sizes in (Counter({5: 3, 3: 6, 2: 2}), Counter({4: 3, 3: 6, 2: 4}), Counter({8: 2, 1: 3}), Counter()):
        assert least_bins(sizes, 8) == checked_bins(sizes, 8)


# --- every kind, on the sample whose decisions were worked out by hand ---


def test_the_sample_has_every_action_of_its_plan(sample, found):
    kinds = {kind: len(of_kind(found, kind)) for kind in sorted({action.kind for action in found})}
    assert kinds == {
        "commitment": 1, "hire": 2, "link": 2, "notice": 1, "open-site": 1, "order": 3,
        "power-block": 1, "quota": 1, "retire": 1, "space-contract": 1, "token-api": 1,
    }  # fmt: skip


def test_amounts_of_an_order_are_price_deposit_and_rest(sample, found):
    order = next(action for action in found if action.id == "order:buy8:plant:q1")
    assert order.amount_usd == pytest.approx(2 * 250_000)
    assert order.due_now_usd == pytest.approx(0.3 * 2 * 250_000)
    assert order.amount_local == pytest.approx(order.amount_usd * sample.money.per_usd)
    later = next(action for action in found if action.id == "order:buy8:plant:q4")
    assert later.amount_usd == pytest.approx(250_000 * 0.9 ** (9 / 12))
    hardware = sum(row.usd for row in sample.plan.costs if row.line == "hardware")
    assert sum(action.amount_usd for action in of_kind(found, "order")) == pytest.approx(hardware)


@pytest.mark.parametrize(
    "line", ["tokens", "cloud", "links", "facility", "opening", "training", "resale", "colocation"]
)
def test_amounts_of_a_line_are_the_plans_own(sample, found, line):
    total = sum(row.usd for row in sample.plan.costs if row.line == line)
    assert sum(action.amount_usd for action in found if action.cost_line == line) == pytest.approx(total, rel=1e-9)


def test_a_block_may_wait_until_the_nodes_that_need_it(sample, found):
    # 6 nodes x 10 kW x 1.4 = 84 kW against 75 kW from y2 on; the order that makes it six depends on the block.
    block = of_kind(found, "power-block")[0]
    lead = block.lead_months
    assert lead is not None
    month = 12 - lead
    assert block.last_safe == date(2027 + month // 12, month % 12 + 1, 1)
    assert "power from 2028" in block.consequence
    sixth = next(action for action in found if action.id == "order:buy8:plant:q4")
    assert block.id in sixth.depends_on
    first = next(action for action in found if action.id == "order:buy8:plant:q1")
    assert block.id not in first.depends_on


@pytest.mark.parametrize(("period", "usable_from", "kept"), [("q3", "y2", True), ("q4", None, False)])
def test_a_block_at_its_last_safe_date_is_enough_for_verify_and_later_is_not(sample, found, period, usable_from, kept):
    # Lead of 6 months: bought in July it is usable in January; bought in October it is not in the plan at all.
    assert of_kind(found, "power-block")[0].last_safe == date(2027, 7, 1)
    row = sample.plan.blocks[0]
    late = (row.model_copy(update={"period": period, "usable_from": usable_from}),) if usable_from else ()
    families = verify(sample.plan.model_copy(update={"blocks": late}), sample.loaded, sample.catalog).families
    assert ({"power", "cooling"} & families == set()) is kept
    assert "blocks" not in families


def test_a_commitment_may_wait_no_longer_than_verify_allows(sample, found):
    signed = of_kind(found, "commitment")[0]
    rents = tuple(
        row.model_copy(update={"period": "q2"}) if row.offer == signed.item else row for row in sample.plan.rents
    )
    assert signed.float_days == 0
    late = verify(sample.plan.model_copy(update={"rents": rents}), sample.loaded, sample.catalog)
    assert late.families & {"packing", "spares"}


def test_export_law_ends_the_float_of_an_order():
    # Nobody misses the edge box, so it may come in the last period; in China its licence ends before.
    plan, loaded, catalog, report = case()
    facts = Facts(plan, loaded, catalog, report)
    china = tuple(
        site.model_copy(update={"country": "CN"}) if site.id == "annex" else site for site in loaded.factory.sites
    )
    permits = (HeldPermit(permit="bis-licence", from_month="2026-01", until_month="2027-06"),)
    factory = loaded.factory.model_copy(update={"sites": china, "held_permits": permits})
    closed = Facts(plan, replace(loaded, factory=factory), catalog, report)
    free, bound = (next(a for a in actions(f) if a.item == "buy-mini") for f in (facts, closed))
    assert free.last_safe == date(2028, 1, 1)
    assert bound.last_safe == date(2027, 5, 31)
    assert "export law refuses it" in bound.consequence


def test_a_commitment_says_when_it_ends_and_that_no_notice_is_stated(found):
    signed, end = of_kind(found, "commitment")[0], of_kind(found, "notice")[0]
    assert (signed.planned, end.planned) == (date(2027, 1, 1), date(2028, 1, 1))
    assert signed.notice == end.notice == "no notice period stated"


def test_what_ends_inside_the_plan_is_named(sample):
    permits = tuple(
        HeldPermit(permit=name, from_month="2026-01", until_month=until)
        for name, until in (("inside", "2027-08"), ("beyond", "2035-01"), ("before", "2026-06"))
    )
    plan, loaded, catalog, report = case(held_permits=[row.model_dump() for row in permits])
    named = of_kind(actions(Facts(plan, loaded, catalog, report)), "permit")
    assert [(action.item, action.last_safe) for action in named] == [("inside", date(2027, 8, 1))]


def test_missing_nodes_are_named_with_workload_site_and_period(found):
    # Five old nodes, two retired: without the two new ones three stand where three and a spare are needed.
    order = next(action for action in found if action.id == "order:buy8:plant:q1")
    assert (
        order.consequence == f"chat, inspect, tune and 1 more at plant: 1 of 4{SPACE}nodes missing from Q2{SPACE}2027."
    )


def test_what_nobody_misses_says_so(found):
    # The sample's third node was ordered by hand and nothing needs it: it may come in the last period, three months on.
    order = next(action for action in found if action.id == "order:buy8:plant:q4")
    assert order.consequence == "Nothing in the plan lacks room without it."
    assert order.last_safe == date(2027, 10, 1)


def test_existing_nodes_end_with_their_life():
    # Bought in 2023 to 2025 with a life of four years, inside the plan from 2027 to 2030.
    plan = solved(3)
    bought = plan.loaded.factory.existing[0]
    ends = [action for action in of_kind(actions(plan.facts), "end-of-life") if action.item == bought.id]
    left = bought.nodes_count - sum(row.nodes for row in plan.plan.retirements)
    assert [action.quantity for action in ends] == [left] * (left > 0)
    life = date(int(bought.bought_month[:4]) + 4, int(bought.bought_month[5:]), 1)
    assert all(action.last_safe >= life for action in ends)


# --- files ---


def test_the_table_has_stable_columns_and_iso_dates(found):
    rows = list(csv.DictReader(io.StringIO(actions_csv(found))))
    assert tuple(rows[0]) == ACTION_COLUMNS
    assert len(rows) == len(found)
    for row, action in zip(rows, found, strict=True):
        assert date.fromisoformat(row["last_safe_date"]) - date.fromisoformat(row["planned_date"]) == (
            action.last_safe - action.planned
        )
        assert row["can_wait"] == ("yes" if int(row["float_days"]) >= 90 else "no")
        assert float(row["amount_usd"]) == pytest.approx(action.amount_usd, abs=0.005)


def test_a_formula_in_a_name_stays_text(found):
    nasty = replace(found[0], what='=cmd|"/c calc"!A1')
    assert next(csv.DictReader(io.StringIO(actions_csv([nasty]))))["action"].startswith("'=cmd")


def events(text: str) -> list[dict[str, str]]:
    """Unfold and read events; alarms keep their own keys. Written from RFC 5545, not from the writer."""
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    raw = text.encode().split(b"\r\n")
    assert all(len(line) <= 75 for line in raw)
    lines: list[str] = []
    for line in text.split("\r\n"):
        if line.startswith(" "):
            lines[-1] += line[1:]
        elif line:
            lines.append(line)
    stack: list[str] = []
    made: list[dict[str, str]] = []
    for line in lines:
        name, value = line.split(":", 1)
        if name == "BEGIN":
            stack.append(value)
            if value == "VEVENT":
                made.append({})
        elif name == "END":
            assert stack.pop() == value
        elif "VEVENT" in stack:
            key = f"alarm {name}" if stack[-1] == "VALARM" else name
            assert key not in made[-1]
            made[-1][key] = value
    assert stack == []
    return made


def plain(value: str) -> str:
    out, escaped = "", False
    for character in value:
        if escaped:
            out, escaped = out + ("\n" if character in "nN" else character), False
        elif character == "\\":
            escaped = True
        else:
            assert character not in ",;"
            out += character
    return out


def test_the_calendar_reads_back(sample, found):
    made = events(actions_ics(sample, found))
    assert [plain(event["SUMMARY"]) for event in made] == [
        f"Last safe day: {action.what}".replace(SPACE, " ") for action in found
    ]
    assert len({event["UID"] for event in made}) == len(found)
    for event, action in zip(made, found, strict=True):
        assert event["DTSTART;VALUE=DATE"] == action.last_safe.strftime("%Y%m%d")
        assert event["DTEND;VALUE=DATE"] > event["DTSTART;VALUE=DATE"]
        assert event["DTSTAMP"] == "20270101T000000Z"
        assert event["alarm TRIGGER"] == "-P14D"
        assert action.consequence.replace(SPACE, " ") in plain(event["DESCRIPTION"])


def test_equal_plans_give_equal_bytes_and_other_plans_other_names(sample, found):
    assert actions_ics(sample, found) == actions_ics(Facts(*case()), actions(Facts(*case())))
    other = sample.plan.model_copy(update={"name": "another"})
    changed = actions_ics(Facts(other, sample.loaded, sample.catalog, sample.report), found)
    assert {event["UID"] for event in events(changed)}.isdisjoint(
        event["UID"] for event in events(actions_ics(sample, found))
    )


def test_long_words_of_many_octets_fold_and_read_back(sample, found):
    what = "서울 공장, 선로; 1\\2\n" * 12
    event = events(actions_ics(sample, [replace(found[0], what=what)]))[0]
    assert plain(event["SUMMARY"]) == f"Last safe day: {what}"
